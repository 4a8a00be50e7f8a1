"""Take the machine to a state from wherever it is: back after a failure, and forward or back after a kill."""

from __future__ import annotations

from svcc.apply.driver import Transition
from svcc.apply.errors import Broken, NotTaken
from svcc.apply.installation import Installation
from svcc.apply.journal import Journal
from svcc.apply.machine import Machine
from svcc.apply.mending import mend
from svcc.apply.state_files import Damaged
from svcc.apply.states import States
from svcc.kernel.steps import Change, StepError
from svcc.targets.interface import Bundle

#: How often svcc tries to get to a state before it gives up.
_ROUNDS = 3


def converge(machine: Machine, wanted: States, transition: Transition) -> list[Change]:
    """Take the machine to a state from wherever it is. Return what still differs. Errors: StepError."""
    failure: StepError | None = None
    for _ in range(_ROUNDS):
        live = machine.read(wanted)
        differing = machine.differing(live, wanted)
        if not differing:
            return []
        failure = None
        for step in machine.steps(live, differing, transition):
            try:
                step.run()
            except StepError as error:  # other steps may still work, and the next round sees what is left to do
                failure = error
    if failure is not None:
        raise failure
    return machine.changes(machine.differing(machine.read(wanted), wanted))


def what_differs(machine: Machine, wanted: States) -> list[Change]:
    """Return what differs between the kernel and a state; an empty list where the kernel cannot be read."""
    try:
        return machine.changes(machine.differing(machine.read(wanted), wanted))
    except (StepError, OSError, ValueError):
        return []


def recover(installation: Installation) -> str:
    """Finish or undo an apply that was killed, with the store's lock held. It is finished where the new rules served
    already, else undone. Return a sentence that says what was done; "" where there was no such apply.

    Errors: Broken, StepError, StoreError.
    """
    journal = Journal.read(installation.journal)
    if journal is None:
        installation.forget_unborn()
        return ""
    after = installation.generation(journal.after)
    before = None if journal.before is None else installation.generation(journal.before)
    new, old = installation.bundle(after), installation.bundle(before)
    machine = Machine(installation.scope(after).including(old, new))
    forward = journal.switched or installation.number == journal.after
    onward = Transition(before.target if before else None, after.target)
    if forward:
        arrive(machine, machine.parse(new), onward)
    else:
        arrive(machine, _states(machine, journal, old), Transition(onward.new, onward.old))
    end(installation, journal, forward=forward)
    how = "finished" if forward else "undone"
    return f"generation {after.number}, which was under way when svcc was stopped, is {how}"


def _states(machine: Machine, journal: Journal, old: Bundle | None) -> States:
    """Return the states from before the apply. Errors: StoreError where the journal's states cannot be read."""
    try:
        return machine.load(journal.states, old)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(journal.path, f"its states cannot be read: {error!r}"[:100]) from error


def arrive(machine: Machine, wanted: States, transition: Transition) -> None:
    """Take the machine to a state from wherever it is. Errors: StepError; Broken where something still differs."""
    left = converge(machine, wanted, transition)
    if left:
        raise Broken(NotTaken(left), left)


def end(installation: Installation, journal: Journal, *, forward: bool) -> None:
    """Close a journal: make the new generation the current one (``forward``), or the old one, and forget the new
    one."""
    current = journal.after if forward else journal.before
    if installation.instead is not None or installation.number != current:
        installation.make_current(current)
    journal.remove()
    if not forward:
        installation.forget(journal.after)


def give_up(installation: Installation) -> None:
    """Forget an apply that can neither be finished nor undone. The next apply goes on from what is in the kernel."""
    journal = Journal.read(installation.journal)
    if journal is not None:
        end(installation, journal, forward=installation.number == journal.after)
        mend(installation)  # what was in place before may be damaged
