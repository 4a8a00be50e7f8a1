"""What a session changes service by service is what is compiled, planned and recorded as a whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import svcc
from support.apply_faults import NEW, OLD, Failing, tools_of
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
from svcc.targets import find
from svcc.targets.bundle import bundle_text
from svcc.targets.interface import Target, TargetByService

pytestmark = pytest.mark.kernel


#: A target, and the variant of iptables that the machine has.
SIDES = {"nft": ("nft", "nft"), "iptables": ("iptables", "nft"), "legacy": ("iptables", "legacy")}


@dataclass(frozen=True)
class Side:
    target: TargetByService
    variant: str

    def session(self, state: object, tell: object = None, node: str | None = None) -> svcc.Session:
        more = {} if tell is None else {"tell": tell}
        return svcc.Session(self.target.name, node=node, state_dir=state, **more)  # type: ignore[arg-type]


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """A target on a machine."""
    name, variant = SIDES[request.param]
    target = find(name)
    assert isinstance(target, TargetByService)
    with tools_of(variant):
        yield Side(target, variant)


NFT = pytest.mark.parametrize("side", ["nft"], indirect=True)


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
def _ways(draw: st.DrawFn, target: Target) -> tuple[ir.Program, ir.Node | None, list[tuple[ir.Program, ir.Program]]]:
    """A program, and what is to be followed after it, each with how it is served."""
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
        found.append((_possible(program), _possible(served)))
    return _possible(first), node, found


@cache
def _has_dummy_devices() -> bool:
    namespace = Namespace("dummies")
    try:
        with namespace.entered():
            words = ["ip", "link", "add", "x", "type", "dummy"]
            return not subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode
    finally:
        namespace.close()


def _possible(program: ir.Program) -> ir.Program:
    """Without what is announced, where this machine's kernel has no dummy devices to hold it."""
    if _has_dummy_devices():
        return program
    return replace(program, services=tuple(replace(one, announce=False) for one in program.services))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_following_services_gives_what_compiling_anew_gives(side: Side, data: st.DataObject) -> None:
    first, node, ways = data.draw(_ways(side.target))
    namespace = Namespace("services")
    try:
        with TemporaryDirectory(dir="/dev/shm") as state, namespace.entered():
            name = node.name if node else None
            with side.session(state, node=name) as kept:
                kept.follow(first, first)
                for program, served in ways:
                    _followed(side.target, kept, program, served, node)
    finally:
        namespace.close()


def _followed(
    target: Target, kept: svcc.Session, program: ir.Program, served: ir.Program, node: ir.Node | None
) -> None:
    if not summary(served, node).listeners:
        with pytest.raises(svcc.Refused, match="no service would be left"):
            kept.follow(program, served)
        return
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
        assert {*installation.summary(one).listeners} == {*summary(wanted, node).listeners}
    assert holds(installation)
    assert kept.drift() == ()


# ---- what goes wrong on the way


def _changes() -> Mapping[str, tuple[ir.Program, ir.Program]]:
    """What is followed after OLD: an edit, an endpoint that fails, and both."""
    old, new = read(OLD), read(NEW)
    return {"edited": (new, new), "failing": (old, draining(old, "web")), "both": (new, draining(new, "web"))}


CHANGES = pytest.mark.parametrize("what", _changes())


def _found(side: Side, world: World, others: Mapping[str, str], allowed: Mapping[str, ir.Program]) -> str:
    """Which of the programs the kernel holds; it is the one that is recorded, and whole."""
    installation = world.store.installation("custom")
    assert not installation.journal.exists()
    with world.inside():
        assert holds(installation)
    bundle = installation.bundle(installation.current)
    (found,) = (name for name, program in allowed.items() if bundle == side.target.render(program, program.nodes[0]))
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
def test_killed_at_every_point(side: Side, what: str, tmp_path: Path) -> None:
    old = read(OLD)
    program, served = _changes()[what]
    namespace = Namespace("services")
    try:
        world = World(namespace, tmp_path, side.variant)
        others, ends = world.others(), list[str]()
        for number in count(1):
            if not _killed_at(side, number, world, old, program, served):
                break
            world.settle()
            ends.append(_found(side, world, others, {"old": old, "new": served}))
        assert ends == sorted(ends, reverse=True)
        assert {"old"} <= set(ends)  # where the rules are the last step, what is killed before the end is undone
        assert _found(side, world, others, {"new": served}) == "new"
    finally:
        namespace.close()


