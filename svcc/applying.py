"""What commands that apply have in common, from a draft to the kernel. Errors become messages and exit codes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from svcc import signals
from svcc.apply import confirm, drain, engine, planning, recovery
from svcc.apply.clashes import check_clashes
from svcc.apply.confirm import Pending
from svcc.apply.drafts import make_draft, scope_of
from svcc.apply.errors import Broken, NotTaken, Refused, Restored
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.journal import Journal
from svcc.apply.keeper import check_free
from svcc.apply.origin import Origin
from svcc.apply.planning import EarlyReadings
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.states import UnreadableText
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.compiler import ir
from svcc.exits import Exit
from svcc.kernel.steps import Change, StepError, ToolEnd
from svcc.progress import Interrupted, Progress
from svcc.state_options import command_line, fail, pick_installation

if TYPE_CHECKING:
    from svcc.apply.wanted import Wanted

#: How many differences are named where going back failed; `svcc status` shows all of them.
_NAMED = 50


_NOTHING = Summary()


@dataclass(frozen=True)
class Cause:
    """What an apply came from: its services, its program and its file. Messages point to these."""

    summary: Summary = _NOTHING
    program: ir.Program | None = None
    file: str | None = None


def draft_of(given: Wanted, store: Store, node: str | None = None) -> Draft:
    """Return the draft of a program or bundle. An empty bundle does not say its prefix: then there must be one
    installation.

    ``node``: the node that the command line names, if any.
    """
    origin = Origin(given.bundle.target, node, given.sources) if given.sources else None
    return make_draft(given, scope_of(given) or _recorded(store), origin)


def _recorded(store: Store) -> Scope:
    current = pick_installation(store, None).current
    if current is None:
        fail("the bundle is empty and does not say what prefix it is for", Exit.INPUT)
    return Scope(current.prefix, current.device)


@contextmanager
def explained(cause: Cause) -> Iterator[None]:
    """Turn errors inside the ``with`` block into messages, and end the command with the matching exit status."""
    try:
        yield
    except Refused as error:
        fail("nothing was changed:\n" + "".join(f"  {reason}\n" for reason in error.reasons), Exit.MACHINE)
    except Interrupted as error:
        raise _interrupted("nothing was changed") from error
    except Restored as error:
        if signals.noted_signal() is not None:
            raise _interrupted("everything was put back as it was") from error
        _say(_reason(error.cause, cause) + "Everything was put back as it was.")
        raise SystemExit(Exit.RESTORED) from error
    except Broken as error:
        _say(_reason(error.cause, cause) + _what_is_left(error))
        raise SystemExit(Exit.BROKEN) from error
    except StepError as error:
        if signals.noted_signal() is not None:
            raise _interrupted("nothing was changed") from error
        _say(_reason(error, cause) + "Nothing was changed.")
        refused = error.end is ToolEnd.REFUSED and not error.reading
        raise SystemExit(Exit.RESTORED if refused else Exit.MACHINE) from error
    except (StoreError, UnreadableText) as error:
        fail(str(error), Exit.MACHINE)


def _interrupted(what: str) -> SystemExit:
    number = signals.noted_signal()
    assert number is not None
    _say(f"svcc: interrupted by {number.name}: {what}")
    return SystemExit(signals.status(number))


def _reason(error: BaseException, cause: Cause) -> str:
    match error:
        case StepError():
            from svcc.blame import refusal

            return refusal(error, cause.summary, cause.program, cause.file)
        case NotTaken():
            return f"svcc: {error}\n"
        case OSError(filename=str(name), strerror=str(words)):
            return f"svcc: {name}: {words}\n"
        case _:
            return f"svcc: {error or type(error).__name__}\n"


def _what_is_left(error: Broken) -> str:
    lines = ["Not everything could be put back as it was."]
    if error.words:
        lines.append(f"  {error.words}")
    lines += [f"  {_part(change)} {change}" for change in error.not_restored[:_NAMED]]
    if len(error.not_restored) > _NAMED:
        lines.append(f"  and {len(error.not_restored) - _NAMED} more")
    return "\n".join(
        [*lines, "`svcc status` shows what differs; the next apply, rollback or delete goes on from there."]
    )


def _part(change: Change) -> str:
    return f"{change.part}:"


def _say(text: str) -> None:
    click.echo(text, err=True)


def settle(installation: Installation) -> None:
    """Finish or undo what a killed apply left, and undo what was not confirmed in time. A command calls this first.

    The store's lock is held. Errors: Kept where another process keeps the prefix, and does this itself.
    """
    check_free(installation)
    try:
        with signals.held_off(leave=True):
            for said in confirm.settle(installation):
                _say(said)
    except (Broken, Restored, StepError) as error:
        if _is_no_answer(error):
            raise
        _say(
            f"svcc: what was interrupted, or not confirmed in time, can be neither finished nor undone: {error}\n"
            "svcc goes on from what is in the kernel."
        )
        recovery.give_up(installation)


def _is_no_answer(error: BaseException) -> bool:
    """Whether the error comes from a tool that died, hangs or is missing: then its work is still to be done."""
    cause = error.cause if isinstance(error, Broken | Restored) else error
    return isinstance(cause, StepError) and (cause.reading or cause.end is not ToolEnd.REFUSED)


def read_early(store: Store) -> EarlyReadings | None:
    """Read the kernel ahead of planning, as :func:`planning.read_early` does; None without root, or where reading
    fails.

    Errors are ignored here: making the plan meets them again, and reports them.
    """
    if os.geteuid() != 0:
        return None
    with suppress(StepError, StoreError, OSError, ValueError):
        return planning.read_early(store)
    return None


def make_plan(
    store: Store,
    installation: Installation,
    draft: Draft,
    patience: float = drain.PATIENCE,
    early: EarlyReadings | None = None,
) -> ExecutionPlan:
    """Return the plan of a draft, after a check that no other installation clashes with it. Errors: Refused, StepError,
    StoreError."""
    check_clashes(installation, draft)
    return planning.make_plan(installation, draft, patience, still_good(store, early))


def need_no_foreign(plan: ExecutionPlan) -> None:
    """Refuse a plan of a person where others have something under our names. What runs by itself leaves that alone, and
    goes on. Errors: Refused."""
    if plan.foreign:
        raise Refused(plan.refusals)


def need_no_refusals(plan: ExecutionPlan, command: str) -> None:
    """End a command that only plans, where the command that does it would be refused."""
    if plan.refusals:
        fail(f"`svcc {command}` would be refused:\n" + "".join(f"  {why}\n" for why in plan.refusals), Exit.MACHINE)


def still_good(store: Store, early: EarlyReadings | None) -> EarlyReadings | None:
    """Return what was read ahead, or None where another svcc may have changed something since. The store's lock is
    held."""
    return early if early is not None and early.stamp and early.stamp == store.stamp else None


def remember(store: Store, stamp: str, installation: Installation, plan: ExecutionPlan, draft: Draft) -> None:
    """Note what a plan found, as :func:`engine.note_findings` does, for a command that only looked.

    Nothing is noted where another svcc was at work since the store had ``stamp``.
    """
    if plan.empty and (not plan.recognised or draft.origin is not None):
        with suppress(StoreError, OSError), store.locked(patience=0), signals.held_off(leave=False):
            if stamp and store.stamp == stamp:
                engine.note_findings(plan, installation, draft)


def unfinished_of(installation: Installation) -> str:
    """What the next command that changes anything would do first; "" where there is nothing to finish. Errors:
    StoreError where a file is damaged."""
    if Journal.read(installation.journal) is not None:
        return "an apply is under way, or was stopped in the middle: then the next one finishes or undoes it first"
    pending = Pending.read(installation)
    if pending is None:
        return ""
    if pending.over:
        return f"generation {installation.number} was not confirmed in time: the next command undoes it first"
    keep = command_line(installation, "confirm")
    return f"generation {installation.number} waits {pending.seconds_left:.0f} s for `{keep}`"


def carry_out(plan: ExecutionPlan, installation: Installation, draft: Draft, *, quiet: bool) -> int:
    """Check and perform a plan; return the new generation's number. Errors: as of :func:`engine.perform`."""
    with _checked(plan, quiet=quiet) as progress:
        installation.forget_health()
        return engine.perform(plan, installation, draft, progress).number


def carry_out_again(plan: ExecutionPlan, installation: Installation, draft: Draft, *, quiet: bool) -> OSError | None:
    """Check and perform the plan of what is recorded already, and is served as an agent noted that its endpoints stand.

    Return why nothing was recorded, and errors: as of :func:`engine.perform_at_least`.
    """
    with _checked(plan, quiet=quiet) as progress:
        return engine.perform_at_least(plan, installation, draft, progress)


@contextmanager
def _checked(plan: ExecutionPlan, *, quiet: bool) -> Iterator[Progress]:
    progress = Progress(quiet=quiet)
    engine.warn_of_foreign(plan, progress)
    with signals.held_off(leave=False), signals.impatient():
        engine.check(plan, progress, every=False)
        yield progress
