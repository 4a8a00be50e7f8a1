"""Announced addresses in a fleet: of three machines one answers for each, whatever becomes of it. On a kernel with
dummy devices; a client on their network asks who has an address, and connects to it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
#: What an agent says when its lease is over, of which each of its addresses may go to another machine.
ENDED = "the lease ended"


def _start(machine: Machine) -> None:
    """A busy machine has its time to keep its lease alive, and to ask etcd after an apply."""
    machine.start("--lease", "10", "--confirm", "120")


def _roll_out(made: Site, target: str, stage: str) -> None:
    """Publish release 1 and give it to machines, however long they take."""
    made.publish(TEXT, *(word for name in "abc" for word in ("-t", f"{name}={target}")))
    made.svcc("rollout", 1, "--soak", "0s", "--patience", "10m", "--stage", stage)


@contextmanager
def _three(folder: Path, target: str) -> Iterator[tuple[Site, Client]]:
    """Three machines that serve release 1."""
    with site(folder, "a", "b", "c", nf_tables=False) as made, client_of(made) as client:
        for machine in made.machines:
            _start(machine)
        _roll_out(made, target, "all")
        yield made, client


def _machine(made: Site, name: str) -> Machine:
    return next(one for one in made.machines if one.name == name)


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


@dataclass(frozen=True)
class _Held:
    """Who answers for each address, at which revisions of etcd it was taken, and how often leases had ended before."""

    by: dict[_Address, str]
    taken: dict[_Address, int]
    ended: dict[str, int]


def _holders(made: Site, client: Client, *but: str) -> _Held:
    """Wait until machines other than some serve the addresses, each of which one machine alone answers for; that one is
    the holder, and `fleet status` says so."""
    for address in BOTH:
        until_served(client, address, *but)
    return made.until(partial(_all_agree, made, client), "one machine answers for each address, and holds it")


def _all_agree(made: Site, client: Client) -> _Held | None:
    """A busy machine may lose its lease while they are asked: they are asked again then."""
    ended = {machine.name: machine.said().count(ENDED) for machine in made.machines}
    answer = _answer(client)
    held = {ip_address(one): name for name, node in made.nodes().items() for one in node["holds"]}
    taken = {ip_address(one): revision for one, revision in made.taken().items()}
    served = {address: client.connects_to(address) for address in BOTH}
    return _Held(served, taken, ended) if answer == held == served and taken.keys() == held.keys() else None


def _answer(client: Client) -> dict[_Address, str] | None:
    """Who answers for each address; None: none does, or more than one."""
    found = {address: client.answered_by(address) for address in BOTH}
    return {one: some.pop() for one, some in found.items()} if all(len(a) == 1 for a in found.values()) else None


def _stay(made: Site, client: Client, before: _Held) -> _Held:
    """Wait until each address has its holder: the one before, unless the lease of that ended, as it may on a busy
    machine. Its key went with the lease then: nobody took what was held, or gave it away.
    """
    now = _holders(made, client)
    for address, name in before.by.items():
        if now.by[address] != name:
            assert now.taken[address] > before.taken[address], f"{address} was taken from {name}\n{made.said}"
            assert _ended_since(_machine(made, name), before), f"{name} gave {address} away\n{made.said}"
    return now


#: What a machine says that asked etcd to let go, and heard no answer: whether it did shows when another one holds it.
_UNKNOWN = "addresses cannot be held or let go of"


def _ended_since(machine: Machine, before: _Held) -> bool:
    return machine.said().count(ENDED) > before.ended[machine.name]


def test_one_answers_whatever_becomes_of_it(tmp_path: Path) -> None:
    with _three(tmp_path, "iptables") as (made, client):
        held = _etcd_is_away_for_a_while(made, client, _holders(made, client))
        first = held.by[FOUR]
        _machine(made, first).end(signal.SIGKILL)
        held = _holders(made, client, first)
        _start(_machine(made, first))
        made.until_node(first, alive=True)
        held = _stay(made, client, held)  # it takes nothing back
        second = held.by[FOUR]
        _link(_machine(made, second), "down")
        held = _holders(made, client, second)
        _link(_machine(made, second), "up")
        made.until_node(second, alive=True)
        held = _stay(made, client, held)
        third = _machine(made, held.by[FOUR])
        link, unknown = _link_beside(made, third), third.said().count(_UNKNOWN)
        with made.switch.namespace.entered():
            run(f"ip link set {link} down")  # the machine's end loses its carrier
        after = _holders(made, client, third.name)
        let_go = f"let go of an address address={FOUR}"
        third.until(
            lambda: third.says(let_go) or third.said().count(_UNKNOWN) > unknown or _ended_since(third, held),
            "it gave the address away",
        )
        with made.switch.namespace.entered():
            run(f"ip link set {link} up")
        last = after.by[FOUR]
        _machine(made, last).end()
        _holders(made, client, last)


def _etcd_is_away_for_a_while(made: Site, client: Client, held: _Held) -> _Held:
    """Leases end meanwhile, and who answers goes on; the holders after it."""
    (etcd,) = made.etcd.members
    etcd.end()
    for machine in made.machines:
        machine.until(partial(_ended_since, machine, held), "its lease ended")
    away = {address: until_served(client, address) for address in BOTH}
    with made.switch.namespace.entered():
        made.etcd.start("--listen-client-urls", f"{made.etcd.urls[0]},http://{ETCD}:2379")
    for machine in made.machines:
        made.until_node(machine.name, alive=True)
    now = _stay(made, client, held)
    never_free = {address for address in BOTH if now.taken[address] == held.taken[address]}
    assert all(away[address] == held.by[address] for address in never_free)
    return now


def test_who_is_cut_off_from_etcd_alone_ceases_when_another_machine_takes_over(tmp_path: Path) -> None:
    """On ipvs, where all machines have the addresses, and but one are silent. Its guard hears the other one: it hears
    nothing else any more.
    """
    ceases = f"ceases to answer for an address address={FOUR}"
    with _three(tmp_path, "ipvs") as (made, client):
        often = {machine.name: machine.said().count(ceases) for machine in made.machines}
        first = _machine(made, _holders(made, client).by[FOUR])
        with first.shell.namespace.entered():
            run(f"ip route add blackhole {ETCD}")
        held = _holders(made, client, first.name)
        first.until(lambda: first.said().count(ceases) > often[first.name], "its guard heard that")
        with first.shell.namespace.entered():
            run(f"ip route del blackhole {ETCD}")
        made.until_node(first.name, alive=True)
        _stay(made, client, held)


def test_what_another_host_has_is_not_taken_until_it_has_it_no_more(tmp_path: Path) -> None:
    """A machine of another fleet, or of keepalived, is such a host."""
    with site(tmp_path, "a", nf_tables=False) as made, client_of(made) as client:
        (machine,) = made.machines
        client.run(f"ip address add {FOUR}/32 dev lan")
        _start(machine)
        _roll_out(made, "iptables", "a")
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
