"""A packet that opens a connection, and its possible outcomes: the types that the reference and the traces share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from fractions import Fraction
from typing import TypeAlias

from svcc.compiler import ir


class Vantage(Enum):
    """Where a packet comes from, and so where it enters the node's rules."""

    CLIENT = "client"  # it arrives from outside
    POD = "pod"  # it arrives from a pod
    NODE = "node"  # the node itself sends it


class Portless(StrEnum):
    """Protocols without ports. No service can declare them, so that they belong to none."""

    ICMP = "icmp"  # to an IPv6 address: ICMPv6
    GRE = "gre"
    ESP = "esp"
    OSPF = "ospf"


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a new connection (or a first datagram)."""

    source: ir.Address
    destination: ir.Address
    protocol: ir.Protocol | Portless
    port: int = 0  # the destination port; 0: the protocol has none
    vantage: Vantage = Vantage.CLIENT

    def __hash__(self) -> int:
        """Return a hash of the numbers: those of addresses and members of an enumeration take long, and it is asked
        all the time.
        """
        return hash((int(self.source), int(self.destination), self.protocol, self.port))


@dataclass(frozen=True, slots=True, order=True)
class EndpointShare:
    """An endpoint that the packet may go to."""

    address: ir.Address
    port: int
    share: Fraction  # the share of new connections of new clients; the shares of an outcome sum to 1
    masquerade: bool  # the endpoint sees another source than the client's: the node's address, or one of ``sources``
    most: int = 0  # the number of connections at which it gets no new ones; 0: there is no limit
    sources: tuple[ir.Address, ...] = ()  # the first and the last of these addresses; empty: the node's


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The packet goes to one of these endpoints."""

    choices: tuple[EndpointShare, ...]  # sorted by address and port
    affinity: int | None = None  # how many seconds a client keeps its endpoint
    one_packet: bool = False  # each further packet of the client chooses an endpoint anew


class Refusal(Enum):
    """What happens to a packet that goes to no endpoint."""

    REJECT = "reject"  # it is answered: TCP reset or ICMP port unreachable
    DROP = "drop"  # it is not answered
    UNTOUCHED = "untouched"  # it is for no service, and goes on as if there were no rules


Outcome: TypeAlias = Forwarded | Refusal
