"""``svcc publish``: make a file the next release of a fleet."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from svcc.apply.generation import who
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.suggest import count
from svcc.exits import Exit
from svcc.fleet.document_members import WORDS
from svcc.fleet.documents import Release, plain
from svcc.fleet.errors import BadProgram, FleetError
from svcc.fleet_options import FleetAccess, fleet_options
from svcc.help import examples
from svcc.inputs import input_told
from svcc.options import (
    ParameterType,
    TargetName,
    file_argument,
    format_option,
    json_option,
    load_program,
    quiet_option,
    tell,
)
from svcc.output import put, put_json
from svcc.paths import FilePath
from svcc.state_options import fail
from svcc.targets.interface import Target

if TYPE_CHECKING:
    from svcc.compiler import ir
    from svcc.etcd.client import Client
    from svcc.fleet.release import ReleaseDraft


#: How many nodes are named in a message.
_NAMED = 5


class _TargetOf(ParameterType[tuple[str, Target]]):
    """NODE=TARGET; or TARGET, for all nodes that have none of their own."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Target]:
        node, _, name = str(value).rpartition("=")
        return node, TargetName(loaded=True).convert(name, param, ctx)


@click.command(
    "publish",
    epilog=examples(
        "svcc publish svc.dsl --target nft --fleet shop --etcd http://127.0.0.1:2379",
        "svcc publish svc.dsl -t nft -t node-b=ipvs --sign ~/.ssh/id_ed25519 --fleet shop --etcd http://127.0.0.1:2379",
    ),
)
@file_argument
@click.option(
    "-t",
    "--target",
    "targets",
    type=_TargetOf(),
    multiple=True,
    required=True,
    metavar="[NODE=]TARGET",
    help="What serves on the nodes, or on one of them.",
)
@click.option("-m", "--message", default="", help="What this release is for.")
@click.option("--sign", type=FilePath(dir_okay=False, path_type=Path), metavar="KEY", help="An SSH key that signs it.")
@click.option(
    "--keep",
    "kept",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="How many releases etcd keeps, besides those that nodes still have.",
)
@fleet_options
@json_option
@format_option
@quiet_option
def command(
    file: str,
    targets: tuple[tuple[str, Target], ...],
    message: str,
    sign: Path | None,
    kept: int,
    place: FleetAccess,
    as_json: bool,
    form: str,
    quiet: bool,
) -> None:
    """Publish FILE as the next release of a fleet: checked, compiled for each of its nodes, and not yet rolled out.

    No machine changes by it: `svcc rollout` does that.
    """
    chosen = dict(targets)
    if "" not in chosen or len(chosen) < len(targets):
        raise click.UsageError("--target: say it once for all nodes, and at most once for each node (NODE=TARGET)")
    if len(message) > WORDS - 100:
        raise click.UsageError(f"--message: it has more than {WORDS - 100} characters")
    program, made = _draft(file, chosen, form, quiet=quiet)
    release, needed, others = _published(place, made, message, sign, kept)
    if others:
        tell([_other_prefix(program, others, file)], form, quiet=quiet)
    if as_json:
        put_json(_as_json(release, needed=needed))
    elif needed:
        put(f"Release {release.number} is published, for {count(len(release.nodes), 'node')}.\n")
    else:
        put(f"Nothing to do: release {release.number} is the same.\n")


def _draft(file: str, chosen: dict[str, Target], form: str, *, quiet: bool) -> tuple[ir.Program, ReleaseDraft]:
    from svcc.fleet.release import draft

    program = load_program(file, form, quiet=quiet)
    others = {node: target for node, target in chosen.items() if node}
    with input_told(form, quiet=quiet):
        try:
            return program, draft(program, chosen[""], others, file)
        except BadProgram as error:
            fail(str(error), Exit.INPUT)


def _published(
    place: FleetAccess, made: ReleaseDraft, message: str, sign: Path | None, kept: int
) -> tuple[Release, bool, dict[str, str]]:
    """Publish; return the release, whether it is new, and the prefixes of nodes that serve under another one."""
    from svcc.etcd.errors import EtcdError
    from svcc.fleet.forgetting import forget
    from svcc.fleet.prefixes import served_otherwise
    from svcc.fleet.publishing import Overtaken, publish
    from svcc.fleet.reading import snapshot
    from svcc.fleet.signatures import sign as sign_with

    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    signer = None if sign is None else partial(sign_with, key=Path(os.path.expanduser(sign)))

    async def work(etcd: Client) -> tuple[Release, bool, dict[str, str]] | Overtaken:
        try:
            done = await publish(etcd, place.keys, made, plain(who()), plain(message), when, signer)
        except Overtaken as error:
            return error
        nodes = (await snapshot(etcd, place.keys)).nodes
        if ahead := [node for node, one in nodes.items() if one.ahead]:
            click.echo(f"svcc: {_ahead(ahead)}", err=True)
        if done[1]:
            try:
                await forget(etcd, place.keys, kept)
            except (EtcdError, FleetError) as error:
                click.echo(f"svcc: old releases are still in etcd: {error}", err=True)
        return *done, await served_otherwise(etcd, place.keys, made.program, nodes, made.nodes)

    done = place.run(work)
    if isinstance(done, Overtaken):
        fail(str(done), Exit.DIFFERENT)
    return done


def _other_prefix(program: ir.Program, others: dict[str, str], file: str) -> Diagnostic:
    """Warn of nodes that serve under another prefix. ``others``: that prefix, by node."""
    from svcc.fleet.prefixes import remedy

    served, who = next(iter(others.values())), "it serves" if len(others) == 1 else "they serve"
    message = f"a rollout to {_listed([*others])} is refused: {who} under prefix {served}"
    place = program.cluster.spans.get("prefix")
    return Diagnostic(Code.NAME, message, place, remedy(served), severity=Severity.WARNING, file=file)


def _listed(nodes: list[str]) -> str:
    return ", ".join(nodes if len(nodes) <= _NAMED else [*nodes[:_NAMED], "…"])


def _ahead(nodes: list[str]) -> str:
    """Say what to do where nodes have followed more than this etcd knows."""
    return (
        f"{count(len(nodes), 'node')} followed more than this etcd knows ({_listed(nodes)}): it was restored from a "
        "backup, or is a new one. They refuse a rollout until `svcc fleet adopt`, by which they follow what it wants; "
        "with `--keep` they keep what they serve"
    )


def _as_json(release: Release, *, needed: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "fleet": release.fleet,
        "release": release.number,
        "published": needed,
        "program": release.program,
        "signed": bool(release.signature),
        "nodes": [
            {"node": name, "target": one.target, "bundle": one.bundle} for name, one in sorted(release.nodes.items())
        ],
    }
