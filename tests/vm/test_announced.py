"""Who answers ARP for what, on a kernel with dummy devices: asked from another machine, with packets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from support.apply_states import run
from support.apply_world import World
from support.lan import on_lan
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

_ARP = 0x0806
ANNOUNCED, QUIET = IPv4Address("198.51.100.100"), IPv4Address("198.51.100.101")
TEXT = """
service web {{ vip {announced}; announce {announce}; port 80/tcp; endpoints {{ 100.64.0.1 }} }}
service quiet {{ vip {quiet}; port 80/tcp; endpoints {{ 100.64.0.1 }} }}
"""
YES, NO = (TEXT.format(announced=ANNOUNCED, quiet=QUIET, announce=word) for word in ("yes", "no"))


class Neighbour:
    """A machine on the node's link."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
            self._socket.bind(("lan", _ARP))
        self._mac = self._socket.getsockname()[4]

    def close(self) -> None:
        self._socket.close()

    def heard(self, seconds: float = 0.3) -> list[tuple[int, IPv4Address]]:
        """The operation and the sender's address of all packets of ARP, until so long none has come."""
        found = []
        self._socket.settimeout(seconds)
        try:
            while True:
                frame, (_, _, kind, *_) = self._socket.recvfrom(128)
                if kind != socket.PACKET_OUTGOING:
                    (operation,) = struct.unpack("!H", frame[20:22])
                    found.append((operation, IPv4Address(frame[28:32])))
        except TimeoutError:
            return found

    def is_answered(self, address: IPv4Address) -> bool:
        """Whether somebody says that the address is his. An address of the node's own, asked last, ends the waiting."""
        own = IPv4Address("198.51.100.1")
        for asked in (address, own):
            head = struct.pack("!HHHBBH", _ARP, 1, 0x0800, 6, 4, 1)
            sender = self._mac + IPv4Address("198.51.100.2").packed
            self._socket.send(b"\xff" * 6 + self._mac + head + sender + bytes(6) + asked.packed)
        replies: set[IPv4Address] = set()
        while own not in replies:
            replies |= {sender for operation, sender in self.heard() if operation == 2}
        return address in replies


@contextmanager
def _lan(folder: Path, variant: str) -> Iterator[tuple[World, Neighbour]]:
    with on_lan(folder, variant) as (world, client), closing(Neighbour(client)) as neighbour:
        yield world, neighbour


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[tuple[World, Neighbour]]:
    with _lan(tmp_path, "legacy") as found:
        yield found


def told(neighbour: Neighbour) -> list[tuple[int, IPv4Address]]:
    """What the node said of the service's addresses without being asked."""
    return [said for said in neighbour.heard() if said[1] in (ANNOUNCED, QUIET)]


def answers(neighbour: Neighbour) -> tuple[bool, bool]:
    return neighbour.is_answered(ANNOUNCED), neighbour.is_answered(QUIET)


GRATUITOUS = [(1, ANNOUNCED), (2, ANNOUNCED)]


@pytest.mark.vm
@pytest.mark.parametrize("target", ["iptables", "ipvs"])
def test_only_what_is_announced_is_answered_and_told(target: str, lan: tuple[World, Neighbour]) -> None:
    world, neighbour = lan
    world.apply(NO, target)
    assert (told(neighbour), answers(neighbour)) == ([], (False, False))
    plan = world.apply(YES, target)
    assert (plan.begins_to_answer, plan.ceases_to_answer) == ({str(ANNOUNCED)}, set())
    assert f"{ANNOUNCED}/32 dev svcc0" in {change.subject for change in plan.changes if change.kind == "address"}
    assert (told(neighbour), answers(neighbour)) == (GRATUITOUS, (True, False))
    assert world.plan(world.draft(YES, target)).changes == ()
    plan = world.apply(NO, target)
    assert (plan.begins_to_answer, plan.ceases_to_answer) == (set(), {str(ANNOUNCED)})
    assert (told(neighbour), answers(neighbour)) == ([], (False, False))


@pytest.mark.vm
@pytest.mark.parametrize("target", ["iptables", "ipvs"])
def test_for_a_shared_address_the_director_that_holds_it_answers(target: str, lan: tuple[World, Neighbour]) -> None:
    """Of two directors under VRRP one holds the address at a time; both have the same rules, one is silent."""
    world, neighbour = lan
    text = f"service web {{ vip {ANNOUNCED} shared; port 80/tcp; endpoints {{ 100.64.0.1 }} }}"
    world.apply(text, target)
    assert answers(neighbour) == (False, False)
    for verb in ("add", "del") * 2:
        with world.inside():
            run(f"ip address {verb} {ANNOUNCED}/32 dev lan")
        assert answers(neighbour) == (verb == "add", False)
        assert world.plan(world.draft(text, target)).changes == ()


@pytest.mark.vm
def test_what_is_announced_stays_while_another_target_takes_over(lan: tuple[World, Neighbour]) -> None:
    _move(lan, "iptables", "ipvs", "iptables")


@pytest.mark.vm(nf_tables=True)
def test_it_stays_where_nft_and_ipvs_take_over_from_each_other(tmp_path: Path) -> None:
    with _lan(tmp_path, "nft") as found:
        _move(found, "nft", "ipvs", "nft")
        world, neighbour = found
        world.apply(NO, "nft")
        assert (told(neighbour), answers(neighbour)) == ([], (False, False))


def _move(lan: tuple[World, Neighbour], *targets: str) -> None:
    """The first target announces; while the others take over, the device and the address are not touched."""
    world, neighbour = lan
    for target in targets:
        plan = world.apply(YES, target)
        held = {change.subject for change in plan.changes if change.kind in ("address", "link")}
        ours = {f"{ANNOUNCED}/32 dev svcc0", "svcc0"}
        assert held & ours == (ours if plan.transition.old is None else set())
        assert plan.begins_to_answer == ({str(ANNOUNCED)} if plan.transition.old is None else set())
        assert plan.ceases_to_answer == set()
        assert told(neighbour) == (GRATUITOUS if plan.transition.old is None else [])
        assert answers(neighbour) == (True, False)


@pytest.mark.vm
@pytest.mark.parametrize("link", ["all", "lan"])
@pytest.mark.parametrize("value", [1, 2, 8])
def test_a_setting_of_an_operator_is_in_the_way(link: str, value: int, lan: tuple[World, Neighbour]) -> None:
    world, _ = lan
    with world.inside():
        run(f"sysctl -qw net.ipv4.conf.{link}.arp_ignore={value}")
    why = (
        f"net.ipv4.conf.{link}.arp_ignore is {value}: with it this machine answers ARP for no address of "
        "another device; set it to 0, or leave `announce yes` out"
    )
    assert world.plan(world.draft(YES, "iptables")).obstacles == (why,)
    assert world.plan(world.draft(NO, "iptables")).obstacles == ()


@pytest.mark.vm
def test_route_localnet_would_have_quiet_addresses_answer(lan: tuple[World, Neighbour]) -> None:
    world, neighbour = lan
    world.apply(YES, "ipvs")
    with world.inside():
        run("sysctl -qw net.ipv4.conf.all.route_localnet=1")
    assert answers(neighbour) == (True, True)
    more = YES.replace("100.64.0.1", "100.64.0.2")
    why = (
        f"net.ipv4.conf.all.route_localnet is 1: with it this machine answers ARP for {QUIET}/32 as well, "
        "which is not announced; set it to 0, or leave `announce yes` out"
    )
    assert world.plan(world.draft(more, "ipvs")).obstacles == (why,)
