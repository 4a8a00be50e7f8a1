"""The results of checks: they are entered into the endpoints' health, counted, and logged."""

from __future__ import annotations

import time
from collections.abc import Callable

from svcc.agent.health import Health, Standing
from svcc.agent.log import Field, Log
from svcc.agent.metrics import Metrics
from svcc.agent.probe import Answer, Probe, services_text

#: How many seconds after the last probe that could not be asked the agent reports that all are asked again.
_ALL_ASKED = 10.0


class CheckResults:
    """The health of all checked endpoints. ``turned``: services with an endpoint that came up or went down since the
    metrics were updated."""

    def __init__(
        self,
        log: Log,
        metrics: Metrics,
        now: Callable[[], float],
        told: Callable[[Probe], None],
        said: Callable[[Probe], None],
    ) -> None:
        """``now``: the clock of the checks, in seconds; ``told`` is called with a probe that came up or went down;
        ``said`` with one that stays so, and gave its first answer, or another reason for being out than before."""
        self._log, self._metrics, self._now, self._told, self._said = log, metrics, now, told, said
        self.health = Health()
        self.turned: set[str] = set()
        self.fault = ""  # why some checks cannot be run; "" where they are
        self._missed_at = 0.0  # when a probe last could not be asked

    def hear(self, probe: Probe, answer: Answer) -> None:
        """Enter an answer to a probe; no answer within its time-out is one that does not pass."""
        self._metrics.checked(probe.check.kind, passed=answer.passed, seconds=answer.seconds)
        if self.fault and self._now() - self._missed_at > _ALL_ASKED:
            self._log.info("all checks run again")
            self.fault = ""
        before = self.health.standings.get(probe)
        if before is not None and before.joining and before.answer is None and not answer.passed:
            self._log.warning("does not pass yet", **self._which(probe), answer=answer.words)
        if self.health.hear(probe, answer, time.time()):
            say = self._log.info if answer.passed else self._log.warning
            say("up" if answer.passed else "down", **self._which(probe), answer=answer.words)
            self.turned.update(self.health.users.get(probe, ()))
            self._told(probe)
        elif before is not None and _is_news(before, answer):
            self._said(probe)

    def _which(self, probe: Probe) -> dict[str, Field]:
        """Return the fields that tell a probe from others of its address and port."""
        check, service = probe.check, services_text([*self.health.users.get(probe, ())])
        asked: dict[str, Field] = {"path": check.path, "host": check.host, "name": check.name}
        told: dict[str, Field] = {name: value for name, value in asked.items() if value not in (None, "/", ".")}
        return {"probe": str(probe), "service": service, **told}

    def miss(self, probe: Probe, reason: str) -> None:
        """Enter that a probe could not be asked. Nothing is known of its endpoint, which stays up or down as it was."""
        self._metrics.missed(probe.check.kind)
        self._missed_at = self._now()
        if not self.fault:
            self.fault = f"some checks cannot be run: {reason}"
            self._log.error("some checks cannot be run", probe=str(probe), reason=reason)


def _is_news(before: Standing, answer: Answer) -> bool:
    """Whether an answer that changes no standing says something that is not noted yet."""
    return before.answer is None or (not before.up and before.answer.words != answer.words)
