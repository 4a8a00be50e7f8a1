"""A member checks itself, as an agent checks an endpoint: it is registered only while its check passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from svcc.agent.answers import Asker
from svcc.agent.checks import Checks
from svcc.agent.health import Standing
from svcc.agent.log import quiet_libraries
from svcc.agent.probe import Answer, Probe
from svcc.compiler import ir
from svcc.compiler.diagnostic import Severity
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.fleet.registering import MemberEndpoint

#: Characters that would end the statement with the check.
_ENDS = frozenset(";{}#\r\n")


def probe(endpoint: MemberEndpoint, words: str) -> Probe | None:
    """Return the probe of a member's check; None for `none`, which is no check.

    ``words``: what the language has behind `check`; without a port they mean the endpoint's own. Raises
    :class:`ValueError`, which says what is wrong.
    """
    check = _check(words)
    if check is None:
        return None
    port = check.port or endpoint.port
    if port is None:
        raise ValueError(f"it needs a port, as {endpoint.address} has none: {check.kind} 8080")
    return Probe(endpoint.address, port, check)


def _check(words: str) -> ir.Check | None:
    """Return what the language makes of the words, in a service that has nothing of the member."""
    if _ENDS & {*words}:
        raise ValueError("it is what stands behind `check` in a service: http 8081 /healthz every 5s fall 3 rise 2")
    served = "vip 198.18.0.1; port tcp 1/tcp; port udp 1/udp; endpoints { 198.18.0.2 }"
    text = f"service member {{ {served}; check {words}\n}}"
    loaded = load_text(Source("--check", text))
    if loaded.program is None:
        wrong = next(one for one in loaded.diagnostics if one.severity is Severity.ERROR)
        raise ValueError(wrong.message if wrong.hint is None else f"{wrong.message}: {wrong.hint}")
    return loaded.program.services[0].check


class Passing:
    """Whether a member's check passes, by the check's `fall` and `rise`; the first time one answer is enough."""

    def __init__(self, probe: Probe, told: Callable[[str], None]) -> None:
        self._probe, self._told = probe, told
        self._standing = Standing(up=False, since=0.0, joining=True)
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._said = ""
        self._down.set()

    def hear(self, probe: Probe, answer: Answer) -> None:
        """Enter an answer."""
        before = self._standing
        self._standing = before.after(answer, probe.check, 0.0)
        if self._standing.up:
            self._up.set()
            self._down.clear()
        else:
            self._down.set()
            self._up.clear()
        if self._standing.up != before.up or (before.joining and before.answer is None):
            words = "passes" if answer.passed else "does not pass"
            self._tell(f"{probe} {words}: {answer.words}")

    def miss(self, probe: Probe, reason: str) -> None:
        """Report that this machine could not ask, which says nothing about the member."""
        self._tell(f"{probe} is not asked: {reason}")

    def _tell(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._told(words)

    async def until(self, *, up: bool) -> None:
        """Wait until the check passes, or until it does not; return at once where that is so."""
        await (self._up if up else self._down).wait()


@asynccontextmanager
async def asking(probe: Probe, told: Callable[[str], None]) -> AsyncIterator[Passing]:
    """Ask a member again and again inside the ``with`` block. ``told``: called when its check begins to pass, and when
    it fails."""
    quiet_libraries()
    made = Passing(probe, told)
    async with Asker() as asker:
        checks = Checks(asker, made.hear, made.miss)
        checks.follow([probe])
        try:
            yield made
        finally:
            await checks.end()
