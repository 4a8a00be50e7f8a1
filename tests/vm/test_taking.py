"""Beginning to answer for addresses at once, on a kernel with dummy devices: asked by another machine, with packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from typing import TypeAlias

import pytest

from support.apply_states import run
from support.lan import connect
from support.waiting import until
from svcc.kernel.link.devices import Device
from svcc.kernel.link.hearing import Listener
from svcc.kernel.link.links import Link
from svcc.kernel.link.probing import probe
from svcc.kernel.link.reading import links
from svcc.kernel.link.taking import take
from svcc.kernel.namespaces import Namespace
from svcc.targets.vip_device import VipAddress, alias, carrying

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

FOUR, SIX, LATER = (ip_address(one) for one in ("198.51.100.100", "fd00:51::100", "198.51.100.101"))
DEVICE, ALIAS = "svcc0", alias("CUSTOM")
_Lan: TypeAlias = tuple[Namespace, Namespace]


@pytest.fixture
def lan() -> Iterator[_Lan]:
    """A machine, with the kernel's settings of one that announces addresses, and another one."""
    with closing(Namespace("machine")) as machine, closing(Namespace("other")) as other:
        with machine.entered():
            connect(other.path)
            run("sysctl -qw net.ipv4.conf.all.arp_ignore=3 net.ipv6.conf.all.forwarding=1")
            run("sysctl -qw net.ipv6.neigh.lan.proxy_delay=0")
        with other.entered():
            run("ip link set lan up")
            run("ip address add 198.51.100.2/24 dev lan")
            run("ip address add fd00:51::2/64 dev lan nodad")
        yield machine, other


def _device() -> Link | None:
    return next((link for link in links() if link.name == DEVICE), None)


def _made() -> Device:
    """The device as it is, and as an apply makes it."""
    found = _device()
    assert found is not None
    assert found.kind == "dummy"
    return found.device()


def test_the_network_hears_of_addresses_and_finds_them(lan: _Lan) -> None:
    machine, other = lan
    with other.entered():
        listener = Listener()
    with closing(listener), machine.entered():
        hardware = next(link.hardware for link in links() if link.name == "lan")
        assert take(DEVICE, ALIAS, [FOUR, SIX], links()) == [FOUR, SIX]
        missing = {(FOUR, hardware), (SIX, hardware)}

        def all_heard() -> bool:
            missing.difference_update((claim.address, claim.hardware) for claim in listener.heard())
            return not missing

        until(all_heard, "the network was told")
        assert take(DEVICE, ALIAS, [FOUR, LATER], links()) == [LATER]
        held = (VipAddress(str(one), announced=True) for one in (FOUR, SIX, LATER))
        assert _made() == carrying(DEVICE, "CUSTOM", held)
    with other.entered():
        every = {FOUR: hardware, SIX: hardware, LATER: hardware}
        until(lambda: probe([*every], links()).answered == every, "the machine answers for all of them")


def test_a_device_of_somebody_else_is_left_alone(lan: _Lan) -> None:
    machine, _ = lan
    with machine.entered():
        run(f"ip link add {DEVICE} type dummy")
        before = _made()
        assert take(DEVICE, ALIAS, [FOUR, SIX], links()) == ()
        assert _made() == before


def test_what_the_machine_was_silent_about_is_answered_for(lan: _Lan) -> None:
    """As on ipvs, where it needs the addresses for itself."""
    machine, other = lan
    with machine.entered():
        run("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
        run(f"ip link add {DEVICE} type dummy")
        run(f"ip link set {DEVICE} up alias {ALIAS}")
        silent = [VipAddress(str(one), announced=False) for one in (FOUR, SIX, LATER)]
        for one in silent:
            run(f"ip address add {one.interface} dev {DEVICE} {one.options}")
        assert _made() == carrying(DEVICE, "CUSTOM", silent)
        assert take(DEVICE, ALIAS, [FOUR, SIX], links(), silent=True) == [FOUR, SIX]
        assert take(DEVICE, ALIAS, [FOUR, SIX], links(), silent=True) == []
        held = (VipAddress(str(one), announced=one != LATER) for one in (FOUR, SIX, LATER))
        assert _made() == carrying(DEVICE, "CUSTOM", held)
        hardware = next(link.hardware for link in links() if link.name == "lan")
    with other.entered():
        every = {FOUR: hardware, SIX: hardware}
        until(lambda: probe([FOUR, SIX], links()).answered == every, "the machine answers for both")
        assert probe([LATER], links()).answered == {}


def test_what_the_kernel_keeps_silent_about_is_not_taken(lan: _Lan) -> None:
    """Who changes that setting compares with what all of the machine is to be like."""
    machine, _ = lan
    with machine.entered():
        run("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
        assert take(DEVICE, ALIAS, [FOUR], links()) == []
        assert _device() is None
        assert take(DEVICE, ALIAS, [FOUR, SIX], links()) == [SIX]
