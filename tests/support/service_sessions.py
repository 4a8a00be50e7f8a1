"""Sessions that change services one by one: what they follow, and what must hold afterwards and after failures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import assume
from hypothesis import strategies as st

import svcc
from support.apply_faults import Failing
from support.apply_world import Killer, World
from support.edits import edited, edits
from support.strategies import programs_for
from svcc.apply.engine import Event
from svcc.apply.installation import Installation
from svcc.apply.machine import Machine
from svcc.apply.program_text import KeptProgram
from svcc.apply.summary import summary
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.namespaces import Namespace
from svcc.targets.interface import Bundle, Target, TargetByService

#: A program that is followed, and the program as it is served.
Way = tuple[ir.Program, ir.Program]


@dataclass(frozen=True)
class Side:
    """A target on a machine, and two programs for it."""

    target: TargetByService
    variant: str  # of iptables
    texts: tuple[str, str]  # of the programs before and after
    ipvs: bool = False

    def session(self, state: object, tell: object = None, node: str | None = None) -> svcc.Session:
        more = {} if tell is None else {"tell": tell}
        return svcc.Session(self.target.name, node=node, state_dir=state, waits=False, **more)  # type: ignore[arg-type]

    @contextmanager
    def world(self, folder: Path) -> Iterator[World]:
        namespace = Namespace("services")
        try:
            yield World(namespace, folder, self.variant, ipvs=self.ipvs, nft=not self.ipvs)
        finally:
            namespace.close()

    def bundles(self, **programs: ir.Program) -> dict[str, Bundle]:
        """Return what the target makes of programs, by their names here."""
        return {name: self.target.render(program, program.nodes[0]) for name, program in programs.items()}

    def changes(self) -> Mapping[str, Way]:
        """Return what is followed after the first program: an edit, an endpoint that fails, and both."""
        old, new = map(read, self.texts)
        return {"edited": (new, new), "failing": (old, draining(old, "web")), "both": (new, draining(new, "web"))}


CHANGES = pytest.mark.parametrize("what", ["edited", "failing", "both"])


def read(text: str) -> ir.Program:
    program = load_text(Source("svc.dsl", text)).program
    assert program is not None
    return program


def draining(program: ir.Program, name: str, at: int = 0) -> ir.Program:
    """Return the program as it is served while an endpoint of a service fails its check."""
    service = program.service(name)
    assert service is not None
    ends = tuple(replace(one, weight=0) if n == at else one for n, one in enumerate(service.endpoints))
    return edited(program, {name: replace(service, endpoints=ends)})


def holds(installation: Installation) -> bool:
    """Whether the kernel holds what is recorded."""
    current = installation.current
    assert current is not None
    machine = Machine(installation.scope(current))
    wanted = machine.parse(installation.bundle(current))
    return not machine.differing(machine.read(wanted), wanted)


# ---- an incremental change gives what compiling anew gives


@st.composite
def ways(draw: st.DrawFn, target: Target) -> tuple[ir.Program, ir.Node | None, list[Way]]:
    """Draw a program, and what is followed after it, each with how it is served."""
    first, node = draw(programs_for(target))
    assume(first.services)
    program, found = first, []
    for edit in draw(edits(first)):
        if draw(st.booleans()):
            program = edited(program, edit)
            served = program
        else:
            served = edited(program, {name: one for name, one in edit.items() if one is not None})
        if not program.services:
            break
        found.append((program, served))
    return first, node, found


def follow(target: Target, kept: svcc.Session, way: Way, node: ir.Node | None) -> bool:
    """Follow a program; check that the kernel and the record then hold what compiling it anew gives. Return whether it
    was changed service by service."""
    program, served = way
    current = kept.installation.current
    serves = current is not None and bool(kept.installation.summary(current).frontends)
    if serves and not summary(served, node).frontends:
        with pytest.raises(svcc.Refused, match="no service would be left"):
            kept.follow(program, served)
        return False
    generation = kept.follow(program, served)
    installation = kept.installation
    assert installation.current == generation
    anew = target.render(served, node)
    assert installation.bundle(generation) == (None if target.asks_nothing(anew, program.cluster.prefix) else anew)
    reviewed = installation.generation(generation.reviewed)
    for one, wanted in ((generation, served), (reviewed, program)):
        recorded = installation.program(one)
        assert recorded is not None
        assert recorded.program().services == tuple(sorted(wanted.services, key=lambda service: service.name))
        assert recorded.text == KeptProgram(wanted).text
        assert {*installation.summary(one).frontends} == {*summary(wanted, node).frontends}
    assert holds(installation)
    assert kept.drift() == ()
    return generation.base is not None


# ---- failures in the middle


class Later:
    """A receiver of events that passes them on from some moment on."""

    def __init__(self) -> None:
        self.tell: object = None

    def __call__(self, event: Event) -> None:
        if callable(self.tell):
            self.tell(event)


def kill_at_every_point(side: Side, what: str, folder: Path, every: int = 1) -> None:
    """Kill a session by SIGKILL at every ``every``-th event of a change."""
    old, (program, served) = read(side.texts[0]), side.changes()[what]
    bundles = side.bundles(old=old, new=served)
    with side.world(folder) as world:
        others, ends = world.others(), list[str]()
        for number in count(1, every):
            if not _killed_at(side, number, world, old, program, served):
                break
            world.settle()
            ends.append(_found(world, others, bundles))
        assert ends == sorted(ends, reverse=True)
        assert {"old"} <= set(ends)  # the rules are the last step, so a change that is killed before its end is undone
        assert _found(world, others, {"new": bundles["new"]}) == "new"


def _killed_at(side: Side, number: int, world: World, old: ir.Program, program: ir.Program, served: ir.Program) -> bool:
    """Whether SIGKILL ended a session at event ``number`` of a change; False where the change ended before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            heard = Later()
            with world.inside(), side.session(world.store.root, heard) as kept:
                kept.follow(old, old)
                heard.tell = Killer(number)
                kept.follow(program, served)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the change failed by itself"
    return os.WIFSIGNALED(status)


def fail_at_every_point(side: Side, what: str, folder: Path, every: int = 1) -> None:
    """Have a change fail at every ``every``-th event."""
    old, (program, served) = read(side.texts[0]), side.changes()[what]
    heard = Later()
    bundles = side.bundles(old=old, new=served)
    with side.world(folder) as world:
        others = world.others()
        with world.inside(), side.session(world.store.root, heard) as kept:
            for number in count(1, every):
                kept.follow(old, old)
                failing = Failing(number)
                heard.tell = failing
                try:
                    kept.follow(program, served)
                except (svcc.Restored, OSError):
                    heard.tell = None
                    _found(world, others, {"old": bundles["old"]})
                    continue
                break
            assert not failing.failed
            assert number > 5
            _found(world, others, {"new": bundles["new"]})


def _found(world: World, others: Mapping[str, str], allowed: Mapping[str, Bundle]) -> str:
    """Return which of the bundles the kernel holds, which has to be the recorded one, and whole."""
    installation = world.store.installation("custom")
    assert not installation.journal.exists()
    with world.inside():
        assert holds(installation)
    bundle = installation.bundle(installation.current)
    (found,) = (name for name, one in allowed.items() if bundle == one)
    assert world.others() == others
    return found
