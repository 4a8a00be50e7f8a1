"""Carry out a plan as a whole or not at all: take the kernel to the wanted state, and back if anything fails.

Going back does not undo a list of steps. It goes to the state before from wherever the machine is now, in the same way
as forward. So it works after a failure, after a kill at any point, and after somebody else's interference.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from svcc.apply import drain
from svcc.apply.by_service import to_record
from svcc.apply.doctor import preflight
from svcc.apply.driver import Fingerprint, Transition
from svcc.apply.errors import Broken, NotTaken, Refused, Restored
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.fingerprints import record_fingerprints, recorded_parts
from svcc.apply.generation import ChangeDraft, Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.journal import Journal
from svcc.apply.recovery import arrive, converge, what_differs
from svcc.kernel import conntrack
from svcc.kernel.steps import Phase, Step, StepError

#: The kinds of event. "switched": the new rules serve; an apply that is killed after this is finished, not undone.
Happening: TypeAlias = Literal[
    "checking",
    "recording",
    "step",
    "done",
    "switched",
    "waiting",
    "reading back",
    "finishing",
    "forgetting",
    "undoing",
    "warning",
]


@dataclass(frozen=True)
class Event:
    """Something that happens while a plan is carried out."""

    what: Happening
    step: Step | None = None  # the step that it is about, if it is about one
    number: int = 0  # of the step, from 1; or how many connections, or UDP flows, the event is about
    total: int = 0  # of all steps
    words: str = ""  # of a warning


#: A function that is called with every event before it happens. Where it raises, the apply ends there and is undone.
Tell = Callable[[Event], None]


def warn_of_foreign(plan: ExecutionPlan, tell: Tell) -> None:
    """Tell what others have under our names, which the plan leaves alone."""
    for words in plan.foreign:
        _quietly(tell, Event("warning", words=words))


def note_findings(plan: ExecutionPlan, installation: Installation, draft: Draft) -> None:
    """Record the kernel's fingerprints, and what the current generation was compiled from, where the kernel holds what
    that generation put there. The store's lock is held. Where that cannot be recorded, the next command finds it out
    again.
    """
    current = installation.current
    if (
        plan.empty
        and current is not None
        and installation.is_bundle_of(current, draft)
        and not installation.journal.exists()
    ):
        with suppress(OSError, StepError):
            fingerprints = plan.machine.fingerprints(plan.readings, plan.live)
            record_fingerprints(installation, current, fingerprints, plan.machine.empty_parts(draft.bundle))
            installation.note_origin(current, draft)


def check(plan: ExecutionPlan, tell: Tell, *, every: bool = True) -> None:
    """Try every step that can be tried without effect. Errors: Refused, StepError.

    ``every``: False where the plan is carried out next. A single step that the kernel takes whole or not at all is then
    not tried before: if the kernel refuses it, nothing was changed either.
    """
    lacking = preflight(plan.transition.new) if plan.transition.new is not None and plan.steps else []
    if lacking or plan.obstacles:
        raise Refused([*lacking, *plan.obstacles])
    steps = () if not every and len(plan.steps) == 1 and plan.steps[0].atomic else plan.steps
    for number, step in enumerate(steps, 1):
        if step.check is not None:
            tell(Event("checking", step, number, len(plan.steps)))
            step.check()


def perform(plan: ExecutionPlan, installation: Installation, draft: Draft | ChangeDraft, tell: Tell) -> Generation:
    """Carry out the plan, and record the draft as the current generation. Return that generation. The store's lock is
    held.

    Errors: Restored, Broken; OSError and StoreError where nothing was begun.
    """
    before, empty = installation.number, _empty_parts(plan, installation, draft)
    generation = installation.record(
        to_record(installation, plan.changed, draft) if isinstance(draft, Draft) else draft
    )
    journal = Journal(installation.journal, before, generation.number, plan.machine.dump(plan.live))
    try:
        tell(Event("recording"))
        journal.write()
    except BaseException:
        journal.remove()
        installation.forget(generation.number)
        raise
    try:
        journal = _take_steps(plan, journal, tell)
        fingerprints = _read_back(plan, tell)
        tell(Event("finishing"))
        installation.make_current(generation.number)
    except BaseException as error:
        with suppress(OSError):
            journal.switch(forward=False)
        _undo(plan, error, tell)
        if installation.number != before:
            installation.make_current(before)
        journal.remove()
        installation.forget(generation.number)
        raise Restored(error) from error
    journal.remove()
    if not plan.left:  # the kernel then holds more than the generation says
        with suppress(OSError):
            record_fingerprints(installation, generation, {**plan.fingerprints, **fingerprints}, empty)
    _forget_connections(plan, tell)
    return generation


def perform_at_least(
    plan: ExecutionPlan, installation: Installation, draft: Draft | ChangeDraft, tell: Tell
) -> OSError | None:
    """Carry out the plan also where nothing can be written, on a full disk for instance. Return why it is not recorded;
    None where it is. For what puts back rules that are recorded already.

    Errors: Restored, Broken; StoreError where nothing was begun.
    """
    try:
        perform(plan, installation, draft, tell)
    except OSError as error:
        why = error
    except Restored as error:
        if not isinstance(error.cause, OSError):
            raise
        why = error.cause
    else:
        return None
    try:
        arrive(plan.machine, plan.wanted, plan.transition)
    except StepError as error:
        raise Broken(error, what_differs(plan.machine, plan.wanted)) from why
    return why


def _empty_parts(plan: ExecutionPlan, installation: Installation, draft: Draft | ChangeDraft) -> frozenset[str]:
    """The parts that a draft is known to leave empty. A change of services leaves those as they are that the plan does
    not change."""
    if isinstance(draft, Draft):
        return plan.machine.empty_parts(draft.bundle)
    current = installation.current
    known = frozenset[str]() if current is None else recorded_parts(installation, current).empty
    return known - {one.part for one in plan.differing}


def _take_steps(plan: ExecutionPlan, journal: Journal, tell: Tell) -> Journal:
    """Take all steps of the plan, and mark in the journal when the new rules serve. Return the journal as it is then.

    The new rules serve after the last step up to their phase; addresses may be taken before it (see Machine.steps).
    """
    rules = max((number for number, step in enumerate(plan.steps, 1) if step.phase <= Phase.RULES), default=0)
    for number, step in enumerate(plan.steps, 1):
        if number > rules and not journal.switched and plan.transition.new is not None:
            tell(Event("switched"))
            journal = journal.switch(forward=True)
        tell(Event("step", step, number, len(plan.steps)))
        if step.phase is Phase.DRAIN:
            drain.wait(plan.differing, plan.patience, lambda left: tell(Event("waiting", number=left)))
        else:
            step.run()
        tell(Event("done", step, number, len(plan.steps)))
    return journal


def _forget_connections(plan: ExecutionPlan, tell: Tell) -> None:
    """Have the kernel forget UDP connections to endpoints that are gone. The new rules serve without that, so an error
    here becomes a warning, and does not undo the apply."""
    try:
        stale = conntrack.stale_connections(plan.forgotten_routes, plan.new_frontends, plan.networks)
        if stale:
            _quietly(tell, Event("forgetting", number=len(stale)))
            conntrack.forget(stale)
    except (StepError, OSError, ValueError) as error:
        words = f"UDP connections may go on for a while to endpoints that are gone: {error}"
        _quietly(tell, Event("warning", words=words))


def _read_back(plan: ExecutionPlan, tell: Tell) -> dict[str, Fingerprint]:
    """Check that the kernel holds what it was given. Return its fingerprints by part. Errors: NotTaken, StepError."""
    tell(Event("reading back"))
    machine = plan.machine
    differing, fingerprints = machine.read_back(plan.differing, plan.wanted, plan.readings, asking=plan.asking)
    if differing:
        raise NotTaken(machine.changes(differing))
    changed = {one.part for one in plan.differing}
    same = {part: reading for part, reading in plan.readings.items() if part not in changed}
    return {**machine.fingerprints(same, plan.live), **fingerprints}


def _undo(plan: ExecutionPlan, cause: BaseException, tell: Tell) -> None:
    """Go back to the state before the apply. Errors: Broken."""
    _quietly(tell, Event("undoing"))
    machine, back = plan.machine, Transition(plan.transition.new, plan.transition.old)
    try:
        machine = plan.whole_machine()
        not_restored = converge(machine, plan.live, back)
    except (StepError, OSError, ValueError) as error:
        raise Broken(cause, what_differs(machine, plan.live), str(error)) from cause
    if not_restored:
        raise Broken(cause, not_restored) from cause


def _quietly(tell: Tell, event: Event) -> None:
    """Tell an event, and ignore an error of the callback, which must not keep svcc from going back."""
    with suppress(Exception):
        tell(event)
