"""The guard of announced addresses: real packets of another machine, and what the kernel has afterwards.

This kernel may have no dummy devices: the addresses are on a bridge of that name.
"""

from __future__ import annotations

import asyncio
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.apply_states import run
from support.lan import connect
from support.waiting import LID, until
from svcc.agent.log import Log
from svcc.fleet.guard import Orders
from svcc.fleet.guarding import Guarding
from svcc.kernel.link import arp, nd
from svcc.kernel.link.announcing import announce
from svcc.kernel.link.hearing import Claim, Question, arp_claim, arp_question, nd_claim, nd_question
from svcc.kernel.link.proxies import PROTOCOL
from svcc.kernel.link.reading import links
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

FOUR, SIX = "198.51.100.100", "fd00:51::100"
ORDERS = Orders("svcc0", (FOUR, SIX))
_MAC = st.binary(min_size=6, max_size=6)


class _Guarded:
    """A machine that answers for both addresses, with a guard; and another machine on its link."""

    def __init__(self, machine: Namespace, other: Namespace, folder: Path) -> None:
        self.machine, self._other = machine, other
        with machine.entered():
            self.guard = subprocess.Popen(
                [sys.executable, "-P", "-m", "svcc.fleet.guard", str(folder / "guard.pid")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            )  # fmt: skip
        file = folder / "guard.pid"
        until(lambda: file.exists() and file.read_text(), "the guard has written who it is", process=self.guard)

    def tell(self, orders: Orders) -> None:
        assert self.guard.stdin is not None
        self.guard.stdin.write(orders.line)
        self.guard.stdin.flush()

    def says(self, wanted: dict[str, str], about: str) -> None:
        """Wait until it says this of an address that the other machine claims over and over: the guard may hear the
        first claims before it reads what it was told."""
        until(lambda: self._said_when_claimed(about) == wanted, f"the guard says {wanted}", process=self.guard)

    def other_claims(self, address: str) -> None:
        with self._other.entered():
            announce([ip_address(address)], links())

    def _said_when_claimed(self, address: str) -> dict[str, str] | None:
        self.other_claims(address)
        assert self.guard.stdout is not None
        if not select.select([self.guard.stdout], [], [], 1)[0]:
            return None
        found: dict[str, str] = json.loads(self.guard.stdout.readline())
        return found

    def answers_for(self) -> set[str]:
        """By the addresses and proxy entries that the kernel has; those of scope host are silent."""
        with self.machine.entered():
            held = {
                one.address for link in links() if link.name == "svcc0" for one in link.addresses if one.scope != "host"
            }
            proxied = run("ip -6 neighbour show proxy")
        return {one for one in (FOUR,) if one in held} | {one for one in (SIX,) if one in proxied}

    @property
    def hardware(self) -> str:
        with self._other.entered():
            return next(link.hardware for link in links() if link.name == "lan")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[_Guarded]:
    with closing(Namespace("machine")) as machine, closing(Namespace("other")) as other:
        with machine.entered():
            connect(other.path)
            run("ip link add svcc0 type bridge")
            run("ip link set svcc0 up")
            run(f"ip address add {FOUR}/32 dev svcc0")
            run(f"ip address add {SIX}/128 dev svcc0")
            run(f"ip neighbour add proxy {SIX} dev lan protocol {PROTOCOL}")
        with other.entered():
            run("ip link set lan up")
            run("ip address add 198.51.100.2/24 dev lan")
            run("ip address add fd00:51::2/64 dev lan nodad")
        with _ended(_Guarded(machine, other, tmp_path)) as made:
            yield made


@contextmanager
def _ended(made: _Guarded) -> Iterator[_Guarded]:
    with made.guard:
        try:
            yield made
        finally:
            made.guard.kill()


@pytest.mark.parametrize("address", [FOUR, SIX])
@pytest.mark.parametrize("dead", [False, True], ids=["agent-lives", "agent-is-dead"])
def test_what_another_machine_has_is_not_answered_for(guarded: _Guarded, address: str, dead: bool) -> None:
    assert guarded.answers_for() == {FOUR, SIX}
    guarded.tell(replace(ORDERS, until=time.monotonic() + 3600) if dead else ORDERS)
    if dead:
        assert guarded.guard.stdin is not None
        guarded.guard.stdin.close()
    guarded.says({"silenced": address, "for": guarded.hardware}, address)
    assert guarded.answers_for() == {FOUR, SIX} - {address}


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_while_etcd_keeps_it_the_other_is_told_that_it_is_wrong(guarded: _Guarded, address: str) -> None:
    guarded.tell(replace(ORDERS, until=time.monotonic() + 3600))
    guarded.says({"defended": address, "against": guarded.hardware}, address)
    assert guarded.answers_for() == {FOUR, SIX}


def test_the_agent_can_say_who_claims_what_it_holds(guarded: _Guarded, tmp_path: Path) -> None:
    lost: list[str] = []

    async def disputed() -> str:
        guarding = Guarding(tmp_path, Log(), lost.append)
        guarding.tell(replace(ORDERS, until=time.monotonic() + 3600))
        async with asyncio.timeout(LID):
            running = asyncio.create_task(guarding.run())
            while not guarding.disputed:
                await asyncio.to_thread(guarded.other_claims, FOUR)
                await asyncio.sleep(0.1)
            said = guarding.disputed
            await guarding.cease()
            await running
        return said

    with guarded.machine.entered():
        said = asyncio.run(disputed())
    assert said == f"{guarded.hardware}, which does not hold {FOUR} in this fleet, claims it"
    assert (lost, guarded.answers_for()) == ([], set())


def test_at_the_agents_end_nothing_is_answered_for(guarded: _Guarded) -> None:
    guarded.tell(replace(ORDERS, keep=True, until=time.monotonic() + 3600))
    guarded.tell(replace(ORDERS, keep=True, end=True))
    assert guarded.guard.wait(60) == 0
    assert guarded.answers_for() == set()


def test_an_older_guard_ends_when_its_agent_is_dead(guarded: _Guarded, tmp_path: Path) -> None:
    guarded.tell(ORDERS)
    (tmp_path / "guard.pid").write_text("1")
    assert guarded.guard.stdin is not None
    guarded.guard.stdin.close()
    assert guarded.guard.wait(60) == 0
    assert guarded.answers_for() == {FOUR, SIX}


@given(_MAC, st.ip_addresses(v=4), st.ip_addresses(v=6))
def test_what_announces_an_address_is_understood(mac: bytes, four: IPv4Address, six: IPv6Address) -> None:
    wanted = None if not int(four) else Claim(four, mac.hex(":"))
    assert [arp_claim(frame[14:]) for frame in arp.packets(mac, four)] == [wanted] * 2
    assert nd_claim(nd.packet(mac, six)[54:]) == Claim(six, mac.hex(":"))


@given(_MAC, st.ip_addresses(v=4), st.ip_addresses(v=6))
def test_who_asks_for_an_address_is_understood(mac: bytes, four: IPv4Address, six: IPv6Address) -> None:
    assert arp_question(arp.probe(mac, four)[14:]) == Question(four, mac.hex(":"))
    assert nd_question(nd.probe(mac, six)[54:]) == Question(six, mac.hex(":"))
    assert arp_claim(arp.probe(mac, four)[14:]) is nd_claim(nd.probe(mac, six)[54:]) is None
    assert nd_question(nd.packet(mac, six)[54:]) is None


@given(st.binary(max_size=64))
def test_anything_else_is_no_error(packet: bytes) -> None:
    arp_claim(packet)
    arp_question(packet)
    nd_claim(bytes([nd.ADVERTISEMENT]) + packet)
    nd_question(bytes([nd.SOLICITATION]) + packet)
