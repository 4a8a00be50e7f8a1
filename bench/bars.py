"""The limits that svcc promises for its speed, and whether a run kept them.

They are meant for 10,000 services with 10 endpoints each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agents import FEW as AGENTS_FEW
from latency import BY_HAND, DIRECT, FEW, NOT_OURS, SOME, TRACKED
from measure import Spread
from results import Part, Results


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit, and what was measured, of which the median is judged."""

    words: str
    measured: Spread
    limit: float
    unit: str = ""  # s, MB or %; "" for a ratio
    at_least: bool = False  # else the limit is the most
    cpu: Spread | None = None  # the same in processor seconds, where ``measured`` is by the clock

    @property
    def met(self) -> bool:
        value = self.measured.middle
        return value >= self.limit if self.at_least else value <= self.limit


def bars(results: Results) -> Iterator[Bar]:
    """Yield all bars that can be judged from the parts that were measured."""
    for name, part in results.parts.items():
        if name in _OF_PART:
            yield from _OF_PART[name](part)


def _start(part: Part) -> Iterator[Bar]:
    check = next(name for name in part.cases if name.startswith("svcc check"))
    for case, limit in (("svcc --version", 0.070), (check, 0.200)):
        yield Bar(case, part.spread(case, "seconds"), limit, "s", cpu=part.spread(case, "cpu"))


def _compile(part: Part) -> Iterator[Bar]:
    for case in part.cases:
        if case.startswith("svcc compile"):
            yield Bar(f"{case}: peak", part.spread(case, "megabytes"), 1000, "MB")
            if "nft" in part.cases:
                limit = 1.3 if case.endswith(" nft") else 2.0
                yield _ratio(part, f"{case} : loading nft's JSON", case, "nft", limit)


def _stages(part: Part) -> Iterator[Bar]:
    for lark, said in (("lark", ""), ("lark-alone", ", both without garbage collection")):
        front = [sum(values) for values in zip(part.values("parse", "cpu"), part.values("lower", "cpu"), strict=True)]
        each = zip(front, part.values(lark, "cpu"), strict=True)
        yield Bar(f"parse + lower : lark alone{said}", Spread.of(ours / theirs for ours, theirs in each), 1.2)


#: By the tool that loads a peer's rules: our cases, and how many times as long the peer's rules have to take to load as
#: ours, without and with node ports and affinity.
_PEERS: Mapping[str, tuple[Sequence[str], float, float | None]] = {
    "nft": (("nft",), 8, 25),
    "iptables-legacy": (("iptables (legacy)",), 8, None),
    "iptables-nft": (("iptables (nft)", "iptables (nft), as applied"), 6, None),
}


def _load(part: Part, *, mixed: bool = False) -> Iterator[Bar]:
    for case in part.cases:
        names, plain, with_more = _PEERS.get(case.rpartition(" (")[2].removesuffix(")"), ((), 0, None))
        limit = with_more if mixed else plain
        for ours in names:
            if ours in part.cases and case not in _OURS and limit:
                words = f"loading{' (mixed)' if mixed else ''}: {case} : {ours}"
                yield _ratio(part, words, case, ours, limit, at_least=True)


def _load_ipvs(part: Part) -> Iterator[Bar]:
    """Compare loading all parts of ipvs, with the device's addresses and the rules, with loading only the listed sets
    and servers."""
    saved = "ipvs, as its tools list it"
    if saved in part.cases:
        yield _ratio(part, "loading all of ipvs : the same sets and servers as saved", "ipvs", saved, 1.3)


def _changes(part: Part) -> Iterator[Bar]:
    for case in part.cases:
        name, colon, rest = case.partition(": ")
        reading, plan, compiling, apply = (f"{name}: {what}" for what in _CHANGES)
        if case == plan:
            yield _ratio(part, f"{plan} : reading with the tool", plan, reading, 1.5)
        elif case == apply:
            yield from _apply(part, apply, compiling, _BESIDE_COMPILING.get(name))
        elif colon and rest == "inside apply: kernel":
            yield Bar(f"{apply}: the kernel's part", part.spread(case, "seconds"), 0.050, "s")
        elif case in _UPDATES:
            yield Bar(case, part.spread(case, "seconds"), _UPDATES[case], "s")


def _apply(part: Part, apply: str, compiling: str, limit: float | None) -> Iterator[Bar]:
    """Yield what an apply takes beside compiling, by rounds; and its memory."""
    if limit is not None and compiling in part.cases:
        each = zip(part.values(apply, "seconds"), part.values(compiling, "seconds"), strict=True)
        yield Bar(f"{apply}: beside compiling", Spread.of(whole - made for whole, made in each), limit, "s")
    yield Bar(f"{apply}: peak", part.spread(apply, "megabytes"), 400, "MB")


