"""Clients that connect without pause while rules change see nothing of that, nor of a move to another target."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from errno import ECONNREFUSED
from pathlib import Path

import pytest

from support.apply_faults import tools_of
from support.apply_load import (
    ALSO_REMEMBERED,
    DB,
    DNS,
    EXTERNAL,
    NODE_PORT,
    RANGE,
    REMEMBERED,
    SHARED,
    SPARE,
    WEB,
    all_answered,
    clients,
    every_statement,
    everything,
    node,
    some,
    some_of_every_statement,
)
from svcc.verify.lab import NODE

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

#: Applies under load, each of a program that chance has made: CI does with few.
APPLIES = int(os.environ.get("SVCC_TEST_APPLIES", "20"))
#: All that clients of programs of every statement connect to.
PLACES = (WEB, DB, NODE_PORT, SHARED, EXTERNAL, RANGE, REMEMBERED, ALSO_REMEMBERED, SPARE)


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_no_connection_fails_while_rules_change(
    target: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    dice = random.Random(target)
    with node(tmp_path / "state") as there:
        there.apply(everything(), target)
        with clients(there) as seen:
            for _ in range(APPLIES):
                there.apply(some(dice), target)
    record_property("connections", sum(counted["answered"] for counted in seen))
    assert all_answered(seen), seen


@pytest.mark.parametrize("way", ["nft", "iptables-nft", "iptables-legacy"])
def test_nothing_fails_and_no_flow_moves_whatever_the_program_says(
    way: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Programs of every statement. Endpoints of udp drain and come back meanwhile: their flows stay with them."""
    target, _, variant = way.partition("-")
    dice = random.Random(way)
    with tools_of(variant) if variant else nullcontext(), node(tmp_path / "state", every_statement()) as there:
        there.apply(every_statement(), target)
        with clients(there, PLACES, [DNS]) as seen:
            for _ in range(APPLIES):
                there.apply(some_of_every_statement(dice), target)
    record_property("connections", sum(counted["answered"] for counted in seen))
    record_property("datagrams", sum(counted["datagrams"] for counted in seen))
    assert all_answered(seen[:2]), seen
    assert all(set(counted) == {"datagrams"} for counted in seen[2:]), seen


@pytest.mark.parametrize(("old", "new"), [("nft", "iptables"), ("iptables", "nft")])
def test_no_connection_fails_while_another_target_takes_over(
    old: str, new: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with node(tmp_path / "state", every_statement()) as there:
        there.apply(every_statement(), old)
        with clients(there, PLACES, [DNS]) as seen:
            for turn in range(max(2, APPLIES // 5)):
                there.apply(every_statement(), (new, old)[turn % 2])
    record_property("connections", sum(counted["answered"] for counted in seen))
    record_property("datagrams", sum(counted["datagrams"] for counted in seen))
    assert all_answered(seen[:2]), seen
    assert all(set(counted) == {"datagrams"} for counted in seen[2:]), seen


def test_where_nft_goes_what_is_behind_it_serves(tmp_path: Path) -> None:
    """Whatever takes over where packets come in to the node itself, as IPVS does."""
    seen = _seen_while_rules_go(tmp_path / "state", "nft")
    assert all_answered(seen), seen


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_where_iptables_goes_no_connection_hangs(variant: str, tmp_path: Path) -> None:
    """It is refused where its table nat is gone and its table filter is not. It is not sent to an endpoint that would
    answer past the node."""
    with tools_of(variant):
        seen = _seen_while_rules_go(tmp_path / "state", "iptables")
    refused = f"{WEB[0]}:{WEB[1]}: {ConnectionRefusedError(ECONNREFUSED, os.strerror(ECONNREFUSED))}"
    assert all(counted["answered"] and counted.keys() <= {"answered", "held", refused} for counted in seen), seen


def _seen_while_rules_go(state: Path, target: str) -> list[Counter[str]]:
    """Return the counts of clients while rules come and go. Behind these is a server of the node's own. And somebody's
    rule translates as well, so that connections that are translated go on."""
    with node(state) as there:
        for command in (
            f"ip route add local {WEB[0]} dev lo",
            "iptables -t nat -A POSTROUTING -o nowhere -j MASQUERADE",
        ):
            assert there.lab.run(NODE, command.split()).returncode == 0
        there.lab.listen(NODE, *WEB)
        with clients(there, [WEB]) as seen:
            for _ in range(APPLIES):
                there.apply(everything(), target)
                there.take_down()
    return seen
