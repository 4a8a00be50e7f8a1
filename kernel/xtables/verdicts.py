"""What a rule does with a packet, printed as ``iptables-save`` (1.8) prints it (iptables-extensions(8))."""

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
    """Walk ``chain``, then come back."""

    chain: str

    def __str__(self) -> str:
        return f"-j {self.chain}"


@dataclass(frozen=True, slots=True)
class Goto(Verdict):
    """Walk ``chain``, then go on where this rule's own chain was called from."""

    chain: str

    def __str__(self) -> str:
        return f"-g {self.chain}"


@dataclass(frozen=True, slots=True)
class SetMark(Verdict):
    """Set the bits of ``mask`` in the packet's mark to ``value`` and go on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j MARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class SetCtMark(Verdict):
    """Set the bits of ``mask`` in the connection's mark to ``value`` and go on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j CONNMARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class MarkFromSet(Verdict):
    """mangle table only. Where an ipset holds the packet's ``fields``, the packet gets the mark that the element says
    (skbinfo in ipset(8)); either way it goes on."""

    name: str
    fields: str

    def __str__(self) -> str:
        return f"-j SET --map-set {self.name} {self.fields} --map-mark"


@dataclass(frozen=True, slots=True)
class Masquerade(Verdict):
    """Source becomes the outgoing device's address, with a source port chosen at random (of two connections that
    are set up in the same moment, neither can take the other's)."""

    def __str__(self) -> str:
        return "-j MASQUERADE --random-fully"


@dataclass(frozen=True, slots=True)
class Snat(Verdict):
    """Source becomes one of the addresses from ``first`` to ``last`` (as printed), likewise."""

    first: str
    last: str

    def __str__(self) -> str:
        addresses = self.first if self.first == self.last else f"{self.first}-{self.last}"
        return f"-j SNAT --to-source {addresses} --random-fully"


@dataclass(frozen=True, slots=True)
class Reject(Verdict):
    """filter table only. ``reason``: tcp-reset, icmp-port-unreachable, icmp6-port-unreachable."""

    reason: str

    def __str__(self) -> str:
        return f"-j REJECT --reject-with {self.reason}"


@dataclass(frozen=True, slots=True)
class Dnat(Verdict):
    """nat table only. Destination becomes ``address`` (as printed, an IPv6 address without brackets)."""

    address: str
    port: int | None = None  # None: the port stays

    def __str__(self) -> str:
        return dnat(self.address, self.port)


def dnat(address: str, port: int | None) -> str:
    """The text of :class:`Dnat`, without the object: there are hundreds of thousands."""
    if port is None:
        return f"-j DNAT --to-destination {address}"
    host = f"[{address}]" if ":" in address else address
    return f"-j DNAT --to-destination {host}:{port}"
