"""The TLS of an access: certificates from files, or from texts that are never written to a disk."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from svcc.kubernetes_api.access import Access, Pem
from svcc.kubernetes_api.errors import BadConfig, in_words
from svcc.kubernetes_api.files import read

#: What a change of a file alters: inode, size and time of change. None where there is no such file.
_Mark: TypeAlias = tuple[int, int, int] | None


class Tls:
    """The TLS context of an access. It is made again when a file of the access has changed, as certificates are
    renewed."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._files = [one for one in (access.authority, access.certificate, access.key) if isinstance(one, Path)]
        self._marks: list[_Mark] = []
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context. Errors: BadConfig."""
        marks = [_mark(file) for file in self._files]
        if self._context is None or marks != self._marks:
            self._context = _context(self._access)
            self._marks = marks
        return self._context


def _mark(file: Path) -> _Mark:
    with suppress(OSError):
        found = file.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _context(access: Access) -> ssl.SSLContext:
    authority = access.authority
    try:
        context = ssl.create_default_context(cadata=None if authority is None else _text(authority))
    except (ssl.SSLError, ValueError) as error:
        raise BadConfig(f"{_name(authority, 'certificate-authority-data')}: {in_words(error)}") from None
    # Python 3.13 is stricter about RFC 5280 than other clients, and than many clusters' authorities.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate is not None and access.key is not None:
        with _file(access.certificate) as certificate, _file(access.key) as key:
            try:
                context.load_cert_chain(certificate, key, password=_no_password)
            except (ssl.SSLError, ValueError, OSError) as error:
                raise BadConfig(f"{_name(access.certificate, 'client-certificate-data')}: {in_words(error)}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted: svcc needs one without a password")


def _name(pem: Pem | None, otherwise: str) -> str:
    return str(pem) if isinstance(pem, Path) else otherwise


def _text(pem: Pem) -> str:
    if isinstance(pem, str):
        return pem
    try:
        return read(pem).decode("ascii")
    except ValueError:
        raise BadConfig(f"{pem}: not a certificate in PEM's form") from None


@contextmanager
def _file(pem: Pem) -> Iterator[str]:
    """Yield the name of a file in memory that holds the PEM: OpenSSL reads only files."""
    data = read(pem) if isinstance(pem, Path) else pem.encode("ascii")
    number = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as opened:
            opened.write(data)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
