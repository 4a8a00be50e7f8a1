"""The ipsets of the ipvs target: what each holds, how it is called, how large it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from svcc.compiler import ir
from svcc.kernel.ipset.sets import SET_NAME, Set

#: What ipset(8) makes a hash set for when nothing is said.
_HASHSIZE, _MAXELEM = 1024, 65_536
#: A set whose elements have marks, and before the mark of one. The kernel compares and prints no mask of all bits.
_WITH_MARKS, _MARKED = " skbinfo", " skbmark "


class Purpose(Enum):
    """What a set is for. The value is its name behind the prefix, and its type as ipset(8) calls it."""

    SERVICE_IP = "SERVICE-IP", "hash:ip"  # every vip and external ip but shared ones
    SERVICE_NET = "SERVICE-NET", "hash:net"  # the networks of service addresses
    SHARED_IP = "SHARED-IP", "hash:ip"  # shared addresses in them
    SERVICE_MARK = "SERVICE-MARK", "hash:ip,port"  # what has a virtual server by a mark, with that mark
    CLUSTER_IP = "CLUSTER-IP", "hash:ip,port"  # every declared port of them, with endpoints or without
    NODE_IP = "NODE-IP", "hash:ip"  # the node's addresses that serve node ports
    NODE_PORT_TCP = "NODE-PORT-TCP", "bitmap:port"  # every declared node port
    NODE_PORT_UDP = "NODE-PORT-UDP", "bitmap:port"
    NODE_PORT_SCTP = "NODE-PORT-SCTP", "hash:ip,port"  # with the node's addresses
    RESTRICTED = "RESTRICTED", "hash:ip,port"  # what has an allow-from
    ALLOWED = "ALLOWED", "hash:ip,port,net"  # who may use it
    EMPTY_REJECT = "EMPTY-REJECT", "hash:ip,port"  # declared, but no endpoint takes new connections
    EMPTY_DROP = "EMPTY-DROP", "hash:ip,port"  # the same under when-empty drop
    POD_NET = "POD-NET", "hash:net"  # the pod networks
    MASQUERADE = "MASQUERADE", "hash:ip,port"  # vips and external ips that masquerade every client
    REWRITE = "REWRITE", "hash:ip,port,net"  # the clients that are masqueraded, where the service names them
    KEEP_SOURCE = "KEEP-SOURCE", "hash:ip,port"  # what masquerades no client where others of its kind do
    DIRECT = "DIRECT", "hash:ip,port"  # vips and external ips under forward direct or tunnel
    LOOP_BACK = "LOOP-BACK", "hash:ip,port,ip"  # an endpoint, its port, and itself as the client: the hairpin

    def __init__(self, suffix: str, type: str) -> None:
        self.suffix = suffix
        self.type = type

    def set_name(self, prefix: str, version: int) -> str:
        """``CUSTOM-CLUSTER-IP``, and ``CUSTOM-6-CLUSTER-IP`` for IPv6: one set holds one family."""
        return f"{prefix}-{self.suffix}" if version == 4 else f"{prefix}-6-{self.suffix}"


#: The longest prefix whose longest set name still fits.
PREFIX = SET_NAME - max(len(purpose.set_name("", 6)) for purpose in Purpose)
#: The sets of node ports by protocol.
NODE_PORTS = {
    ir.Protocol.TCP: Purpose.NODE_PORT_TCP,
    ir.Protocol.UDP: Purpose.NODE_PORT_UDP,
    ir.Protocol.SCTP: Purpose.NODE_PORT_SCTP,
}


#: The purposes, those whose suffix ends in another's first.
_BY_SUFFIX = sorted(Purpose, key=lambda purpose: len(purpose.suffix), reverse=True)


def purpose_of(name: str) -> Purpose | None:
    """What a set of that name is for; None: the target calls none so."""
    return next((purpose for purpose in _BY_SUFFIX if name.endswith(f"-{purpose.suffix}")), None)


def make_set(
    purpose: Purpose,
    prefix: str,
    version: int,
    elements: Iterable[str],
    ports: ir.PortRange | None = None,
    size: int | None = None,
) -> Set:
    """The set of a purpose, large enough for its elements. ``ports``: what a bitmap:port spans. ``size``: how many
    elements there are, where ``elements`` are some of them. Elements of SERVICE_MARK are as :func:`marked` makes them.

    A hash is sized in powers of two, so that few edits change its line; a full one refuses elements (maxelem), a small
    one is rehashed while it is filled (hashsize).
    """
    name, held = purpose.set_name(prefix, version), dict.fromkeys(elements, "")
    if purpose is Purpose.SERVICE_MARK:
        parts = (element.partition(" ") for element in held)
        held = {element: f"{space}{options}" for element, space, options in parts}
    if ports is not None:
        return Set(name, purpose.type, held, ports=(ports.first, ports.last))
    room = 1 << (2 * (len(held) if size is None else size)).bit_length()  # between two and four times what it holds
    others = _WITH_MARKS if purpose is Purpose.SERVICE_MARK else ""
    return Set(name, purpose.type, held, version, max(_MAXELEM, room), None, others, max(_HASHSIZE, room // 2))


def marked(element: str, mark: int) -> str:
    """An element whose packets get a mark, the whole of it."""
    return f"{element}{_MARKED}{mark:#x}"


def mark_in(options: str) -> int | None:
    """The mark that the options of an element say; None: they say something else."""
    digits = options.removeprefix(_MARKED)
    try:
        return int(digits, 16) if digits != options and len(digits) <= len("0x7fffffff") else None
    except ValueError:
        return None


def network_elements(networks: Iterable[ir.Network]) -> Iterator[str]:
    """Networks as elements. The hash types take no /0 (ipset(8)), so that becomes its two halves."""
    for network in networks:
        if network.prefixlen == 0:
            yield from map(str, network.subnets())
        elif network.prefixlen == network.max_prefixlen:
            yield str(network.network_address)
        else:
            yield str(network)
