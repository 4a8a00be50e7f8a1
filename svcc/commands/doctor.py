"""``svcc doctor``: say whether this machine can take each target's rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict

import click

from svcc.apply.doctor import Finding, examine
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.apply.taken_addresses import taken_addresses
from svcc.exits import Exit
from svcc.help import examples
from svcc.kernel.steps import StepError
from svcc.options import TargetName, json_option
from svcc.output import put, put_json
from svcc.state_options import state_option
from svcc.tables import table
from svcc.targets import targets
from svcc.targets.interface import Target


@click.command("doctor", epilog=examples("svcc doctor", "svcc doctor --target ipvs"))
@click.option(
    "-t", "--target", "wanted", type=TargetName(loaded=True), multiple=True, help="Only this target (may be repeated)."
)
@json_option
@state_option
def command(wanted: tuple[Target, ...], as_json: bool, store: Store) -> None:
    """List what this machine has and lacks for each target, and how to get it; and what keeps packets from the
    endpoints of the services that are applied here: firewalls, forwarding, routes, reverse paths, bridges.

    Exit status 3 if a target named with --target cannot work here; without --target, if none can.
    """
    served, ours = _served(store)
    examined = {t.name: list(examine(t, served, ours)) for t in wanted or targets().values() if t.loads}
    for target, finding in _taken(store):
        if target in examined:
            examined[target].append(finding)
    if as_json:
        findings = [asdict(f) | {"lacking": f.lacking} for found in examined.values() for f in found]
        put_json({"findings": findings})
    else:
        _print(examined)
    able = [not any(finding.lacking for finding in found) for found in examined.values()]
    if not (all(able) if wanted else any(able)):
        sys.exit(Exit.MACHINE)


def _served(store: Store) -> tuple[list[Summary], list[str]]:
    """Return the services applied here, as far as they can be read, and the names of their tables; without root,
    nothing."""
    with suppress(StoreError, OSError):
        held = [one for one in store.installations() if one.may_have_objects]
        return [one.summary(one.current) for one in held], [one.name for one in held]
    return [], []


def _taken(store: Store) -> Iterator[tuple[str, Finding]]:
    """Yield a finding for each service address that is the machine's own meanwhile, with the target that serves it."""
    with suppress(StoreError, StepError, OSError, ValueError):
        for installation in store.installations():
            current = installation.current
            target = (current.target if current is not None else None) or ""
            for one in taken_addresses(installation, current):
                state = f"{one.state}; the next change of rules will be refused"
                remedy = one.remedy or f"take it off {one.device}, or its network out of `services`"
                yield target, Finding(target, f"service address {one.address}", state, remedy, fatal=False)


def _print(examined: dict[str, list[Finding]]) -> None:
    for target, findings in examined.items():
        rows = [(_sign(one), one.subject, one.state, one.remedy) for one in findings]
        lines = [f"{target}: {_verdict(findings)}", *table(("", "needs", "found", "to get it"), rows), ""]
        put("".join(f"{line}\n" for line in lines))


def _sign(finding: Finding) -> str:
    return "✗" if finding.lacking else "!" if finding.remedy else "✓"


def _verdict(findings: Sequence[Finding]) -> str:
    lacking = sum(finding.lacking for finding in findings)
    return f"lacks {lacking}" if lacking else "can be used here"
