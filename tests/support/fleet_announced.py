"""A fleet whose machines announce addresses: which machine answers for which address, and why that may change."""

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
#: What an agent logs when its lease has ended: each of its addresses may then go to another machine.
ENDED = "the lease ended"


def start(machine: Machine) -> None:
    """Start an agent with time limits for a busy machine: to keep its lease alive, and to ask etcd after an apply."""
    machine.start("--lease", "10", "--confirm", "120")


def roll_out(made: Site, target: str, stage: str) -> None:
    """Publish release 1 and roll it out, however long the machines take."""
    made.publish(TEXT, *(word for name in "abc" for word in ("-t", f"{name}={target}")))
    made.svcc("rollout", 1, "--soak", "0s", "--patience", "10m", "--stage", stage)


@contextmanager
def three(folder: Path, target: str) -> Iterator[tuple[Site, Client]]:
    """Yield three machines that serve release 1, and a client."""
    with site(folder, "a", "b", "c", nf_tables=target == "nft") as made, client_of(made) as client:
        for machine in made.machines:
            machine.otherwise = stand_in()
            start(machine)
        roll_out(made, target, "all")
        yield made, client


def machine_of(made: Site, name: str) -> Machine:
    """Return the machine with a name."""
    return next(one for one in made.machines if one.name == name)


@dataclass(frozen=True)
class Held:
    """The machine that answers for each address, the revision of etcd at which each was taken, and how often each
    machine's lease had ended before."""

    by: dict[_Address, str]
    taken: dict[_Address, int]
    ended: dict[str, int]


def holders(made: Site, client: Client, *but: str) -> Held:
    """Wait until machines other than ``but`` serve the addresses, exactly one machine answers for each, and that one is
    its holder, also in `fleet status`."""
    for address in BOTH:
        until_served(client, address, *but)
    return made.until(partial(_all_agree, made, client), "one machine answers for each address, and holds it")


def _all_agree(made: Site, client: Client) -> Held | None:
    """Return who holds the addresses, where all answers agree; None where they do not: a busy machine may lose its
    lease meanwhile."""
    ended = {machine.name: machine.said().count(ENDED) for machine in made.machines}
    answer = _answer(client)
    held = {ip_address(one): name for name, node in made.nodes().items() for one in node["holds"]}
    taken = {ip_address(one): revision for one, revision in made.taken().items()}
    served = {address: client.connects_to(address) for address in BOTH}
    return Held(served, taken, ended) if answer == held == served and taken.keys() == held.keys() else None


def _answer(client: Client) -> dict[_Address, str] | None:
    """Return the machine that answers for each address; None where one has none, or more than one."""
    found = {address: client.answered_by(address) for address in BOTH}
    return {one: some.pop() for one, some in found.items()} if all(len(a) == 1 for a in found.values()) else None


def stay(made: Site, client: Client, before: Held) -> Held:
    """Wait until each address has its holder: the same as before, unless the lease of that ended, as it may on a busy
    machine.

    The holder's key is deleted with the lease; nobody took an address that was held, or gave one away.
    """
    now = holders(made, client)
    for address, name in before.by.items():
        if now.by[address] != name:
            assert now.taken[address] > before.taken[address], f"{address} was taken from {name}\n{made.said}"
            assert ended_since(machine_of(made, name), before), f"{name} gave {address} away\n{made.said}"
    return now


def holder_dies(made: Site, client: Client, held: Held) -> Held:
    """Kill the agent that holds an address, wait until another holds it, and start the first one again, which takes
    nothing back."""
    first = held.by[FOUR]
    machine_of(made, first).end(signal.SIGKILL)
    held = holders(made, client, first)
    start(machine_of(made, first))
    made.until_node(first, alive=True)
    return stay(made, client, held)


#: What a machine logs that asked etcd to let go of an address and got no answer. Whether it did so shows when another
#: machine holds it.
UNKNOWN = "addresses cannot be held or let go of"


def ended_since(machine: Machine, before: Held) -> bool:
    return machine.said().count(ENDED) > before.ended[machine.name]
