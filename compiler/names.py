"""Names as people write them, and the words that kernel objects are named by."""

from __future__ import annotations

import re
from hashlib import sha256

#: What ``"…"`` may hold: printable ASCII without blanks, quotes, backslashes and square brackets.
QUOTED = re.compile(r"[A-Za-z0-9_][!#-&(-Z^_a-~]*")
QUOTED_FORM = "a quoted name begins with a letter, a digit or `_`, and holds no blanks, quotes, `\\`, `[` or `]`"

#: Length of the hashes in names. 40 bits: among 10,000 names with a hash a clash has odds of 1 in 20,000.
HASH_DIGITS = 10

_SAFE = re.compile(r"[A-Za-z0-9_./-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_./-]")
#: Ports named by their protocol, which many are. See :func:`label`.
_PROTOCOLS = frozenset(("tcp", "udp", "sctp", "http", "https", "http2", "http3", "quic", "grpc", "tls"))


def digest(text: str) -> str:
    """A short hash, the same on every machine."""
    return sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def word(name: str) -> str:
    """A name as part of the names and comments of kernel objects, all of which take these characters.

    >>> word("shop/web"), word("web@2")
    ('shop/web', 'web_2-41f409b2e0')
    """
    return name if _SAFE.fullmatch(name) else f"{_UNSAFE.sub('_', name)}-{digest(name)}"


def label(service: str, port: str | None) -> str:
    """The word for a service's port. No two ports have the same one, and none depends on what else there is.

    A single dash ends in a port where that is the name of a protocol, else it is part of a service's name; two dashes
    always part a service and a port.

    >>> label("shop/web", "http"), label("shop-web", None), label("shop", "web")
    ('shop/web-http', 'shop-web', 'shop--web')
    """
    head, tail = word(service), None if port is None else word(port)
    for text in (head,) if tail is None else (f"{head}-{tail}", f"{head}--{tail}"):
        if _parted(text) == (head, tail):
            return text
    return f"{head if tail is None else f'{head}--{tail}'}-{digest(f'{service} {port}')}"


def _parted(text: str) -> tuple[str, str | None]:
    """The service and the port that a label is read as."""
    for dash in ("--", "-"):
        service, found, port = text.rpartition(dash)
        if found and (dash == "--" or port in _PROTOCOLS):
            return service, port
    return text, None
