"""Judges whether real connections fared as the reference says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from svcc.compiler import ir
from svcc.verify.cases import Case
from svcc.verify.chi_square import p_value
from svcc.verify.lab import NODE, NoReply, Reply, Result
from svcc.verify.packet import Forwarded, Refusal

#: The probability with which the test calls a fair distribution unfair.
ERROR_RATE = 1e-6

#: The longest round, in turns, for which every turn is taken, to see whether the distribution is exact.
LONGEST_ROUND = 1_000

#: Schedulers with exact turns, and schedulers that send one client to one endpoint.
TURNS = frozenset({ir.Scheduler.RR, ir.Scheduler.WRR})
STICKY = frozenset({ir.Scheduler.SH, ir.Scheduler.DH, ir.Scheduler.MH, ir.Scheduler.LBLC, ir.Scheduler.LBLCR})

_REFUSALS = {Refusal.REJECT: NoReply.REFUSED, Refusal.DROP: NoReply.TIMEOUT}

#: What is counted for a ping that was answered.
ECHO = "echo reply"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case and what was seen. ``deviation`` says what differs from the reference, and is empty where nothing does."""

    case: Case
    counts: dict[str, int]  # number of connections by endpoint ("100.64.0.9:8080") or by failure
    deviation: str = ""
    p: float | None = None  # the probability of such a distribution, where it depends on chance

    @property
    def passed(self) -> bool:
        """Whether all connections fared as the program means."""
        return not self.deviation


def judge(case: Case, results: Sequence[Result], own: frozenset[ir.Address], default: ir.Scheduler) -> Verdict:
    """Compare results with the case's expectation.

    ``own`` are the node's addresses, which endpoints see of masqueraded clients; ``default`` is the target's own
    scheduler.
    """
    counts = dict(sorted(Counter(_name(result) for result in results).items()))
    expected = case.expected
    if expected is Refusal.UNTOUCHED:
        wrong = [result for result in results if not (isinstance(result, Reply) and result.name == NODE)]
        return Verdict(case, counts, f"the node's own server was to answer, got {_name(wrong[0])}" if wrong else "")
    if not isinstance(expected, Forwarded):
        wanted = _REFUSALS[expected]
        wrong = [result for result in results if result is not wanted]
        return Verdict(case, counts, f"expected {expected.value}, got {_name(wrong[0])}" if wrong else "")
    for result in results:
        deviation = _misplaced(case, expected, result, own)
        if deviation:
            return Verdict(case, counts, deviation)
    return _distribution(case, expected, counts, case.scheduler or default)


def judge_ping(case: Case, failure: NoReply | None, *, held: bool) -> Verdict:
    """Judge a ping. Services do not touch it: the holder of the address answers, or the network says that nobody holds
    it.

    ``held``: whether the node holds the address without any rules.
    """
    counts = {ECHO if failure is None else failure.value: 1}
    fine = failure is None or (not held and failure is NoReply.UNREACHABLE)
    return Verdict(case, counts, "" if fine else f"expected {ECHO if held else 'to pass untouched'}, got {failure}")


def _name(result: Result) -> str:
    if isinstance(result, Reply):
        return f"[{result.name}]:{result.port}" if ":" in result.name else f"{result.name}:{result.port}"
    return result.value


def _misplaced(case: Case, expected: Forwarded, result: Result, own: frozenset[ir.Address]) -> str:
    """Return what is wrong with a single connection; "" where nothing is."""
    if not isinstance(result, Reply):
        return f"expected an answer, got {result.value}"
    choices = {(str(choice.address), choice.port): choice for choice in expected.choices}
    choice = choices.get((result.name, result.port))
    if choice is None:
        return f"{_name(result)} answered, which is none of its endpoints"
    if choice.sources and not int(choice.sources[0]) <= int(result.source) <= int(choice.sources[-1]):
        return (
            f"{_name(result)} saw {result.source}, and was to see {'-'.join(map(str, dict.fromkeys(choice.sources)))}"
        )
    if choice.masquerade and not choice.sources and result.source not in own:
        return f"{_name(result)} saw {result.source}, and the client was to be masqueraded"
    if not choice.masquerade and case.known_source and result.source != case.packet.source:
        return f"{_name(result)} saw {result.source}, and {case.packet.source} was to be kept"
    return ""


def _distribution(case: Case, expected: Forwarded, counts: dict[str, int], scheduler: ir.Scheduler) -> Verdict:
    shares = {_place(choice.address, choice.port): choice.share for choice in expected.choices}
    if case.by_port and expected.affinity is None:
        alone = len(counts) == 1 and max(shares.values()) ** sum(counts.values()) < ERROR_RATE
        return Verdict(case, counts, "all connections of one client reached one endpoint" if alone else "")
    if expected.affinity is not None or scheduler in STICKY:
        spread = f"one client reached {len(counts)} endpoints" if len(counts) > 1 else ""
        return Verdict(case, counts, spread)
    total = sum(counts.values())
    if scheduler in TURNS:
        wanted = {place: share * total for place, share in shares.items()}
        if any(number.denominator > 1 for number in wanted.values()):
            return Verdict(case, counts)  # this is part of a long round: nobody can tell which
        if any(counts.get(place, 0) != number for place, number in wanted.items()):
            said = ", ".join(f"{place} {number}" for place, number in wanted.items())
            return Verdict(case, counts, f"turns are exact: expected {said}")
        return Verdict(case, counts)
    if scheduler is not ir.Scheduler.RANDOM:
        return Verdict(case, counts)  # load decides: any endpoint may be chosen
    p = p_value(counts, shares)
    return Verdict(case, counts, f"such counts come by chance once in {1 / p:.0g}" if p < ERROR_RATE else "", p)


def _place(address: ir.Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def connections_for(case: Case, wished: int, default: ir.Scheduler) -> int:
    """Return how many connections a case needs: whole rounds of turns, unless these are long; a few for a refusal."""
    expected = case.expected
    if not isinstance(expected, Forwarded):
        return min(wished, 3)
    if (case.scheduler or default) not in TURNS:
        return wished
    turns = lcm(*(choice.share.denominator for choice in expected.choices))
    return wished if turns > LONGEST_ROUND else -(-wished // turns) * turns
