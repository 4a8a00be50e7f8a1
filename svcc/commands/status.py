"""``svcc status``: what is live, who is connected, and what was changed by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from svcc.apply import confirm, conntrack, engine
from svcc.apply.confirm import Pending
from svcc.apply.conntrack import Usage, Volume
from svcc.apply.engine import Plan
from svcc.apply.steps import Place, socket_text
from svcc.apply.store import Generation, Installation, Store
from svcc.apply.summary import Listener, Summary
from svcc.applying import Cause, explained, remember
from svcc.console import console
from svcc.exits import Exit
from svcc.plan_json import change_json
from svcc.plan_text import by_service, change_text, count
from svcc.state import fail, need_root, pick_installation, prefix_option, state_option

if TYPE_CHECKING:
    from rich.console import Console


@click.command("status")
@prefix_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_option
def command(prefix: str | None, as_json: bool, store: Store) -> None:
    """Show what is in the kernel: services, endpoints, weights, connections, and what differs from what was applied.

    Exit status 1 if anything of ours was changed by hand.
    """
    need_root()
    installation = pick_installation(store, prefix)
    with explained(Cause()):
        current = installation.current
        if current is None:
            fail(
                "the first apply here was stopped in the middle: the next command that changes anything undoes it",
                Exit.DIFFERENT,
            )
        summary = installation.summary(current)
        draft = confirm.earlier(installation, current.number, "")
        plan = engine.make_plan(installation, draft)
        used = _used(plan)
        if as_json:
            click.echo(json.dumps(_as_json(installation, current, summary, plan, used), indent=2))
        else:
            _print(installation, current, summary, plan, used)
        remember(store, installation, plan, draft)
    if not plan.empty:
        sys.exit(Exit.DIFFERENT)


#: What each endpoint (address and port) has, by the place that its clients connect to.
Used: TypeAlias = Mapping[Place, Mapping[tuple[str, int], Usage]]

_NOT_USED = Usage()


def _used(plan: Plan) -> Used:
    """Of every route that the kernel's rules give."""
    found: dict[Place, dict[tuple[str, int], Usage]] = {}
    routes = {route for driver in plan.machine.drivers for route in driver.routes(plan.live[driver.part])}
    for route, usage in conntrack.usage(routes).items():
        found.setdefault(route.place, {})[route.endpoint, route.port] = usage
    return found


def _of(listener: Listener, used: Used, node: tuple[str, ...]) -> list[Usage]:
    """What each endpoint of a listener has. On ipvs a node port is found by the node's addresses."""
    addresses = (listener.address,) if listener.address is not None else (None, *node)
    sums = [_NOT_USED] * len(listener.endpoints)
    for shift in range(listener.last - listener.first + 1):
        for address in addresses:
            there = used.get(Place(address, listener.protocol, listener.first + shift))
            if there:
                ends = ((endpoint[0], endpoint[1] + shift) for endpoint in listener.endpoints)
                sums = [sum_.plus(there.get(end, _NOT_USED)) for sum_, end in zip(sums, ends, strict=True)]
    return sums


def _print(installation: Installation, current: Generation, summary: Summary, plan: Plan, used: Used) -> None:
    out = console()
    target = current.target or "nothing"
    out.print(f"{current.prefix}: generation {current.number} ({target}), {current.time} by {current.who}")
    pending = Pending.read(installation)
    if pending is not None:
        out.print(f"Not confirmed: it goes again in {max(0, pending.left):.0f} s, unless you keep it: svcc confirm")
    if installation.journal.exists():
        out.print("An apply is under way, or was stopped in the middle: then the next one finishes or undoes it first.")
    if summary.listeners:
        _print_services(out, summary, used)
    if plan.empty:
        out.print("\nThe kernel holds what was applied.")
        return
    out.print(f"\nThe kernel differs in {count(len(plan.changes), 'object')} from what was applied; to mend it:")
    for service, changes in by_service(plan.changes, summary, summary).items():
        out.print(service or "(shared by all services)")
        for change in changes:
            out.print(f"  {change_text(change)}")


def _print_services(out: Console, summary: Summary, used: Used) -> None:
    from rich.table import Table

    counts = any(usage.volume for ends in used.values() for usage in ends.values())
    table = Table(box=None, pad_edge=False)
    for column in ("service", "frontend", "endpoint"):
        table.add_column(column)
    for column in ("weight", "connections", *(("packets", "bytes", "bytes back") if counts else ())):
        table.add_column(column, justify="right")
    before = ""
    for listener in summary.listeners:
        label = "" if listener.label == before else listener.label
        before, place = listener.label, _frontend(listener)
        sums = _of(listener, used, summary.node_addresses)
        if not listener.endpoints:
            table.add_row(label, place, "none")
        for (address, port, weight), usage in zip(listener.endpoints, sums, strict=True):
            row = (socket_text(address, port), str(weight) if weight else "draining", f"{usage.connections:,}")
            table.add_row(label, place, *row, *(_counters(usage.volume) if counts else ()))
            label = place = ""
    out.print(table)


def _counters(volume: Volume | None) -> tuple[str, ...]:
    if volume is None:
        return ()
    return tuple(f"{number:,}" for number in (volume.packets + volume.packets_back, volume.bytes, volume.bytes_back))


def _frontend(listener: Listener) -> str:
    ports = "" if listener.first == listener.last else f"-{listener.last}"
    base, protocol = str(listener.place).rsplit("/", 1)
    return f"{base}{ports}/{protocol}"


def _as_json(
    installation: Installation, current: Generation, summary: Summary, plan: Plan, used: Used
) -> dict[str, Any]:
    pending = Pending.read(installation)
    return {
        "generation": asdict(current),
        "unconfirmed": None if pending is None else {"seconds": round(max(0.0, pending.left), 1)},
        "interrupted": installation.journal.exists(),
        "listeners": [
            {
                "label": one.label,
                "service": one.service,
                "address": one.address,
                "protocol": one.protocol,
                "ports": [one.first, one.last],
                "endpoints": [
                    {
                        "address": address,
                        "port": port,
                        "weight": weight,
                        "connections": usage.connections,
                        "volume": usage.volume and usage.volume._asdict(),
                    }
                    for (address, port, weight), usage in zip(
                        one.endpoints, _of(one, used, summary.node_addresses), strict=True
                    )
                ],
            }
            for one in summary.listeners
        ],
        "drift": [change_json(change, summary, summary) for change in plan.changes],
    }
