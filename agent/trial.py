"""A trial of the agent in a lab: a pod's server dies, then the pod, and real connections show who serves their
clients."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from threading import Condition, Thread
from typing import Any

from svcc.agent.probe import probes
from svcc.compiler import ir
from svcc.compiler.health_checks import service_ports
from svcc.compiler.ir_to_json import to_json
from svcc.targets.interface import Target
from svcc.verify.cases import Case, cases
from svcc.verify.judge import Verdict, connections_for, judge
from svcc.verify.lab import CLIENT, NODE, Conversation, Lab, Reply
from svcc.verify.packet import Forwarded
from svcc.verify.reference import outcome

#: The check of all endpoints in a trial, whatever the program says. It is frequent, so that the trial is short, and
#: gives busy machines time to answer.
_CHECK = ir.Check(ir.CheckKind.TCP, every=2.0, timeout=2.0, fall=2, rise=1)
#: Seconds that each step may take. They only end what hangs.
_PATIENCE = 120.0
#: How many connections of each case are held open from beginning to end.
_HELD = 4


class TrialError(Exception):
    """The agent cannot be tried, or does not do what the trial waits for; the message says why."""


@dataclass(slots=True)
class _Agent:
    """An agent that runs in the lab's node, and what it has logged so far."""

    process: Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)
    news: Condition = field(default_factory=Condition)

    def listen(self) -> None:
        """Read the agent's log until it ends."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.news:
                with suppress(ValueError):
                    self.events.append(json.loads(line))
                self.news.notify_all()

    def until_down(self, number: int, since: int = 0) -> None:
        """Wait until the agent logs that the kernel has this number of failing probes, after the first ``since``
        events.

        Errors: TrialError.
        """
        deadline = time.monotonic() + _PATIENCE
        with self.news:
            while not any(one["event"] == "in the kernel" and one["down"] == number for one in self.events[since:]):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = "".join(f"\n  {one}" for one in self.events[-5:])
                    raise TrialError(f"the agent does not see that {number} endpoints are down; it said last:{said}")
                self.news.wait(1.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """A lab whose node an agent keeps. ``cases``: a client's connections of which the victim gets a share."""

    program: ir.Program
    node: ir.Node | None
    lab: Lab
    default: ir.Scheduler
    agent: _Agent
    victim: ir.Address
    cases: tuple[Case, ...]

    def verdicts(self, connections: int) -> Iterator[Verdict]:
        """Yield how the victim's share goes to others and comes back, and that other connections go on. Errors:
        TrialError."""
        held = [*self._conversations()]
        try:
            first = [conversation.ask() for _, conversation in held]
            yield from self._judged(self.cases, "all are up", connections)
            for what, kill, mend in self._deaths():
                words = self._awaited(kill, sum(one.address == self.victim for one in probes(self.program)))
                yield from self._judged(self._without(), f"{words} after {what} died", connections)
                words = self._awaited(mend, 0)
                yield from self._judged(self.cases, f"{words} after {what} came back", connections)
            for (case, conversation), before in zip(held, first, strict=True):
                if isinstance(before, Reply) and before.name != str(self.victim):
                    after = conversation.ask()
                    same = isinstance(after, Reply) and after.name == before.name
                    about = replace(case, vantage="an open connection")
                    yield Verdict(about, {before.name: 1}, "" if same else f"{before.name} before, {after} after")
        finally:
            for _, conversation in held:
                conversation.close()

    def _deaths(self) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
        lab, victim = self.lab, self.victim
        servers = [one for one in lab.plan.listeners if one.where == str(victim) and one.protocol is ir.Protocol.TCP]
        yield f"the server of {victim}", lambda: lab.stop(*servers), lambda: lab.resume(*servers)
        yield f"pod {victim}", lambda: lab.unplug(victim), lambda: lab.plug(victim)

    def _awaited(self, change: Callable[[], None], down: int) -> str:
        """Do something to the victim, and wait until the kernel has it; return how long that took, as text."""
        mark, began = len(self.agent.events), time.monotonic()
        change()
        self.agent.until_down(down, mark)
        return f"{time.monotonic() - began:.1f} s"

    def _judged(self, tried: Sequence[Case], when: str, connections: int) -> Iterator[Verdict]:
        own = frozenset((*self.lab.node_addresses, *self.lab.gateways))
        for case in tried:
            packet, number = case.packet, connections_for(case, connections, self.default)
            results = self.lab.connect_many(case.where, packet.destination, packet.port, packet.protocol, number)
            yield judge(replace(case, vantage=when), results, own, case.scheduler or self.default)

    def _without(self) -> list[Case]:
        """Return the cases with what the reference expects while the victim gets no new connections."""
        program = _drained(self.program, self.victim)
        seen = self.lab.plan.node if self.node is not None else None
        return [replace(case, expected=outcome(program, seen, case.packet)) for case in self.cases]

    def _conversations(self) -> Iterator[tuple[Case, Conversation]]:
        for case in self.cases:
            packet = case.packet
            for _ in range(_HELD):
                yield case, self.lab.open(case.where, packet.destination, packet.port, packet.protocol)


