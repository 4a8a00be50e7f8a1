"""Names that svcc takes, for what other programs call otherwise or not at all."""

from __future__ import annotations

import re

from svcc.compiler.names import QUOTED

_UNUSUAL = re.compile(r"[^A-Za-z0-9_.@+=:/-]+")
#: Characters of a name: of most kernel objects it is a part.
_LENGTH = 120


def valid(text: str) -> str:
    """The nearest name to a text: itself, where it can be one.

    >>> valid("shop/web"), valid("8080-tcp"), valid("my service!"), valid("")
    ('shop/web', '8080-tcp', 'my-service', 'unnamed')
    """
    if len(text) <= _LENGTH and QUOTED.fullmatch(text):
        return text
    return _UNUSUAL.sub("-", text).strip("-.@+=:/")[:_LENGTH].rstrip("-.@+=:/") or "unnamed"


class Names:
    """Gives each thing a name that no other has."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}  # and how often it was asked for

    def fresh(self, text: str) -> str:
        """The nearest valid name, with a number behind it where it is given away already.

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
