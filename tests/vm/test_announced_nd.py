"""Who answers neighbour solicitations, on a kernel with dummy devices: asked by another machine, with packets."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from support.apply_faults import Case, kill_at_every_point
from support.apply_states import run
from support.apply_world import World
from support.lan import connect, on_lan
from svcc.kernel.link.nd import checksum
from svcc.kernel.link.proxies import PROTOCOL
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

_IPV6 = 0x86DD
_SOLICITATION, _ADVERTISEMENT = 135, 136
ROUTER, SOLICITED, OVERRIDE = 4, 2, 1
OWN, CLIENT = IPv6Address("fd00:51::1"), IPv6Address("fd00:51::2")
ANNOUNCED, QUIET, FOREIGN = (IPv6Address(f"fd00:51::{last}") for last in ("100", "101", "77"))
TEXT = """
service web {{ vip {announced}; announce {announce}; port 80/tcp; endpoints {{ fd00:64::1 }} }}
service quiet {{ vip {quiet}; port 80/tcp; endpoints {{ fd00:64::1 }} }}
"""
YES, NO = (TEXT.format(announced=ANNOUNCED, quiet=QUIET, announce=word) for word in ("yes", "no"))
NEITHER = "\nservice quiet { vip fd00:51::101; port 80/tcp; endpoints { fd00:64::1 } }"


class Neighbour:
    """A machine on the node's link."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_IPV6))
            self._socket.bind(("lan", _IPV6))
        self._mac = self._socket.getsockname()[4]

    def close(self) -> None:
        self._socket.close()

    def heard(self, seconds: float = 0.3) -> list[tuple[int, IPv6Address, bytes]]:
        """The flags, the target and the hardware address of all advertisements, until so long none has come."""
        found = []
        self._socket.settimeout(seconds)
        try:
            while True:
                frame, (_, _, kind, *_) = self._socket.recvfrom(256)
                if kind != socket.PACKET_OUTGOING and frame[20] == 58 and frame[54] == _ADVERTISEMENT:
                    length = struct.unpack("!H", frame[18:20])[0]
                    said = frame[54 : 54 + length]
                    assert checksum(frame[22:54] + struct.pack("!II", length, 58) + said) == 0
                    assert frame[21] == 255
                    found.append((said[4] >> 5, IPv6Address(said[8:24]), frame[6:12]))
        except TimeoutError:
            return found

    def is_answered(self, address: IPv6Address) -> bool:
        """Whether somebody says that the address is his. An address of the node's own, asked last, ends the waiting."""
        for asked in (address, OWN):
            self._ask(asked)
        said: set[IPv6Address] = set()
        while OWN not in said:
            said |= {target for flags, target, _ in self.heard() if flags & SOLICITED}
        return address in said

    def _ask(self, address: IPv6Address) -> None:
        group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(address) & 0xFFFFFF)
        body = bytes(4) + address.packed + b"\x01\x01" + self._mac
        between = CLIENT.packed + group.packed
        head = struct.pack("!BB", _SOLICITATION, 0)
        summed = checksum(between + struct.pack("!II", len(body) + 4, 58) + head + bytes(2) + body)
        packet = struct.pack("!IHBB", 6 << 28, len(body) + 4, 58, 255) + between
        ethernet = b"\x33\x33" + group.packed[-4:] + self._mac + struct.pack("!H", _IPV6)
        self._socket.send(ethernet + packet + head + struct.pack("!H", summed) + body)


def _prepare() -> None:
    """Answer at once (a proxy waits up to proxy_delay), forward, and have a proxy entry of somebody else's."""
    run("sysctl -qw net.ipv6.neigh.lan.proxy_delay=0 net.ipv6.conf.all.forwarding=1")
    run(f"ip -6 neighbour add proxy {FOREIGN} dev lan")


@contextmanager
def _lan(folder: Path, variant: str) -> Iterator[tuple[World, Neighbour]]:
    with on_lan(folder, variant) as (world, client), closing(Neighbour(client)) as neighbour:
        with world.inside():
            _prepare()
        yield world, neighbour


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[tuple[World, Neighbour]]:
    with _lan(tmp_path, "legacy") as found:
        yield found


def entries() -> dict[str, str]:
    """The protocols of the proxy entries of the calling thread's namespace, by address and link."""
    listed = json.loads(run("ip -6 -Numeric -json neighbour show proxy") or "[]")
    return {f"{one['dst']} {one['dev']}": str(one.get("protocol", "")) for one in listed}


OTHERS = {f"{FOREIGN} lan": ""}
OURS = {**OTHERS, f"{ANNOUNCED} lan": str(PROTOCOL)}


def told(neighbour: Neighbour) -> list[tuple[int, IPv6Address]]:
    """What the node said of the service's addresses without being asked."""
    return [(flags, target) for flags, target, _ in neighbour.heard() if target in (ANNOUNCED, QUIET)]


def answers(neighbour: Neighbour) -> tuple[bool, bool]:
    return neighbour.is_answered(ANNOUNCED), neighbour.is_answered(QUIET)


UNSOLICITED = [(OVERRIDE, ANNOUNCED)]


@pytest.mark.vm
@pytest.mark.parametrize("target", ["iptables", "ipvs"])
def test_only_what_is_announced_is_answered_and_told(target: str, lan: tuple[World, Neighbour]) -> None:
    world, neighbour = lan
    _apply_and_take_back(world, neighbour, target)


