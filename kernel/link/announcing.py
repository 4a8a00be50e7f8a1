"""Tell the networks of a machine that it has addresses now, by gratuitous ARP and neighbour advertisements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel.link import arp, nd
from svcc.kernel.link.difference import PART
from svcc.kernel.link.links import Link
from svcc.kernel.link.sending import send
from svcc.kernel.steps import StepError


def announce(addresses: Collection[IPv4Address | IPv6Address], links: Iterable[Link]) -> None:
    """Announce addresses on each link in whose networks they are, unless the link would not answer for them.

    ``links``: the machine's devices. Errors: StepError.
    """
    for link in links:
        if link.has_neighbours:
            for address in _answered(link, addresses):
                _tell(link, address)


def _answered(link: Link, addresses: Collection[IPv4Address | IPv6Address]) -> Iterator[IPv4Address | IPv6Address]:
    for version in (4, 6):
        networks = link.networks(version)
        if networks and not (version == 4 and max(arp.ignored("all"), arp.ignored(link.name)) in arp.SILENT):
            some = (address for address in addresses if address.version == version)
            yield from (address for address in some if any(address in network for network in networks))


def _tell(link: Link, address: IPv4Address | IPv6Address) -> None:
    if isinstance(address, IPv4Address):
        kind, frames = arp.ETHERTYPE, [*arp.packets(link.mac, address)]
    else:
        kind, frames = nd.ETHERTYPE, [nd.packet(link.mac, address)]
    try:
        send(link.name, kind, frames)
    except OSError as error:
        raise StepError(PART, f"cannot announce {address} on {link.name}: {error.strerror}") from error
