"""The agent's metrics, for Prometheus: by service, never by endpoint."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from svcc.agent.health import Health
from svcc.agent.probe import probe_of
from svcc.compiler import ir

#: Upper bounds of the histograms' buckets, in seconds.
_QUICK = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_TO_KERNEL = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """All metrics of one agent."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._services = Gauge("svcc_services", "Services that are served.", registry=registry)
        self._endpoints = Gauge(
            "svcc_endpoints", "Endpoints by service and state.", ["service", "state"], registry=registry
        )
        self._announced = Gauge(
            "svcc_announced_addresses", "Addresses that this machine answers ARP and ND for.", registry=registry
        )
        self._checks = Counter("svcc_checks", "Checks by kind and result.", ["kind", "result"], registry=registry)
        self._latency = Histogram(
            "svcc_check_seconds", "How long checks took.", ["kind"], buckets=_QUICK, registry=registry
        )
        self._of_checks: dict[tuple[ir.CheckKind, bool], tuple[Counter, Histogram]] = {}  # looked up once
        self._to_kernel = Histogram(
            "svcc_event_to_kernel_seconds",
            "From an event to its effect in the kernel.",
            buckets=_TO_KERNEL,
            registry=registry,
        )
        self._applies = Counter("svcc_applies", "Transactions by result.", ["result"], registry=registry)
        self._generation = Gauge("svcc_generation", "The generation in place.", registry=registry)
        self._drift = Gauge("svcc_drift", "Objects that somebody changed.", registry=registry)
        self._repairs = Counter("svcc_repairs", "Times that changes by others were put right.", registry=registry)
        self._input = Gauge("svcc_input_errors", "Errors in the file, as it is now.", registry=registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def checked(self, kind: ir.CheckKind, *, passed: bool, seconds: float) -> None:
        """Count an answer to a check. ``seconds``: from the question to the answer."""
        found = self._of_checks.get((kind, passed))
        if found is None:
            result = "passed" if passed else "failed"
            found = self._checks.labels(kind.value, result), self._latency.labels(kind.value)
            self._of_checks[kind, passed] = found
        counter, latency = found
        counter.inc()
        latency.observe(seconds)

    def missed(self, kind: ir.CheckKind) -> None:
        """Count a check that was due and could not be asked."""
        self._checks.labels(kind.value, "not asked").inc()

    def applied(self, generation: int, seconds: float | None) -> None:
        """Count a transaction. ``seconds``: since the event that it was for; None where there was none."""
        self._applies.labels("done").inc()
        self._generation.set(generation)
        if seconds is not None:
            self._to_kernel.observe(seconds)

    def failed(self) -> None:
        """Count a transaction that the kernel did not take."""
        self._applies.labels("failed").inc()

    def drifted(self, objects: int) -> None:
        """Set how many objects differ from what was applied, at the last look."""
        self._drift.set(objects)

    def repaired(self) -> None:
        """Count a repair, after which nothing differs."""
        self._repairs.inc()
        self._drift.set(0)

    def read(self, errors: int) -> None:
        """Set how many errors the program had when it was last read."""
        self._input.set(errors)

    def served(self, program: ir.Program, health: Health, only: Collection[str] | None = None) -> None:
        """Set how many endpoints of each service are in which state.

        ``only``: the services that may have changed, some of which may be gone; the others stay as they are. None for
        all services.
        """
        self._services.set(len(program.services))
        self._announced.set(len({address for service in program.services for address in service.announced}))
        if only is None:
            self._endpoints.clear()
        gone = set(only or ())
        for service in program.services:
            if only is None or service.name in only:
                gone.discard(service.name)
                found = Tally(_state(service, endpoint, health) for endpoint in service.endpoints)
                self._count(service.name, found, anew=only is None)
        for name in gone:
            self._count(name, Tally(), anew=False)

    def _count(self, name: str, found: Tally[str], *, anew: bool) -> None:
        for state in _STATES:
            if number := found[state]:
                self._endpoints.labels(name, state).set(number)
            elif not anew:
                with suppress(KeyError):  # the service had no endpoint in this state
                    self._endpoints.remove(name, state)


_STATES = ("draining", "unchecked", "up", "down")


def _state(service: ir.Service, endpoint: ir.Endpoint, health: Health) -> str:
    if not endpoint.weight:
        return "draining"
    probe = probe_of(service, endpoint)
    if probe is None:
        return "unchecked"
    return "up" if health.is_up(probe) else "down"
