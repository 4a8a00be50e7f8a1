"""``svcc status``: show what the kernel holds, who is connected, and what was changed by hand."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from svcc import completion
from svcc.agent.standings import Noted
from svcc.apply import confirm, planning
from svcc.apply.confirm import Pending
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.journal import Journal
from svcc.apply.served import unrecorded
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.summary import ServedFrontend, Summary
from svcc.applying import Cause, explained, remember
from svcc.columns import columns
from svcc.compiler.suggest import count, did_you_mean
from svcc.drift_text import drift_lines
from svcc.exits import Exit
from svcc.guards import warn_of_taken_addresses
from svcc.health_rows import Health, health_cell, health_json
from svcc.help import examples
from svcc.kernel import conntrack
from svcc.kernel.conntrack import Volume
from svcc.kernel.steps import Change, socket_text
from svcc.kernel_rows import Agreement, Row, Rows
from svcc.object_text import object_json, object_lines, service_of
from svcc.options import watch_options
from svcc.output import put
from svcc.state_options import (
    all_option,
    command_line,
    fail,
    need_root,
    pick_installations,
    prefix_option,
    state_option,
)


@click.command("status", epilog=examples("svcc status", "svcc status web dns --watch"))
@click.argument("service", nargs=-1, shell_complete=completion.services)
@prefix_option
@all_option
@click.option("--objects", is_flag=True, help="Show the elements, rules and servers that differ, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch, a document on each line.")
@watch_options
@state_option
def command(
    service: tuple[str, ...],
    prefix: str | None,
    every: bool,
    objects: bool,
    as_json: bool,
    watch: bool,
    interval: float,
    store: Store,
) -> None:
    """Show what is in the kernel: services, endpoints, weights, connections, and what differs from what was applied.

    With SERVICE, show these services only. Waits while another svcc is at work. Exit status 1 if anything of ours was
    changed by hand.
    """
    need_root()

    def show() -> bool:
        """Print the status once; return whether anything differs."""
        with explained(Cause()):
            with store.reading() as stamp:
                found = [_look(one, service) for one in pick_installations(store, prefix, every=every)]
                said = _json(found, every=every, line=watch) if as_json else _text(found, objects=objects)
            for one in found:
                remember(store, stamp, one.installation, one.plan, one.draft)
        if watch and not as_json:
            said = f"{said}\n" if not sys.stdout.isatty() else f"{_CLEAR}{said}"
        put(said)
        return any(one.changes for one in found)

    drifted = show()
    for one in pick_installations(store, prefix, every=every):
        warn_of_taken_addresses(one, one.current)
    while watch:
        gc.collect()
        time.sleep(interval)
        show()
    if drifted:
        sys.exit(Exit.DIFFERENT)


#: Clears a terminal, and moves its cursor to the top.
_CLEAR = "\x1b[H\x1b[2J"


def _json(found: Sequence[_Look], *, every: bool, line: bool) -> str:
    documents = {one.installation.name: _as_json(one) for one in found}
    document = {"prefixes": documents} if every else next(iter(documents.values()))
    return json.dumps(document, indent=None if line else 2) + "\n"


def _text(found: Sequence[_Look], *, objects: bool) -> str:
    return "".join(f"{line}\n" for one in found for line in _lines(one, objects=objects))


@dataclass(frozen=True)
class _Look:
    """An installation, and what the command shows of it."""

    installation: Installation
    generation: Generation
    summary: Summary
    draft: Draft
    plan: ExecutionPlan
    rows: Rows
    frontends: Sequence[ServedFrontend]
    changes: Sequence[Change]
    health: Health
    pending: Pending | None  # the apply that waits to be confirmed
    interrupted: bool  # whether an apply was stopped in the middle
    undone: bool  # whether the apply that waited is undone, and only its record is left: nothing could be written
    otherwise: bool  # whether it serves the program in another way than somebody applied it


def _look(installation: Installation, services: Sequence[str]) -> _Look:
    current, pending = installation.current, Pending.read(installation)
    if current is None:
        fail(
            "the first apply here was stopped in the middle: the next command that changes anything undoes it",
            Exit.DIFFERENT,
        )
    back = None if pending is None or not pending.over else _gone_back(installation, pending)
    if back is not None and pending is not None and pending.before is not None:
        current = installation.generation(pending.before)
    plan, draft = back or _planned(installation, current.number)
    summary = draft.summary
    names = {one.service for one in summary.frontends}
    for name in services:
        if name not in names:
            hint = did_you_mean(name, names)
            fail(f"there is no service {name} in generation {current.number}{f': {hint}' if hint else ''}", Exit.INPUT)
    frontends = [one for one in summary.frontends if not services or one.service in services]
    changes = [one for one in plan.changes if not services or service_of(one, summary, summary) in services]
    beside = unrecorded(plan, installation) if plan.changes and not services else ()
    frontends += beside
    used = conntrack.tally({one.protocol for one in frontends})
    rows, health = Rows(plan, summary, used, unrecorded=beside), Health.read(installation)
    return _Look(
        installation,
        current,
        summary,
        draft,
        plan,
        rows,
        frontends,
        changes,
        health,
        pending,
        Journal.read(installation.journal) is not None,
        back is not None,
        current.of is not None and installation.summary(installation.generation(current.of)) != summary,
    )


def _planned(installation: Installation, number: int | None) -> tuple[ExecutionPlan, Draft]:
    draft = confirm.earlier(installation, number, "")
    return planning.make_plan(installation, draft), draft


def _gone_back(installation: Installation, pending: Pending) -> tuple[ExecutionPlan, Draft] | None:
    """Return the plan of what was before an apply that was not confirmed, where the kernel holds that already; else
    None. Errors: StepError."""
    try:
        found = _planned(installation, pending.before)
    except (StoreError, ValueError):  # what was before is damaged: it was not gone back to
        return None
    return found if found[0].empty else None


def _lines(look: _Look, *, objects: bool) -> Iterator[str]:
    current = look.generation
    target = current.target or "nothing"
    health = ", as its endpoints' health has it" if look.otherwise else ""
    yield f"{current.prefix}: generation {current.reviewed} ({target}), {current.time} by {current.who}{health}"
    if look.undone:
        what = "It" if look.pending is None or look.pending.before is None else "What came after it"
        yield f"{what} was not confirmed in time, and is undone. {_UNWRITTEN}"
    elif look.pending is not None and look.pending.over:
        yield "Not confirmed in time: it will be undone, by the next command that changes anything at the latest"
    elif look.pending is not None:
        left = f"{look.pending.seconds_left:.0f} s"
        keep = command_line(look.installation, "confirm")
        yield f"Not confirmed: it will be undone in {left}, unless you confirm it: {keep}"
    if look.interrupted:
        yield "An apply was stopped in the middle: the next one finishes or undoes it first."
    if look.frontends:
        yield from _services(look)
    if look.health.past:
        yield f"The health is {look.health.past}."
    yield ""
    if not look.changes:
        yield "The kernel holds what was applied."
        return
    shown = ":" if objects else f" ({count(len(look.changes), 'object')}; --objects shows them):"
    yield f"The kernel differs from what was applied{shown}"
    yield from (f"  {line}" for line in drift_lines(look.changes, look.summary, look.rows, everything=True))
    if objects:
        yield from ("", "To put that right:")
        yield from object_lines(look.changes, look.summary, look.summary, everything=True)


_UNWRITTEN = "The next command that changes anything records that, once it can write."

#: In the place of a service, for frontends that the kernel alone has.
_NOBODYS = "(none)"


def _services(look: _Look) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    found = [(one, list(look.rows.of(one))) for one in look.frontends]
    counts = any(row.usage.volume for _, rows_of in found for row in rows_of)
    differs = any(row.held is not Agreement.AS_APPLIED for _, rows_of in found for row in rows_of)
    before: str | None = None
    for frontend, rows_of in found:
        label = "" if frontend.label == before else frontend.label or _NOBODYS
        before, shown = frontend.label, frontend.text
        if not rows_of:
            rows.append((label, shown, "none"))
        for row in rows_of:
            volume = _counters(row.usage.volume) if counts else ()
            health = (health_cell(_health(look, frontend, row)),) if look.health else ()
            rows.append((label, shown, *_cells(row), *volume, *health, *((row.held.value,) if differs else ())))
            label = shown = ""
    numbers = ("weight", "connections", *(("packets", "bytes", "bytes back") if counts else ()))
    words = (*(("health",) if look.health else ()), *(("",) if differs else ()))
    heads = ("service", "frontend", "endpoint", *numbers, *words)
    return columns(heads, rows, frozenset(range(3, 3 + len(numbers))))


def _health(look: _Look, frontend: ServedFrontend, row: Row) -> Noted | None:
    return look.health.of(frontend.service, row.address, row.port)


def _cells(row: Row) -> tuple[str, str, str]:
    weight = "?" if row.state is None else str(row.weight) if row.weight else row.state.value
    return socket_text(row.address, row.port), weight, f"{row.usage.connections:,}"


def _counters(volume: Volume | None) -> tuple[str, str, str]:
    if volume is None:
        return "", "", ""
    return f"{volume.packets + volume.packets_back:,}", f"{volume.bytes:,}", f"{volume.bytes_back:,}"


def _as_json(look: _Look) -> dict[str, Any]:
    pending = look.pending
    if look.undone and pending is not None and pending.before is not None:  # the generation below is what was before
        pending = None
    return {
        "generation": asdict(look.generation),
        "unconfirmed": None if pending is None else {"seconds": round(max(0.0, pending.seconds_left), 1)},
        "interrupted": look.interrupted,
        "listeners": [
            {
                "label": one.label,
                "service": one.service,
                "address": one.address,
                "protocol": one.protocol,
                "ports": [one.first, one.last],
                "endpoints": [_endpoint(row, _health(look, one, row), look.health) for row in look.rows.of(one)],
            }
            for one in look.frontends
        ],
        "drift": [object_json(change, look.summary, look.summary) for change in look.changes],
    }


def _endpoint(row: Row, noted: Noted | None, health: Health) -> dict[str, Any]:
    return {
        "address": row.address,
        "port": row.port,
        "weight": row.weight,
        "state": row.state and row.state.value,
        "kernel": row.held.name.lower().replace("_", " "),
        "connections": row.usage.connections,
        "volume": row.usage.volume and row.usage.volume._asdict(),
        "health": noted and health_json(noted, health),
    }
