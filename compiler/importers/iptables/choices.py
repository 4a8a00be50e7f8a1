"""Finds out which endpoint a sequence of rules chooses, from the shares of ``-m statistic`` and the memory of ``-m
recent``.

A sequence is read only if it takes every connection: it ends with a rule without a condition, or goes to a chain that
does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.importers.iptables.rules import Option, Rule
from svcc.compiler.importers.words import address, network, number, port, ports
from svcc.compiler.source import Span

#: The most chains, each leading to the next, that are followed.
_DEPTH = 16
#: Targets that change nothing about the choice, whatever the rule's conditions are.
_ASIDE = ("MARK", "CONNMARK", "LOG", "NFLOG", "")
#: Options that have no part in the choice.
_IGNORED = frozenset(
    (
        *("--comment", "--jump", "--goto", "--reap", "--rsource", "--name", "--set"),
        *("--to-destination", "--random", "--random-fully", "--persistent"),
    )
)
_OF_CHOICE = ("--mode", "--probability", "--every", "--packet", "--mask")
_DECIMAL = re.compile(r"[0-9]{0,3}\.?[0-9]{0,20}")
_DAY = 86_400
#: The largest sum of weights that is tried.
_SUM = 1_000
#: How far a share may be off, relative to itself: where people write 0.33 for a third, and where iptables-save rounds.
_ROUNDED, _EXACT = 0.011, 1e-6


class NotRead(Exception):
    """A rule says something that svcc cannot say, or lacks something that svcc needs."""

    def __init__(self, span: Span, reason: str) -> None:
        super().__init__(reason)
        self.span = span
        self.reason = reason


class Front(NamedTuple):
    """What rules ask for before they choose an endpoint: an address, a protocol and ports."""

    address: ir.Address | None  # None: the machine's own addresses
    protocol: ir.Protocol
    ports: ir.PortRange


class Leaf(NamedTuple):
    """An endpoint at which a choice ends."""

    address: ir.Address
    port: int | None  # None: the port is not changed


@dataclass(slots=True)
class Choice:
    """Endpoints with their shares of the connections, in the order of the rules."""

    shares: dict[Leaf, float] = field(default_factory=dict)
    spans: dict[Leaf, Span] = field(default_factory=dict)
    modes: set[str] = field(default_factory=set)  # the modes of ``-m statistic``: random, nth
    affinity: int | None = None  # seconds

    def take(self, other: Choice, share: float) -> None:
        """Add the endpoints of another choice, to which this share (0 to 1) of the connections goes."""
        for leaf, part in other.shares.items():
            self.shares[leaf] = self.shares.get(leaf, 0.0) + share * part
            self.spans.setdefault(leaf, other.spans[leaf])
        self.modes |= other.modes
        self.affinity = self.affinity or other.affinity

    @property
    def scheduler(self) -> ir.Scheduler | None:
        """The scheduler that chooses like this.

        None: by chance, which is the choice of a service that names no scheduler.
        """
        return ir.Scheduler.RR if "nth" in self.modes else None


@dataclass(slots=True)
class Reader:
    """Follows rules through the chains of a table. ``read`` holds the places of the rules that are accounted for."""

    chains: Mapping[str, Sequence[Rule]]
    read: set[Span] = field(default_factory=set)
    _never: set[Span] = field(default_factory=set)  # rules behind one that takes every connection
    _known: dict[tuple[Front, str], Choice] = field(default_factory=dict)

    def choice(self, front: Front, rules: Sequence[Rule], at: Span, depth: int = 0) -> Choice:
        """Return what a sequence of rules chooses. ``at``: the place of the rule that leads to it. Errors: NotRead."""
        choice, left = Choice(), 1.0
        for i, rule in enumerate(rules):
            if self.aside(rule):
                continue
            self._check_target(rule)
            conditions = [option for option in rule.options if not _implied(option, front)]
            affinity = _affinity(rule, conditions)
            share = None if affinity is not None else _share(rule, conditions)
            found = self._of_target(front, rule, depth)
            if share is None:
                choice.affinity = affinity
                continue
            part, mode = share
            choice.take(found, left * part)
            choice.modes |= {mode} if mode else set()
            if len(choice.modes) > 1:
                raise NotRead(rule.span, "one service chooses by turns or by chance, not by both")
            if part == 1.0:
                self._never |= {other.span for other in rules[i + 1 :]}
                return choice
            left *= 1 - part
        raise NotRead(at, "some connections fall through the rules, so that they lead nowhere")

    def take(self, rules: Iterable[Rule]) -> None:
        """Mark these rules, and all rules that they lead to, as read: they became a service.

        Rules that no connection reaches stay unread.
        """
        waiting = [*rules]
        while waiting:
            rule = waiting.pop()
            if rule.span not in self.read and rule.span not in self._never:
                self.read.add(rule.span)
                waiting += self.chains.get(rule.target, ())

    def _check_target(self, rule: Rule) -> None:
        if rule.target != "DNAT" and rule.target not in self.chains:
            raise NotRead(rule.span, f"svcc gives connections to endpoints, and does no {rule.target}")

    def aside(self, rule: Rule) -> bool:
        """Whether the rule only marks or logs, itself or through a chain that only does this."""
        inner = self.chains.get(rule.target)
        if inner is not None:
            return bool(inner) and all(one.target in _ASIDE for one in inner)
        return rule.target in _ASIDE

    def _of_target(self, front: Front, rule: Rule, depth: int) -> Choice:
        if rule.target == "DNAT":
            leaf = _leaf(front, rule)
            return Choice({leaf: 1.0}, {leaf: rule.span})
        if depth >= _DEPTH:
            raise NotRead(rule.span, f"more than {_DEPTH} chains lead to each other")
        key = front, rule.target
        if key not in self._known:
            self._known[key] = self.choice(front, self.chains[rule.target], rule.span, depth + 1)
        return self._known[key]


def _implied(option: Option, front: Front) -> bool:
    """Whether every packet of the front meets the condition."""
    if option.name in _IGNORED:
        return True
    if option.negated:
        return False
    if option.name == "--protocol":
        return option.value == front.protocol
    if option.name == "--dport":
        return ports(option.value, ":") == front.ports
    if option.name == "--dports":
        return front.ports in [ports(text, ":") for text in option.value.split(",")]
    if option.name == "--destination":
        return front.address is not None and host(option.value) == front.address
    return always(option) or (is_local(option) and front.address is None)


def always(option: Option) -> bool:
    """Whether the condition is true of every connection in the nat table, because all connections there are new."""
    return option.name == "--ctstate" and not option.negated and "NEW" in option.value.split(",")


def is_local(option: Option) -> bool:
    """Whether the condition is that the destination is one of the machine's own addresses."""
    return option.name == "--dst-type" and not option.negated and option.value == "LOCAL"


