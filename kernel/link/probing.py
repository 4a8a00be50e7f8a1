"""Ask the networks of a machine whether another machine has an address, without saying that this one has it.

svcc asks by ARP probes (RFC 5227, section 2.1.1), and by neighbour solicitations as for the detection of duplicate
addresses (RFC 4862, section 5.4.2). Two machines that ask at the same time hear each other, and nobody answers either
of them. By both standards both would give up then. Here both ask again later, so one of them goes first: the one with
the smaller hardware address. The other one is answered when it asks again.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from svcc.kernel.link import arp, nd
from svcc.kernel.link.difference import PART
from svcc.kernel.link.hearing import Claim, Listener
from svcc.kernel.link.links import Link
from svcc.kernel.link.sending import send
from svcc.kernel.steps import StepError

#: How often svcc asks, and the seconds for which it waits for an answer each time. A machine that answers by a proxy
#: entry takes up to 0.8 s (net.ipv6.neigh.LINK.proxy_delay).
_TIMES, _SECONDS = 3, 0.35
#: How many groups one socket joins: its memory for them is limited (net.core.optmem_max).
_GROUPS = 100

_Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Probed:
    """What was heard about addresses, each with the hardware address of another machine."""

    answered: Mapping[_Address, str]  # addresses that the other machine says it has
    asked: Mapping[_Address, str]  # addresses that the other machine asks for as well, and goes first


def probe(addresses: Collection[_Address], links: Collection[Link]) -> Probed:
    """Ask whether other machines have addresses, and return what was heard. It takes about a second where none has
    them.

    ``links``: all devices of the machine. Errors: StepError.
    """
    own = {link.hardware for link in links}
    first = {one: min((link.hardware for link in _asked(one, links)), default="") for one in addresses}
    answered: dict[_Address, str] = {}
    asked: dict[_Address, str] = {}
    try:
        with closing(Listener(questions=True)) as listener, _joined(addresses, links):
            for _ in range(_TIMES):
                missing = [one for one in addresses if one not in answered]
                _ask(missing, links)
                end = time.monotonic() + _SECONDS
                while missing and (left := end - time.monotonic()) > 0:
                    select.select([listener.arp, listener.nd], [], [], left)
                    for message in listener.all_heard():
                        if message.address not in first or message.hardware in own:
                            continue
                        if isinstance(message, Claim):
                            answered.setdefault(message.address, message.hardware)
                        elif message.hardware < first[message.address]:
                            asked[message.address] = message.hardware
    except OSError as error:
        raise StepError(PART, f"cannot ask who has an address: {error.strerror}", reading=True) from error
    return Probed(answered, {one: hardware for one, hardware in asked.items() if one not in answered})


def _asked(address: _Address, links: Collection[Link]) -> Iterator[Link]:
    """Return the links on which svcc asks for an address: those whose networks hold it."""
    return (link for link in links if link.has_neighbours and link.faces(address))


def _ask(addresses: Collection[_Address], links: Collection[Link]) -> None:
    for one in addresses:
        for link in _asked(one, links):
            if isinstance(one, IPv4Address):
                send(link.name, arp.ETHERTYPE, [arp.probe(link.mac, one)])
            else:
                send(link.name, nd.ETHERTYPE, [nd.probe(link.mac, one)])


@contextmanager
def _joined(addresses: Collection[_Address], links: Collection[Link]) -> Iterator[None]:
    """Join, for the ``with`` block, the groups to which other machines send their questions (RFC 4862, section 5.4.2).
    A link that has just gone is left out."""
    wanted = [(nd.solicited(one), link) for one in addresses if one.version == 6 for link in _asked(one, links)]
    groups = sorted({(group.packed, link.name) for group, link in wanted})
    with ExitStack() as stack:
        for at in range(0, len(groups), _GROUPS):
            member = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            for group, name in groups[at : at + _GROUPS]:
                with suppress(OSError):
                    request = group + struct.pack("=I", socket.if_nametoindex(name))
                    member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        yield
