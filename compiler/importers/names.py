"""Makes names that svcc accepts, for what has another name in other programs, or none."""

from __future__ import annotations

import re

from svcc.compiler.names import QUOTED

_UNUSUAL = re.compile(r"[^A-Za-z0-9_.@+=:/-]+")
#: The most characters of a name, which becomes a part of the names of most kernel objects.
_LENGTH = 120


def valid(text: str) -> str:
    """Return the valid name that is nearest to a text: the text itself, where it is valid.

    >>> valid("shop/web"), valid("8080-tcp"), valid("my service!"), valid("")
    ('shop/web', '8080-tcp', 'my-service', 'unnamed')
    """
    if len(text) <= _LENGTH and QUOTED.fullmatch(text):
        return text
    return _UNUSUAL.sub("-", text).strip("-.@+=:/")[:_LENGTH].rstrip("-.@+=:/") or "unnamed"


class Names:
    """Gives each thing a name that no other has."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}  # the names that are taken, and how often each was asked for

    def fresh(self, text: str) -> str:
        """Return the nearest valid name, with a number behind it where the name is taken.

        >>> names = Names()
        >>> names.fresh("web"), names.fresh("web"), names.fresh("web")
        ('web', 'web-2', 'web-3')
        """
        name = wanted = valid(text)
        while name in self._given:
            self._given[wanted] += 1
            name = f"{wanted}-{self._given[wanted]}"
        self._given[name] = 1
        return name
