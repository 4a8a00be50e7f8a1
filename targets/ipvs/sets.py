"""The ipsets of the ipvs target: what each holds, how it is called, how large it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from svcc.compiler import ir

#: Characters of a set's name (IPSET_MAXNAMELEN with its final zero).
SET_NAME = 31
#: What ipset(8) makes a hash set for when nothing is said.
_HASHSIZE, _MAXELEM = 1024, 65_536


class Purpose(Enum):
    """What a set is for. The value is its name behind the prefix, and its type as ipset(8) calls it."""

    SERVICE_IP = "SERVICE-IP", "hash:ip"  # every vip and external ip but shared ones
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


@dataclass(frozen=True, slots=True)
class IpSet:
    """A set with its elements, each as ``ipset save`` prints it ("198.19.10.0,tcp:8080")."""

    name: str
    type: str
    version: int
    elements: tuple[str, ...]
    ports: ir.PortRange | None = None  # what a bitmap:port spans

    def lines(self) -> Iterator[str]:
        yield f"create {self.name} {self.type} {self._options()}"
        head = f"add {self.name} "
        for element in self.elements:
            yield head + element

    def _options(self) -> str:
        """Type options. A hash is sized in powers of two, so that few edits change this line; a full one refuses
        elements (maxelem), a small one is rehashed while it is filled (hashsize)."""
        if self.ports is not None:
            return f"range {self.ports.first}-{self.ports.last}"
        room = 1 << (2 * len(self.elements)).bit_length()  # between two and four times what it holds
        family = "inet" if self.version == 4 else "inet6"
        return f"family {family} hashsize {max(_HASHSIZE, room // 2)} maxelem {max(_MAXELEM, room)}"


def restore_text(sets: Iterable[IpSet]) -> str:
    """What ``ipset restore`` reads: each set's ``create`` line and its ``add`` lines."""
    return "".join(f"{line}\n" for ipset in sets for line in ipset.lines())


def network_elements(networks: Iterable[ir.Network]) -> Iterator[str]:
    """Networks as elements. The hash types take no /0 (ipset(8)), so that becomes its two halves."""
    for network in networks:
        if network.prefixlen == 0:
            yield from map(str, network.subnets())
        elif network.prefixlen == network.max_prefixlen:
            yield str(network.network_address)
        else:
            yield str(network)
