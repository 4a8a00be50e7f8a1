"""The fields of a packet by which maps find its frontend.

A frontend at a vip or external ip is found by address, protocol and port, a node port by protocol and port alone. Port
ranges have maps of their own, one per protocol, because maps of ranges are slower, and because Linux 6.12 refuses the
protocol as a part of a key that has ranges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from socket import AF_INET6, inet_aton, inet_pton

from svcc.compiler import ir
from svcc.kernel.nft.expressions import And, Concat, Expression, Meta, Network, Original, Payload, Word, network
from svcc.kernel.nft.state import VERDICT
from svcc.kernel.nft.statements import Reject
from svcc.targets.naming import fit
from svcc.targets.nft.objects import Set


@dataclass(frozen=True, slots=True)
class Family:
    """One address family, with what nft calls its parts."""

    version: int
    table: str = field(compare=False)  # the family of the table, which is also the protocol of header fields
    address: str = field(compare=False)  # the type of an address
    loopback: Network | Word = field(compare=False)
    unreachable: Reject = field(compare=False)

    def packed(self, address: str) -> bytes:
        """Return the address as bytes, which sort in the order of addresses."""
        return inet_aton(address) if self.version == 4 else inet_pton(AF_INET6, address)

    @property
    def source(self) -> Expression:
        """The packet's source address."""
        return Payload(self.table, "saddr")

    @property
    def destination(self) -> Expression:
        """The packet's destination address."""
        return Payload(self.table, "daddr")

    def affinity(self, slot: int, service: str) -> Set:
        """Return the set of the clients that have endpoint number ``slot`` of a service, by any of its frontends."""
        name = fit(f"service-affinity-{slot}-{service}", NAME)
        return Set.of(name, (self.address,), timeout=True, size=AFFINITY_CLIENTS)


FAMILIES = (
    Family(4, "ip", "ipv4_addr", network(IPv4Network("127.0.0.0/8")), Reject("icmp", "port-unreachable")),
    Family(6, "ip6", "ipv6_addr", network(IPv6Network("::1/128")), Reject("icmpv6", "port-unreachable")),
)


@dataclass(frozen=True, slots=True)
class Key:
    """One way to find frontends, with the names of the sets, maps and chains that use this key."""

    family: Family
    nodeport: bool = False
    ranges: ir.Protocol | None = None  # for port ranges: their protocol
    #: The beginning of the names of this key's maps and chains.
    prefix: str = field(init=False)
    _hash: int = field(init=False, compare=False, repr=False)  # asked for by each frontend, again and again

    def __post_init__(self) -> None:
        nodeport = "nodeport-" if self.nodeport else ""
        object.__setattr__(self, "prefix", nodeport + ("" if self.ranges is None else f"{self.ranges}-range-"))
        object.__setattr__(self, "_hash", hash((self.family, self.prefix)))

    def __hash__(self) -> int:
        return self._hash

    # ---- what is read from the packet

    @property
    def _parts(self) -> tuple[tuple[Expression, str], ...]:
        address = () if self.nodeport else ((self.family.destination, self.family.address),)
        if self.ranges is not None:
            return (*address, (Payload(self.ranges, "dport"), "inet_service"))
        return (*address, (Meta("l4proto"), "inet_proto"), (Payload("th", "dport"), "inet_service"))

    @property
    def expression(self) -> Expression:
        """The fields of a packet that are looked up, as one key."""
        return _concat([expression for expression, _ in self._parts])

    @property
    def original(self) -> Expression:
        """The same fields of the packet that opened the connection. A match of the protocol has to come before."""
        return _concat([_original(expression) for expression, _ in self._parts])

    @property
    def port(self) -> Expression:
        """The destination port."""
        return self._parts[-1][0]

    @property
    def _client(self) -> tuple[tuple[Expression, str], ...]:
        """The parts of :attr:`client`.

        With port ranges, the port is left out: what a client has at one port holds for the others.
        """
        parts = self._parts if self.ranges is None else self._parts[:-1]
        return ((self.family.source, self.family.address), *parts)

    @property
    def client(self) -> Expression:
        """A client together with the frontend that it connects to."""
        return _concat([expression for expression, _ in self._client])

    def clients(self, length: int) -> Expression:
        """Return the same, where all clients of one network are one client. ``length``: of the network's prefix."""
        source, *parts = (expression for expression, _ in self._client)
        return _concat([masked(source, self.family.version, length), *parts])

    # ---- what is looked up

    @property
    def _types(self) -> tuple[str, ...]:
        return tuple(type for _, type in self._parts)

    @property
    def services(self) -> Set:
        """The map from each frontend to the chain that serves it."""
        name = "nodeports" if self.prefix == "nodeport-" else f"{self.prefix}services"
        return Set.of(name, self._types, VERDICT, interval=self.ranges is not None)

    def endpoint(self, slot: int) -> Set:
        """Return the map from each frontend to its endpoint number ``slot``."""
        interval = self.ranges is not None
        return Set.of(f"{self.prefix}endpoint-{slot}", self._types, self.family.address, interval=interval)

    def affinity(self, slot: int, owner: str) -> Set:
        """Return the set of the clients that have endpoint number ``slot``: of all services, or of an
        ``owner`` alone.
        """
        name = f"{self.prefix}affinity-{slot}" + (f"-{owner}" if owner else "")
        return Set.of(fit(name, NAME), tuple(type for _, type in self._client), timeout=True, size=AFFINITY_CLIENTS)

    @property
    def sources(self) -> Set:
        """The map from each frontend whose clients get other source addresses to the chain that rewrites them."""
        return Set.of(f"{self.prefix}sources", self._types, VERDICT, interval=self.ranges is not None)

    @property
    def declared(self) -> Set:
        """The set of the frontends on shared addresses, or of all node ports."""
        return Set.of(f"{self.prefix}declared", self._types, interval=self.ranges is not None)

    def element(self, address: str, protocol: ir.Protocol, ports: ir.PortRange) -> str:
        """Return a frontend as an element of these maps. A node port has no address."""
        parts = (ports,) if self.ranges is not None else (protocol.value, ports)
        return " . ".join(map(str, parts if self.nodeport else (address, *parts)))


#: The most characters of a name, to keep it readable; nft would take 255.
NAME = 64

#: The most clients that a set of affinity remembers. Further clients are served without being remembered.
AFFINITY_CLIENTS = 1_048_576


def masked(address: Expression, version: int, length: int) -> Expression:
    """Return the network of an address; for the full prefix length, the address itself."""
    network = IPv4Network if version == 4 else IPv6Network
    mask = network((0, length)).netmask
    return address if length == mask.max_prefixlen else And(address, Word(str(mask)))


def without_mask(expression: Expression, version: int) -> Expression:
    """Return a client expression without the mask that makes it a network; anything else as it is."""
    first, *parts = expression.parts if isinstance(expression, Concat) else (expression,)
    lengths = range(1, 32 if version == 4 else 128)
    if isinstance(first, And) and any(first == masked(first.left, version, length) for length in lengths):
        return _concat([first.left, *parts])
    return expression


def _original(part: Expression) -> Expression:
    """Return a part of a key as it was when the connection was opened."""
    if not isinstance(part, Payload):
        return part
    return Original("proto-dst" if part.field == "dport" else f"{part.protocol} {part.field}")


def _concat(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Concat(tuple(parts))
