"""Asking the networks of a machine whether another one has an address, without saying that this one has it.

By ARP probes (RFC 5227, section 2.1.1), and by neighbour solicitations as for the detection of duplicate addresses
(RFC 4862, section 5.4.2). Two machines that ask at the same time hear each other, and nobody answers either of them.
Both standards have both give up then; as both are to ask again here, one of them goes first: the one with the smaller
hardware address. The other one is answered when it asks again.
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

#: How often is asked, and the seconds in which an answer has to come; a neighbour by proxy takes up to 0.8 s for one
#: (net.ipv6.neigh.LINK.proxy_delay).
_TIMES, _SECONDS = 3, 0.35
#: Groups that one socket joins: what it may keep of them is bounded (net.core.optmem_max).
_GROUPS = 100

_Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Probed:
    """What was heard of addresses. ``answered``: those that another machine says it has; ``asked``: those that another
    one asks for as well, and goes first. Both with the hardware address of such a machine.
    """

    answered: Mapping[_Address, str]
    asked: Mapping[_Address, str]


def probe(addresses: Collection[_Address], links: Collection[Link]) -> Probed:
    """Ask who has addresses. It takes a second where nobody has them. ``links``: all devices of the machine.

    Errors: StepError.
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
                    for said in listener.all_heard():
                        if said.address not in first or said.hardware in own:
                            continue
                        if isinstance(said, Claim):
                            answered.setdefault(said.address, said.hardware)
                        elif said.hardware < first[said.address]:
                            asked[said.address] = said.hardware
    except OSError as error:
        raise StepError(PART, f"cannot ask who has an address: {error.strerror}", reading=True) from error
    return Probed(answered, {one: hardware for one, hardware in asked.items() if one not in answered})


def _asked(address: _Address, links: Collection[Link]) -> Iterator[Link]:
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
    """Be in the groups that other machines ask (RFC 4862, section 5.4.2). A link that has just gone has none."""
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
