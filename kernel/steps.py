"""The differences between two states of the kernel: changes, which people read, and steps, which svcc takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum


class Verb(Enum):
    """What happens to an object. The value is the sign that plans show."""

    ADD = "+"
    REMOVE = "-"
    CHANGE = "~"


def socket_text(address: str, port: int) -> str:
    """Return an address and a port as text: "10.0.0.1:80", "[fd00::1]:80"."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 element", "2 elements", "2 addresses"."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


@dataclass(frozen=True, slots=True)
class FrontendAddress:
    """The address, protocol and port that a client connects to. The service of a kernel object is found by it."""

    address: str | None  # as ``str()`` of an IPv4Address or IPv6Address prints it; None: a node port
    protocol: str  # tcp, udp, sctp
    port: int  # of a range: the first

    def __str__(self) -> str:
        where = f"node port {self.port}" if self.address is None else socket_text(self.address, self.port)
        return f"{where}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Change:
    """One object of ours that is added, removed or changed."""

    verb: Verb
    part: str  # the part of the target: nft, iptables, ipvsadm, …
    kind: str  # the tool's own word: element, chain, rule, set, virtual server, real server, address, …
    subject: str  # which object, in the tool's own notation
    before: str = ""  # where it is changed: the value that it has now
    after: str = ""  # where it is changed: the value that it gets
    frontend: FrontendAddress | None = None  # the frontend that it belongs to, where that is known
    label: str = ""  # the service, or service and port, that the object itself names, if it does
    further: tuple[FrontendAddress, ...] = field(default=(), compare=False)  # others that it belongs to, where known

    def __str__(self) -> str:
        value = f": {self.before} -> {self.after}" if self.verb is Verb.CHANGE and (self.before or self.after) else ""
        return f"{self.verb.value} {self.kind} {self.subject}{value}"


class Phase(IntEnum):
    """The order in which steps are taken. The state between any two phases serves every frontend that both the old and
    the new state serve.

    Objects that rules name are added before the rules, and removed after them. A vip on a device leads to the node's
    own sockets unless something keeps packets from these. So addresses are added last and removed first. A port is
    declared once its servers are there, and until they are removed: a client of a declared port without servers would
    be refused.
    """

    MODULES = 10
    SYSCTLS = 20
    SETS = 30  # sets created, elements added
    SERVERS = 40  # virtual and real servers added and changed
    DECLARED = 50  # elements that say which ports are served added
    RULES = 60  # rules switched, each table at once
    ADDRESSES = 65  # the device and its addresses added; with the sysctls, where IPVS takes over from translating rules
    ANNOUNCED = 66  # new addresses announced to the networks
    DECLARED_OFF = 70  # elements that say which ports are served removed
    DRAIN = 80  # waiting for connections of servers that are to be removed
    ADDRESSES_OFF = 90  # addresses removed; just before the rules, where these translate and guard the addresses
    SERVERS_OFF = 100  # virtual and real servers removed
    SETS_OFF = 110  # all other elements, and sets, removed


#: The order in which all of our objects are removed, so that no socket is exposed that rules kept from the network.
TEARDOWN = (Phase.ADDRESSES_OFF, Phase.SERVERS_OFF, Phase.RULES, Phase.DECLARED_OFF, Phase.SETS_OFF)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a tool, or one transaction. ``run`` and ``check`` raise StepError."""

    phase: Phase
    part: str
    title: str  # what it does, in a few words: "3 elements added, 1 removed"
    atomic: bool  # True: the kernel takes all of it or nothing
    size: int  # how many commands, lines or messages it has
    run: Callable[[], None]
    check: Callable[[], None] | None = None  # tries the step without effect; None: that cannot be done


class ToolEnd(Enum):
    """How a tool failed."""

    REFUSED = "refused"  # the tool or the kernel refused
    DIED = "died"  # a signal ended it, from another process or after a fault of its own
    LATE = "late"  # it took too long, and svcc ended it
    MISSING = "missing"  # there is no such tool


class StepError(Exception):
    """A part could not be read, tried or changed. ``words`` are the tool's own, or say how it ended."""

    def __init__(
        self,
        part: str,
        words: str,
        *,
        culprit: Change | None = None,
        line: str = "",
        end: ToolEnd = ToolEnd.REFUSED,
        reading: bool = False,
    ) -> None:
        super().__init__(f"{part}: {words}")
        self.part = part
        self.words = words
        self.culprit = culprit  # the change that was refused, where that is known
        self.line = line  # the line of input that was refused, where that is known
        self.end = end
        self.reading = reading  # whether reading failed, rather than a change
