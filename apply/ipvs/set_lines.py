"""What ``ipset -exist restore`` reads to make one state of sets of another, by the phase in which it may happen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from svcc.apply.ipvs.sets import DECLARED, Set, Sets, element_place
from svcc.kernel.steps import Change, Verb

#: Whose elements keep clients out: they come after those that let them in, and go before.
_GUARD = "-RESTRICTED"


#: Whose elements lead clients to virtual servers, which are to be there before.
_SERVED = "-CLUSTER-IP"


def additions(live: Sets, wanted: Sets, prefix: str) -> Iterator[str]:
    """Sets and elements that come. Nothing that rules look up is missing from a set in between."""
    temporary = _free_name(live, wanted, prefix)
    for name in sorted(wanted, key=lambda name: name.endswith(_GUARD)):
        before, after = live.get(name), wanted[name]
        if before is None:
            yield from _filled(name, after)
        elif before == after:
            continue
        elif before.create == after.create:
            if not name.endswith(_SERVED):
                yield from _added(name, before, after)
        elif before.kind == after.kind:
            yield from _filled(temporary, after)
            yield from (f"add {temporary} {element}" for element in _kept(before, after))
            yield f"swap {temporary} {name}"
            yield f"destroy {temporary}"
        else:  # only where somebody else made it: ours never change their type
            yield f"destroy {name}"
            yield from _filled(name, after)


def declared(live: Sets, wanted: Sets) -> Iterator[str]:
    """Elements that come and say that a port of a vip is served."""
    for name, after in wanted.items():
        if name.endswith(_SERVED) and name in live and live[name].create == after.create:
            yield from _added(name, live[name], after)


def undeclared(live: Sets, wanted: Sets) -> Iterator[str]:
    """Elements that go and said that a port is served."""
    return _removals(live, wanted, [name for name in live if name.endswith(DECLARED)])


def removals(live: Sets, wanted: Sets) -> Iterator[str]:
    """All other elements that go, and sets."""
    names = [name for name in live if not name.endswith(DECLARED)]
    yield from _removals(live, wanted, sorted(names, key=lambda name: not name.endswith(_GUARD)))
    for name in live:
        if name not in wanted:
            yield f"destroy {name}"


def prelude(lines: list[str], live: Sets) -> list[str]:
    """What makes a namespace without sets one in which the lines can be tried: the sets that they take for granted."""
    made: set[str] = set()
    needed: dict[str, None] = {}
    for line in lines:
        words = line.split(" ", 3)
        if words[0] == "create":
            made.add(words[1])
        for name in words[1:3] if words[0] == "swap" else words[1:2]:
            if name in live and name not in made:
                needed[name] = None
    return [live[name].create_line(name) for name in needed]


def change_of_line(line: str, live: Sets) -> Change | None:
    """What a line changes, as plans show it."""
    command, name, *rest = line.split(" ", 2)
    if command in ("create", "swap", "destroy"):
        return Change(Verb.REMOVE if command == "destroy" else Verb.ADD, "ipset", "set", name)
    element = rest[0].partition(" ")[0]
    before = live[name].elements if name in live else {}
    verb = Verb.REMOVE if command == "del" else Verb.CHANGE if element in before else Verb.ADD
    return Change(verb, "ipset", "element", f"{name} {element}", place=element_place(name, element))


def _filled(name: str, wanted: Set) -> Iterator[str]:
    yield wanted.create_line(name)
    head = f"add {name} "
    for element, options in wanted.elements.items():
        yield f"{head}{element}{options}"


def _added(name: str, before: Set, after: Set) -> Iterator[str]:
    for element, options in after.elements.items():
        if before.elements.get(element) != options:
            yield after.add_line(name, element)


def _kept(before: Set, after: Set) -> list[str]:
    """Elements of the set that goes which stay until their phase, where the new one takes them."""
    leaving = [e for e, options in before.elements.items() if e not in after.elements and not options]
    if after.room is None or len(leaving) + len(after.elements) > after.room:
        return []
    return leaving


def _removals(live: Sets, wanted: Sets, names: list[str]) -> Iterator[str]:
    for name in names:
        after = wanted.get(name)
        if after is None:
            continue
        swapped = live[name].create != after.create
        kept = set(_kept(live[name], after)) if swapped and live[name].kind == after.kind else set()
        for element in sorted(live[name].elements.keys() - after.elements.keys()):
            if not swapped or element in kept:
                yield f"del {name} {element}"


def _free_name(live: Sets, wanted: Sets, prefix: str) -> str:
    """A name of ours that no set has. One that was left over is live, and goes with all that is not wanted."""
    return next(name for n in count() if (name := f"{prefix}-TMP{n}") not in live and name not in wanted)
