"""Find what differs between two states of sets, and the commands that lead from one to the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from svcc.kernel.ipset.meaning import Meaning
from svcc.kernel.ipset.runs import folded
from svcc.kernel.ipset.sets import Set, Sets
from svcc.kernel.ownership import Ours
from svcc.kernel.steps import Change, Phase, Verb

PART = "ipset"


class Command(NamedTuple):
    """A line of ``ipset restore``. A named tuple, because there may be a hundred thousand."""

    verb: str  # create, add, del, swap, destroy
    name: str
    subject: str = ""  # create: the type; add, del: the element; swap: the other set's name
    options: str = ""  # create: with the type; add: of the element

    def __str__(self) -> str:
        return f"{self.verb} {self.name}{' ' if self.subject else ''}{self.subject}{self.options}"


def create(one: Set, name: str | None = None) -> Command:
    """Return the command that makes a set, or one like it under another ``name``."""
    type, space, options = one.create_line.split(" ", 2)[2].partition(" ")
    return Command("create", name or one.name, type, space + options)


# -- changes ----------------------------------------------------------------------------------------------------------


def changes(live: Sets, wanted: Sets, meaning: Meaning) -> Iterator[Change]:
    """Yield what differs, by the sets' names; for each set the elements that are removed, then those that are added or
    changed."""
    for name in sorted(live.keys() | wanted.keys()):
        before, after = live.get(name), wanted.get(name)
        if before == after:
            continue
        if before is None:
            yield Change(Verb.ADD, PART, "set", name)
        elif after is None:
            yield Change(Verb.REMOVE, PART, "set", name)
        elif before.created != after.created:
            yield Change(Verb.CHANGE, PART, "set", name, before.head, after.head)
        yield from _element_changes(name, before, after, meaning)


def _element_changes(name: str, before: Set | None, after: Set | None, meaning: Meaning) -> Iterator[Change]:
    old, new = before.elements if before else {}, after.elements if after else {}

    def change(verb: Verb, element: str, was: str = "", becomes: str = "") -> Change:
        return Change(verb, PART, "element", f"{name} {element}", was, becomes, meaning.frontend(name, element))

    for element in sorted(old.keys() - new.keys()):
        yield change(Verb.REMOVE, element)
    for element, options in new.items():
        if element not in old:
            yield change(Verb.ADD, element)
        elif old[element] != options:
            yield change(Verb.CHANGE, element, old[element].strip(), options.strip())


def change_of(command: Command, live: Sets, meaning: Meaning) -> Change:
    """Return what a command changes, as plans show it."""
    name, element = command.name, command.subject
    if command.verb in ("create", "swap", "destroy"):
        return Change(Verb.REMOVE if command.verb == "destroy" else Verb.ADD, PART, "set", name)
    before = live[name].elements if name in live else {}
    verb = Verb.REMOVE if command.verb == "del" else Verb.CHANGE if element in before else Verb.ADD
    return Change(verb, PART, "element", f"{name} {element}", frontend=meaning.frontend(name, element))


# -- commands ---------------------------------------------------------------------------------------------------------


def commands(live: Sets, wanted: Sets, meaning: Meaning, ours: Ours) -> dict[Phase, list[Command]]:
    """Return the commands for ``ipset -exist restore`` that turn ``live`` into ``wanted``, by the phase in which they
    may be run; phases without a command are left out.

    No element that rules still look up is missing from a set in between.
    """
    found = {
        Phase.SETS: [*_additions(live, wanted, meaning, ours)],
        Phase.DECLARED: [*_late(live, wanted, meaning)],
        Phase.DECLARED_OFF: [*_removals(live, wanted, meaning, Phase.DECLARED_OFF)],
        Phase.SETS_OFF: [*_removals(live, wanted, meaning, Phase.SETS_OFF)],
    }
    found[Phase.SETS_OFF] += [Command("destroy", name) for name in live if name not in wanted]
    return {phase: some for phase, some in found.items() if some}


def _additions(live: Sets, wanted: Sets, meaning: Meaning, ours: Ours) -> Iterator[Command]:
    """Yield the commands that add sets with all their elements, and those that add elements to existing sets."""
    temporary = _free_name(live, wanted, ours)
    for name in sorted(wanted, key=lambda name: meaning.timing(name).guards):
        before, after = live.get(name), wanted[name]
        if before is None:
            yield from _filled(after)
        elif before == after:
            continue
        elif before.created == after.created:
            if meaning.timing(name).comes is Phase.SETS:
                yield from _added(before, after)
        elif before.kind == after.kind:
            yield from _filled(after, temporary)
            kept = _kept(before, after)
            yield from (Command("add", temporary, element, before.elements[element]) for element in kept)
            yield Command("swap", temporary, name)
            yield Command("destroy", temporary)
        else:  # somebody else made the set: ours never change their type
            yield Command("destroy", name)
            yield from _filled(after)


def _late(live: Sets, wanted: Sets, meaning: Meaning) -> Iterator[Command]:
    """Yield the commands that add elements to existing sets once the servers that the elements declare are there."""
    for name, after in wanted.items():
        late = meaning.timing(name).comes is Phase.DECLARED
        if late and name in live and live[name].created == after.created:
            yield from _added(live[name], after)


def _filled(wanted: Set, name: str | None = None) -> Iterator[Command]:
    yield create(wanted, name)
    name = name or wanted.name
    for element, options in folded(wanted.elements):
        yield Command("add", name, element, options)


def _added(before: Set, after: Set) -> Iterator[Command]:
    coming = {e: options for e, options in after.elements.items() if before.elements.get(e) != options}
    for element, options in folded(coming):
        yield Command("add", after.name, element, options)


def _kept(before: Set, after: Set) -> list[str]:
    """Return the old set's elements that the new one lacks, which stay until the phase in which they are removed; none
    where the new set has no room for them."""
    leaving = [e for e, options in before.elements.items() if e not in after.elements and options != " nomatch"]
    if after.room is None or len(leaving) + len(after.elements) > after.room:
        return []
    return leaving


def _removals(live: Sets, wanted: Sets, meaning: Meaning, phase: Phase) -> Iterator[Command]:
    """Yield the commands that remove elements in a phase. Of a set that was swapped, only elements that were kept are
    left to be removed."""
    names = [name for name in live if meaning.timing(name).goes is phase]
    for name in sorted(names, key=lambda name: not meaning.timing(name).guards):
        before, after = live[name], wanted.get(name)
        if after is None:
            continue
        swapped = before.created != after.created
        kept = set(_kept(before, after)) if swapped and before.kind == after.kind else set()
        for element in sorted(before.elements.keys() - after.elements.keys()):
            if not swapped or element in kept:
                yield Command("del", name, element)


def is_temporary(name: str, ours: Ours) -> bool:
    """Whether a set has a name that svcc gives to sets for a moment; it may have been left over."""
    return re.fullmatch(rf"{re.escape(ours.prefix)}-TMP\d+", name, re.ASCII) is not None


def _free_name(live: Sets, wanted: Sets, ours: Ours) -> str:
    """Return a name under our prefix that no set has. A temporary set that was left over is among the live ones, and is
    removed like every set that is not wanted."""
    return next(name for n in count() if (name := f"{ours.prefix}-TMP{n}") not in live and name not in wanted)


def prelude(some: list[Command], live: Sets) -> list[Command]:
    """Return the commands that make, in a namespace without sets, the sets that ``some`` commands need to be tried."""
    made: set[str] = set()
    needed: dict[str, None] = {}
    for command in some:
        if command.verb == "create":
            made.add(command.name)
        for name in (command.name, command.subject) if command.verb == "swap" else (command.name,):
            if name in live and name not in made:
                needed[name] = None
    return [create(live[name]) for name in needed]