#: Seconds that an apply of a file with one changed endpoint may take, without compiling the file.
_BESIDE_COMPILING = {"nft": 0.5, "iptables (nft)": 1.5, "iptables (legacy)": 1.0}
#: Seconds from a session's call that changes one endpoint until the kernel serves it.
_UPDATES = {
    f"{name}: update, one endpoint, to the kernel": seconds
    for name, seconds in {"nft": 0.08, "iptables (nft)": 0.25, "iptables (legacy)": 0.6}.items()
}
_CHANGES = ("reading with the tool", "plan, nothing to do", "compile", "apply, one endpoint")


def _growth(part: Part) -> Iterator[Bar]:
    sizes = sorted({int(case.rpartition(", ")[2].removesuffix(" services")) for case in part.cases})
    for case in part.cases:
        name, _, size = case.rpartition(", ")
        if size == f"{sizes[0]} services":
            yield _ratio(part, f"{name}: {sizes[1]} : {sizes[0]} services", f"{name}, {sizes[1]} services", case, 2.3)


def _latency(part: Part, measured: Sequence[str] = ("p50", "p99")) -> Iterator[Bar]:
    """Compare with no rules at all, and with the least possible.

    For services that is one rule that translates an address. For other traffic it is a node that tracks connections, as
    every node has to that translates addresses.
    """
    for case in part.cases:
        name = case.partition(", ")[0]
        few = f"{name}, {FEW} services"
        if name not in _OURS:
            continue
        if case.endswith(NOT_OURS):
            for base in (DIRECT, TRACKED):
                yield _connect(part, case, f"{base}, {NOT_OURS}", "p50", 1.1)
            continue
        for base in () if case.endswith(SOME) else (DIRECT, BY_HAND):
            for quantile in measured:
                yield _connect(part, case, base, quantile, 1.15)
            rate = part.ratio_of_medians(case, base, "per second")
            yield Bar(f"{case}: connections per second : {base}", rate, 0.9, at_least=True)
        if few in part.cases and few != case:
            for quantile in measured:
                yield _connect(part, case, few, quantile, 1.15)


def _connect(part: Part, case: str, base: str, quantile: str, limit: float) -> Bar:
    words = base.removeprefix(f"{case.partition(', ')[0]}, ").removesuffix(f", {NOT_OURS}")
    return Bar(f"{case}: connect {quantile} : {words}", part.ratio_of_medians(case, base, quantile), limit)


def _agents(part: Part) -> Iterator[Bar]:
    """Yield the bars of agents on nft; nothing is promised in comparison with keepalived."""
    for case in part.cases:
        if not case.startswith("nft, "):
            continue
        few, checks = case == f"nft, {AGENTS_FEW} services", case.endswith(" checks")
        yield Bar(f"agent, {case}: memory", part.spread(case, "megabytes"), 60 if few else 400, "MB")
        if not few:
            yield Bar(f"agent, {case}: of a core", part.spread(case, "percent"), 40 if checks else 2, "%")
        if checks:
            yield Bar(f"agent, {case}: event to kernel", part.spread(case, "to kernel"), 0.1, "s")


def _clusters(part: Part) -> Iterator[Bar]:
    """Yield the bars of the first program of a cluster, and of a slice that changes after a quiet time."""
    for case in part.cases:
        if "recorded" in part.cases[case][0]:
            yield Bar(f"kubernetes, {case}: event to kernel", part.spread(case, "to kernel"), 0.1, "s")
        else:
            yield Bar(f"kubernetes, {case}: peak memory", part.spread(case, "megabytes"), 500, "MB")


_OURS = ("nft", "iptables (legacy)", "iptables (nft)", "ipvs")


def _ratio(part: Part, words: str, case: str, base: str, limit: float, *, at_least: bool = False) -> Bar:
    by_clock, by_cpu = (part.ratio(case, base, measure) for measure in ("seconds", "cpu"))
    return Bar(words, by_clock, limit, at_least=at_least, cpu=by_cpu)


def _named(prefix: str, of_part: Callable[[Part], Iterator[Bar]]) -> Callable[[Part], Iterator[Bar]]:
    def found(part: Part) -> Iterator[Bar]:
        for bar in of_part(part):
            yield Bar(prefix + bar.words, bar.measured, bar.limit, bar.unit, bar.at_least, bar.cpu)

    return found


_OF_PART: dict[str, Callable[[Part], Iterator[Bar]]] = {
    "start": _start,
    "compile": _compile,
    "stages": _stages,
    "load": _load,
    "mixed": lambda part: _load(part, mixed=True),
    "changes": _changes,
    "growth": _growth,
    "latency": _latency,
    "agent": _agents,
    "kubernetes": _clusters,
    "ipvs: load": _load_ipvs,
    "ipvs: changes": _changes,
    "ipvs: growth": _named("ipvs's kernel: ", _growth),
    # On a throw-away kernel for IPVS, p99 only shows when that kernel's timer ticked.
    "ipvs: latency": partial(_latency, measured=("p50",)),
}