@pytest.mark.vm(nf_tables=True)
def test_only_what_is_announced_is_answered_and_told_on_nft(tmp_path: Path) -> None:
    with _lan(tmp_path, "nft") as (world, neighbour):
        _apply_and_take_back(world, neighbour, "nft")


def _apply_and_take_back(world: World, neighbour: Neighbour, target: str) -> None:
    world.apply(NO, target)
    assert (told(neighbour), answers(neighbour)) == ([], (False, False))
    plan = world.apply(YES, target)
    assert (plan.begins_to_answer, plan.ceases_to_answer) == ({str(ANNOUNCED)}, set())
    assert f"{ANNOUNCED}/128 dev svcc0" in {change.subject for change in plan.changes if change.kind == "address"}
    assert (told(neighbour), answers(neighbour)) == (UNSOLICITED, (True, False))
    assert _entries(world) == OURS
    assert world.plan(world.draft(YES, target)).changes == ()
    for text in (NO, YES, NEITHER):
        plan = world.apply(text, target)
        came = text == YES
        assert (plan.begins_to_answer, plan.ceases_to_answer) == (
            ({str(ANNOUNCED)}, set()) if came else (set(), {str(ANNOUNCED)})
        )
        assert (told(neighbour), answers(neighbour)) == (UNSOLICITED if came else [], (came, False))
        assert _entries(world) == (OURS if came else OTHERS)


def _entries(world: World) -> dict[str, str]:
    with world.inside():
        return entries()


@pytest.mark.vm
def test_it_is_answered_while_another_target_takes_over(lan: tuple[World, Neighbour]) -> None:
    world, neighbour = lan
    for target in ("iptables", "ipvs", "iptables"):
        plan = world.apply(YES, target)
        first = plan.transition.old is None
        assert (told(neighbour), answers(neighbour)) == (UNSOLICITED if first else [], (True, False))


@pytest.mark.vm
def test_what_links_do_not_answer_is_a_difference_and_is_put_right(lan: tuple[World, Neighbour]) -> None:
    """A link that was down has lost its entries; one of somebody else's is as good, and stays."""
    world, neighbour = lan
    world.apply(YES, "iptables")
    with world.inside():
        run("ip link set lan down")
        run("ip link set lan up")
        run("ip address replace fd00:51::1/64 dev lan nodad")
    (change,) = world.plan(world.draft(YES, "iptables")).changes
    assert str(change) == f"~ address {ANNOUNCED}/128 dev svcc0: unanswered -> "
    told(neighbour)
    world.apply(YES, "iptables")
    assert (told(neighbour), answers(neighbour)) == (UNSOLICITED, (True, False))
    with world.inside():
        run(f"ip -6 neighbour del proxy {ANNOUNCED} dev lan")
        run(f"ip -6 neighbour add proxy {ANNOUNCED} dev lan")
    assert world.plan(world.draft(YES, "iptables")).changes == ()
    world.apply(NO, "iptables")
    assert _entries(world) == {f"{ANNOUNCED} lan": ""}


@pytest.mark.vm
def test_no_link_answers_on_when_somebody_took_the_device_away(lan: tuple[World, Neighbour]) -> None:
    world, neighbour = lan
    world.apply(YES, "iptables")
    with world.inside():
        run("ip link del svcc0")
    world.apply(NO, "iptables")
    assert answers(neighbour) == (False, False)
    assert _entries(world) == OTHERS


@pytest.mark.vm
def test_a_link_that_does_not_forward_is_in_the_way(lan: tuple[World, Neighbour]) -> None:
    world, _ = lan
    why = (
        "net.ipv6.conf.lan.forwarding is 0: with it this machine answers neighbour solicitations for no address of "
        "another device; set it to 1, or leave `announce yes` out"
    )
    with world.inside():
        run("sysctl -qw net.ipv6.conf.lan.forwarding=0")
    assert [world.plan(world.draft(YES, target)).obstacles for target in ("iptables", "ipvs")] == [(why,), (why,)]
    assert world.plan(world.draft(NO, "iptables")).obstacles == ()
    with world.inside():
        run("sysctl -qw net.ipv6.conf.all.forwarding=0")
    assert world.plan(world.draft(YES, "ipvs")).obstacles == ()  # it sets forwarding for all links


class _OnLan(Case):
    """A transition on a node whose link is to answer."""

    @contextmanager
    def world(self) -> Iterator[World]:
        client = Namespace("client")
        with closing(client), super().world() as world:
            with world.inside():
                connect(client.path)
                _prepare()
            if self.old:
                world.carry_out(world.draft(self.old[1], self.old[0]))
            yield world
            assert _entries(world).items() >= OTHERS.items()


#: The guest is slow: one point in so many is tried, unless all are asked for.
EVERY = 1 if os.environ.get("SVCC_TEST_EVERY_POINT") else 3

_HEAD = "cluster { prefix CUSTOM; vip-device custom-ipvs0 }"


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.parametrize(("old", "new"), [(NO, YES), (YES, NEITHER)], ids=["comes", "goes"])
@pytest.mark.parametrize("target", ["iptables", "ipvs"])
def test_killed_at_every_point_it_answers_as_before_or_as_wanted(target: str, old: str, new: str) -> None:
    case = _OnLan((target, _HEAD + old), (target, _HEAD + new), "legacy", ipvs=True, nft=False)
    assert kill_at_every_point(case, EVERY) > 2
