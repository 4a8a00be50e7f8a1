"""What a session changes service by service is what is compiled, planned and recorded as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import svcc
from support.apply_faults import NEW, OLD, Failing
from support.apply_world import Killer, World
from support.edits import edited, edits
from support.shell import Shell
from support.strategies import programs_for
from svcc.apply import confirm
from svcc.apply.engine import Event
from svcc.apply.installation import KEPT, Installation
from svcc.apply.machine import Machine
from svcc.apply.program_text import KeptProgram
from svcc.apply.store import Store
from svcc.apply.summary import summary
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.namespaces import Namespace
from svcc.targets.bundle import bundle_text
from svcc.targets.nft import TARGET

pytestmark = pytest.mark.kernel


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    namespace = Namespace("services")
    try:
        yield Shell(namespace, tmp_path)
    finally:
        namespace.close()


def read(text: str) -> ir.Program:
    program = load_text(Source("svc.dsl", text)).program
    assert program is not None
    return program


def draining(program: ir.Program, name: str, at: int = 0) -> ir.Program:
    """The program as it is served while an endpoint of a service fails its check."""
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


# ---- incremental is anew


@st.composite
def _ways(draw: st.DrawFn) -> tuple[ir.Program, ir.Node | None, list[tuple[ir.Program, ir.Program]]]:
    """A program, and what is to be followed after it, each with how it is served."""
    first, node = draw(programs_for(TARGET))
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
        found.append((_unannounced(program), _unannounced(served)))
    return _unannounced(first), node, found


def _unannounced(program: ir.Program) -> ir.Program:
    """This machine's kernel may have no dummy devices, which hold what is announced."""
    return replace(program, services=tuple(replace(one, announce=False) for one in program.services))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(_ways())
def test_following_services_gives_what_compiling_anew_gives(
    drawn: tuple[ir.Program, ir.Node | None, list[tuple[ir.Program, ir.Program]]],
) -> None:
    first, node, ways = drawn
    namespace = Namespace("services")
    try:
        with TemporaryDirectory(dir="/dev/shm") as state, namespace.entered():
            name = node.name if node else None
            with svcc.Session("nft", node=name, state_dir=state) as kept:
                kept.follow(first, first)
                for program, served in ways:
                    _followed(kept, program, served, node)
    finally:
        namespace.close()


def _followed(kept: svcc.Session, program: ir.Program, served: ir.Program, node: ir.Node | None) -> None:
    if not summary(served, node).listeners:
        with pytest.raises(svcc.Refused, match="no service would be left"):
            kept.follow(program, served)
        return
    generation = kept.follow(program, served)
    installation = kept.installation
    assert installation.current == generation
    anew = TARGET.render(served, node)
    assert installation.bundle(generation) == (None if TARGET.asks_nothing(anew, program.cluster.prefix) else anew)
    reviewed = installation.generation(generation.reviewed)
    for one, wanted in ((generation, served), (reviewed, program)):
        recorded = installation.program(one)
        assert recorded is not None
        assert recorded.program().services == tuple(sorted(wanted.services, key=lambda service: service.name))
        assert recorded.text == KeptProgram(wanted).text
        assert {*installation.summary(one).listeners} == {*summary(wanted, node).listeners}
    assert holds(installation)
    assert kept.drift() == ()


# ---- what goes wrong on the way


def _changes() -> Mapping[str, tuple[ir.Program, ir.Program]]:
    """What is followed after OLD: an edit, an endpoint that fails, and both."""
    old, new = read(OLD), read(NEW)
    return {"edited": (new, new), "failing": (old, draining(old, "web")), "both": (new, draining(new, "web"))}


CHANGES = pytest.mark.parametrize("what", _changes())


def _session(world: World, tell: object = None) -> svcc.Session:
    return svcc.Session("nft", state_dir=world.store.root, **({} if tell is None else {"tell": tell}))  # type: ignore[arg-type]


def _found(world: World, others: Mapping[str, str], allowed: Mapping[str, ir.Program]) -> str:
    """Which of the programs the kernel holds; it is the one that is recorded, and whole."""
    installation = world.store.installation("custom")
    assert not installation.journal.exists()
    with world.inside():
        assert holds(installation)
    bundle = installation.bundle(installation.current)
    (found,) = (name for name, program in allowed.items() if bundle == TARGET.render(program, program.nodes[0]))
    assert world.others() == others
    return found


class _Later:
    """Hears events from a moment on."""

    def __init__(self) -> None:
        self.tell: object = None

    def __call__(self, event: Event) -> None:
        if callable(self.tell):
            self.tell(event)


@CHANGES
def test_killed_at_every_point(what: str, tmp_path: Path) -> None:
    old = read(OLD)
    program, served = _changes()[what]
    namespace = Namespace("services")
    try:
        world = World(namespace, tmp_path)
        others, ends = world.others(), list[str]()
        for number in count(1):
            if not _killed_at(number, world, old, program, served):
                break
            world.settle()
            ends.append(_found(world, others, {"old": old, "new": served}))
        assert ends == sorted(ends, reverse=True)
        assert set(ends) == {"old", "new"}
        assert _found(world, others, {"new": served}) == "new"
    finally:
        namespace.close()


