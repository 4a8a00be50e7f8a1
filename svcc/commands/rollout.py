"""``svcc rollout``: roll a release out to a fleet's nodes, stage by stage."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from svcc import signals
from svcc.apply.generation import who
from svcc.compiler.suggest import count
from svcc.exits import Exit
from svcc.fleet.rollout import Rollout, RolloutPhase, going_on, not_back
from svcc.fleet.stages import FORM, USUAL, Stage, nodes_of
from svcc.fleet_json import rollout_json
from svcc.fleet_options import FleetAccess, Seconds, fleet_options
from svcc.help import examples
from svcc.options import json_option, refuse_given
from svcc.output import put, put_json
from svcc.state_options import fail

if TYPE_CHECKING:
    from svcc.etcd.client import Client
    from svcc.fleet.reading import Snapshot


@click.command(
    "rollout",
    epilog=examples(
        "svcc rollout 7 --fleet shop --etcd http://127.0.0.1:2379",
        "svcc rollout 7 --stage node-a --stage 'zone eu-1a' --stage all --soak 5m --fleet shop --etcd http://127.0.0.1:2379",
        "svcc rollout --back --fleet shop --etcd http://127.0.0.1:2379",
    ),
)
@click.argument("release", type=click.IntRange(1), required=False)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="STAGE",
    help=f"The nodes of the next stage: {FORM}.  [default: {', '.join(USUAL)}]",
)
@click.option(
    "--soak",
    type=Seconds(),
    default="60s",
    show_default=True,
    help="How long nodes must be well before the next stage.",
)
@click.option(
    "--patience",
    type=Seconds(),
    default="120s",
    show_default=True,
    help="How long a node may be silent before it counts as failed.",
)
@click.option(
    "--max-failed",
    "most",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="How many nodes may fail before the rollout goes back.",
)
@click.option("--resume", is_flag=True, help="Go on with the rollout that there is.")
@click.option("--pause", is_flag=True, help="Stop it; nodes stay as they are.")
@click.option("--back", is_flag=True, help="Give nodes back the release that they had before.")
@fleet_options
@json_option
def command(
    release: int | None,
    stages: tuple[str, ...],
    soak: float,
    patience: float,
    most: int,
    resume: bool,
    pause: bool,
    back: bool,
    place: FleetAccess,
    as_json: bool,
) -> None:
    """Roll RELEASE out to the nodes of a fleet, stage by stage; if nodes fail, all go back.

    A stage is over when each of its nodes has applied and confirmed the release, and was well for the soak. If this
    command is ended, the fleet stands still, and `--resume` goes on from anywhere.
    """
    if (release is not None) + resume + pause + back != 1:
        raise click.UsageError("say which: RELEASE, --resume, --pause or --back")
    if release is None:
        refuse_given("RELEASE: a rollout keeps what it began with", "stages", "soak", "patience", "most")

    async def work(etcd: Client) -> Snapshot:
        from svcc.fleet import driving
        from svcc.fleet.reading import snapshot

        if release is not None:
            draft = await _drafted(etcd, place, release, stages)
            await driving.start(etcd, place.keys, Rollout(release, draft, soak, patience, most))
        elif pause:
            await driving.change(etcd, place.keys, Rollout.paused)
            return await snapshot(etcd, place.keys)
        elif back:
            await driving.change(etcd, place.keys, lambda one: one.taken_back(f"{who()} takes it back"))
        else:
            await driving.change(etcd, place.keys, Rollout.resumed)
        with signals.saying("the fleet stands still, and `svcc rollout --resume` goes on"):
            return await driving.drive(etcd, place.keys, f"{who()} on {socket.gethostname()}", _Teller(), _trouble)

    seen = place.run(work)
    assert seen.rollout is not None
    if as_json:
        put_json({"version": 1, "fleet": place.keys.fleet, "rollout": rollout_json(seen.rollout)})
    _end(seen, seen.rollout, meant=pause or back, as_json=as_json)


async def _drafted(
    etcd: Client, place: FleetAccess, number: int, words: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    """Return the nodes of each stage. Errors: BadStage, NoRelease, EtcdError; OtherPrefix where a node serves under
    another prefix."""
    from svcc.fleet.prefixes import OtherPrefix, served_otherwise
    from svcc.fleet.reading import program_of, release_of, snapshot

    chosen = [Stage.parse(word) for word in words or USUAL]
    release = await release_of(etcd, place.keys, number)
    program = await program_of(etcd, place.keys, release)
    staged = nodes_of(chosen, {node.name: node.zone for node in program.nodes if node.name in release.nodes})
    nodes = [node for stage in staged for node in stage]
    seen = await snapshot(etcd, place.keys)
    for node, served in (await served_otherwise(etcd, place.keys, program, seen.nodes, nodes)).items():
        raise OtherPrefix(node, served, program.cluster.prefix)
    return staged


class _Teller:
    """A receiver that prints on standard error where a rollout stands, whenever that changes."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, seen: Snapshot) -> None:
        if seen.rollout is not None and (line := _line(seen.rollout)) != self._said:
            self._said = line
            click.echo(line, err=True)


def _line(rollout: Rollout) -> str:
    if rollout.phase is RolloutPhase.BACK:
        return f"going back: {rollout.words}"
    if rollout.phase is not RolloutPhase.RUNNING:
        return f"release {rollout.release}: {rollout.phase}"
    nodes = rollout.stages[rollout.stage]
    named = ", ".join(nodes[:5]) + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")
    return f"release {rollout.release}, stage {rollout.stage + 1} of {len(rollout.stages)}: {named}"


def _trouble(words: str) -> None:
    click.echo(f"svcc: warning: {words}", err=True)


def _end(seen: Snapshot, rollout: Rollout, *, meant: bool, as_json: bool) -> None:
    """Print how the rollout ended, and end the command with that status. ``meant``: the user asked it to go back or to
    pause."""
    if rollout.phase is RolloutPhase.RETURNED:
        _returned(seen, rollout, meant=meant, as_json=as_json)
    elif rollout.phase is RolloutPhase.PAUSED:
        _say(f"The rollout of release {rollout.release} is paused: --resume goes on with it.\n", as_json=as_json)
        if not meant:
            sys.exit(Exit.DIFFERENT)
    else:
        _say(f"Release {rollout.release} is on {count(len(rollout.moved), 'node')}.\n", as_json=as_json)


def _returned(seen: Snapshot, rollout: Rollout, *, meant: bool, as_json: bool) -> None:
    if left := not_back(rollout, seen.nodes):
        nodes = ", ".join(left)
        _fail(f"the fleet goes back from release {rollout.release}; these nodes are not back yet: {nodes}", Exit.BROKEN)
    if going_on(rollout, seen.nodes):
        remedy = (
            "a rollout gives them another release, or they leave the fleet (`svcc delete` there, `svcc fleet forget`)"
        )
        _fail(f"release {rollout.release} was not taken back everywhere: {rollout.words}; {remedy}", Exit.BROKEN)
    if not meant:
        _fail(f"release {rollout.release} was taken back everywhere: {rollout.words}", Exit.RESTORED)
    _say(f"Release {rollout.release} is taken back: {count(len(rollout.moved), 'node')}.\n", as_json=as_json)


def _say(text: str, *, as_json: bool) -> None:
    if not as_json:
        put(text)


def _fail(message: str, status: Exit) -> NoReturn:
    fail(message, status)
