"""Announced addresses in a fleet: of three machines one answers for each, whatever becomes of it. On a kernel with
dummy devices; a client on their network asks who has an address, and connects to it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TypeAlias

import pytest

from support.apply_states import run
from support.fleet_client import FOUR, SIX, TEXT, Client, client_of, until_served
from support.fleet_site import ETCD, Machine, Site, site

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

_Address: TypeAlias = IPv4Address | IPv6Address
BOTH: tuple[_Address, ...] = (FOUR, SIX)


@contextmanager
def _three(folder: Path, target: str) -> Iterator[tuple[Site, Client]]:
    """Three machines that serve release 1."""
    with site(folder, "a", "b", "c", nf_tables=False) as made, client_of(made) as client:
        for machine in made.machines:
            machine.start()
        made.publish(TEXT, *(word for name in "abc" for word in ("-t", f"{name}={target}")))
        made.svcc("rollout", 1, "--soak", "0", "--stage", "all")
        yield made, client


def _machine(made: Site, name: str) -> Machine:
    return next(one for one in made.machines if one.name == name)


def _link(machine: Machine, state: str) -> None:
    with machine.shell.namespace.entered():
        run(f"ip link set lan {state}")
        if state == "up":  # a link that goes down loses its IPv6 addresses
            run(f"ip address add fd00:9::{11 + 'abc'.index(machine.name)}/64 dev lan nodad")


def _holders(made: Site, client: Client, *but: str) -> dict[_Address, str]:
    """Wait until machines other than some serve the addresses, each of which one machine alone answers for; that one is
    the holder, and `fleet status` says so."""
    for address in BOTH:
        until_served(client, address, *but)

    def one_for_each() -> dict[_Address, str] | None:
        found = {address: client.answered_by(address) for address in BOTH}
        return {one: some.pop() for one, some in found.items()} if all(len(a) == 1 for a in found.values()) else None

    found = made.until(one_for_each, "one machine answers for each address")
    held = {ip_address(one): name for name, node in made.nodes().items() for one in node["holds"]}
    assert held == found == {address: client.connects_to(address) for address in BOTH}
    return found


def test_one_answers_whatever_becomes_of_it(tmp_path: Path) -> None:
    with _three(tmp_path, "iptables") as (made, client):
        before = _holders(made, client)
        _etcd_is_away_for_a_while(made, client, before)
        assert _holders(made, client) == before
        first = before[FOUR]
        _machine(made, first).end(signal.SIGKILL)
        before = _holders(made, client, first)
        _machine(made, first).start()
        made.until_node(first, alive=True)
        assert _holders(made, client) == before  # it takes nothing back
        second = before[FOUR]
        _link(_machine(made, second), "down")
        before = _holders(made, client, second)
        _link(_machine(made, second), "up")
        made.until_node(second, alive=True)
        assert _holders(made, client) == before
        third = before[FOUR]
        _machine(made, third).end()
        _holders(made, client, third)


def _etcd_is_away_for_a_while(made: Site, client: Client, holders: dict[_Address, str]) -> None:
    """Leases end meanwhile, and who answers goes on."""
    (etcd,) = made.etcd.members
    etcd.end()
    for machine in made.machines:
        machine.until(partial(machine.says, "etcd was away for as long as the lease lasts"), "its lease ended")
    assert {address: client.connects_to(address) for address in BOTH} == holders
    with made.switch.namespace.entered():
        made.etcd.start("--listen-client-urls", f"{made.etcd.urls[0]},http://{ETCD}:2379")
    for machine in made.machines:
        made.until_node(machine.name, alive=True)


def test_who_is_cut_off_from_etcd_alone_ceases_when_another_machine_takes_over(tmp_path: Path) -> None:
    """On ipvs, where all machines have the addresses, and but one are silent."""
    with _three(tmp_path, "ipvs") as (made, client):
        first = _machine(made, _holders(made, client)[FOUR])
        with first.shell.namespace.entered():
            run(f"ip route add blackhole {ETCD}")
        before = _holders(made, client, first.name)
        first.until(lambda: first.says(f"another machine has it address={FOUR}"), "its guard heard that")
        with first.shell.namespace.entered():
            run(f"ip route del blackhole {ETCD}")
        made.until_node(first.name, alive=True)
        assert _holders(made, client) == before
