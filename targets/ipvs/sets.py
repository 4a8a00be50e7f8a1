"""The ipsets of the ipvs target: what each one holds, its name, and its size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from svcc.compiler import ir
from svcc.kernel.ipset.sets import SET_NAME, Set

#: The sizes that ipset(8) gives a hash set by default.
_HASHSIZE, _MAXELEM = 1024, 65_536
#: The option of a set whose elements have marks, and what comes before an element's mark. The kernel compares and
#: prints no mask where all bits count.
_WITH_MARKS, _MARKED = " skbinfo", " skbmark "


class Purpose(Enum):
    """What a set is for. The value is its name after the prefix, and its type as ipset(8) names it."""

    SERVICE_IP = "SERVICE-IP", "hash:ip"  # every vip and external ip, except shared ones
    SERVICE_NET = "SERVICE-NET", "hash:net"  # the networks of service addresses
    SHARED_IP = "SHARED-IP", "hash:ip"  # the shared addresses in these networks
    SERVICE_MARK = "SERVICE-MARK", "hash:ip,port"  # what has a virtual server by a mark, with that mark
    CLUSTER_IP = "CLUSTER-IP", "hash:ip,port"  # every declared port of vips and external ips, with endpoints or without
    NODE_IP = "NODE-IP", "hash:ip"  # the node's addresses that serve node ports
    NODE_PORT_TCP = "NODE-PORT-TCP", "bitmap:port"  # every declared node port
    NODE_PORT_UDP = "NODE-PORT-UDP", "bitmap:port"
    NODE_PORT_SCTP = "NODE-PORT-SCTP", "hash:ip,port"  # with the node's addresses
    RESTRICTED = "RESTRICTED", "hash:ip,port"  # what has an allow-from
    ALLOWED = "ALLOWED", "hash:ip,port,net"  # the clients that may use it
    EMPTY_REJECT = "EMPTY-REJECT", "hash:ip,port"  # declared, but no endpoint takes new connections
    EMPTY_DROP = "EMPTY-DROP", "hash:ip,port"  # the same under when-empty drop
    POD_NET = "POD-NET", "hash:net"  # the pod networks
    MASQUERADE = "MASQUERADE", "hash:ip,port"  # vips and external ips that masquerade every client
    REWRITE = "REWRITE", "hash:ip,port,net"  # the clients that are masqueraded, where the service names them
    KEEP_SOURCE = "KEEP-SOURCE", "hash:ip,port"  # what masquerades no client, where other sets of its kind do
    DIRECT = "DIRECT", "hash:ip,port"  # vips and external ips under forward direct or tunnel
    LOOP_BACK = "LOOP-BACK", "hash:ip,port,ip"  # an endpoint, its port, and itself as the client: the hairpin

    def __init__(self, suffix: str, type: str) -> None:
        self.suffix = suffix
        self.type = type

    def set_name(self, prefix: str, version: int) -> str:
        """Return ``CUSTOM-CLUSTER-IP``, or ``CUSTOM-6-CLUSTER-IP`` for IPv6: one set holds one family."""
        return f"{prefix}-{self.suffix}" if version == 4 else f"{prefix}-6-{self.suffix}"


#: The longest prefix with which the longest set name still fits.
PREFIX = SET_NAME - max(len(purpose.set_name("", 6)) for purpose in Purpose)
#: The sets of node ports by protocol.
NODE_PORTS = {
    ir.Protocol.TCP: Purpose.NODE_PORT_TCP,
    ir.Protocol.UDP: Purpose.NODE_PORT_UDP,
    ir.Protocol.SCTP: Purpose.NODE_PORT_SCTP,
}


#: The purposes. One whose suffix ends in another's suffix comes before that.
_BY_SUFFIX = sorted(Purpose, key=lambda purpose: len(purpose.suffix), reverse=True)


def purpose_of(name: str) -> Purpose | None:
    """Return what a set of that name is for. Return None where the target has no set of that name."""
    return next((purpose for purpose in _BY_SUFFIX if name.endswith(f"-{purpose.suffix}")), None)


def make_set(
    purpose: Purpose,
    prefix: str,
    version: int,
    elements: Iterable[str],
    ports: ir.PortRange | None = None,
    size: int | None = None,
) -> Set:
    """Return the set of a purpose, large enough for its elements. ``ports``: what a bitmap:port spans. ``size``: how
    many elements there are, where ``elements`` is only a part of them. Elements of SERVICE_MARK are as :func:`marked`
    makes them.

    A hash is sized in powers of two, so that few edits change its line. A full hash refuses elements (maxelem); one
    that is too small is rehashed while it fills (hashsize).
    """
    name, held = purpose.set_name(prefix, version), dict.fromkeys(elements, "")
    if purpose is Purpose.SERVICE_MARK:
        parts = (element.partition(" ") for element in held)
        held = {element: f"{space}{options}" for element, space, options in parts}
    if ports is not None:
        return Set(name, purpose.type, held, ports=(ports.first, ports.last))
    room = 1 << (2 * (len(held) if size is None else size)).bit_length()  # from two to four times what it holds
    others = _WITH_MARKS if purpose is Purpose.SERVICE_MARK else ""
    return Set(name, purpose.type, held, version, max(_MAXELEM, room), None, others, max(_HASHSIZE, room // 2))


def marked(element: str, mark: int) -> str:
    """Return an element with the mark that its packets get, all bits of it."""
    return f"{element}{_MARKED}{mark:#x}"


def mark_in(options: str) -> int | None:
    """Return the mark that an element's options give. Return None where they say something else."""
    digits = options.removeprefix(_MARKED)
    try:
        return int(digits, 16) if digits != options and len(digits) <= len("0x7fffffff") else None
    except ValueError:
        return None


def network_elements(networks: Iterable[ir.Network]) -> Iterator[str]:
    """Return networks as elements. The hash types take no /0 (ipset(8)), so it becomes its two halves."""
    for network in networks:
        if network.prefixlen == 0:
            yield from map(str, network.subnets())
        elif network.prefixlen == network.max_prefixlen:
            yield str(network.network_address)
        else:
            yield str(network)