def no_condition(option: Option) -> str:
    """Return why a rule with this condition is not carried over."""
    more = (
        ": allow-from drops all others, and this rule leaves them to further ones" if option.name == "--source" else ""
    )
    return f"svcc has no condition `{option}`{more}"


def _affinity(rule: Rule, conditions: Sequence[Option]) -> int | None:
    """Return the seconds for which the rule sends clients to the same endpoint again.

    Return None for a rule of any other kind.
    """
    names = {option.name for option in conditions}
    if not names & {"--rcheck", "--update"}:
        return None
    if names - {"--rcheck", "--update", "--seconds", "--mask"}:
        raise NotRead(rule.span, no_condition(_first(conditions, "--rcheck")))
    seconds = number(rule.value("--seconds"), 1, _DAY)
    if seconds is None:
        raise NotRead(rule.span, "affinity lasts from a second to a day")
    return seconds


def _first(conditions: Sequence[Option], *known: str) -> Option:
    return next(option for option in conditions if option.name not in (*known, "--update", "--seconds", "--mask"))


def _share(rule: Rule, conditions: Sequence[Option]) -> tuple[float, str]:
    """Return which part of its connections the rule takes, and the mode of its choice: random, nth, or none ("")."""
    others = [option for option in conditions if option.name not in _OF_CHOICE]
    if others:
        raise NotRead(rule.span, no_condition(others[0]))
    mode = rule.value("--mode")
    if mode == "random":
        part = _fraction(rule.value("--probability"))
        if part is not None:
            return part, mode
    elif mode == "nth":
        every = number(rule.value("--every"), 1, 1_000_000)
        if every is not None and rule.value("--packet") in ("", "0"):
            return 1 / every, mode
    elif not mode:
        return 1.0, ""
    raise NotRead(rule.span, "these numbers of -m statistic give no shares of the connections")


def _fraction(text: str) -> float | None:
    value = float(text) if _DECIMAL.fullmatch(text) else 0.0
    return value if 0 < value <= 1 else None


def _leaf(front: Front, rule: Rule) -> Leaf:
    text = rule.value("--to-destination")
    host_text, _, port_text = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    found, to = address(host_text.removeprefix("[").removesuffix("]")), port(port_text)
    if found is None or (to is None and port_text):
        raise NotRead(rule.span, "an endpoint is one address with one port, not a range of them")
    if to is not None and len(front.ports) > 1:
        raise NotRead(rule.span, "svcc leads a range of ports to as many ports, never to a single one")
    return Leaf(found, to)


def host(text: str) -> ir.Address | None:
    """Return the address of ``10.0.0.1`` or ``10.0.0.1/32``. Return None for more than one address."""
    found = network(text)
    return found.network_address if found is not None and found.prefixlen == found.max_prefixlen else None


def weights(choice: Choice) -> tuple[int, ...] | None:
    """Return the smallest whole numbers that are in proportion to the shares, as even as people may have meant them.
    Return None where there are none.
    """
    shares = [*choice.shares.values()]
    even = tuple(1 for _ in shares)
    if _fit(even, shares, _ROUNDED):
        return even
    for total in range(len(shares), _SUM + 1):
        found = tuple(round(share * total) for share in shares)
        if all(found) and _fit(found, shares, _EXACT):
            return found
    return None


def _fit(numbers: Sequence[int], shares: Sequence[float], off: float) -> bool:
    total = sum(numbers)
    return all(abs(number / total - share) <= off * share for number, share in zip(numbers, shares, strict=True))
