"""A fleet whose machines announce addresses, as its tests have it: who answers for which, and why that may change."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TypeAlias

from support.dummy_devices import stand_in
from support.fleet_client import FOUR, SIX, TEXT, Client, client_of, until_served
from support.fleet_site import Machine, Site, site

_Address: TypeAlias = IPv4Address | IPv6Address
BOTH: tuple[_Address, ...] = (FOUR, SIX)
#: What an agent says when its lease is over, of which each of its addresses may go to another machine.
ENDED = "the lease ended"


def start(machine: Machine) -> None:
    """A busy machine has its time to keep its lease alive, and to ask etcd after an apply."""
    machine.start("--lease", "10", "--confirm", "120")


def roll_out(made: Site, target: str, stage: str) -> None:
    """Publish release 1 and give it to machines, however long they take."""
    made.publish(TEXT, *(word for name in "abc" for word in ("-t", f"{name}={target}")))
    made.svcc("rollout", 1, "--soak", "0s", "--patience", "10m", "--stage", stage)


@contextmanager
def three(folder: Path, target: str) -> Iterator[tuple[Site, Client]]:
    """Three machines that serve release 1."""
    with site(folder, "a", "b", "c", nf_tables=target == "nft") as made, client_of(made) as client:
        for machine in made.machines:
            machine.otherwise = stand_in()
            start(machine)
        roll_out(made, target, "all")
        yield made, client


def machine_of(made: Site, name: str) -> Machine:
    """The machine of a name."""
    return next(one for one in made.machines if one.name == name)


@dataclass(frozen=True)
class Held:
    """Who answers for each address, at which revisions of etcd it was taken, and how often leases had ended before."""

    by: dict[_Address, str]
    taken: dict[_Address, int]
    ended: dict[str, int]


def holders(made: Site, client: Client, *but: str) -> Held:
    """Wait until machines other than some serve the addresses, each of which one machine alone answers for; that one is
    the holder, and `fleet status` says so."""
    for address in BOTH:
        until_served(client, address, *but)
    return made.until(partial(_all_agree, made, client), "one machine answers for each address, and holds it")


def _all_agree(made: Site, client: Client) -> Held | None:
    """A busy machine may lose its lease while they are asked: they are asked again then."""
    ended = {machine.name: machine.said().count(ENDED) for machine in made.machines}
    answer = _answer(client)
    held = {ip_address(one): name for name, node in made.nodes().items() for one in node["holds"]}
    taken = {ip_address(one): revision for one, revision in made.taken().items()}
    served = {address: client.connects_to(address) for address in BOTH}
    return Held(served, taken, ended) if answer == held == served and taken.keys() == held.keys() else None


def _answer(client: Client) -> dict[_Address, str] | None:
    """Who answers for each address; None: none does, or more than one."""
    found = {address: client.answered_by(address) for address in BOTH}
    return {one: some.pop() for one, some in found.items()} if all(len(a) == 1 for a in found.values()) else None


def stay(made: Site, client: Client, before: Held) -> Held:
    """Wait until each address has its holder: the one before, unless the lease of that ended, as it may on a busy
    machine. Its key went with the lease then: nobody took what was held, or gave it away.
    """
    now = holders(made, client)
    for address, name in before.by.items():
        if now.by[address] != name:
            assert now.taken[address] > before.taken[address], f"{address} was taken from {name}\n{made.said}"
            assert ended_since(machine_of(made, name), before), f"{name} gave {address} away\n{made.said}"
    return now


def holder_dies(made: Site, client: Client, held: Held) -> Held:
    """Kill the agent that holds an address, wait for another one to hold it, and start the first one again, which takes
    nothing back.
    """
    first = held.by[FOUR]
    machine_of(made, first).end(signal.SIGKILL)
    held = holders(made, client, first)
    start(machine_of(made, first))
    made.until_node(first, alive=True)
    return stay(made, client, held)


#: What a machine says that asked etcd to let go, and heard no answer: whether it did shows when another one holds it.
UNKNOWN = "addresses cannot be held or let go of"


def ended_since(machine: Machine, before: Held) -> bool:
    return machine.said().count(ENDED) > before.ended[machine.name]
