"""What goes wrong with a Kubernetes API, as one tree.

ApiError
├── BadConfig      the kubeconfig, or what it leads to, is of no use
├── Unreachable    no connection, no answer in time, or a connection that broke
├── Refused        the server answered with another status than 200
│   └── Gone       it no longer has what a list or a watch should go on from: list again
└── BadAnswer      the answer is not what the API's reference says
    └── TooLarge   it is larger than what is taken
"""

from __future__ import annotations


class ApiError(Exception):
    """The root of the tree. The message is one line, and fit to be printed."""


class BadConfig(ApiError):
    """The message names the file and the field."""


class Unreachable(ApiError):
    """What is known of the server's objects stays true as far as anybody knows."""


class Refused(ApiError):
    """``status``: of HTTP, or the ``code`` of a Status object; ``reason``: the Status object's, or "".

    ``wait``: seconds for which the server asks to be left alone (Retry-After); 0.0: it does not.
    """

    def __init__(self, message: str, status: int, reason: str = "", wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.wait = wait


class Gone(Refused):
    """A resourceVersion or a ``continue`` token is older than what the server keeps, or newer than what it has."""


class BadAnswer(ApiError):
    """No part of such an answer is taken."""


class TooLarge(BadAnswer):
    """Fewer objects at once may be taken."""


def in_words(said: object, most: int = 300) -> str:
    """What somebody else said, in one short line that is fit to be printed."""
    line = " ".join(str(said).split())
    short = line if len(line) <= most else f"{line[:most]}…"
    return "".join(sign if sign.isprintable() else "?" for sign in short)
