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
from svcc.compiler.errors import InputError
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.fleet.registering import MemberEndpoint

#: Characters that would end the statement with the check.
_ENDS = frozenset(";{}#\r\n")


def probe(endpoint: MemberEndpoint, words: str) -> Probe:
    """Return the probe of a member's check. ``words``: what the language has behind `check`; without a port they mean
    the endpoint's own. Raises :class:`ValueError`, which says what is wrong."""
    if _ENDS & {*words}:
        raise ValueError("it is what stands behind `check` in a service: http 8081 /healthz every 5s fall 3 rise 2")
    port = endpoint.port or 1
    vip = "198.18.0.1" if endpoint.address.version == 4 else "2001:db8::1"
    text = (
        f"service member {{ vip {vip}; port stream {port}/tcp; port datagrams {port}/udp; check {words}\n"
        f"endpoints {{ {endpoint.address} }} }}"
    )
    try:
        program = load_text(Source("--check", text))
    except InputError as error:
        raise ValueError(error.diagnostics[0].message) from None
    if program.program is None:
        raise ValueError(program.diagnostics[0].message)
    check = program.program.services[0].check
    assert check is not None
    if check.port is None and endpoint.port is None:
        raise ValueError(f"it needs a port, as {endpoint.address} has none: {words.partition(' ')[0]} 8080")
    return Probe(endpoint.address, check.port or port, check)


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
