"""The targets of xtables rules: what they do to a packet (iptables-extensions(8))."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.verify.trace import values
from svcc.verify.trace.chains import Call, Final, Verdict
from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule
from svcc.verify.trace.flow import Flow
from svcc.verify.trace.ipset import IpSet
from svcc.verify.trace.xt_matches import mark
from svcc.verify.trace.xt_options import Extension, Given, set_named

_REJECTIONS = {
    4: frozenset(
        {
            "icmp-net-unreachable",
            "icmp-host-unreachable",
            "icmp-port-unreachable",
            "icmp-proto-unreachable",
            "icmp-net-prohibited",
            "icmp-host-prohibited",
            "icmp-admin-prohibited",
        }
    ),
    6: frozenset({"icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable"}),
}


class Target(ABC):
    """What a rule does. ``tables`` and ``hooks`` are those where it is allowed; empty: everywhere."""

    __slots__ = ()
    tables: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()

    @abstractmethod
    def apply(self, flow: Flow) -> Verdict:
        """Do it to a packet that the rule's matches let through.

        Return None where the packet goes on to the next rule.
        """

    def calls(self) -> Iterable[str]:
        """Return the chains that it may lead to."""
        return ()


@dataclass(frozen=True)
class Nothing(Target):
    """A rule without a target, which changes nothing."""

    def apply(self, flow: Flow) -> Verdict:
        return None


@dataclass(frozen=True)
class End(Target):
    """ACCEPT and RETURN: they end the chain."""

    verdict: Final

    def apply(self, flow: Flow) -> Verdict:
        return self.verdict


@dataclass(frozen=True)
class Drop(End):
    """DROP. The tools refuse it in nat, which "is not intended for filtering" (iptables-restore(8))."""

    tables = ("raw", "mangle", "filter")


@dataclass(frozen=True)
class To(Target):
    """Leads to another chain."""

    call: Call

    def apply(self, flow: Flow) -> Verdict:
        return self.call

    def calls(self) -> Iterable[str]:
        return (self.call.chain,)


@dataclass(frozen=True)
class Reject(Target):
    """REJECT: answers the packet, and ends it."""

    reason: str
    tables = ("filter",)
    hooks = ("INPUT", "FORWARD", "OUTPUT")

    def apply(self, flow: Flow) -> Verdict:
        flow.answer = self.reason
        return Final.REJECT


@dataclass(frozen=True)
class SetMark(Target):
    """MARK: clears the bits of ``mask``, then flips those of ``value`` (xt_mark.c)."""

    value: int
    mask: int

    def apply(self, flow: Flow) -> Verdict:
        flow.mark = flow.mark & ~self.mask ^ self.value
        return None


@dataclass(frozen=True)
class SetCtMark(Target):
    """CONNMARK: the same with the connection's mark, where there is a connection (xt_connmark.c)."""

    value: int
    mask: int

    def apply(self, flow: Flow) -> Verdict:
        if flow.tracked:
            flow.ct_mark = flow.ct_mark & ~self.mask ^ self.value
        return None


@dataclass(frozen=True)
class MarkFromSet(Target):
    """SET --map-mark: sets the mark that a set has for the packet (set_target_v3 in xt_set.c)."""

    place: ArtifactLine
    ipset: IpSet
    sides: tuple[str, ...]
    tables = ("mangle",)

    def apply(self, flow: Flow) -> Verdict:
        found = self.ipset.mark_of(self.ipset.reader(self.sides, self.place)(flow), self.place)
        if found is not None:
            value, mask = found
            flow.mark = flow.mark & ~mask ^ value
        return None


@dataclass(frozen=True)
class Masquerade(Target):
    """MASQUERADE: rewrites the source to the address of the interface that the packet leaves by."""

    tables = ("nat",)
    hooks = ("POSTROUTING",)

    def apply(self, flow: Flow) -> Verdict:
        flow.masquerade()
        return Final.ACCEPT


@dataclass(frozen=True)
class Snat(Target):
    """SNAT: rewrites the source to an address of a range."""

    first: ir.Address
    last: ir.Address
    tables = ("nat",)
    hooks = ("POSTROUTING", "INPUT")

    def apply(self, flow: Flow) -> Verdict:
        flow.come_from(self.first, self.last)
        return Final.ACCEPT


@dataclass(frozen=True)
class Dnat(Target):
    """DNAT: rewrites the destination.

    Of several ports, it takes the one that ``base`` and the packet's own port lead to (nf_nat_core.c).
    """

    place: ArtifactLine
    address: ir.Address
    ports: tuple[int, int] | None
    base: int | None
    tables = ("nat",)
    hooks = ("PREROUTING", "OUTPUT")

    def apply(self, flow: Flow) -> Verdict:
        flow.send_to(self.address, self._port(flow.port))
        return Final.ACCEPT

    def _port(self, port: int) -> int:
        if self.ports is None:
            return port
        first, last = self.ports
        if self.base is not None:
            return first + (port - self.base) % 65_536 % (last - first + 1)
        if first == last or first <= port <= last:  # a port that is in the range stays
            return first if first == last else port
        raise UnknownRule(self.place, f"which of the ports {first}-{last} a packet to port {port} gets is not decided")


