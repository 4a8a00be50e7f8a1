"""What stands between two states of the kernel: changes, for people, and steps, to be taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum


class Verb(Enum):
    """The value is the sign that plans show."""

    ADD = "+"
    REMOVE = "-"
    CHANGE = "~"


def socket_text(address: str, port: int) -> str:
    """ "10.0.0.1:80", "[fd00::1]:80"."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def counted(number: int, noun: str) -> str:
    """ "1 element", "2 elements", "2 addresses"."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


@dataclass(frozen=True, slots=True)
class FrontendAddress:
    """A frontend, as packets name it: where a client connects to. What belongs to a service is found by it."""

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
    subject: str  # which, in the tool's own notation
    before: str = ""  # of a change: the value that is there; else empty
    after: str = ""
    frontend: FrontendAddress | None = None  # of the frontend that it belongs to
    label: str = ""  # where the object itself says which service or port it belongs to

    def __str__(self) -> str:
        value = f": {self.before} -> {self.after}" if self.verb is Verb.CHANGE and (self.before or self.after) else ""
        return f"{self.verb.value} {self.kind} {self.subject}{value}"


class Phase(IntEnum):
    """When a step is taken. Every state between two phases serves all that old and new both serve.

    What rules name is there before them; what they do not name any more goes after them. A vip on a device leads to
    the node's own sockets where nothing keeps packets from them: so addresses come last and go first, and a port is
    declared when its servers are there, and not any more before they go (else its clients are refused).
    """

    MODULES = 10
    SYSCTLS = 20
    SETS = 30  # sets created, elements added
    SERVERS = 40  # virtual and real servers added and changed
    DECLARED = 50  # elements that say which ports are served
    RULES = 60  # the switch: each table at once
    ADDRESSES = 65  # the device and its addresses; before all others, where IPVS takes over from rules that translate
    ANNOUNCED = 66  # networks are told of addresses that came
    DECLARED_OFF = 70  # elements that say which ports are served
    DRAIN = 80  # waiting for connections that what goes still has
    ADDRESSES_OFF = 90  # before the rules, where these translate: they need no address on a device, and guard it
    SERVERS_OFF = 100
    SETS_OFF = 110  # all other elements, and sets


#: The order in which everything of ours is taken down: nothing is exposed that the rules kept from the network.
TEARDOWN = (Phase.ADDRESSES_OFF, Phase.SERVERS_OFF, Phase.RULES, Phase.DECLARED_OFF, Phase.SETS_OFF)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a tool, or one transaction. ``run`` and ``check`` raise StepError."""

    phase: Phase
    part: str
    title: str  # what it does, in a few words: "3 elements added, 1 removed"
    atomic: bool  # True: the kernel takes all of it or nothing
    size: int  # commands, lines or messages
    run: Callable[[], None]
    check: Callable[[], None] | None = None  # tries it without effect; None: the tool cannot


class ToolEnd(Enum):
    """How a tool failed."""

    REFUSED = "refused"  # it, or the kernel, said no
    DIED = "died"  # a signal ended it: somebody's, or its own fault
    LATE = "late"  # it did not end in time, and was ended
    MISSING = "missing"  # there is no such tool


class StepError(Exception):
    """A part could not be read, tried or changed. ``words`` are the tool's own, or say what became of it."""

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
        self.culprit = culprit  # the object that was refused, where it could be told
        self.line = line  # the line of input that was refused, likewise
        self.end = end
        self.reading = reading  # what there is could not be read


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets to a frontend may go: one of its endpoints. Of a range, one route for each port."""

    frontend: FrontendAddress
    endpoint: str  # its address
    port: int  # the endpoint's
