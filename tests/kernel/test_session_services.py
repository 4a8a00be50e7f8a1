"""What a session changes service by service is what is compiled, planned and recorded as a whole."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import svcc
from support.apply_faults import NEW, OLD, tools_of
from support.edits import edited
from support.service_sessions import (
    CHANGES,
    Later,
    Side,
    draining,
    fail_at_every_point,
    follow,
    holds,
    kill_at_every_point,
    read,
    ways,
)
from support.shell import Shell
from svcc.apply import confirm, whole
from svcc.apply.engine import Event
from svcc.apply.generation import Generation
from svcc.apply.installation import KEPT, Installation
from svcc.apply.store import Store
from svcc.apply.upkeep import Upkeep
from svcc.compiler import ir
from svcc.kernel.namespaces import Namespace
from svcc.kernel.xtables.variant import Listing
from svcc.targets import find
from svcc.targets.bundle import bundle_text
from svcc.targets.interface import TargetByService

pytestmark = pytest.mark.kernel


#: A target, and the variant of iptables that the machine has.
SIDES = {"nft": ("nft", "nft"), "iptables": ("iptables", "nft"), "legacy": ("iptables", "legacy")}


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """A target on a machine."""
    name, variant = SIDES[request.param]
    target = find(name)
    assert isinstance(target, TargetByService)
    with tools_of(variant):
        yield Side(target, variant, (OLD, NEW))


NFT = pytest.mark.parametrize("side", ["nft"], indirect=True)


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


# ---- incremental is anew


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_following_services_gives_what_compiling_anew_gives(side: Side, data: st.DataObject) -> None:
    first, node, found = data.draw(ways(side.target))
    namespace = Namespace("services")
    try:
        with TemporaryDirectory(dir="/dev/shm") as state, namespace.entered():
            name = node.name if node else None
            with side.session(state, node=name) as kept:
                kept.follow(_possible(first), _possible(first))
                for program, served in found:
                    follow(side.target, kept, (_possible(program), _possible(served)), node)
    finally:
        namespace.close()


#: The rules are the same whether its first endpoint serves or not: it is of another family than the vip.
_SAME_RULES = """
cluster { prefix CUSTOM }
node n { address 10.0.0.4 }
service web { vip 198.19.10.7; port 80/tcp; endpoints { fd00:64::1; 100.64.0.9 } }
"""


@pytest.mark.parametrize("anew", [False, True])
def test_how_it_is_served_is_recorded_where_that_makes_no_rules(side: Side, shell: Shell, *, anew: bool) -> None:
    """``anew``: by a session for each, which knows nothing of the one before."""
    old = read(_SAME_RULES)
    new, node = draining(old, "web"), old.nodes[0]
    ways = [(old, old), (old, new), (old, old), (old, new), (new, new), (new, old), (new, new)]
    with shell.namespace.entered():
        for some in [[way] for way in ways] if anew else [ways]:
            with side.session(shell.folder / "state") as kept:
                kept.keep(old)
                for way in some:
                    follow(side.target, kept, way, node)
                    number = kept.installation.number
                    assert kept.follow(*way).number == number


# ---- what goes wrong on the way


@CHANGES
def test_killed_at_every_point(side: Side, what: str, tmp_path: Path) -> None:
    kill_at_every_point(side, what, tmp_path)


@CHANGES
def test_failed_at_every_point(side: Side, what: str, tmp_path: Path) -> None:
    fail_at_every_point(side, what, tmp_path)


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
        "iptables-nft -t nat -N CUSTOM-SVC-stray",
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


@pytest.mark.parametrize("side", ["legacy"], indirect=True)
def test_legacy_tables_of_the_same_bytes_are_not_listed(
    side: Side, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are after a change, to see what came of it, and once after another program's."""
    listed: list[str] = []
    real = Listing.__init__

    def counted(self: Listing, family: str, kind: str) -> None:
        if kind == "legacy":
            listed.append(family)
        real(self, family, kind)

    monkeypatch.setattr(Listing, "__init__", counted)
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        kept.follow(old, old)
        kept.adjust(draining(old, "web"))
        listed.clear()
        assert kept.drift() == ()
        assert listed == []
        kept.adjust(old)
        assert listed == ["iptables"]  # to read back
        shell.run("iptables", "-t", "nat", "-N", "MINE")
        listed.clear()
        assert kept.drift() == ()
        assert listed == ["iptables"]
        listed.clear()
        assert kept.drift() == ()
        assert listed == []