def _reject(given: Given) -> Target:
    default = "icmp-port-unreachable" if given.setting.version == 4 else "icmp6-port-unreachable"
    reason = given.text("--reject-with", default)
    if reason == "tcp-reset":
        if given.header.protocol != 6 or given.header.negated:
            raise LoadError(given.place, "tcp-reset needs -p tcp")
    elif reason not in _REJECTIONS[given.setting.version]:
        raise LoadError(given.place, f"there is no rejection {reason}")
    return Reject(reason)


def _mark(given: Given) -> Target:
    if len(given.options) != 1:
        raise LoadError(given.place, "MARK needs one option")
    (option,) = given.options
    value, mask = given.value(option, mark)
    match option:
        case "--set-xmark":
            return SetMark(value, mask)
        case "--set-mark":
            return SetMark(value, mask | value)
        case "--and-mark":
            return SetMark(0, ~value & 0xFFFFFFFF)
        case "--or-mark":
            return SetMark(value, value)
    return SetMark(value, 0)


def _ct_mark(given: Given) -> Target:
    if len(given.options) != 1:
        raise UnknownRule(given.place, "-j CONNMARK with several options (or none) is not followed here")
    return SetCtMark(*given.value("--set-xmark", mark))


def _map(given: Given) -> Target:
    if "--map-mark" not in given:
        raise UnknownRule(given.place, "-j SET without --map-mark is not followed here")
    return MarkFromSet(given.place, *set_named(given, "--map-set"))


def _dnat(given: Given) -> Target:
    text = given.text("--to-destination")
    if "-" in text.partition("]" if text.startswith("[") else ":")[0]:
        raise UnknownRule(given.place, "a range of addresses is not followed here")
    try:
        address, ports, base = _destination(text)
    except ValueError:
        raise LoadError(given.place, f"`{text}` is no destination") from None
    if address.version != given.setting.version:
        raise LoadError(given.place, f"{address} is of another family")
    if ports is not None and given.header.protocol not in (6, 17, 132):
        raise LoadError(given.place, "a port needs -p tcp, udp or sctp")
    return Dnat(given.place, address, ports, base)


def _snat(given: Given) -> Target:
    text = given.text("--to-source")
    first, _, last = text.partition("-")
    try:
        ends = values.address(first), values.address(last or first)
    except ValueError:
        raise UnknownRule(given.place, f"the source {text} is not followed here") from None
    if any(end.version != given.setting.version for end in ends):
        raise LoadError(given.place, f"{text} is of another family")
    if int(ends[0]) > int(ends[1]):
        raise LoadError(given.place, f"the range {text} runs backwards")
    return Snat(*ends)


def _destination(text: str) -> tuple[ir.Address, tuple[int, int] | None, int | None]:
    """Return address, ports and base of ``ADDRESS``, ``ADDRESS:PORT``, ``ADDRESS:PORT-PORT`` or
    ``ADDRESS:PORT-PORT/BASE``. Errors: ValueError.
    """
    bracketed = text.startswith("[")
    if bracketed:
        host, _, rest = text[1:].partition("]")
        ports = rest.removeprefix(":")
    elif text.count(":") > 1:
        host, ports = text, ""
    else:
        host, _, ports = text.partition(":")
    if not ports:
        return values.address(host), None, None
    ports, shifted, base = ports.partition("/")
    return values.address(host), values.port_range(ports, "-"), int(base) if shifted else None


TARGETS: Mapping[str, Extension[Target]] = {
    "ACCEPT": Extension({}, lambda _: End(Final.ACCEPT)),
    "DROP": Extension({}, lambda _: Drop(Final.DROP)),
    "RETURN": Extension({}, lambda _: End(Final.RETURN)),
    "REJECT": Extension({"--reject-with": 1}, _reject),
    "MARK": Extension({"--set-xmark": 1, "--set-mark": 1, "--and-mark": 1, "--or-mark": 1, "--xor-mark": 1}, _mark),
    "CONNMARK": Extension({"--set-xmark": 1}, _ct_mark),
    "SET": Extension({"--map-set": 2, "--map-mark": 0}, _map),
    "MASQUERADE": Extension({"--random": 0, "--random-fully": 0}, lambda _: Masquerade()),
    "DNAT": Extension({"--to-destination": 1}, _dnat),
    "SNAT": Extension({"--to-source": 1, "--random": 0, "--random-fully": 0, "--persistent": 0}, _snat),
}
