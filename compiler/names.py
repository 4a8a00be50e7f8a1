"""Names as people write them, and the words made from them that name kernel objects."""

from __future__ import annotations

import re
from hashlib import sha256

#: The names that need no quotes.
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
#: The names of lets. In ``$office/24``, the `/` could as well begin the length of a prefix.
LET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
LET_FORM = "a let's name begins with a letter or `_`, and holds letters, digits, `_`, `.` and `-`"
#: What ``"…"`` may hold: printable ASCII without blanks, quotes, backslashes and square brackets.
QUOTED = re.compile(r"[A-Za-z0-9_][!#-&(-Z^_a-~]*")
_FORM = "is ASCII, begins with a letter, a digit or `_`, and holds no blanks, quotes, `\\`, `[` or `]`"
FORM, QUOTED_FORM = f"a name {_FORM}", f"a quoted name {_FORM}"

#: Length of the hashes in names. With 40 bits, the odds of a clash among 10,000 names with a hash are 1 in 20,000.
HASH_DIGITS = 10

_SAFE = re.compile(r"[A-Za-z0-9_./-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_./-]")
#: Port names that are names of protocols, as many are. See :func:`label`.
_PROTOCOLS = frozenset(("tcp", "udp", "sctp", "http", "https", "http2", "http3", "quic", "grpc", "tls"))


def quotable(name: str) -> bool:
    """Whether a name that the plain form cannot hold is a name in quotes."""
    return QUOTED.fullmatch(name) is not None


def is_name(text: str) -> bool:
    """Whether a text can be a name, in quotes or without."""
    return PLAIN.fullmatch(text) is not None or quotable(text)


def written(name: str) -> str:
    """Return a name as a program writes it, in quotes where it needs them.

    >>> written("shop/web"), written("9to5/web")
    ('shop/web', '"9to5/web"')
    """
    return name if PLAIN.fullmatch(name) else f'"{name}"'


def to_declare(keyword: str, name: str, block: str = "{ … }") -> str:
    """Return the hint that says how a name is declared, or, where nothing can have that name, what names are."""
    return f"declare it: {keyword} {written(name)} {block}" if is_name(name) else QUOTED_FORM


def digest(text: str) -> str:
    """Return a short hash of a text, the same on every machine."""
    return sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def word(name: str) -> str:
    """Return a name in the form that it has in names and comments of kernel objects: all of them take these characters.

    >>> word("shop/web"), word("web@2")
    ('shop/web', 'web_2-41f409b2e0')
    """
    return name if _SAFE.fullmatch(name) else f"{_UNSAFE.sub('_', name)}-{digest(name)}"


def label(service: str, port: str | None) -> str:
    """Return the word for a service's port. Different ports have different words, and a port's word depends on nothing
    else.

    What follows a single dash is the port if it is the name of a protocol, and else part of the service's name. Two
    dashes always separate a service from its port.

    >>> label("shop/web", "http"), label("shop-web", None), label("shop", "web")
    ('shop/web-http', 'shop-web', 'shop--web')
    """
    head, tail = word(service), None if port is None else word(port)
    for text in (head,) if tail is None else (f"{head}-{tail}", f"{head}--{tail}"):
        if _split_label(text) == (head, tail):
            return text
    return f"{head if tail is None else f'{head}--{tail}'}-{digest(f'{service} {port}')}"


def _split_label(text: str) -> tuple[str, str | None]:
    """Return the service and the port that a label would be read as."""
    for dash in ("--", "-"):
        service, found, port = text.rpartition(dash)
        if found and (dash == "--" or port in _PROTOCOLS):
            return service, port
    return text, None