def _killed_at(number: int, world: World, old: ir.Program, program: ir.Program, served: ir.Program) -> bool:
    """Whether SIGKILL ended a session at event ``number`` of a change; False: it ended before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            heard = _Later()
            with world.inside(), _session(world, heard) as kept:
                kept.follow(old, old)
                heard.tell = Killer(number)
                kept.follow(program, served)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the change failed by itself"
    return os.WIFSIGNALED(status)


@CHANGES
def test_failed_at_every_point(what: str, tmp_path: Path) -> None:
    old = read(OLD)
    program, served = _changes()[what]
    namespace = Namespace("services")
    try:
        world, heard = World(namespace, tmp_path), _Later()
        others = world.others()
        with world.inside(), _session(world, heard) as kept:
            for number in count(1):
                kept.follow(old, old)
                failing = Failing(number)
                heard.tell = failing
                try:
                    kept.follow(program, served)
                except (svcc.Restored, OSError):
                    heard.tell = None
                    _found(world, others, {"old": old})
                    continue
                break
            assert not failing.failed
            assert number > 5
            _found(world, others, {"new": served})
    finally:
        namespace.close()


@pytest.mark.parametrize("foreign", ["add element ip custom hairpin { 100.64.0.7 . 100.64.0.7 }", "add table ip mine"])
def test_what_somebody_else_changes_meanwhile_is_seen(shell: Shell, foreign: str) -> None:
    old = read(OLD)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        kept.follow(old, old)
        kept.adjust(draining(old, "web"))
        shell.run("nft", foreign)
        kept.adjust(old)
        assert holds(kept.installation)
        assert kept.adjust(draining(old, "turns")).base is not None


@pytest.mark.parametrize(
    "foreign",
    [
        "nft add element ip custom hairpin { 100.64.0.7 . 100.64.0.7 }",
        "nft delete table ip custom",
        "iptables-nft -t nat -N CUSTOM-STRAY",
    ],
)
def test_drift_is_seen_after_a_change_of_services(shell: Shell, foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is none, nothing is compiled for it."""
    old = read(OLD)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        kept.follow(old, old)
        kept.adjust(draining(old, "web"))
        with monkeypatch.context() as patched:
            patched.setattr(Installation, "bundle", None)
            assert kept.drift() == ()
        shell.run(*foreign.split())
        assert kept.drift() != ()


# ---- what is recorded


def _flapping(kept: svcc.Session, program: ir.Program, times: int) -> None:
    for number in range(times):
        kept.adjust(program if number % 2 else draining(program, "web"))


def test_the_whole_generation_stays_while_changes_to_it_do(shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        kept.follow(old, old)
        for number in range(2 * KEPT):
            kept.update({"gone": None} if number % 2 == 0 else {"gone": old.service("gone")})
        installation = kept.installation
        numbers = [one.number for one in installation.generations()]
        assert len(numbers) <= KEPT + 3
        for number in numbers:
            installation.check(number)
            assert installation.bundle(installation.generation(number)) is not None


def test_all_is_written_where_changes_took_as_much(shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        whole = kept.follow(old, old)
        size = kept.installation.size(whole)
        written = 0
        for number in count():
            generation = kept.adjust(old if number % 2 else draining(old, "web"))
            if generation.base is None:
                break
            written += (kept.installation.file(generation.number, "change")).stat().st_size
        assert written >= size
        assert kept.adjust(draining(old, "turns")).base == generation.number


def test_commands_read_a_generation_that_is_kept_as_a_change(shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        kept.follow(old, old)
        without = kept.update({"gone": None})
        kept.adjust(draining(kept.program or old, "web"))
    assert without.base == 1
    rules = TARGET.render(draining(edited(old, {"gone": None}), "web"), old.nodes[0])
    assert shell.svcc("show", "--rules").stdout == bundle_text(rules)
    assert "gone" in shell.svcc("diff", "1", "2", status=1).stdout
    assert "gone" not in shell.svcc("status").stdout
    shell.svcc("rollback", "1")
    assert "gone" in shell.svcc("status").stdout
    shell.svcc("rollback", "2")
    assert "gone" not in shell.svcc("status").stdout
    installation = Store(shell.folder / "state").installation("custom")
    assert installation.bundle(installation.current) == TARGET.render(edited(old, {"gone": None}), old.nodes[0])


@pytest.mark.parametrize("suffix", ["change", "program"])
def test_a_change_that_is_damaged_is_put_aside(shell: Shell, suffix: str) -> None:
    old = read(OLD)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        kept.follow(old, old)
        changed = kept.update({"gone": None})
        number = changed.number if suffix == "change" else 1
        path = kept.installation.file(number, suffix)
    path.write_text(path.read_text().replace('"gone"', '"come"'))
    installation = Store(shell.folder / "state").installation("custom")
    with shell.namespace.entered():
        assert "its hash has changed" in " ".join(confirm.settle(installation))
    assert installation.number == 1
    (shell.folder / "old.dsl").write_text(OLD)
    shell.svcc("apply", "old.dsl", "-t", "nft")
    with shell.namespace.entered():
        assert holds(installation)
