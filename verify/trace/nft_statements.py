"""Statements of nft rules: what they compare, and what they do to a packet (libnftables-json(5), "STATEMENTS")."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from svcc.compiler import ir
from svcc.verify.trace import values
from svcc.verify.trace.chains import Call, Final, Verdict
from svcc.verify.trace.faults import ArtifactLine, LoadError
from svcc.verify.trace.flow import NUMBERS, Flow, Manip
from svcc.verify.trace.nft_expressions import Binary, Concat, Expression, Lookup, NoMatch, Selector
from svcc.verify.trace.nft_sets import Elements, NamedSet, all_data
from svcc.verify.trace.nft_types import Value


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict in nft's form. None: the packet goes on to the next rule."""

    text: str
    verdict: Verdict

    def calls(self) -> Iterable[str]:
        """The chains that it leads to."""
        return (self.verdict.chain,) if isinstance(self.verdict, Call) else ()


#: That of a comparison that does not hold. This happens to most packets in most rules, and an exception takes longer.
UNMET = Judgement("", None)


class Statement(ABC):
    """What a rule does with a packet that the statements before it let through."""

    __slots__ = ()

    #: The type and the hooks of base chains where it is allowed; empty: everywhere.
    chain_type: str = ""
    hooks: tuple[str, ...] = ()

    @abstractmethod
    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        """Execute the statement; what it looked up goes to ``said``.

        A judgement ends the rule; UNMET ends it as NoMatch does. Errors: NoMatch, UnknownRule.
        """

    def calls(self) -> Iterable[str]:
        """Return the chains that it may lead to."""
        return ()

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Match(Statement):
    """A comparison. Where it does not hold, the rule ends."""

    left: Expression
    operator: str  # "==", "!=", "<", ">", "<=", ">=", or "in" (has one of these bits)
    right: Elements[bool] | NamedSet[bool] | int
    text: str  # of the right side
    holds: Callable[[Flow], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", self._holds())

    def _holds(self) -> Callable[[Flow], bool]:
        right, left, positive = self.right, self.left, self.operator == "=="
        if isinstance(right, NamedSet):
            value, find = left.value, right.find
            return lambda flow: (find(flow, value(flow)) is not None) is positive
        if isinstance(right, Elements):
            among = right.find
            return left.tester(lambda value: (among(value) is not None) is positive, right.cuts)
        compare = COMPARISONS[self.operator]
        return left.tester(lambda value: isinstance(value, int) and compare(value, right), lambda: {right, right + 1})

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        return None if self.holds(flow) else UNMET

    def __str__(self) -> str:
        implied = self.operator == "in" or (self.operator == "==" and not isinstance(self.left, Binary))
        operator = "" if implied else f"{self.operator} "
        return f"{self.left} {operator}{self.text}"


COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "in": lambda a, b: bool(a & b),
}


@dataclass(frozen=True)
class FixedVerdict(Statement):
    """A verdict that is written in the rule."""

    judgement: Judgement

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        return self.judgement

    def calls(self) -> Iterable[str]:
        return self.judgement.calls()

    def __str__(self) -> str:
        return self.judgement.text


class JudgementMap(NamedSet[Judgement]):
    """A named map to verdicts."""


@dataclass(frozen=True)
class VerdictMap(Statement):
    """The verdict that a map has for a key; where it has none, the rule ends."""

    key: Expression
    map: Elements[Judgement] | NamedSet[Judgement]
    text: str

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        if isinstance(self.map, NamedSet):
            value = self.key.value(flow)
            found = self.map.find(flow, value)
        else:
            value = self.key.drawn(flow, self.map.cuts)
            found = self.map.find(value)
        if found is None:
            raise NoMatch
        elements = self.map.elements if isinstance(self.map, NamedSet) else self.map
        said.append(f"{elements.show(value)} : {found.text}")
        return found

    def calls(self) -> Iterable[str]:
        elements = self.map.elements if isinstance(self.map, NamedSet) else self.map
        return {chain: None for found in all_data(elements) for chain in found.calls()}

    def __str__(self) -> str:
        return f"{self.key} vmap {self.text}"


_WITH_PORTS = frozenset(NUMBERS.values())


@dataclass(frozen=True)
class Dnat(Statement):
    """Sends the connection to another address or port."""

    place: ArtifactLine
    version: int
    address: Expression | None
    port: Expression | None
    chain_type = "nat"
    hooks = ("prerouting", "output")

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        address, port = flow.destination, flow.port
        if self.address is not None:
            value = self.address.value(flow)
            assert isinstance(value, int)
            address = address_of(value, self.version)
        if self.port is not None:
            number = self.port.value(flow)
            assert isinstance(number, int)
            if flow.protocol not in _WITH_PORTS:
                raise NoMatch
            port = number
        flow.send_to(address, port)
        said.append(f"{address} . {port}")
        return ACCEPT

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"dnat to {self.address or ''}{port}"


@lru_cache(values.KNOWN)
def address_of(number: int, version: int) -> ir.Address:
    """Return the address with that number."""
    return IPv4Address(number) if version == 4 else IPv6Address(number)