@pytest.mark.parametrize("side", ["iptables", "legacy"], indirect=True)
def test_a_chain_that_somebody_elses_rule_leads_to_is_not_taken_away(side: Side, shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        shell.run("iptables", "-t", "nat", "-N", "MINE")
        kept.follow(old, old)
        shell.run("iptables", "-t", "nat", "-A", "MINE", "-j", "CUSTOM-SVC-gone")
        assert kept.follow(draining(old, "web"), draining(old, "web")).base is None
        assert kept.update({"turns": None}).base is not None
        with pytest.raises(svcc.Refused, match="leads to a chain that goes away"):
            kept.update({"gone": None})
        assert holds(kept.installation)


@NFT
def test_a_service_that_begins_to_rewrite_sources_is_compared_with_other_prefixes(side: Side, shell: Shell) -> None:
    old, other, state = read(OLD), read(OLD.replace("CUSTOM", "BESIDE")), shell.folder / "state"
    turns = old.service("turns")
    assert turns is not None
    rewriting = replace(turns, snat=(IPv4Address("10.0.0.9"),))
    with shell.namespace.entered(), side.session(state) as beside, side.session(state) as kept:
        beside.follow(other, other)
        kept.follow(old, old)
        assert kept.update({"gone": None}).base is not None
        with pytest.raises(svcc.Refused, match="mark 0x4000 is that of prefix BESIDE"):
            kept.update({"turns": rewriting})


@pytest.mark.parametrize("side", ["iptables", "legacy"], indirect=True)
def test_what_others_do_while_the_rules_are_changed_is_seen(side: Side, shell: Shell) -> None:
    """A rule of ours that somebody else takes away meanwhile is put back, or the change is taken back."""
    old = read(OLD)
    heard = Later()
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


def test_all_can_be_written_where_changes_took_as_much(side: Side, shell: Shell) -> None:
    old = read(OLD)
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        first = kept.follow(old, old)
        size = kept.installation.size(first)
        written = 0
        for number in count():
            assert not kept.tidy()
            generation = kept.adjust(old if number % 2 else draining(old, "web"))
            assert generation.base == first.number
            written += (kept.installation.file(generation.number, "change")).stat().st_size
            if kept.untidy:
                break
        assert written >= size
        before = kept.installation.bundle(generation)
        assert before is not None
        assert kept.tidy()
        tidied = kept.installation.generation(generation.number)
        assert (tidied.base, tidied.hash) == (None, sha256(bundle_text(before).encode()).hexdigest())
        assert kept.installation.bundle(tidied) == before
        assert kept.adjust(draining(old, "turns")).base == generation.number
        assert kept.drift() == ()
        assert not kept.untidy


@NFT
def test_changes_go_on_while_all_is_written(side: Side, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is still kept the later ones are changes then; one that is not is left, and nothing stays of it."""
    old, real = read(OLD), whole.write_by_process
    meanwhile = 1

    def made(root: Path, name: str, generation: Generation) -> str:
        digest = real(root, name, generation)
        _flapping(kept, old, meanwhile)
        return digest

    monkeypatch.setattr(whole, "write_by_process", made)
    monkeypatch.setattr(Upkeep, "due", property(lambda self: self.generation.base is not None))
    with shell.namespace.entered(), side.session(shell.folder / "state") as kept:
        kept.follow(old, old)
        number = kept.adjust(draining(old, "turns")).number
        assert kept.tidy()
        assert kept.installation.generation(number).base is None
        assert kept.adjust(draining(old, "turns")).base == number
        meanwhile, there = 4, {path.suffix for path in kept.installation.path.iterdir()}
        assert not kept.tidy()
        assert {path.suffix for path in kept.installation.path.iterdir()} == there
        assert kept.adjust(draining(old, "turns")).base == number
        assert kept.drift() == ()


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
