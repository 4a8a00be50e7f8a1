"""``svcc fleet``: how the nodes of a fleet stand, what a release changes, and what was published."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from svcc.columns import columns
from svcc.cycles import look_for_cycles
from svcc.exits import Exit
from svcc.fleet.documents import NodeState, Release
from svcc.fleet.rollout import RolloutPhase, Seen, going_on
from svcc.fleet_json import rollout_json
from svcc.fleet_options import FleetAccess, fleet_options
from svcc.help import Commands, examples
from svcc.inputs import input_told
from svcc.options import json_option, watch_options
from svcc.output import put, put_json

if TYPE_CHECKING:
    from svcc.compiler import ir
    from svcc.etcd.client import Client
    from svcc.fleet.reading import Snapshot

_AT = "--fleet shop --etcd http://127.0.0.1:2379"


@click.group("fleet", cls=Commands)
def command() -> None:
    """Show how the nodes of a fleet stand, what a release changes, and what was published."""


@command.command("status", epilog=examples(f"svcc fleet status {_AT}", f"svcc fleet status --watch {_AT}"))
@watch_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch, a document on each line.")
@fleet_options
def status(watch: bool, interval: float, as_json: bool, place: FleetAccess) -> None:
    """Show what each node shall have, what it has, and how it is; exit status 1 if a node differs."""

    async def work(etcd: Client) -> bool:
        from svcc.fleet.reading import head_of, snapshot

        while True:
            head, _ = await head_of(etcd, place.keys)
            seen = await snapshot(etcd, place.keys)
            if as_json:
                document = _status_json(place, head, seen)
                put(json.dumps(document, indent=None if watch else 2) + "\n")
            else:
                put("".join(f"{line}\n" for line in _status_lines(head, seen)) + "\n" * watch)
            if not watch:
                return any(_differs(node, seen) for node in seen.nodes)
            await asyncio.sleep(interval)

    if watch:
        look_for_cycles()
    if place.run(work):
        sys.exit(Exit.DIFFERENT)


def _differs(node: str, fleet: Snapshot) -> bool:
    """Whether a node does not have what it shall have, or does not report that it has it."""
    seen = fleet.nodes[node]
    if seen.unread or node in going_on(fleet.rollout, fleet.nodes):
        return True
    if seen.want is None:
        return False
    said = seen.status
    if said is None or not seen.alive or said.drift:
        return True
    return said.want != seen.want or said.state is not NodeState.APPLIED or said.serves != seen.want.release != 0


def _words(node: str, fleet: Snapshot) -> str:
    """Return why a node is as it is."""
    seen = fleet.nodes[node]
    if seen.unread:
        return f"its report cannot be read: {seen.unread}"
    said = "" if seen.status is None else seen.status.words
    if fleet.rollout is not None and node in going_on(fleet.rollout, fleet.nodes):
        return said or f"release {fleet.rollout.release} was taken back; the node had none before, and goes on with it"
    return said


def _status_json(place: FleetAccess, head: int, seen: Snapshot) -> dict[str, Any]:
    rollout = None if seen.rollout is None else rollout_json(seen.rollout)
    nodes = [_node_json(node, seen) for node in seen.nodes]
    return {"version": 1, "fleet": place.keys.fleet, "head": head or None, "rollout": rollout, "nodes": nodes}


def _node_json(node: str, fleet: Snapshot) -> dict[str, Any]:
    seen = fleet.nodes[node]
    want, said = seen.want, seen.status
    return {
        "node": node,
        "wants": want.release or None if want is not None else None,
        "epoch": want.epoch if want is not None else None,
        "has": said.serves or None if said is not None else None,
        "state": _state(seen),
        "alive": seen.alive,
        "holds": [*seen.holds],
        "down": said.down if said is not None else None,
        "drift": said.drift if said is not None else None,
        "words": _words(node, fleet),
        "svcc": said.svcc if said is not None else None,
        "differs": _differs(node, fleet),
    }


def _state(seen: Seen) -> str:
    """Return how far a node is with what it shall have; "silent" where it has not reported on that yet."""
    if seen.want is None:
        return "idle"
    return seen.status.state.value if seen.status is not None and seen.status.want == seen.want else "silent"


def _status_lines(head: int, seen: Snapshot) -> Iterator[str]:
    rows = []
    for node, one in seen.nodes.items():
        said = one.status
        numbers = ("", "", "") if said is None else (str(said.serves or ""), str(said.down), str(said.drift))
        wants = "" if one.want is None else str(one.want.release or "")
        words = _words(node, seen).partition("\n")[0]
        mark = "!" if _differs(node, seen) else ""
        rows.append((mark, node, wants, numbers[0], _state(one), "yes" if one.alive else "no", *numbers[1:], words))
    yield from columns(("", "node", "wants", "has", "state", "alive", "down", "drift", ""), rows)
    yield ""
    yield f"The newest release is {head}." if head else "Nothing was published yet."
    for node, one in seen.nodes.items():
        if one.holds:
            yield f"{node} answers for {', '.join(one.holds)}."
    if (rollout := seen.rollout) is not None:
        at = f", stage {rollout.stage + 1} of {len(rollout.stages)}" if rollout.phase is not RolloutPhase.DONE else ""
        why = f": {rollout.words}" if rollout.words else ""
        yield f"The last rollout is of release {rollout.release}: {rollout.phase}{at}{why}"


@command.command("diff", epilog=examples(f"svcc fleet diff {_AT}", f"svcc fleet diff 6 7 {_AT}"))
@click.argument("old", type=click.IntRange(1), required=False)
@click.argument("new", type=click.IntRange(1), required=False)
@json_option
@fleet_options
def diff(old: int | None, new: int | None, as_json: bool, place: FleetAccess) -> None:
    """Say what changes from release OLD to NEW, by service and endpoint; exit status 1 if they differ.

    OLD is what most nodes shall have, NEW the newest release, where they are not given.
    """
    from svcc.apply.program_text import KeptProgram
    from svcc.apply.served import Side, compare_sides
    from svcc.apply.summary import summary
    from svcc.comparison_json import comparison_json
    from svcc.comparison_text import comparison_lines, total_line
    from svcc.compiler.ir import Program

    async def work(etcd: Client) -> tuple[ir.Program, ir.Program]:
        from svcc.fleet.reading import newest, program_of, release_of, snapshot

        before = old if old is not None else _usual((await snapshot(etcd, place.keys)).nodes.values())
        after = new if new is not None else await newest(etcd, place.keys)
        numbers = [number for number in (before, after) if number]
        found = [await program_of(etcd, place.keys, await release_of(etcd, place.keys, one)) for one in numbers]
        return (found[0], found[1]) if len(found) == 2 else (Program(cluster=found[0].cluster), found[0])

    with input_told("text", quiet=False):
        programs = place.run(work)
    before, after = programs
    compared = compare_sides(
        Side(KeptProgram(before), lambda: summary(before, None)), Side(KeptProgram(after), lambda: summary(after, None))
    )
    if as_json:
        put_json({"version": 1, **comparison_json(compared), "rules_differ": False, "objects": None})
    elif compared.comparison.empty:
        put("No service changes.\n")
    else:
        lines = [*comparison_lines(compared.comparison, everything=True), "", total_line(compared.comparison)]
        put("".join(f"{line}\n" for line in lines))
    if not compared.comparison.empty:
        sys.exit(Exit.DIFFERENT)


def _usual(nodes: Any) -> int:
    """Return the release that most nodes shall have, the smaller one of two; 0 where no node shall have any."""
    wanted = Counter(seen.want.release for seen in nodes if seen.want is not None)
    return min(wanted, key=lambda release: (-wanted[release], release), default=0)


@command.command("history", epilog=examples(f"svcc fleet history {_AT}", f"svcc fleet history --json {_AT}"))
@json_option
@fleet_options
def history(as_json: bool, place: FleetAccess) -> None:
    """List what was published, the newest first; `*` is what most nodes shall have."""

    async def work(etcd: Client) -> tuple[list[Release], int]:
        from svcc.fleet.reading import releases_of, snapshot

        return await releases_of(etcd, place.keys), _usual((await snapshot(etcd, place.keys)).nodes.values())

    releases, usual = place.run(work)
    if as_json:
        rows = [_release_json(one) for one in releases]
        put_json({"version": 1, "fleet": place.keys.fleet, "current": usual or None, "releases": rows})
        return
    heads = ("", "release", "time", "who", "nodes", "program", "signed", "message")
    shown = [_release_row(one, current=one.number == usual) for one in releases]
    put("".join(f"{line}\n" for line in columns(heads, shown)))


def _release_json(one: Release) -> dict[str, Any]:
    return {
        "release": one.number,
        "time": one.when,
        "who": one.who,
        "message": one.message,
        "program": one.program,
        "signed": bool(one.signature),
        "nodes": [{"node": name, "target": to.target, "bundle": to.bundle} for name, to in sorted(one.nodes.items())],
    }


def _release_row(one: Release, *, current: bool) -> tuple[str, ...]:
    signed = "yes" if one.signature else "no"
    mark, first = "*" if current else "", one.message.partition("\n")[0]
    return mark, str(one.number), one.when, one.who, str(len(one.nodes)), one.program[:12], signed, first


@command.command("adopt", epilog=examples(f"svcc fleet adopt {_AT}", f"svcc fleet adopt --keep node-a {_AT}"))
@click.argument("node", nargs=-1)
@click.option("--keep", is_flag=True, help="They keep what they serve, until a rollout gives them something else.")
@json_option
@fleet_options
def adopt(node: tuple[str, ...], keep: bool, as_json: bool, place: FleetAccess) -> None:
    """Have nodes follow an etcd that was restored from a backup, or is a new one, and knows less than they do.

    Without NODE, all of them. See first (`svcc fleet status`) that it wants what you want; else say --keep.
    """

    async def work(etcd: Client) -> list[dict[str, Any]]:
        from svcc.fleet.driving import adopt

        adopted = await adopt(etcd, place.keys, {*node}, keep=keep)
        return [{"node": name, "release": want.release, "epoch": want.epoch} for name, want in adopted.items()]

    rows = place.run(work)
    if as_json:
        put_json({"version": 1, "fleet": place.keys.fleet, "nodes": rows})
    elif rows:
        put("".join(f"{row['node']} {_shall(row['release'])} (epoch {row['epoch']}).\n" for row in rows))
    else:
        put("Nothing to do: no node knows more than etcd has.\n")


def _shall(release: int) -> str:
    return f"shall follow release {release}" if release else "keeps what it serves"


@command.command("forget", epilog=examples(f"svcc fleet forget node-d {_AT}"))
@click.argument("node", nargs=-1, required=True)
@json_option
@fleet_options
def forget(node: tuple[str, ...], as_json: bool, place: FleetAccess) -> None:
    """Forget machines that left the fleet, or have another name now: what NODE was to do, and what it said last.

    Its agent has to have ended. What it serves, it serves on; `svcc delete` there ends that.
    """

    async def work(etcd: Client) -> list[str]:
        from svcc.fleet.forgetting import forget_nodes

        return await forget_nodes(etcd, place.keys, node)

    gone = place.run(work)
    if as_json:
        put_json({"version": 1, "fleet": place.keys.fleet, "nodes": gone})
    else:
        put("".join(f"{one} is forgotten.\n" for one in gone))