@dataclass(frozen=True)
class Masquerade(Statement):
    """Rewrites the source to the address of the interface that the packet leaves by."""

    text: str
    chain_type = "nat"
    hooks = ("postrouting",)

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        if Manip.SOURCE not in flow.settled:
            flow.masquerade()
        return ACCEPT

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Snat(Statement):
    """Rewrites the source to an address of a range."""

    first: ir.Address
    last: ir.Address
    text: str
    chain_type = "nat"
    hooks = ("postrouting", "input")

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        if Manip.SOURCE not in flow.settled:
            flow.come_from(self.first, self.last)
        return ACCEPT

    def __str__(self) -> str:
        return self.text


_TCP = 6


@dataclass(frozen=True)
class Reject(Statement):
    """Answers the packet, and ends it."""

    text: str
    protocol: int | None  # the only one that it answers
    reason: str
    hooks = ("prerouting", "input", "forward", "output")

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        if self.protocol not in (None, flow.protocol):
            raise NoMatch
        flow.answer = "tcp-reset" if self.protocol == _TCP else self.reason
        return Judgement("reject", Final.REJECT)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class SetMark(Statement):
    """Sets the packet's mark."""

    mark: Expression

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        value = self.mark.value(flow)
        assert isinstance(value, int)
        flow.mark = value
        return None

    def __str__(self) -> str:
        return f"meta mark set {self.mark}"


@dataclass(frozen=True)
class Remember(Statement):
    """``add @SET { … }``, ``update @SET { … }``, ``delete @SET { … }``."""

    place: ArtifactLine
    operation: str
    key: Expression
    set: NamedSet[bool]
    timeout: int | None

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        key = self.key.value(flow)
        owner = self.set.owner
        if self.operation == "delete":
            flow.forget(owner, key)
        elif self.operation == "update" or flow.recall(owner, key) is None:
            flow.remember(owner, key, self.timeout or self.set.timeout, True)
        said.append(_shown(self.set.elements, key))
        return None

    def __str__(self) -> str:
        timeout = "" if self.timeout is None else f" timeout {self.timeout}s"
        return f"{self.operation} @{self.set.name} {{ {self.key}{timeout} }}"


def _shown(elements: Elements[bool], key: Value) -> str:
    return f"{{ {elements.show(key)} }}"


@dataclass(frozen=True)
class Counter(Statement):
    """Counts, and does nothing else."""

    def apply(self, flow: Flow, said: list[str]) -> Judgement | None:
        return None

    def __str__(self) -> str:
        return "counter"


ACCEPT = Judgement("accept", Final.ACCEPT)


@dataclass(frozen=True, slots=True)
class NftRule:
    """A rule, and the line that adds it."""

    place: ArtifactLine
    where: str  # "ip custom services"
    statements: tuple[Statement, ...]
    text: str = field(init=False)  # the whole rule, with its place

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.where}: {self}")

    def apply(self, flow: Flow) -> Verdict:
        """Execute the statements one after the other, until one gives a verdict or does not let the packet through."""
        said: list[str] = []
        found: Judgement | None = None
        try:
            for statement in self.statements:
                found = statement.apply(flow, said)
                if found is not None:
                    if found is UNMET:
                        return None
                    break
        except NoMatch:
            return None
        flow.note(" -> ".join([self.text, *said]) if said else self.text, self.place)
        return None if found is None else found.verdict

    def calls(self) -> Iterable[str]:
        """Return the chains that it may lead to, each once."""
        return {chain: None for statement in self.statements for chain in statement.calls()}

    def check_place(self, bases: Iterable[tuple[str, str]]) -> None:
        """Check that all statements are allowed in the base chains (type, hook) that lead here. Errors: LoadError."""
        for statement in self.statements:
            for type, hook in bases:
                if statement.chain_type not in ("", type) or (statement.hooks and hook not in statement.hooks):
                    raise LoadError(self.place, f"`{statement}` is not valid in the {type} hook {hook}")

    def __str__(self) -> str:
        return " ".join(map(str, self.statements))


def narrows_protocol(statements: Iterable[Statement]) -> bool:
    """Whether a rule matches the transport protocol, which nft demands before a port is translated.

    A field of tcp counts, and so does a key of a map; a field of ``th`` does not.
    """
    return any(
        field.text in _PROTOCOL_FIELDS or field.text.split()[0] in ("tcp", "udp", "sctp")
        for statement in statements
        for field in _fields(statement)
    )


def _fields(part: Statement | Expression | None) -> Iterator[Selector]:
    """Yield the fields of the packet that a statement reads."""
    match part:
        case Selector():
            yield part
        case Match(left=inner) | VerdictMap(key=inner) | Lookup(key=inner) | Remember(key=inner):
            yield from _fields(inner)
        case Concat(parts=parts):
            for inner in parts:
                yield from _fields(inner)
        case Dnat():
            yield from _fields(part.address)
            yield from _fields(part.port)


_PROTOCOL_FIELDS = ("meta l4proto", "ip protocol", "ip6 nexthdr")
