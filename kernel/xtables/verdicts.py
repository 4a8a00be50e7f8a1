"""The verdicts of rules, printed as ``iptables-save`` (1.8) prints them (iptables-extensions(8))."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

#: Targets of ``-j`` that are not chains.
EXTENSIONS = frozenset({"ACCEPT", "DROP", "RETURN", "DNAT", "SNAT", "MASQUERADE", "MARK", "CONNMARK", "SET", "REJECT"})


class Verdict(ABC):
    """What a rule does with the packet that it matches."""

    __slots__ = ()

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Final(Verdict):
    """ACCEPT, DROP or RETURN."""

    name: str

    def __str__(self) -> str:
        return f"-j {self.name}"


ACCEPT, DROP, RETURN = Final("ACCEPT"), Final("DROP"), Final("RETURN")


@dataclass(frozen=True, slots=True)
class Jump(Verdict):
    """The packet walks through ``chain``, then comes back to the next rule."""

    chain: str

    def __str__(self) -> str:
        return f"-j {self.chain}"


@dataclass(frozen=True, slots=True)
class Goto(Verdict):
    """The packet walks through ``chain``, then goes on where this rule's own chain was called from."""

    chain: str

    def __str__(self) -> str:
        return f"-g {self.chain}"


@dataclass(frozen=True, slots=True)
class SetMark(Verdict):
    """The bits of ``mask`` in the packet's mark are set to ``value``, and the packet goes on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j MARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class SetCtMark(Verdict):
    """The bits of ``mask`` in the connection's mark are set to ``value``, and the packet goes on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j CONNMARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class MarkFromSet(Verdict):
    """Where a set of ipset's holds the packet's ``fields``, the packet gets the mark of the element (skbinfo in
    ipset(8)). It goes on in any case. Only in the mangle table."""

    name: str
    fields: str

    def __str__(self) -> str:
        return f"-j SET --map-set {self.name} {self.fields} --map-mark"


@dataclass(frozen=True, slots=True)
class Masquerade(Verdict):
    """The packet's source becomes the address of the device that it leaves by, with a random source port: two
    connections that begin at the same moment would get the same port otherwise."""

    def __str__(self) -> str:
        return "-j MASQUERADE --random-fully"


@dataclass(frozen=True, slots=True)
class Snat(Verdict):
    """The packet's source becomes one of the addresses from ``first`` to ``last`` (as printed), with a random port: see
    :class:`Masquerade`."""

    first: str
    last: str

    def __str__(self) -> str:
        addresses = self.first if self.first == self.last else f"{self.first}-{self.last}"
        return f"-j SNAT --to-source {addresses} --random-fully"


@dataclass(frozen=True, slots=True)
class Reject(Verdict):
    """The packet is dropped, and its sender is told. Only in the filter table.

    ``reason``: tcp-reset, icmp-port-unreachable or icmp6-port-unreachable.
    """

    reason: str

    def __str__(self) -> str:
        return f"-j REJECT --reject-with {self.reason}"


@dataclass(frozen=True, slots=True)
class Dnat(Verdict):
    """The packet's destination becomes ``address`` (as printed, an IPv6 address without brackets). Only in the nat
    table."""

    address: str
    port: int | None = None  # None: the port stays

    def __str__(self) -> str:
        return dnat(self.address, self.port)


def dnat(address: str, port: int | None) -> str:
    """Return the text of a :class:`Dnat` without making the object, as there may be hundreds of thousands."""
    if port is None:
        return f"-j DNAT --to-destination {address}"
    host = f"[{address}]" if ":" in address else address
    return f"-j DNAT --to-destination {host}:{port}"
