"""Find what somebody changed by hand since a generation was applied, as opposed to what a new one changes."""

from __future__ import annotations

from dataclasses import replace

from svcc.apply import confirm, engine, planning
from svcc.apply.engine import Tell
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.installation import Installation
from svcc.apply.state_files import StoreError
from svcc.apply.states import DifferingPart
from svcc.kernel.steps import Change


def drift(plan: ExecutionPlan, installation: Installation) -> list[Change]:
    """Return the changes that would put the kernel back to what the generation in place left there, object by object.
    Only the parts that the plan changes are looked at: in all others the kernel holds what it should already.

    The list is empty where no generation is recorded: then no object in the kernel was ever svcc's. Errors: StepError.
    """
    # Parts whose live state is given by a text matched their fingerprints. Where all did, no bundle need be read.
    parts = [one.driver for one in plan.differing if plan.live.from_text(one.driver) is None]
    if not parts:
        return []
    try:
        current = installation.current
        recorded = installation.bundle(current)
    except StoreError:
        return []
    if current is None:
        return []
    states = plan.machine.parse(recorded)
    try:
        found = [DifferingPart(driver, plan.live.of(driver), states.of(driver)) for driver in parts]
    except ValueError:  # the record is damaged
        return []
    return [change for one in found if one.have != one.want for change in one.changes()]


def drift_now(installation: Installation) -> tuple[Change, ...]:
    """Return the changes that would put the kernel back to what the generation in place says.

    This takes little time where all parts match their fingerprints. Errors: StepError, StoreError.
    """
    current = installation.current
    if current is None or planning.nothing_to_do(installation, current, None) is not None:
        return ()
    return planning.make_plan(installation, confirm.earlier(installation, current.number, "")).changes


def repair(installation: Installation, patience: float, tell: Tell) -> tuple[Change, ...]:
    """Put the kernel back to what the generation in place says, and return the changes that did so. The store's lock is
    held.

    ``patience``: as of :mod:`svcc.apply.drain`. Errors: StepError, StoreError; those of :func:`engine.check` and
    :func:`engine.perform`.
    """
    current = installation.current
    if current is None:
        return ()
    again = confirm.earlier(installation, current.number, "put right")
    draft = replace(again, of=current.reviewed)
    plan = planning.make_plan(installation, draft, patience, again=True)
    if not plan.empty:
        engine.check(plan, tell, every=False)
        engine.perform(plan, installation, draft, tell)
    return plan.changes
