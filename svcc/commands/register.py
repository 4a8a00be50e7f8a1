"""``svcc register``: run a program, and be an endpoint of a fleet's pool for as long as it runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from svcc.cycles import look_for_cycles
from svcc.fleet.errors import BadName
from svcc.fleet.keys import check_name
from svcc.fleet_options import FleetAccess, fleet_options
from svcc.help import examples
from svcc.options import ParameterType

if TYPE_CHECKING:
    from svcc.agent.probe import Probe
    from svcc.etcd.client import Client
    from svcc.fleet.registering import MemberEndpoint

#: Signals that are passed on to COMMAND. A terminal sends the last four to COMMAND itself as well.
_PASSED = (
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGWINCH,
)
_FROM_TERMINALS = _PASSED[3:]
#: The statuses that a shell reports for a program that does not exist, and for one that cannot be run.
_NOT_THERE, _CANNOT_RUN = 127, 126


class _Pool(ParameterType[str]):
    """The name of a pool, as a key of etcd can hold it."""

    name = "pool"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_name("pool", str(value))
        except BadName as error:
            self.fail(str(error), param, ctx)


class _Endpoint(ParameterType["MemberEndpoint"]):
    """ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MemberEndpoint:
        from svcc.compiler.read_addresses import glued_port
        from svcc.fleet.registering import MemberEndpoint

        if isinstance(value, MemberEndpoint):
            return value
        try:
            endpoint = MemberEndpoint.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if (glued := glued_port(value)) is not None:
            click.echo(f"svcc: warning: {glued.message}; {glued.hint}", err=True)
        return endpoint


@click.command(
    "register",
    epilog=examples(
        "svcc register web-pool 100.64.0.9:8080 --fleet shop --etcd http://127.0.0.1:2379 -- nginx -g 'daemon off;'",
        "svcc register web-pool 100.64.0.9:8080 --check http --fleet shop --etcd http://127.0.0.1:2379 -- ./server",
        "svcc register web-pool fd00:64::9 --weight 4 --fleet shop --etcd http://127.0.0.1:2379 -- ./server",
    ),
)
@click.argument("pool", type=_Pool())
@click.argument("endpoint", type=_Endpoint(), metavar="ADDRESS[:PORT]")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND")
@click.option(
    "--weight", type=click.IntRange(0, 65_535), default=1, show_default=True, help="The endpoint's weight; 0 drains it."
)
@click.option(
    "--check",
    "check",
    metavar="CHECK",
    help="Be in POOL only while this passes: what the language has behind `check`, as 'http /healthz every 2s fall 3'. "
    "`none`: always.",
)
@fleet_options
def command(
    pool: str, endpoint: MemberEndpoint, words: tuple[str, ...], weight: int, check: str | None, place: FleetAccess
) -> None:
    """Run COMMAND, and be an endpoint of POOL at ADDRESS for as long as it runs.

    Signals are passed on to COMMAND, and its exit status is that of this command. It runs whether or not etcd can be
    reached; it is registered as soon as that is so. Ten seconds after its machine died it is out.
    """
    from svcc.fleet.registering import Member, register

    look_for_cycles()
    probe = None if check is None else _probe(endpoint, check)

    def told(line: str) -> None:
        click.echo(f"svcc: {line}", err=True)

    async def registered(etcd: Client) -> None:
        member = Member(endpoint, weight)
        if probe is None:
            await register(etcd, place.keys, pool, member, told)
            return
        from svcc.fleet.passing import asking

        async with asking(probe, told) as passes:
            await register(etcd, place.keys, pool, member, told, passes)

    async def work(etcd: Client) -> int:
        process = await _started(words)
        registering = asyncio.create_task(registered(etcd))
        running = asyncio.create_task(process.wait())
        _pass_on(process, registering)
        await asyncio.wait({running, registering}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not running.done() and not registering.cancelled():
                with suppress(ProcessLookupError):
                    process.terminate()
            status = await running
        finally:
            registering.cancel()
            await asyncio.wait({registering})
        if not registering.cancelled():
            registering.result()
        return 128 - status if status < 0 else status

    sys.exit(place.run(work))


def _probe(endpoint: MemberEndpoint, words: str) -> Probe | None:
    from svcc.fleet.passing import probe

    try:
        return probe(endpoint, words)
    except ValueError as error:
        raise click.UsageError(f"--check {words}: {error}") from None


async def _started(words: tuple[str, ...]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(*words)
    except FileNotFoundError:
        _cannot(f"there is no program `{words[0]}`", _NOT_THERE)
    except (OSError, ValueError) as error:
        _cannot(f"`{words[0]}` cannot be run: {getattr(error, 'strerror', None) or error}", _CANNOT_RUN)


def _cannot(message: str, status: int) -> NoReturn:
    click.echo(f"svcc: {message}", err=True)
    sys.exit(status)


def _pass_on(process: asyncio.subprocess.Process, registering: asyncio.Task[None]) -> None:
    """Pass signals on to COMMAND from now on. A signal that ends COMMAND takes it out of its pool at once."""

    def passed(number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            registering.cancel()
        if not (number in _FROM_TERMINALS and _in_foreground()):
            with suppress(ProcessLookupError):
                process.send_signal(number)

    for number in _PASSED:
        asyncio.get_running_loop().add_signal_handler(number, passed, number)


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to COMMAND as well, which is in the same process group."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
