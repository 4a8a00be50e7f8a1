"""A kernel that is a set of words in a file, with a driver: for tests of the engine with any number of steps.

Words in capitals are rules, which change all at once. Words that begin with @ are addresses, and the others servers,
each a step of its own. The bundle's part lists them, one on each line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from svcc.apply.driver import Driver, Reading, Transition
from svcc.apply.scope import Scope
from svcc.kernel.nft.state import NftState
from svcc.kernel.steps import Change, Phase, Step, StepError, Verb
from svcc.targets import targets
from svcc.targets.interface import Artifact, Bundle

Words = frozenset[str]


class FakeReading(Reading[Words]):
    """A reading that finds these words."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def state(self, scope: Scope, wanted: Words) -> Words:
        return self._words


class FakeDriver(Driver[Words]):
    part = "nft"
    translates = True

    def __init__(self, kernel: Path) -> None:
        self._kernel = kernel
        self.refused: Words = frozenset()  # words that the kernel refuses to add or remove

    def holds(self) -> Words:
        return frozenset(json.loads(self._kernel.read_text())) if self._kernel.exists() else frozenset()

    def hold(self, words: Words) -> None:
        self._kernel.write_text(json.dumps(sorted(words)))

    def parse(self, text: str, scope: Scope) -> Words:
        return frozenset(text.split())

    def read(self, scope: Scope, wanted: Words) -> Words:
        return self.holds()

    def changes(self, live: Words, wanted: Words) -> Iterator[Change]:
        yield from (Change(Verb.REMOVE, self.part, "word", word) for word in sorted(live - wanted))
        yield from (Change(Verb.ADD, self.part, "word", word) for word in sorted(wanted - live))

    def steps(self, live: Words, wanted: Words, scope: Scope, transition: Transition) -> list[Step]:
        rules_off, rules_on = ({w for w in words if w.isupper()} for words in (live - wanted, wanted - live))
        steps = [
            self._step(Phase.ADDRESSES if word.startswith("@") else Phase.SERVERS, {word}, set())
            for word in sorted(wanted - live - rules_on)
        ]
        if rules_off or rules_on:
            steps.append(self._step(Phase.RULES, rules_on, rules_off))
        return steps + [self._step(Phase.SERVERS_OFF, set(), {word}) for word in sorted(live - wanted - rules_off)]

    def _step(self, phase: Phase, come: set[str], go: set[str]) -> Step:
        def run() -> None:
            refused = sorted(self.refused & (come | go))
            if refused:
                raise StepError(self.part, f"{refused[0]} is refused")
            self.hold(self.holds() - go | come)

        return Step(phase, self.part, f"{len(come)} come, {len(go)} go", True, 1, run)

    def dump(self, state: Words) -> Any:
        return sorted(state)

    def load(self, data: Any) -> Words:
        return frozenset(data)


def bundle_of(words: Words) -> Bundle:
    part = targets()["nft"].parts[0]
    return Bundle("nft", None, (Artifact(part, "".join(f"{word}\n" for word in sorted(words)), NftState()),))
