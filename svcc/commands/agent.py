"""``svcc agent``: keep this machine as a file says, and take out endpoints that fail their checks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from svcc import __version__
from svcc.agent.log import Log
from svcc.agent.probe import services_text
from svcc.agent.standings import Noted
from svcc.apply.driver import balances
from svcc.apply.store import Store
from svcc.applying import Cause, explained
from svcc.columns import columns
from svcc.compiler.errors import SvccError
from svcc.cycles import look_for_cycles
from svcc.exits import Exit
from svcc.fleet.errors import BadName
from svcc.fleet.keys import check_name
from svcc.fleet_options import FleetAccess, optional_fleet_options
from svcc.health_rows import Health, health_json, since_text, state_word
from svcc.help import Commands, examples
from svcc.options import FloatRange, ParameterType, SingleOption, TargetName, json_option, node_option, refuse_given
from svcc.output import put, put_json
from svcc.paths import FilePath
from svcc.state_options import (
    checked_prefix,
    drain_option,
    fail,
    need_agent,
    need_root,
    pick_installation,
    prefix_option,
    state_option,
)
from svcc.targets.interface import Target

if TYPE_CHECKING:
    from svcc.agent.loop import Options
    from svcc.agent.source import ProgramSource


class _Repair(ParameterType[float]):
    """A number of seconds; or ``never``, which becomes a negative number."""

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
    """ADDRESS:PORT, [ADDRESS]:PORT, or PORT alone, which means the loopback address."""

    name = "address:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65_535:
            self.fail(f"`{value}` does not end in a port: 127.0.0.1:9100", param, ctx)
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            self.fail(f"`{value}`: an IPv6 address with a port stands in brackets: [::1]:9100", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


class _Agent(Commands):
    """A group in which ``svcc agent FILE`` is ``svcc agent run FILE``. A file with the name of a command is
    ``./status``."""

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


@command.command(
    "run",
    epilog=examples(
        "svcc agent svc.dsl --target nft",
        "svcc agent svc.dsl --target ipvs --listen 127.0.0.1:9631 --log json",
        "svcc agent --kubernetes in-cluster --node worker-1 --target nft",
        "svcc agent --fleet shop --node node-a --etcd http://127.0.0.1:2379",
    ),
)
@click.argument("file", type=FilePath(allow_dash=True), required=False)
@click.option(
    "--kubernetes",
    metavar="KUBECONFIG|in-cluster",
    is_flag=False,
    flag_value="in-cluster",
    help="Take services from a cluster's API instead of FILE.",
)
@click.option("--context", metavar="NAME", help="The context of KUBECONFIG; its current one unless given.")
@click.option(
    "--prefix",
    metavar="PREFIX",
    callback=checked_prefix,
    help="The prefix of what a cluster's services get in the kernel; SVCC unless given.",
)
@click.option(
    "-t",
    "--target",
    cls=SingleOption,
    type=TargetName(loaded=True),
    help="What serves here; with --fleet, the release says that.",
)
@node_option
@click.option(
    "--repair",
    type=_Repair(),
    default="10",
    metavar="SECONDS|never",
    show_default=True,
    help="Seconds until what others changed is put right.",
)
@drain_option("endpoints that left FILE")
@click.option("--listen", type=_Listen(), metavar="ADDRESS:PORT", help="Serve /metrics and /healthz there.")
@click.option("--log", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--confirm",
    type=FloatRange(1, 3600),
    metavar="SECONDS",
    default=15.0,
    show_default=True,
    help="With --fleet: how long etcd may be silent after an apply; then the machine goes back.",
)
@click.option(
    "--signers",
    type=FilePath(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --fleet: refuse releases that no key in FILE has signed (allowed_signers of ssh-keygen).",
)
@click.option(
    "--lease",
    type=click.IntRange(2, 60),
    metavar="SECONDS",
    default=3,
    show_default=True,
    help="With --fleet: if this machine dies, others take its announced addresses after this time.",
)
@optional_fleet_options
@state_option
def run(
    file: str | None,
    kubernetes: str | None,
    context: str | None,
    prefix: str | None,
    target: Target | None,
    node: str | None,
    repair: float,
    patience: int,
    listen: tuple[str, int] | None,
    form: str,
    confirm: float,
    signers: Path | None,
    lease: int,
    place: FleetAccess | None,
    store: Store,
) -> None:
    """Keep this machine as FILE, a cluster or a fleet says, until SIGTERM; the rules stay. SIGHUP reads FILE now."""
    _check_words(file, kubernetes, place, node, context or prefix)
    need_agent()
    look_for_cycles()
    kept = _Kept(repair, patience, listen, form)
    if place is not None:
        if node is None or target is not None:
            raise click.UsageError("--fleet: say --node, and no --target: the release says that")
        need_root()
        _run_in_fleet(place, node, kept, _InFleet(confirm, signers, lease), store)
        return
    refuse_given("--fleet", "confirm", "signers", "lease")
    if target is None:
        raise click.UsageError("say --target: what serves here")
    log = Log(as_json=form == "json")
    source = _file(file) if file else _cluster(kubernetes or "", context, node or "", prefix, target, log)
    need_root()
    what = f"svcc agent {file}" if file else f"svcc agent --kubernetes {kubernetes}"
    _run_alone(source, target, node, what, kept, log, store)


def _check_words(
    file: str | None, kubernetes: str | None, place: FleetAccess | None, node: str | None, cluster_only: str | None
) -> None:
    """Check that the arguments go together. Errors: UsageError."""
    if sum(one is not None for one in (file, kubernetes, place)) != 1:
        raise click.UsageError("the agent follows a FILE, a cluster (--kubernetes) or a fleet (--fleet): one of them")
    if file == "-":
        raise click.UsageError("the agent follows a file: standard input is read only once")
    if kubernetes is None and cluster_only is not None:
        raise click.UsageError("--context and --prefix go with --kubernetes: a FILE has its own prefix")
    if kubernetes == "in-cluster":
        refuse_given("a KUBECONFIG: a pod has an account of its own", "context")
    if kubernetes is not None and node is None:
        raise click.UsageError("--kubernetes needs --node: the name that the cluster has for this machine")


def _file(name: str) -> ProgramSource:
    from svcc.agent.source import FileSource

    return FileSource(name)


def _cluster(where: str, context: str | None, node: str, prefix: str | None, target: Target, log: Log) -> ProgramSource:
    """Return the services of a cluster as a source: by its kubeconfig, or of the cluster in which this runs as a
    pod."""
    from svcc.agent.cluster import ClusterSource, findings_on
    from svcc.kubernetes_api.access import in_cluster
    from svcc.kubernetes_api.errors import BadConfig
    from svcc.kubernetes_api.kubeconfig import read_kubeconfig

    try:
        access = in_cluster() if where == "in-cluster" else read_kubeconfig(Path(where), context)
        return ClusterSource(access, node, log, findings=findings_on(target, node), prefix=prefix or "SVCC")
    except BadConfig as error:
        fail(str(error), Exit.INPUT)


@dataclass(frozen=True)
class _Kept:
    """The options that all kinds of agents have."""

    repair: float
    patience: int
    listen: tuple[str, int] | None
    form: str

    def options(self, target: str, node: str | None) -> Options:
        from svcc.agent.loop import Options

        repair = None if self.repair < 0 else self.repair
        return Options(repair, self.patience if balances(target) else None, node)


def _run_alone(
    source: ProgramSource, target: Target, node: str | None, what: str, kept: _Kept, log: Log, store: Store
) -> None:
    from svcc.agent import service
    from svcc.apply.session import Session

    session = Session(target.name, node=node, state_dir=store.root, what=what, waits=False)
    try:
        with session:
            asyncio.run(service.run(source, session, kept.options(target.name, node), log, kept.listen))
    except (SvccError, OSError) as error:
        fail(str(error), Exit.MACHINE)


@dataclass(frozen=True)
class _InFleet:
    """The options that only an agent in a fleet has."""

    confirm: float
    signers: Path | None
    lease: int


def _run_in_fleet(place: FleetAccess, node: str, kept: _Kept, more: _InFleet, store: Store) -> None:
    from svcc.apply.session import Session
    from svcc.fleet import agent
    from svcc.fleet.node import FleetNode

    log, make = Log(as_json=kept.form == "json"), place.maker()
    what = f"svcc agent --fleet {place.keys.fleet} --node {node}"

    def session(target: str) -> Session:
        return Session(target, node=node, state_dir=store.root, what=what, waits=False)

    async def run() -> None:
        name = check_name("node", node)
        told = more.signers, more.confirm, __version__, more.lease
        made = FleetNode(make, place.keys, name, store.root, log, *told)
        await agent.run(made, session, lambda target: kept.options(target, node), log, kept.listen)

    try:
        asyncio.run(run())
    except BadName as error:
        raise click.UsageError(str(error)) from None
    except (SvccError, OSError) as error:
        fail(str(error), Exit.MACHINE)


@command.command("status", epilog=examples("svcc agent status", "svcc agent status --json"))
@prefix_option
@json_option
@state_option
def status(prefix: str | None, as_json: bool, store: Store) -> None:
    """Show how endpoints stand, since when, and what they answered last; exit status 1 if one is down."""
    need_root()
    installation = pick_installation(store, prefix)
    with explained(Cause()), store.reading():
        health = Health.read(installation)
    if as_json:
        rows = [health_json(one, health) for one in health.noted]
        put_json({"version": 1, "prefix": installation.name, "checks": rows})
    elif health:
        put("".join(f"{line}\n" for line in columns(_HEAD, [_row(one) for one in health.noted])))
        put(f"The health is {health.past}.\n" if health.past else "")
    else:
        put("No endpoint is checked.\n")
    if health.failed:
        raise SystemExit(Exit.DIFFERENT)


_HEAD = ("check", "services", "state", "since", "last answer")


def _row(noted: Noted) -> tuple[str, ...]:
    said = noted.standing.answer
    answer = "" if said is None else f"{said.words} ({said.seconds * 1000:.0f} ms)"
    return noted.name, services_text(noted.services), state_word(noted), since_text(noted), answer
