"""Names of kernel objects: unchanged where they fit, else cut, with a short stable hash at the end."""

from __future__ import annotations

from svcc.compiler.names import HASH_DIGITS, digest


def fit(name: str, limit: int) -> str:
    """Return ``name`` where it has at most ``limit`` characters, else its beginning, ``-`` and a hash of the whole
    name.

    The result depends on ``name`` alone, so that it stays the same when other names come and go.

    >>> fit("CUSTOM-SVC-shop/web-http", 28)
    'CUSTOM-SVC-shop/web-http'
    >>> fit("CUSTOM-SVC-shop/web-frontend-http", 28)
    'CUSTOM-SVC-shop/w-3ce1ff82a9'
    """
    if len(name) <= limit:
        return name
    return f"{name[: limit - HASH_DIGITS - 1]}-{digest(name)}"


def comment(text: str, limit: int) -> str:
    """Return a comment that fits, cut with three dots at its end if it has to be."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