def _killed_at(side: Side, number: int, world: World, old: ir.Program, program: ir.Program, served: ir.Program) -> bool:
    """Whether SIGKILL ended a session at event ``number`` of a change; False: it ended before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            heard = _Later()
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


@CHANGES
def test_failed_at_every_point(side: Side, what: str, tmp_path: Path) -> None:
    old = read(OLD)
    program, served = _changes()[what]
    namespace = Namespace("services")
    try:
        world, heard = World(namespace, tmp_path, side.variant), _Later()
        others = world.others()
        with world.inside(), side.session(world.store.root, heard) as kept:
            for number in count(1):
                kept.follow(old, old)
                failing = Failing(number)
                heard.tell = failing
                try:
                    kept.follow(program, served)
                except (svcc.Restored, OSError):
                    heard.tell = None
                    _found(side, world, others, {"old": old})
                    continue
                break
            assert not failing.failed
            assert number > 5
            _found(side, world, others, {"new": served})
    finally:
        namespace.close()


@NFT
@pytest.mark.parametrize("foreign", ["add element ip custom hairpin { 100.64.0.7 . 100.64.0.7 }", "add table ip mine"])
def test_what_somebody_else_changes_meanwhile_is_seen(side: Side, shell: Shell, foreign: str) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
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


@pytest.mark.parametrize("side", ["iptables", "legacy"], indirect=True)
@pytest.mark.parametrize(
    "foreign",
    ["-t nat -A CUSTOM-SVC-web-http -j RETURN", "-t nat -N CUSTOM-MINE", "-t nat -D PREROUTING 1", "-t nat -N MINE"],
)
def test_what_somebody_else_changes_of_scripts_meanwhile_is_seen(side: Side, shell: Shell, foreign: str) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        kept.follow(old, old)
        kept.adjust(draining(old, "web"))
        shell.run("iptables", *foreign.split())
        kept.adjust(old)
        assert holds(kept.installation)
        assert kept.adjust(draining(old, "turns")).base is not None


@pytest.mark.parametrize("side", ["iptables", "legacy"], indirect=True)
def test_a_chain_that_somebody_elses_rule_leads_to_is_not_taken_away(side: Side, shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        shell.run("iptables", "-t", "nat", "-N", "MINE")
        kept.follow(old, old)
        shell.run("iptables", "-t", "nat", "-A", "MINE", "-j", "CUSTOM-SVC-gone")
        assert kept.follow(draining(old, "web"), draining(old, "web")).base is None
        assert kept.update({"turns": None}).base is not None
        with pytest.raises(svcc.Refused, match="leads to a chain that is to go"):
            kept.update({"gone": None})
        assert holds(kept.installation)


@pytest.mark.parametrize("side", ["iptables", "legacy"], indirect=True)
def test_what_others_do_while_the_rules_are_changed_is_seen(side: Side, shell: Shell) -> None:
    """A rule of ours that somebody else takes away meanwhile is put back, or the change is taken back."""
    old = read(OLD)
    heard = _Later()
    with shell.namespace.entered(), side.session(shell.folder / "state", heard) as kept:
        kept.follow(old, old)

        def disturb(event: Event) -> None:
            if event.what == "reading back":
                shell.run("iptables", "-t", "nat", "-D", "CUSTOM-SERVICES", "1")

        heard.tell = disturb
        with pytest.raises(svcc.Restored, match="does not hold what it was given"):
            kept.adjust(draining(old, "web"))
        heard.tell = None
        assert holds(kept.installation)


# ---- what is recorded


def _flapping(kept: svcc.Session, program: ir.Program, times: int) -> None:
    for number in range(times):
        kept.adjust(program if number % 2 else draining(program, "web"))


def test_the_whole_generation_stays_while_changes_to_it_do(side: Side, shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        kept.follow(old, old)
        for number in range(2 * KEPT):
            kept.update({"gone": None} if number % 2 == 0 else {"gone": old.service("gone")})
        installation = kept.installation
        numbers = [one.number for one in installation.generations()]
        assert len(numbers) <= KEPT + 3
        for number in numbers:
            installation.check(number)
            assert installation.bundle(installation.generation(number)) is not None


def test_all_is_written_where_changes_took_as_much(side: Side, shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
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


def test_commands_read_a_generation_that_is_kept_as_a_change(side: Side, shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        kept.follow(old, old)
        without = kept.update({"gone": None})
        kept.adjust(draining(kept.program or old, "web"))
    assert without.base == 1
    rules = side.target.render(draining(edited(old, {"gone": None}), "web"), old.nodes[0])
    assert shell.svcc("show", "--rules").stdout == bundle_text(rules)
    assert "gone" in shell.svcc("diff", "1", "2", status=1).stdout
    assert "gone" not in shell.svcc("status").stdout
    shell.svcc("rollback", "1")
    assert "gone" in shell.svcc("status").stdout
    shell.svcc("rollback", "2")
    assert "gone" not in shell.svcc("status").stdout
    installation = Store(shell.folder / "state").installation("custom")
    assert installation.bundle(installation.current) == side.target.render(edited(old, {"gone": None}), old.nodes[0])


@pytest.mark.parametrize("suffix", ["change", "program"])
def test_a_change_that_is_damaged_is_put_aside(side: Side, shell: Shell, suffix: str) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
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
    shell.svcc("apply", "old.dsl", "-t", side.target.name)
    with shell.namespace.entered():
        assert holds(installation)