@contextmanager
def trial(program: ir.Program, node: ir.Node | None, target: Target) -> Iterator[Trial]:
    """Build a lab of the program with an agent in its node. Errors: TrialError; NamespaceError where this machine can
    have no lab."""
    asked = _often(program)
    with Lab.up(asked, node, bridge_netfilter=False) as lab, TemporaryDirectory() as folder:
        victim, tried = _victim(asked, node, lab)
        file = Path(folder, "program.json")
        file.write_text(json.dumps(to_json(asked)), encoding="utf-8")
        options = ["--target", target.name, "--log", "json", "--state-dir", str(Path(folder, "state"))]
        options += ["--node", node.name] if node is not None else []
        words = [sys.executable, "-P", "-m", "svcc", "agent", "run", str(file), *options]
        with lab.start(NODE, words) as process:
            agent = _Agent(process)
            listener = Thread(target=agent.listen, name="agent's log")
            listener.start()
            try:
                agent.until_down(0)
                yield Trial(asked, node, lab, target.default_scheduler, agent, victim, tried)
            finally:
                process.terminate()
                listener.join()


def _often(program: ir.Program) -> ir.Program:
    """Return the program with a quick check of each service that can have one. With ``dh`` on ipvs there can be
    none."""
    return replace(program, services=tuple(map(_asked, program.services)))


def _asked(service: ir.Service) -> ir.Service:
    ports = service_ports(service, ir.CheckKind.TCP)
    if not ports or service.scheduler is ir.Scheduler.DH or service.forward is not ir.Forward.MASQUERADE:
        return replace(service, check=None)
    return replace(service, check=replace(_CHECK, port=ports[0] if len(ports) > 1 else None))


def _victim(program: ir.Program, node: ir.Node | None, lab: Lab) -> tuple[ir.Address, tuple[Case, ...]]:
    """Return an endpoint, and the connections of which it gets a share and others can take it. Errors: TrialError."""
    asked = {probe.address for probe in probes(program)}
    shared = {
        case: {choice.address for choice in case.expected.choices} & asked
        for case in cases(program, node, lab)
        if case.where == CLIENT and case.packet.protocol is ir.Protocol.TCP and isinstance(case.expected, Forwarded)
    }
    able = {case: found for case, found in shared.items() if len(found) > 1}
    if not able:
        raise TrialError("no service of this program has a tcp port and two endpoints that a client can reach")
    victim = min(next(iter(able.values())), key=int)
    return victim, tuple(case for case, found in able.items() if victim in found)


def _drained(program: ir.Program, address: ir.Address) -> ir.Program:
    """Return the program with the endpoints at an address draining, in each service that has a check."""

    def drained(service: ir.Service) -> ir.Service:
        ends = (replace(one, weight=0) if one.address == address else one for one in service.endpoints)
        return service if service.check is None else replace(service, endpoints=tuple(ends))

    return replace(program, services=tuple(map(drained, program.services)))
