"""Announced addresses in a fleet: of three machines one answers for each, whatever becomes of it. On a kernel with
dummy devices; a client on their network asks who has an address, and connects to it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from support.apply_states import run
from support.fleet_announced import (
    BOTH,
    UNKNOWN,
    Held,
    ended_since,
    holder_dies,
    holders,
    machine_of,
    roll_out,
    start,
    stay,
    three,
)
from support.fleet_client import FOUR, SIX, Client, client_of, until_served
from support.fleet_site import ETCD, Machine, Site, site

pytestmark = [pytest.mark.vm, pytest.mark.kernel]


def _link(machine: Machine, state: str) -> None:
    with machine.shell.namespace.entered():
        run(f"ip link set lan {state}")
        if state == "up":  # a link that goes down loses its IPv6 addresses
            run(f"ip address add fd00:9::{11 + 'abc'.index(machine.name)}/64 dev lan nodad")


def _link_beside(made: Site, machine: Machine) -> str:
    """Give a machine another link to etcd; the name of the switch's end of the one that it has."""
    number = 11 + made.machines.index(machine)
    with made.switch.namespace.entered():
        run(f"ip link add beside type veth peer name beside netns {machine.shell.namespace.path}")
        run("ip address add 10.8.0.1/24 dev beside")
        run("ip link set beside up")
    with machine.shell.namespace.entered():
        run("ip address add 10.8.0.2/24 dev beside")
        run("ip link set beside up")
        run(f"ip route add {ETCD} via 10.8.0.1 dev beside")
    return f"to-{number}"


def test_one_answers_whatever_becomes_of_it(tmp_path: Path) -> None:
    with three(tmp_path, "iptables") as (made, client):
        held = _etcd_is_away_for_a_while(made, client, holders(made, client))
        held = holder_dies(made, client, held)
        second = held.by[FOUR]
        _link(machine_of(made, second), "down")
        held = holders(made, client, second)
        _link(machine_of(made, second), "up")
        made.until_node(second, alive=True)
        held = stay(made, client, held)
        third = machine_of(made, held.by[FOUR])
        link, unknown = _link_beside(made, third), third.said().count(UNKNOWN)
        with made.switch.namespace.entered():
            run(f"ip link set {link} down")  # the machine's end loses its carrier
        after = holders(made, client, third.name)
        let_go = f"let go of an address address={FOUR}"
        third.until(
            lambda: third.says(let_go) or third.said().count(UNKNOWN) > unknown or ended_since(third, held),
            "it gave the address away",
        )
        with made.switch.namespace.entered():
            run(f"ip link set {link} up")
        last = after.by[FOUR]
        machine_of(made, last).end()
        holders(made, client, last)


def _etcd_is_away_for_a_while(made: Site, client: Client, held: Held) -> Held:
    """Leases end meanwhile, and who answers goes on; the holders after it."""
    (etcd,) = made.etcd.members
    etcd.end()
    for machine in made.machines:
        machine.until(partial(ended_since, machine, held), "its lease ended")
    away = {address: until_served(client, address) for address in BOTH}
    with made.switch.namespace.entered():
        made.etcd.start("--listen-client-urls", f"{made.etcd.urls[0]},http://{ETCD}:2379")
    for machine in made.machines:
        made.until_node(machine.name, alive=True)
    now = stay(made, client, held)
    never_free = {address for address in BOTH if now.taken[address] == held.taken[address]}
    assert all(away[address] == held.by[address] for address in never_free)
    return now


def test_who_is_cut_off_from_etcd_alone_ceases_when_another_machine_takes_over(tmp_path: Path) -> None:
    """On ipvs, where all machines have the addresses, and but one are silent. Its guard hears the other one: it hears
    nothing else any more.
    """
    ceases = f"ceases to answer for an address address={FOUR}"
    with three(tmp_path, "ipvs") as (made, client):
        often = {machine.name: machine.said().count(ceases) for machine in made.machines}
        first = machine_of(made, holders(made, client).by[FOUR])
        with first.shell.namespace.entered():
            run(f"ip route add blackhole {ETCD}")
        held = holders(made, client, first.name)
        first.until(lambda: first.said().count(ceases) > often[first.name], "its guard heard that")
        with first.shell.namespace.entered():
            run(f"ip route del blackhole {ETCD}")
        made.until_node(first.name, alive=True)
        stay(made, client, held)


def test_what_another_host_has_is_not_taken_until_it_has_it_no_more(tmp_path: Path) -> None:
    """A machine of another fleet, or of keepalived, is such a host."""
    with site(tmp_path, "a", nf_tables=False) as made, client_of(made) as client:
        (machine,) = made.machines
        client.run(f"ip address add {FOUR}/32 dev lan")
        start(machine)
        roll_out(made, "iptables", "a")
        until_served(client, SIX)
        made.until(lambda: f"{FOUR} is not taken" in made.nodes()["a"]["words"], "it says that another has it")
        made.until_node("a", holds=[str(SIX)])
        client.run(f"ip address del {FOUR}/32 dev lan")
        assert until_served(client, FOUR) == "a"
        made.until_node("a", words="")

        def claimed() -> bool:
            client.claim(FOUR)
            return f"which does not hold {FOUR} in this fleet, claims it" in made.nodes()["a"]["words"]

        made.until(claimed, "it says that another claims it")
        assert until_served(client, FOUR) == "a"
        made.until_node("a", words="", holds=[str(FOUR), str(SIX)])
