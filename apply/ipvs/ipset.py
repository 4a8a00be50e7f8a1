"""Our ipsets, with ipset(8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.ipvs.call import trial
from svcc.apply.ipvs.set_lines import additions, change_of_line, declared, prelude, removals, undeclared
from svcc.apply.ipvs.sets import Set, Sets, element_place, parse_sets
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.steps import Change, Phase, Step, StepError, Verb, counted

_RESTORE = ("ipset", "-exist", "restore")
_FAILED = re.compile(r"Error in line (\d+): (.*)")


class IpsetDriver(Driver[Sets]):
    """All sets under our prefix."""

    part: ClassVar[str] = "ipset"

    def parse(self, text: str, scope: Scope) -> Sets:
        return parse_sets(text)

    def read(self, scope: Scope, wanted: Sets | None = None) -> Sets:
        return read_sets(scope)

    def changes(self, live: Sets, wanted: Sets) -> Iterator[Change]:
        for name in sorted(live.keys() | wanted.keys()):
            before, after = live.get(name), wanted.get(name)
            if before == after:
                continue
            if before is None:
                yield Change(Verb.ADD, self.part, "set", name)
            elif after is None:
                yield Change(Verb.REMOVE, self.part, "set", name)
            elif before.create != after.create:
                yield Change(Verb.CHANGE, self.part, "set", name, before.create, after.create)
            yield from _element_changes(name, before, after)

    def steps(self, live: Sets, wanted: Sets, scope: Scope, transition: Transition) -> list[Step]:
        phases = {
            Phase.SETS: [*additions(live, wanted, scope.prefix)],
            Phase.DECLARED: [*declared(live, wanted)],
            Phase.DECLARED_OFF: [*undeclared(live, wanted)],
            Phase.SETS_OFF: [*removals(live, wanted)],
        }
        return [_step(phase, lines, live) for phase, lines in phases.items() if lines]

    def dump(self, state: Sets) -> Any:
        return {name: [one.create, one.hashsize, _dumped(one)] for name, one in state.items()}

    def load(self, data: Any) -> Sets:
        return {name: Set(create, _loaded(elements), hashsize) for name, (create, hashsize, elements) in data.items()}


def read_sets(scope: Scope, only: tuple[str, ...] = ("",)) -> dict[str, Set]:
    """Our sets as they are, or only those whose names end so. Errors: StepError."""
    if tools.find("ipset") is None:
        return {}
    listed = tools.attempt("ipset", ["ipset", "list", "-n"])
    if listed.returncode:
        if not Path("/sys/module/ip_set").exists():  # the kernel has no sets at all
            return {}
        raise listed.error("ipset", reading=True)
    names = listed.stdout.splitlines()
    ours = [name for name in names if scope.owns(name) and name.endswith(only)]
    if len(ours) == len(names):
        return parse_sets(tools.read("ipset", ["ipset", "save"])) if names else {}
    # Somebody else's sets may be a thousand times as large as ours.
    return parse_sets("".join(tools.read("ipset", ["ipset", "save", name]) for name in ours))


def _element_changes(name: str, before: Set | None, after: Set | None) -> Iterator[Change]:
    old, new = before.elements if before else {}, after.elements if after else {}
    for element in sorted(old.keys() - new.keys()):
        yield _element_change(Verb.REMOVE, name, element)
    for element, options in new.items():
        if element not in old:
            yield _element_change(Verb.ADD, name, element)
        elif old[element] != options:
            yield _element_change(Verb.CHANGE, name, element, old[element].strip(), options.strip())


def _element_change(verb: Verb, name: str, element: str, before: str = "", after: str = "") -> Change:
    return Change(verb, "ipset", "element", f"{name} {element}", before, after, element_place(name, element))


def _step(phase: Phase, lines: list[str], live: Sets) -> Step:
    check = (lambda: _try(lines, live)) if phase in (Phase.SETS, Phase.DECLARED) else None
    return Step(phase, "ipset", _title(lines), len(lines) == 1, len(lines), lambda: _restore(lines, live), check)


def _title(lines: Iterable[str]) -> str:
    commands = [line[:3] for line in lines]
    rebuilt = commands.count("swa")
    counts = {
        ("set", "created"): commands.count("cre") - rebuilt,
        ("set", "made anew"): rebuilt,
        ("element", "added"): commands.count("add"),
        ("element", "removed"): commands.count("del"),
        ("set", "destroyed"): commands.count("des") - rebuilt,
    }
    return ", ".join(f"{counted(number, noun)} {what}" for (noun, what), number in counts.items() if number)


def _restore(lines: list[str], live: Sets, before: Iterable[str] = ()) -> None:
    """Load lines, after others. ipset stops at the first that is refused, and keeps what came before it."""
    text = [*before, *lines]
    done = tools.attempt("ipset", _RESTORE, "".join(f"{line}\n" for line in text))
    if not done.returncode:
        return
    failed = _FAILED.search(done.words)
    if failed is None or not 1 <= int(failed[1]) <= len(text):
        raise done.error("ipset")
    line = text[int(failed[1]) - 1]
    raise StepError("ipset", failed[2], culprit=change_of_line(line, live), line=line)


def _try(lines: list[str], live: Sets) -> None:
    with trial("ipset"):
        _restore(lines, live, prelude(lines, live))


def _dumped(one: Set) -> Any:
    """The elements, alone where they have no options: a tenth of the size otherwise is punctuation."""
    return dict(one.elements) if any(one.elements.values()) else [*one.elements]


def _loaded(elements: Any) -> dict[str, str]:
    return elements if isinstance(elements, dict) else dict.fromkeys(elements, "")
