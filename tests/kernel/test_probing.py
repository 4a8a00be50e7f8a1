"""Asking a network who has an address, with real packets, and the answers of other machines' kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address

import pytest

from support.apply_states import run
from support.lan import connect
from svcc.agent.log import Log
from svcc.fleet.probing import Probing
from svcc.kernel.link.probing import answered
from svcc.kernel.link.reading import links
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

FOUR, SIX, PROXIED = "198.51.100.100", "fd00:51::100", "fd00:51::101"
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
        found = answered([ip_address(one) for one in (FOUR, SIX, PROXIED, *FREE)], links())
        assert found == {ip_address(one): hardware for one in (FOUR, SIX, PROXIED)}
    with other.entered():
        assert run("ip neighbour show to 198.51.100.0/24") == ""


def test_what_this_machine_has_is_nobody_elses(lan: tuple[Namespace, Namespace, str]) -> None:
    machine, _, _ = lan
    with machine.entered():
        assert answered([ip_address("198.51.100.1"), ip_address("fd00:51::1")], links()) == {}


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
