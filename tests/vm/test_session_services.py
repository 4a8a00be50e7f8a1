"""What a session changes of ipvs service by service is what is compiled, planned and recorded as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import svcc
from support.apply_faults import NEW_OF_IPVS, OLD_OF_IPVS, tools_of
from support.apply_states import inside, run
from support.apply_world import World
from support.edits import edited
from support.ipvs_kernel import TARGET, in_the_guest
from support.service_sessions import (
    CHANGES,
    Side,
    draining,
    fail_at_every_point,
    follow,
    holds,
    kill_at_every_point,
    read,
    ways,
)
from svcc.targets.interface import TargetByService

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

#: The guest is slow: one point in so many is tried, unless all are asked for.
EVERY = 1 if os.environ.get("SVCC_TEST_EVERY_POINT") else 9
#: "both" has all that the others have.
MISHAPS = CHANGES if EVERY == 1 else pytest.mark.parametrize("what", ["both"])


@pytest.fixture
def side() -> Iterator[Side]:
    assert isinstance(TARGET, TargetByService)
    with tools_of("legacy"):
        yield Side(TARGET, "legacy", (OLD_OF_IPVS, NEW_OF_IPVS), ipvs=True)


@pytest.fixture
def world(side: Side, tmp_path: Path) -> Iterator[World]:
    with side.world(tmp_path) as made:
        yield made


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_following_services_gives_what_compiling_anew_gives(side: Side, data: st.DataObject) -> None:
    first, node, found = data.draw(ways(side.target))
    with (
        TemporaryDirectory(dir="/dev/shm") as state,
        inside(loopback=True),
        side.session(state, node=node.name if node else None) as kept,
    ):
        kept.follow(in_the_guest(first), in_the_guest(first))
        for program, served in found:
            follow(side.target, kept, (in_the_guest(program), in_the_guest(served)), node)


@CHANGES
def test_services_are_changed_alone(side: Side, what: str, world: World) -> None:
    old = read(OLD_OF_IPVS)
    with world.inside(), side.session(world.store.root) as kept:
        kept.follow(old, old)
        assert follow(side.target, kept, side.changes()[what], old.nodes[0])
        assert follow(side.target, kept, (old, old), old.nodes[0])


@MISHAPS
def test_killed_at_every_point(side: Side, what: str, tmp_path: Path) -> None:
    kill_at_every_point(side, what, tmp_path, EVERY)


@MISHAPS
def test_failed_at_every_point(side: Side, what: str, tmp_path: Path) -> None:
    fail_at_every_point(side, what, tmp_path, EVERY)


#: What somebody may do, and whether the next change of a service meets it.
FOREIGN = {
    "ipvsadm -e -t 198.19.10.1:80 -r 100.64.0.2:8080 -m -w 9": True,
    "ipvsadm -C": True,
    "iptables -t nat -F CUSTOM-SERVICES": True,
    "ipset del CUSTOM-SERVICE-IP 198.19.10.2": False,  # of a service that stays as it is
}


def test_what_somebody_else_changes_meanwhile_is_put_right(side: Side, world: World) -> None:
    """At once where the change meets it; all else is drift, and found when that is looked for. One session has it all
    in turn, as what was repaired is what the first began with.
    """
    old = read(OLD_OF_IPVS)
    with world.inside(), side.session(world.store.root) as kept:
        for foreign, seen in FOREIGN.items():
            kept.follow(old, old)
            assert kept.adjust(draining(old, "web")).base is not None, foreign
            run(foreign)
            assert (kept.adjust(old).base is None) == seen, foreign
            assert holds(kept.installation) == seen, foreign
            assert (kept.drift() == ()) == seen, foreign
            kept.repair()
            assert holds(kept.installation), foreign
            kept.follow(old, old)
            assert kept.adjust(draining(old, "turns")).base is not None, foreign


@pytest.mark.parametrize("foreign", ["ipvsadm -A -t 198.19.10.9:80 -s rr", "ip address add 198.19.10.9/32 dev others0"])
def test_what_is_somebody_elses_is_in_the_way(side: Side, world: World, foreign: str) -> None:
    old = read(OLD_OF_IPVS)
    new = read(OLD_OF_IPVS + "service new { vip 198.19.10.9; port 80/tcp; endpoints { 100.64.0.1 } }\n")
    with world.inside(), side.session(world.store.root) as kept:
        kept.follow(old, old)
        assert kept.adjust(draining(old, "web")).base is not None
        run(foreign)
        others = world.others()
        with pytest.raises(svcc.Refused):
            kept.follow(new, new)
        assert world.others() == others
        assert holds(kept.installation)


def test_an_address_that_is_announced_later(side: Side, world: World) -> None:
    """What more than services has a part in is compared as a whole."""
    old = read(OLD_OF_IPVS)
    service = old.service("turns")
    assert service is not None
    with world.inside(), side.session(world.store.root) as kept:
        kept.follow(old, old)
        announced = edited(old, {"turns": replace(service, announce=True)})
        assert not follow(side.target, kept, (announced, announced), old.nodes[0])
