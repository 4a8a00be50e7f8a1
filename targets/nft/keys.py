"""How a packet tells which frontend it is for: the fields that the maps are keyed by.

A vip or external ip is known by address, protocol and port, a node port by protocol and port alone. Port ranges
have maps of their own, one per protocol, because maps of ranges are slower, and because Linux 6.12 refuses the
protocol as a part of a key with ranges.
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
    """What IPv4 and IPv6 call the same things."""

    version: int
    table: str = field(compare=False)  # the family of the table, and the protocol of header fields
    address: str = field(compare=False)  # the type of an address
    loopback: Network | Word = field(compare=False)
    unreachable: Reject = field(compare=False)

    def packed(self, address: str) -> bytes:
        """Its bytes, which are in the order of addresses."""
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
        """The clients that have endpoint number ``slot`` of a service, through whichever of its frontends."""
        name = fit(f"service-affinity-{slot}-{service}", NAME)
        return Set.of(name, (self.address,), timeout=True, size=AFFINITY_CLIENTS)


FAMILIES = (
    Family(4, "ip", "ipv4_addr", network(IPv4Network("127.0.0.0/8")), Reject("icmp", "port-unreachable")),
    Family(6, "ip6", "ipv6_addr", network(IPv6Network("::1/128")), Reject("icmpv6", "port-unreachable")),
)


@dataclass(frozen=True, slots=True)
class Key:
    """One way to know frontends, with the names of what is keyed that way."""

    family: Family
    nodeport: bool = False
    ranges: ir.Protocol | None = None  # of port ranges: their protocol
    #: Begins the names of maps and chains of this key.
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
        """The same of the packet that opened the connection, behind a match of the protocol."""
        return _concat([_original(expression) for expression, _ in self._parts])

    @property
    def port(self) -> Expression:
        """The destination port."""
        return self._parts[-1][0]

    @property
    def _client(self) -> tuple[tuple[Expression, str], ...]:
        """Of a range, what a client had on one port counts for the others."""
        parts = self._parts if self.ranges is None else self._parts[:-1]
        return ((self.family.source, self.family.address), *parts)

    @property
    def client(self) -> Expression:
        """A client with the frontend that it talks to."""
        return _concat([expression for expression, _ in self._client])

    def clients(self, length: int) -> Expression:
        """The same, where clients of one network are one client; ``length``: of its prefix."""
        source, *parts = (expression for expression, _ in self._client)
        return _concat([masked(source, self.family.version, length), *parts])

    # ---- what is looked up

    @property
    def _types(self) -> tuple[str, ...]:
        return tuple(type for _, type in self._parts)

    @property
    def services(self) -> Set:
        """Each frontend with the chain that serves it."""
        name = "nodeports" if self.prefix == "nodeport-" else f"{self.prefix}services"
        return Set.of(name, self._types, VERDICT, interval=self.ranges is not None)

    def endpoint(self, slot: int) -> Set:
        """Each frontend with its endpoint number ``slot``."""
        interval = self.ranges is not None
        return Set.of(f"{self.prefix}endpoint-{slot}", self._types, self.family.address, interval=interval)

    def affinity(self, slot: int, owner: str) -> Set:
        """The clients that have endpoint number ``slot``: of all services, or of an ``owner`` with a set of its own."""
        name = f"{self.prefix}affinity-{slot}" + (f"-{owner}" if owner else "")
        return Set.of(fit(name, NAME), tuple(type for _, type in self._client), timeout=True, size=AFFINITY_CLIENTS)

    @property
    def sources(self) -> Set:
        """Each frontend whose clients' sources become certain addresses, with the chain that sees to it."""
        return Set.of(f"{self.prefix}sources", self._types, VERDICT, interval=self.ranges is not None)

    @property
    def declared(self) -> Set:
        """The frontends on addresses that are others' as well: of node ports all."""
        return Set.of(f"{self.prefix}declared", self._types, interval=self.ranges is not None)

    def element(self, address: str, protocol: ir.Protocol, ports: ir.PortRange) -> str:
        """A frontend as a key of those; a node port has no address."""
        parts = (ports,) if self.ranges is not None else (protocol.value, ports)
        return " . ".join(map(str, parts if self.nodeport else (address, *parts)))


#: Characters of a name, for the reader's sake; nft would take 255.
NAME = 64

#: Clients that a set of affinity remembers, at most; beyond, they are served without being remembered.
AFFINITY_CLIENTS = 1_048_576


def masked(address: Expression, version: int, length: int) -> Expression:
    """The network of an address; of the longest prefix the address itself."""
    network = IPv4Network if version == 4 else IPv6Network
    mask = network((0, length)).netmask
    return address if length == mask.max_prefixlen else And(address, Word(str(mask)))


def without_mask(expression: Expression, version: int) -> Expression:
    """A client of which only the network is asked for, as the client itself; anything else as it is."""
    first, *parts = expression.parts if isinstance(expression, Concat) else (expression,)
    lengths = range(1, 32 if version == 4 else 128)
    if isinstance(first, And) and any(first == masked(first.left, version, length) for length in lengths):
        return _concat([first.left, *parts])
    return expression


def _original(part: Expression) -> Expression:
    """A part of a key, as it was when the connection was opened."""
    if not isinstance(part, Payload):
        return part
    return Original("proto-dst" if part.field == "dport" else f"{part.protocol} {part.field}")


def _concat(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Concat(tuple(parts))
