"""A slip: a pattern of text that people write by mistake, and the hint that says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

#: What is said of a match: a text with the groups of the pattern in braces, or a function that makes the text. A
#: function may return None: then the match is no slip of this kind. ``{spoken}`` is the protocol of the statement.
Hint: TypeAlias = str | Callable[[re.Match[str]], str | None]

#: Words that begin svcc's statements, as alternatives of a pattern.
KEYWORDS = (
    "endpoints|service|node|cluster|defaults|balancer|svcc|vip|external-ip|announce|allow-from|port|scheduler|affinity|traffic|masquerade|snat|forward|when-empty|check|"
    "when-failed|prefix|pods|nodeports|nodeport-addresses|vip-device|mark|address|zone|instance|let|include"
)


def protocol_of(statement: str) -> str:
    """Return the protocol that a statement names, in any place and case; tcp where it names none, or several."""
    named = {word.lower() for word in re.findall(r"(?i)(?<![a-z])(?:tcp|udp|sctp)(?![a-z])", statement)}
    return named.pop() if len(named) == 1 else "tcp"


@dataclass(frozen=True, slots=True)
class Slip:
    """A pattern for a statement or for a piece of one, and what to say about it."""

    pattern: re.Pattern[str]
    hint: Hint

    def said_of(self, match: re.Match[str]) -> str | None:
        """Return the hint for a match of the pattern. Return None where the match is no slip of this kind."""
        if callable(self.hint):
            return self.hint(match)
        return self.hint.format_map({"spoken": protocol_of(match.string), **match.groupdict()})


def slips(*rows: tuple[str, Hint]) -> tuple[Slip, ...]:
    """Return a table of slips from patterns with their hints."""
    return tuple(Slip(re.compile(pattern), hint) for pattern, hint in rows)
