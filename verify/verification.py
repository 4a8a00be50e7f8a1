"""Runs one verification: builds a lab, loads the bundle in its node, opens real connections, and gives verdicts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from itertools import count
from typing import Self

from svcc.apply.rehearsal import RefusedPart, load_bundle
from svcc.compiler import ir
from svcc.targets import find
from svcc.targets.interface import Bundle
from svcc.verify.balancer_cases import Balancers
from svcc.verify.cases import UNDECLARED_PORT, Case, cases
from svcc.verify.judge import STICKY, Verdict, connections_for, judge, judge_ping
from svcc.verify.lab import CLIENT, NODE, STRANGER, Attempt, Conversation, Lab, NoReply, Reply, Result
from svcc.verify.packet import Forwarded, Portless
from svcc.verify.reference import keeps, outcome

#: The longest affinity, in seconds, that is waited out.
PATIENCE = 10

#: How many rounds a client waits for its affinity to end. Of two endpoints, chance gives the same one 20 times about
#: once in a million.
ROUNDS = 20

#: The share of chance from which on no expiry is waited for: a client may get the same endpoint in all rounds, because
#: one endpoint has most of the weight.
_UNLIKELY = 1e-5

#: How many connections run at the same time while most of them wait for an answer that will not come.
AT_ONCE = 512

#: How many datagrams one socket sends. In turns they reach every endpoint. By chance they all reach one of two about
#: once in 10^9.
DATAGRAMS = 31

#: How many connections are held open over a reload: one for each of that many frontends, from the client.
HELD = 32


class CannotLoad(Exception):
    """A tool or the kernel refused a part. The message says which part, with the tool's words."""

    def __init__(self, failure: RefusedPart) -> None:
        super().__init__(f"{failure.tool} refuses part {failure.part}: {failure.words}")


