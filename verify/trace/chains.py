"""Chains of rules, and how a packet goes through them: what xtables and nftables have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias

from svcc.verify.packet import Refusal
from svcc.verify.trace.faults import ArtifactLine, LoadError
from svcc.verify.trace.flow import Flow, Stopped

#: The most jumps within jumps (nft: NFT_JUMP_STACK_SIZE).
DEPTH = 16


class Final(Enum):
    """Verdicts that end a chain, or the packet's way through its hook."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Call:
    """A verdict that leads to another chain. With ``back``, the packet goes on after the rule when it returns."""

    chain: str
    back: bool


#: None: the packet goes on to the next rule.
Verdict: TypeAlias = Final | Call | None


class Rule(Protocol):
    """A line of a chain, of xtables or of nftables."""

    @property
    def place(self) -> ArtifactLine:
        """The line of the artifact that the rule stands on."""

    def apply(self, flow: Flow) -> Verdict:
        """Do to the packet what the rule does, and return the verdict."""

    def calls(self) -> Iterable[str]:
        """Return the chains that the rule may lead to."""


@dataclass(slots=True)
class Chain:
    """A chain with its rules, in order."""

    name: str
    place: ArtifactLine
    rules: list[Rule] = field(default_factory=list)


def walk(chains: Mapping[str, Chain], start: Chain, flow: Flow, policy: Final) -> None:
    """Send a packet through a base chain. Return where it is accepted.

    Errors: Stopped.
    """
    verdict = _walk(chains, start, flow) or policy
    if verdict is Final.DROP:
        raise Stopped(Refusal.DROP)
    if verdict is Final.REJECT:
        raise Stopped(Refusal.REJECT)


def _walk(chains: Mapping[str, Chain], start: Chain, flow: Flow) -> Final | None:
    """Return the verdict, or None where the packet reaches the end of the chain."""
    rules = iter(start.rules)
    stack: list[Iterator[Rule]] = []
    verdict: Verdict
    while True:
        for rule in rules:
            verdict = rule.apply(flow)
            if verdict is not None:
                break
        else:
            verdict = Final.RETURN
        if verdict is Final.RETURN:
            if not stack:
                return None
            rules = stack.pop()
        elif isinstance(verdict, Call):
            if verdict.back:
                stack.append(rules)
            rules = iter(chains[verdict.chain].rules)
        else:
            return verdict


def check_calls(chains: Mapping[str, Chain], bases: Iterable[Chain]) -> dict[str, set[str]]:
    """Return, by chain, the base chains that lead to it.

    Errors: LoadError where a chain is missing, leads back to itself, or is called too deep.
    """
    depths: dict[str, int] = {}
    for chain in chains.values():
        _depth(chains, chain, depths)
    reached: dict[str, set[str]] = {}
    for base in bases:
        if depths[base.name] > DEPTH:
            raise LoadError(base.place, f"chains lead more than {DEPTH} deep from {base.name}")
        todo = [base.name]
        while todo:
            name = todo.pop()
            if base.name not in reached.setdefault(name, set()):
                reached[name].add(base.name)
                todo += _called(chains[name])
    return reached


def _called(chain: Chain) -> dict[str, ArtifactLine]:
    return {name: rule.place for rule in reversed(chain.rules) for name in rule.calls()}


_UNDER_WAY = -1


def _depth(chains: Mapping[str, Chain], chain: Chain, known: dict[str, int]) -> int:
    """Return how many levels of chains a chain leads down to."""
    if chain.name in known:
        return known[chain.name]
    known[chain.name] = _UNDER_WAY
    deepest = 0
    for name, place in _called(chain).items():
        if name not in chains:
            raise LoadError(place, f"there is no chain {name}")
        depth = _depth(chains, chains[name], known)
        if depth == _UNDER_WAY:
            raise LoadError(place, f"chain {name} leads back to itself")
        deepest = max(deepest, depth + 1)
    known[chain.name] = deepest
    return deepest
