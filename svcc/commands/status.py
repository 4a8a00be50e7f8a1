"""``svcc status``: what the kernel holds, who is connected, and what was changed by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from svcc.apply import confirm, engine
from svcc.apply.confirm import Pending
from svcc.apply.engine import Plan
from svcc.apply.store import Draft, Generation, Installation, Store
from svcc.apply.summary import Listener, Summary
from svcc.applying import Cause, explained, remember
from svcc.columns import columns
from svcc.compiler.suggest import did_you_mean
from svcc.exits import Exit
from svcc.kernel import conntrack
from svcc.kernel.conntrack import Volume
from svcc.kernel.steps import Change, socket_text
from svcc.kernel_rows import Held, Row, Rows
from svcc.output import put
from svcc.plan_json import change_json
from svcc.plan_text import by_service, change_text, count, service_of
from svcc.state import all_option, fail, need_root, pick_installations, prefix_option, state_option


@click.command("status")
@click.argument("service", nargs=-1)
@prefix_option
@all_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_option
def command(service: tuple[str, ...], prefix: str | None, every: bool, as_json: bool, store: Store) -> None:
    """Show what is in the kernel: services, endpoints, weights, connections, and what differs from what was applied.

    With SERVICE, only that of these. Waits while another svcc is at work. Exit status 1 if anything of ours was changed
    by hand.
    """
    need_root()
    drifted = False
    with explained(Cause()):
        with store.reading() as stamp:
            found = [_look(one, service) for one in pick_installations(store, prefix, every=every)]
            if as_json:
                documents = {one.installation.name: _as_json(one) for one in found}
                put(json.dumps({"prefixes": documents} if every else next(iter(documents.values())), indent=2) + "\n")
            else:
                put("".join(f"{line}\n" for one in found for line in _lines(one)))
            drifted = any(one.changes for one in found)
        for one in found:
            remember(store, stamp, one.installation, one.plan, one.draft)
    if drifted:
        sys.exit(Exit.DIFFERENT)


@dataclass(frozen=True)
class _Look:
    """An installation, and what was asked for of it."""

    installation: Installation
    generation: Generation
    summary: Summary
    draft: Draft
    plan: Plan
    rows: Rows
    listeners: Sequence[Listener]
    changes: Sequence[Change]


def _look(installation: Installation, services: Sequence[str]) -> _Look:
    current = installation.current
    if current is None:
        fail(
            "the first apply here was stopped in the middle: the next command that changes anything undoes it",
            Exit.DIFFERENT,
        )
    summary = installation.summary(current)
    names = {one.service for one in summary.listeners}
    for name in services:
        if name not in names:
            hint = did_you_mean(name, names)
            fail(f"there is no service {name} in generation {current.number}{f': {hint}' if hint else ''}", Exit.INPUT)
    draft = confirm.earlier(installation, current.number, "")
    plan = engine.make_plan(installation, draft)
    listeners = [one for one in summary.listeners if not services or one.service in services]
    changes = [one for one in plan.changes if not services or service_of(one, summary, summary) in services]
    used = conntrack.tally({one.protocol for one in listeners})
    return _Look(installation, current, summary, draft, plan, Rows(plan, summary, used), listeners, changes)


def _lines(look: _Look) -> Iterator[str]:
    current = look.generation
    target = current.target or "nothing"
    yield f"{current.prefix}: generation {current.number} ({target}), {current.time} by {current.who}"
    pending = Pending.read(look.installation)
    if pending is not None:
        yield f"Not confirmed: it goes again in {max(0, pending.left):.0f} s, unless you keep it: svcc confirm"
    if look.installation.journal.exists():
        yield "An apply was stopped in the middle: the next one finishes or undoes it first."
    if look.listeners:
        yield from _services(look)
    yield ""
    if not look.changes:
        yield "The kernel holds what was applied."
        return
    yield f"The kernel differs in {count(len(look.changes), 'object')} from what was applied; to mend it:"
    for service, changes in by_service(look.changes, look.summary, look.summary).items():
        yield service or "(shared by all services)"
        yield from (f"  {change_text(change)}" for change in changes)


def _services(look: _Look) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    found = [(one, list(look.rows.of(one))) for one in look.listeners]
    counts = any(row.usage.volume for _, rows_of in found for row in rows_of)
    differs = any(row.held is not Held.AS_APPLIED for _, rows_of in found for row in rows_of)
    before = ""
    for listener, rows_of in found:
        label = "" if listener.label == before else listener.label
        before, place = listener.label, _frontend(listener)
        if not rows_of:
            rows.append((label, place, "none"))
        for row in rows_of:
            volume = _counters(row.usage.volume) if counts else ()
            rows.append((label, place, *_cells(row), *volume, *((row.held.value,) if differs else ())))
            label = place = ""
    numbers = ("weight", "connections", *(("packets", "bytes", "bytes back") if counts else ()))
    heads = ("service", "frontend", "endpoint", *numbers, *(("",) if differs else ()))
    return columns(heads, rows, frozenset(range(3, 3 + len(numbers))))


def _cells(row: Row) -> tuple[str, str, str]:
    weight = "?" if row.weight is None else str(row.weight) if row.weight else "draining"
    return socket_text(row.address, row.port), weight, f"{row.usage.connections:,}"


def _counters(volume: Volume | None) -> tuple[str, str, str]:
    if volume is None:
        return "", "", ""
    return f"{volume.packets + volume.packets_back:,}", f"{volume.bytes:,}", f"{volume.bytes_back:,}"


def _frontend(listener: Listener) -> str:
    ports = "" if listener.first == listener.last else f"-{listener.last}"
    base, protocol = str(listener.place).rsplit("/", 1)
    return f"{base}{ports}/{protocol}"


def _as_json(look: _Look) -> dict[str, Any]:
    pending = Pending.read(look.installation)
    return {
        "generation": asdict(look.generation),
        "unconfirmed": None if pending is None else {"seconds": round(max(0.0, pending.left), 1)},
        "interrupted": look.installation.journal.exists(),
        "listeners": [
            {
                "label": one.label,
                "service": one.service,
                "address": one.address,
                "protocol": one.protocol,
                "ports": [one.first, one.last],
                "endpoints": [_endpoint(row) for row in look.rows.of(one)],
            }
            for one in look.listeners
        ],
        "drift": [change_json(change, look.summary, look.summary) for change in look.changes],
    }


def _endpoint(row: Row) -> dict[str, Any]:
    return {
        "address": row.address,
        "port": row.port,
        "weight": row.weight,
        "kernel": row.held.name.lower().replace("_", " "),
        "connections": row.usage.connections,
        "volume": row.usage.volume and row.usage.volume._asdict(),
    }
