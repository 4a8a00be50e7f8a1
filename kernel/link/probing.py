"""Asking the networks of a machine whether another one has an address, without saying that this one has it.

By ARP probes (RFC 5227, section 2.1.1), and by neighbour solicitations as for the detection of duplicate addresses
(RFC 4862, section 5.4.2).
"""

from __future__ import annotations

import select
import time
from collections.abc import Collection
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address

from svcc.kernel.link import arp, nd
from svcc.kernel.link.difference import PART
from svcc.kernel.link.hearing import Listener
from svcc.kernel.link.links import Link
from svcc.kernel.link.sending import send
from svcc.kernel.steps import StepError

#: How often is asked, and the seconds in which an answer has to come; a neighbour by proxy takes up to 0.8 s for one
#: (net.ipv6.neigh.LINK.proxy_delay).
_TIMES, _SECONDS = 3, 0.35


def answered(
    addresses: Collection[IPv4Address | IPv6Address], links: Collection[Link]
) -> dict[IPv4Address | IPv6Address, str]:
    """Those addresses that another machine says it has, and the hardware address of one that does.

    It takes a second where nobody has them. ``links``: all devices of the machine. Errors: StepError.
    """
    own = {link.hardware for link in links}
    found: dict[IPv4Address | IPv6Address, str] = {}
    try:
        with closing(Listener()) as listener:
            for _ in range(_TIMES):
                missing = [one for one in addresses if one not in found]
                _ask(missing, links)
                end = time.monotonic() + _SECONDS
                while missing and (left := end - time.monotonic()) > 0:
                    select.select([listener.arp, listener.nd], [], [], left)
                    for claim in listener.heard():
                        if claim.address in missing and claim.hardware not in own:
                            found.setdefault(claim.address, claim.hardware)
    except OSError as error:
        raise StepError(PART, f"cannot ask who has an address: {error.strerror}", reading=True) from error
    return found


def _ask(addresses: Collection[IPv4Address | IPv6Address], links: Collection[Link]) -> None:
    for link in links:
        for one in addresses if link.has_neighbours else ():
            if not link.faces(one):
                continue
            if isinstance(one, IPv4Address):
                send(link.name, arp.ETHERTYPE, [arp.probe(link.mac, one)])
            else:
                send(link.name, nd.ETHERTYPE, [nd.probe(link.mac, one)])
