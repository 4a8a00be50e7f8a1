"""``svcc agent``: keep this machine as a file says, and take out endpoints that fail their checks."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from svcc.apply.store import Installation, Store
from svcc.columns import columns
from svcc.compiler.errors import SvccError
from svcc.exits import Exit
from svcc.options import ParameterType, file_argument, loaded_target_option, node_option
from svcc.output import put
from svcc.state import fail, need_root, pick_installation, prefix_option, state_option
from svcc.targets.interface import Target

if TYPE_CHECKING:
    from svcc.agent.state import Noted

#: What the agent needs beside what every command does.
_NEEDS = ("aiohttp", "prometheus_client")


class _Repair(ParameterType[float]):
    """Seconds, or ``never``, which is less than none."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "never":
            return -1.0
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"`{value}` is neither a number of seconds nor `never`", param, ctx)
        if not 0 <= seconds <= 86_400:
            self.fail(f"`{value}`: it is 0 to 86400 seconds, or `never`", param, ctx)
        return seconds


class _Listen(ParameterType[tuple[str, int]]):
    """ADDRESS:PORT, [ADDRESS]:PORT, or PORT alone, of the loopback address."""

    name = "address:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not port.isascii() or not port.isdigit() or int(port) > 65_535:
            self.fail(f"`{value}` does not end in a port: 127.0.0.1:9100", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


class _Agent(click.Group):
    """``svcc agent FILE`` is ``svcc agent run FILE``. A file that is called as a command is ``./status``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("agent", cls=_Agent)
def command() -> None:
    """Keep this machine as FILE says: `svcc agent FILE --target nft`.

    Takes endpoints out while they fail the checks that FILE has, follows FILE and what it includes, and puts right what
    others change under its prefix.
    """


@command.command("run")
@file_argument
@loaded_target_option
@node_option
@click.option(
    "--repair",
    type=_Repair(),
    default="10",
    metavar="SECONDS|never",
    show_default=True,
    help="When what others changed is put right.",
)
@click.option("--listen", type=_Listen(), metavar="ADDRESS:PORT", help="Serve /metrics and /healthz there.")
@click.option("--log", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@state_option
def run(
    file: str,
    target: Target,
    node: str | None,
    repair: float,
    listen: tuple[str, int] | None,
    form: str,
    store: Store,
) -> None:
    """Keep this machine as FILE says, until SIGTERM; the rules stay. SIGHUP reads FILE at once."""
    if file == "-":
        raise click.UsageError("the agent follows a file: standard input is read only once")
    need_root()
    if lacking := [name for name in _NEEDS if importlib.util.find_spec(name) is None]:
        fail(f"the agent needs {' and '.join(lacking)}: pip install 'svcc[agent]'", Exit.MACHINE)
    from svcc.agent import service
    from svcc.agent.log import Log
    from svcc.agent.loop import Options
    from svcc.agent.source import FileSource
    from svcc.apply.session import Session

    log = Log(as_json=form == "json")
    session = Session(target.name, node=node, state_dir=store.root, what=f"svcc agent {file}")
    options = Options(None if repair < 0 else repair)
    try:
        with session:
            asyncio.run(service.run(FileSource(file), session, options, log, listen))
    except (SvccError, OSError) as error:
        fail(str(error), Exit.MACHINE)


@command.command("status")
@prefix_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_option
def status(prefix: str | None, as_json: bool, store: Store) -> None:
    """Show how endpoints stand, since when, and what they answered last; exit status 1 if one is down."""
    need_root()
    from svcc.agent import state

    installation = pick_installation(store, prefix)
    noted = sorted(state.read(installation).values(), key=lambda one: one.name)
    if as_json:
        put(json.dumps(_as_json(installation, noted), indent=2) + "\n")
    elif noted:
        put("".join(f"{line}\n" for line in columns(_HEAD, [_row(one) for one in noted])))
    else:
        put("No endpoint is checked.\n")
    if any(not one.standing.up for one in noted):
        raise SystemExit(Exit.DIFFERENT)


_HEAD = ("check", "state", "since", "last answer")


def _row(noted: Noted) -> tuple[str, ...]:
    standing = noted.standing
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(standing.since))
    answer = "" if standing.answer is None else f"{standing.answer.words} ({standing.answer.seconds * 1000:.0f} ms)"
    return noted.name, "up" if standing.up else "joining" if standing.joining else "down", since, answer


def _as_json(installation: Installation, noted: list[Noted]) -> dict[str, Any]:
    rows = [
        {
            "check": one.name,
            "up": one.standing.up,
            "joining": one.standing.joining,
            "since": one.standing.since,
            "answer": one.standing.answer and asdict(one.standing.answer),
        }
        for one in noted
    ]
    return {"version": 1, "prefix": installation.name, "checks": rows}