@dataclass(slots=True)
class Verification:
    """A lab with a program's rules loaded. Use it as a context manager."""

    program: ir.Program
    node: ir.Node | None
    bundle: Bundle
    default: ir.Scheduler  # the target's own
    lab: Lab
    cases: list[Case] = field(default_factory=list)

    @classmethod
    def start(cls, program: ir.Program, node: ir.Node | None, bundle: Bundle, default: ir.Scheduler) -> Self:
        """Build the lab, and load the bundle. Errors: NamespaceError, where this machine can run no lab; CannotLoad,
        where it refuses the bundle.
        """
        lab = Lab.up(program, node, bridge_netfilter=False)
        try:
            for anywhere in ("0.0.0.0", "::"):
                lab.listen(NODE, anywhere, UNDECLARED_PORT)
            target = find(bundle.target)
            tried = cases(program, node, lab, translates=target is None or target.translates)
            verification = cls(program, node, bundle, default, lab, [*tried])
            verification.load()
        except BaseException:
            lab.down()
            raise
        return verification

    def load(self, *, again: bool = False) -> None:
        """Load the bundle in the node. Errors: CannotLoad."""
        failures = load_bundle(self.bundle, self.lab.namespace(NODE), again=again)
        if failures:
            raise CannotLoad(failures[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.down()

    def verdicts(self, connections: int) -> Iterator[Verdict]:
        """Yield one verdict for each case, from about ``connections`` connections each."""
        own = frozenset((*self.lab.node_addresses, *self.lab.gateways))
        refused = self._refused(connections)
        for case in self.cases:
            results = refused.get(id(case))
            if case.packet.protocol is Portless.ICMP:
                address = case.packet.destination
                held = address in self.lab.plan.held or address in own
                yield judge_ping(case, self.lab.ping(case.where, address), held=held)
                continue
            if results is None:
                number = connections_for(case, connections, self.default)
                results = self.lab.connect_all([_probe(case)] * number)
            yield judge(case, results, own, case.scheduler or self.default)

    def _refused(self, connections: int) -> dict[int, list[Result]]:
        """Return the results of all cases that expect no answer.

        They are tried together, so that waiting for silence takes its time only once.
        """
        cases = [
            case
            for case in self.cases
            if not isinstance(case.expected, Forwarded) and not isinstance(case.packet.protocol, Portless)
        ]
        probes = [
            (case, p) for case in cases for p in [_probe(case)] * connections_for(case, connections, self.default)
        ]
        found: dict[int, list[Result]] = {}
        results = self.lab.connect_all([probe for _, probe in probes], at_once=AT_ONCE)
        for (case, _), result in zip(probes, results, strict=True):
            found.setdefault(id(case), []).append(result)
        return found

    def balancers(self, template: str, connections: int) -> Iterator[Verdict]:
        """Yield verdicts on requests through a stand-in for a template's balancers, in front of the node's node ports.

        Errors: NotFollowed.
        """
        return Balancers(self.program, self.lab, self.default, template).verdicts(connections)

    # ---- connections that last

    def survivors(self) -> Iterator[Verdict]:
        """Yield verdicts on connections that are open over a reload of the bundle: they keep their endpoints."""
        held = list(self._conversations())
        try:
            before = [conversation.ask() for _, conversation in held]
            self.load(again=True)
            for (case, conversation), first in zip(held, before, strict=True):
                again = conversation.ask()
                same = isinstance(first, Reply) and isinstance(again, Reply) and first.name == again.name
                deviation = "" if same else f"{_who(first)} before the rules were loaded again, {_who(again)} after"
                yield Verdict(_about(case, "an open connection"), {_who(again): 1}, deviation)
        finally:
            for _, conversation in held:
                conversation.close()

    def _conversations(self) -> Iterator[tuple[Case, Conversation]]:
        left = count(HELD, -1)
        for case in self.cases:
            expected = case.expected
            lasting = isinstance(expected, Forwarded) and not expected.one_packet
            if case.where == CLIENT and lasting and next(left) > 0:
                packet = case.packet
                yield case, self.lab.open(case.where, packet.destination, packet.port, packet.protocol)

    # ---- datagrams that each get an endpoint of their own

    def datagrams(self) -> Iterator[Verdict]:
        """Yield verdicts where each datagram chooses anew: those of one socket have to reach several endpoints."""
        for case in self.cases:
            expected = case.expected
            if case.where != CLIENT or not isinstance(expected, Forwarded) or not expected.one_packet:
                continue
            if expected.affinity is not None or len(expected.choices) == 1 or case.scheduler in STICKY:
                continue
            packet = case.packet
            conversation = self.lab.open(case.where, packet.destination, packet.port, packet.protocol)
            try:
                seen = Counter(_who(conversation.ask()) for _ in range(DATAGRAMS))
            finally:
                conversation.close()
            deviation = "" if len(seen) > 1 else f"{DATAGRAMS} datagrams of one socket reached one endpoint"
            yield Verdict(_about(case, "one socket"), dict(seen), deviation)

    # ---- affinity

    def companions(self) -> Iterator[Verdict]:
        """Yield verdicts on clients that a service remembers as a whole: each has one endpoint through all ports and
        addresses of the service.

        Affinities that may end meanwhile are left out. Call this once the clients have had connections: several first
        connections at the same time choose independently.
        """
        together: list[list[Case]] = []
        for case in filter(_lasts, self.cases):
            found = next((some for some in together if self._keeps(some[0], case)), None)
            if found is None:
                together.append([case])
            else:
                found.append(case)
        for some in (some for some in together if len(some) > 1):
            results = self.lab.connect_all(map(_probe, some))
            counts = dict(sorted(Counter(map(_who, results)).items()))
            spread = f"one client reached {len(counts)} endpoints of one service" if len(counts) > 1 else ""
            yield Verdict(_about(some[0], "through its whole service"), counts, spread)

    def _keeps(self, case: Case, other: Case) -> bool:
        return keeps(self.program, self.node, case.packet, other.packet)

    def neighbours(self) -> Iterator[Verdict]:
        """Yield verdicts on affinity by network: a stranger in the client's network gets the client's endpoint."""
        for case in self.cases:
            expected, source = case.expected, case.packet.source
            if case.where != CLIENT or case.network is None or not isinstance(expected, Forwarded):
                continue
            network = ip_network((source, case.network), strict=False)
            where = next(
                (a for a in self.lab.addresses(STRANGER) if a.version == source.version and a in network), None
            )
            seen = self.lab.plan.node if self.node is not None else None
            if where is None or outcome(self.program, seen, replace(case.packet, source=where)) != expected:
                continue
            packet = case.packet
            first, other = (
                _who(self.lab.connect(host, packet.destination, packet.port, packet.protocol))
                for host in (CLIENT, STRANGER)
            )
            deviation = "" if first == other else f"{first} for the client, {other} for another one of its network"
            yield Verdict(_about(case, "a client of its network"), dict(Counter((first, other))), deviation)

    def expiries(self) -> Iterator[Verdict]:
        """Yield verdicts on affinities that are short enough to wait for: once such an affinity is over, a client may
        get another endpoint.

        Each new connection then chooses anew, so in many rounds one gets another endpoint, unless there is only one,
        one endpoint gets nearly all, or the client's address chooses. The rounds of all cases are waited for together.
        """
        waiting = {id(case): case for case in self.cases if _expires(case, self.default)}
        seen: dict[int, Counter[str]] = {key: Counter() for key in waiting}
        longest = max((_timeout(case) for case in waiting.values()), default=0)
        for _ in range(ROUNDS if waiting else 0):
            tried = list(waiting.values())
            for case, result in zip(tried, self.lab.connect_all(map(_probe, tried)), strict=True):
                seen[id(case)][_who(result)] += 1
                if len(seen[id(case)]) > 1:
                    yield Verdict(_about(case, "after its affinity"), dict(seen[id(case)]))
                    del waiting[id(case)]
            if not waiting:
                return
            time.sleep(longest + 1)
        for case in waiting.values():
            deviation = f"always the same endpoint, though {_timeout(case)} s passed {ROUNDS} times"
            yield Verdict(_about(case, "after its affinity"), dict(seen[id(case)]), deviation)


def _expires(case: Case, default: ir.Scheduler) -> bool:
    """Whether to wait for the case's affinity to end: a new choice is then another one sooner or later."""
    expected = case.expected
    if case.where != CLIENT or not isinstance(expected, Forwarded) or not _short(expected):
        return False
    if (case.scheduler or default) in STICKY and not case.by_port:
        return False
    return sum(float(choice.share) ** ROUNDS for choice in expected.choices) < _UNLIKELY


def _lasts(case: Case) -> bool:
    """Whether the case's client is remembered for longer than anything takes here."""
    expected = case.expected
    return case.known_source and isinstance(expected, Forwarded) and (expected.affinity or 0) > PATIENCE


def _short(expected: Forwarded) -> bool:
    return expected.affinity is not None and expected.affinity <= PATIENCE


def _timeout(case: Case) -> int:
    return case.expected.affinity or 0 if isinstance(case.expected, Forwarded) else 0


def _probe(case: Case) -> Attempt:
    packet = case.packet
    return Attempt(case.where, packet.destination, packet.port, packet.protocol, case.bound)


def _who(result: Reply | NoReply) -> str:
    return result.name if isinstance(result, Reply) else result.value


def _about(case: Case, what: str) -> Case:
    return replace(case, vantage=what)
