"""Reads a rule with the matches and verdicts of a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from svcc.kernel.xtables.matches import Match
from svcc.kernel.xtables.script import Rule
from svcc.kernel.xtables.verdicts import Final, Goto, Jump, Verdict
from svcc.targets.reading import quoted
from svcc.targets.xtables_read.matches import MATCHES, Reader
from svcc.targets.xtables_read.verdicts import VERDICTS
from svcc.targets.xtables_read.words import NotRead, Words, split

_FINAL = {name: Final(name) for name in ("ACCEPT", "DROP", "RETURN")}


@dataclass(slots=True)
class Grammar:
    """The matches and verdicts of one target."""

    matches: Mapping[str, Reader] = field(default_factory=dict)  # those of the target alone, beside :data:`MATCHES`
    verdicts: Mapping[str, Callable[[Words], Verdict]] = field(default_factory=dict)
    # a cache, because thousands of rules share their matches
    _known: dict[str, tuple[Match, ...]] = field(default_factory=dict)

    def rule(self, text: str) -> Rule:
        """Return the rule that is printed as ``text``. Errors: NotRead."""
        known = self._known
        cut = max(text.rfind(" -j "), text.rfind(" -g ")) + 1
        if cut and text[:cut] in known:
            matches = known[text[:cut]]
            words = split(text[cut:])
        else:
            words = split(text)
            matches = tuple(self._matches(words))
            if cut:
                known[text[:cut]] = matches
        rule = Rule(matches, self._verdict(words))
        if words.at < len(words.words):
            raise NotRead(f"expected the end of the rule behind the verdict, not {quoted(words.words[words.at])}")
        if str(rule) != text:
            raise NotRead(f"the target prints this as {quoted(str(rule))}")
        return rule

    def knows(self, rules: Iterable[str]) -> bool:
        """Whether all of these texts are rules of the target."""
        try:
            for text in rules:
                self.rule(text)
        except NotRead:
            return False
        return True

    def _matches(self, words: Words) -> list[Match]:
        found: list[Match] = []
        while words.words[words.at : words.at + 1] not in ([], ["-j"], ["-g"]):
            word = words.take()
            negate = word == "!"
            key = words.take() if negate else word
            if key == "-m":
                key = f"-m {words.take()}"
            reader = self.matches.get(key) or MATCHES.get(key)
            if reader is None:
                raise NotRead(f"no rule of the target has {quoted(key)}")
            found.append(reader(words, negate))
        return found

    def _verdict(self, words: Words) -> Verdict:
        option, name = words.take(), words.take()
        if option == "-g":
            return Goto(name)
        special = self.verdicts.get(name) or VERDICTS.get(name)
        return special(words) if special else _FINAL.get(name) or Jump(name)
