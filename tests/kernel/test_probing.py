"""Asking a network who has an address, with real packets, and the answers of other machines' kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Event, Thread
from typing import TypeAlias

import pytest

from support.apply_states import run
from support.lan import connect
from svcc.agent.log import Log
from svcc.fleet.probing import Probing
from svcc.kernel.link import arp, nd
from svcc.kernel.link.probing import Probed, probe
from svcc.kernel.link.reading import links
from svcc.kernel.link.sending import send
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

FOUR, SIX, PROXIED = "198.51.100.100", "fd00:51::100", "fd00:51::101"
Address: TypeAlias = IPv4Address | IPv6Address
FREE = ("198.51.100.101", "fd00:51::102", "203.0.113.1")


@pytest.fixture
def lan() -> Iterator[tuple[Namespace, Namespace, str]]:
    """A machine, another one that has some addresses, and the hardware address of this."""
    with closing(Namespace("machine")) as machine, closing(Namespace("other")) as other:
        with machine.entered():
            connect(other.path)
        with other.entered():
            run("ip link set lan up")
            run("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.proxy_ndp=1")
            for address in (f"{FOUR}/24", f"{SIX}/64 nodad"):
                run(f"ip address add dev lan {address}")
            run(f"ip neighbour add proxy {PROXIED} dev lan")
            hardware = next(link.hardware for link in links() if link.name == "lan")
        yield machine, other, hardware


def test_who_has_an_address_says_so_and_learns_nothing(lan: tuple[Namespace, Namespace, str]) -> None:
    machine, other, hardware = lan
    with machine.entered():
        found = probe([ip_address(one) for one in (FOUR, SIX, PROXIED, *FREE)], links())
        assert found.answered == {ip_address(one): hardware for one in (FOUR, SIX, PROXIED)}
    with other.entered():
        assert run("ip neighbour show to 198.51.100.0/24") == ""


def test_what_this_machine_has_is_nobody_elses(lan: tuple[Namespace, Namespace, str]) -> None:
    machine, _, _ = lan
    with machine.entered():
        assert probe([ip_address("198.51.100.1"), ip_address("fd00:51::1")], links()) == Probed({}, {})


def test_an_address_is_free_when_nobody_answers_any_more(lan: tuple[Namespace, Namespace, str]) -> None:
    machine, other, hardware = lan
    with machine.entered():
        there = links()
    probing = Probing(Log(), again=0, silence=0)

    async def free() -> set[str]:
        return await probing.free([FOUR, FREE[0]], there)

    with machine.entered():
        assert asyncio.run(free()) == {FREE[0]}
        why = f"{hardware}, which does not hold it in this fleet, answers for it"
        assert probing.refused == f"{FOUR} is not taken: {why}"
    with other.entered():
        run(f"ip address del {FOUR}/24 dev lan")
    with machine.entered():
        assert asyncio.run(free()) == {FOUR, FREE[0]}
        assert probing.refused == ""


@contextmanager
def _asking(other: Namespace, addresses: list[Address], ending: int) -> Iterator[str]:
    """The other machine asks for addresses all the time; its hardware address, which ends so."""
    mac = bytes([2, 0, 0, 0, 0, ending])
    ended = Event()

    def ask() -> None:
        with other.entered():
            while not ended.wait(0.05):
                for one in addresses:
                    kind, frame = (
                        (arp.ETHERTYPE, arp.probe(mac, one)) if one.version == 4 else (nd.ETHERTYPE, nd.probe(mac, one))
                    )
                    send("lan", kind, [frame])

    with other.entered():
        run(f"ip link set lan address {mac.hex(':')}")
    thread = Thread(target=ask)
    thread.start()
    try:
        yield mac.hex(":")
    finally:
        ended.set()
        thread.join()


def _has_hardware(machine: Namespace, ending: int) -> None:
    with machine.entered():
        run(f"ip link set lan address 02:00:00:00:00:{ending:02x}")


@pytest.mark.parametrize("goes_first", [True, False])
def test_of_two_that_ask_at_once_one_goes_first(lan: tuple[Namespace, Namespace, str], goes_first: bool) -> None:
    machine, other, _ = lan
    _has_hardware(machine, 5)
    both = [ip_address(one) for one in FREE[:2]]
    with _asking(other, both, 4 if goes_first else 6) as hardware, machine.entered():
        assert probe(both, links()) == Probed({}, dict.fromkeys(both, hardware) if goes_first else {})


def test_more_addresses_are_asked_for_than_a_socket_has_groups(lan: tuple[Namespace, Namespace, str]) -> None:
    machine, other, _ = lan
    _has_hardware(machine, 5)
    many = [ip_address(f"fd00:51::{number:x}") for number in range(0x1000, 0x1000 + 450)]
    with _asking(other, many[-1:], 4) as hardware, machine.entered():
        assert probe(many, links()) == Probed({}, {many[-1]: hardware})


def test_who_only_asks_is_not_waited_for_without_end(lan: tuple[Namespace, Namespace, str]) -> None:
    machine, other, _ = lan
    _has_hardware(machine, 5)
    with machine.entered():
        there = links()
    probing = Probing(Log(), again=0, silence=0)

    async def free() -> set[str]:
        return await probing.free([*FREE[:2]], there)

    with _asking(other, [ip_address(one) for one in FREE[:2]], 4), machine.entered():
        assert asyncio.run(free()) == set()
        assert probing.refused == ""
        assert asyncio.run(free()) == {*FREE[:2]}


def test_a_machine_that_another_one_goes_before_is_answered_when_it_asks_again(
    lan: tuple[Namespace, Namespace, str],
) -> None:
    machine, other, _ = lan
    _has_hardware(machine, 5)
    with machine.entered():
        there = links()
    probing = Probing(Log(), again=0)

    async def free() -> set[str]:
        return await probing.free([FREE[0]], there)

    with _asking(other, [ip_address(FREE[0])], 4) as hardware, machine.entered():
        assert asyncio.run(free()) == set()
    with other.entered():
        run(f"ip address add {FREE[0]}/32 dev lan")
    with machine.entered():
        assert asyncio.run(free()) == set()
        assert probing.refused.startswith(f"{FREE[0]} is not taken: {hardware}")
