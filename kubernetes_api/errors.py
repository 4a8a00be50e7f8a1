"""The errors of a Kubernetes API, as one tree.

ApiError
├── BadConfig      the kubeconfig, or a file that it names, cannot be used
├── Unreachable    no connection, no answer in time, or a connection that broke
├── Refused        the server answered with another status than 200
│   └── Gone       it no longer has what a list or a watch should go on from: list again
└── BadAnswer      the answer is not what the API's reference says
    └── TooLarge   it is larger than the limit
"""

from __future__ import annotations


class ApiError(Exception):
    """The root of the tree. The message is one printable line."""


class BadConfig(ApiError):
    """The kubeconfig, or a file that it names, cannot be used. The message names the file and the field."""


class Unreachable(ApiError):
    """The server cannot be reached. What is known of its objects counts as true until it can."""


class Refused(ApiError):
    """The server answered with a status other than 200.

    ``status``: of HTTP, or the ``code`` of a Status object; ``reason``: the Status object's, or "". ``wait``: seconds
    for which the server asks not to be asked (Retry-After); 0.0 where it does not.
    """

    def __init__(self, message: str, status: int, reason: str = "", wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.wait = wait


class Gone(Refused):
    """A resourceVersion or a ``continue`` token is older than what the server keeps, or newer than what it has."""


class BadAnswer(ApiError):
    """The answer is not what the API's reference says. No part of it is used."""


class TooLarge(BadAnswer):
    """The answer is larger than the limit. Fewer objects at once may fit."""


def in_words(said: object, most: int = 300) -> str:
    """Return foreign text as one short printable line."""
    line = " ".join(str(said).split())
    short = line if len(line) <= most else f"{line[:most]}…"
    return "".join(sign if sign.isprintable() else "?" for sign in short)
