"""Applies that are undone unless they are confirmed.

The watchdog is a separate process, started before the first step. It has a session of its own, so that no terminal can
hang it up, and it keeps nothing open that could fill or break. It needs nothing but the state directory. If it is
killed too, or the machine restarts, the next command does its work.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from svcc.apply import engine, errors, files, planning, recovery
from svcc.apply.generation import Draft
from svcc.apply.installation import Installation
from svcc.apply.journal import Journal
from svcc.apply.mending import mend
from svcc.apply.state_files import StoreError, private, read_record
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.kernel.boot import boot_id
from svcc.kernel.steps import StepError

#: Seconds between two looks of the watchdog at the time that is left.
_GLANCE = 0.2
#: Seconds until the watchdog tries again to go back, where it could not.
_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Pending:
    """An apply that waits to be confirmed."""

    token: str  # tells this apply from another
    before: int | None  # the generation to go back to
    deadline: float  # seconds since the machine started (CLOCK_BOOTTIME)
    boot: str  # the kernel's boot ID at that time

    @property
    def seconds_left(self) -> float:
        """The seconds until the deadline; 0 after the machine has restarted."""
        return self.deadline - _now() if self.boot == boot_id() else 0.0

    @property
    def over(self) -> bool:
        """Whether it is too late to confirm it: it is being undone, or the next command that changes anything does."""
        return self.seconds_left <= 0

    def write(self, installation: Installation) -> None:
        """Record this object beside the installation's generations. Errors: OSError."""
        files.make_directory(installation.path)
        files.write(installation.confirm, json.dumps(asdict(self)) + "\n")

    def later(self, seconds: float) -> Pending:
        """Return the same object with its deadline so many seconds from now."""
        return replace(self, deadline=_now() + seconds)

    @classmethod
    def read(cls, installation: Installation) -> Self | None:
        """Return the apply that waits to be confirmed; None where none does. Errors: OSError, StoreError."""
        try:
            return read_record(installation.confirm, cls)
        except FileNotFoundError:
            return None


def waiting(installation: Installation) -> int | None:
    """Return the number of the generation in place that waits to be confirmed; None where none does. What replaces it
    has it in ``undoes``. Errors: OSError, StoreError."""
    pending, current = Pending.read(installation), installation.current
    return None if pending is None or current is None or current.number == pending.before else current.reviewed


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def arm(store: Store, installation: Installation, seconds: float) -> Pending:
    """Write down that the coming apply waits for its confirmation, and start the watchdog. Errors: OSError."""
    pending = Pending(os.urandom(8).hex(), installation.number, _now() + seconds, boot_id())
    pending.write(installation)
    try:
        _start(store, installation, pending)
    except BaseException:
        disarm(installation)
        raise
    return pending


def disarm(installation: Installation) -> None:
    """Remove the record that an apply waits to be confirmed. The watchdog then ends without going back."""
    files.remove(installation.confirm)


@contextmanager
def armed(store: Store, installation: Installation, seconds: float | None) -> Iterator[None]:
    """Run the apply in the ``with`` block under a watchdog. ``seconds``: how long, from the end of the apply on, it may
    be confirmed; None: it needs no confirmation, and gets no watchdog.

    An apply that fails need not be confirmed. Where going back failed too, the watchdog stays, and tries that again.
    Errors: those of :func:`arm`.
    """
    if seconds is None:
        yield
        return
    pending = arm(store, installation, seconds)
    try:
        yield
    except errors.Broken:
        raise
    except BaseException:
        disarm(installation)
        raise
    pending.later(seconds).write(installation)


def _start(store: Store, installation: Installation, pending: Pending) -> None:
    """Start the watchdog, and wait until it says that it runs. Errors: OSError."""
    words = [sys.executable, "-P", "-m", __name__, str(store.root.absolute()), installation.name, pending.token]
    with open(installation.path / "watchdog.log", "a", encoding="utf-8", opener=private) as log:
        os.fchmod(log.fileno(), 0o600)
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd="/", start_new_session=True
        )
    assert process.stdout is not None
    with process.stdout as ready:
        answer = ready.readline()
    if answer != b"watching\n":
        process.wait()
        raise OSError(f"the watchdog does not start: see {installation.path / 'watchdog.log'}")
    process.returncode = 0  # it outlives this process, which is not to wait for it


def settle(installation: Installation) -> list[str]:
    """Finish or undo an apply that was killed, and undo one that was not confirmed in time. Every command that changes
    something calls this first, with the store's lock held.

    Return a sentence for each thing that was done. Errors: those of :func:`engine.perform` and
    :func:`recovery.recover`.
    """
    done = set_damaged_aside(installation)
    try:
        done += [sentence for sentence in [recovery.recover(installation)] if sentence]
    except StoreError as error:
        done.append(f"an interrupted apply can be neither finished nor undone: {error}")
        recovery.give_up(installation)
    pending = Pending.read(installation)
    if pending is not None and pending.over:
        try:
            done.append(put_back(installation, pending))
        except StoreError as error:
            done.append(f"the unconfirmed apply stays, as svcc cannot go back from it: {error}")
            disarm(installation)
    return done


def set_damaged_aside(installation: Installation) -> list[str]:
    """Put damaged files of an installation out of the way, with the store's lock held. Return a sentence for each."""
    if not installation.path.is_dir():
        return []
    done = mend(installation)
    for path, read in (
        (installation.journal, lambda: Journal.read(installation.journal)),
        (installation.confirm, lambda: Pending.read(installation)),
    ):
        try:
            read()
        except StoreError as error:
            done.append(str(error))
            installation.set_aside(path)
    return done


def put_back(installation: Installation, pending: Pending) -> str:
    """Go back to the generation before the one that was not confirmed. Return a sentence that says what was done.

    Errors: those of :func:`engine.perform_at_least`, StoreError where there is nothing to go back to, and OSError where
    the rules are back, but that cannot be recorded.
    """
    if installation.instead is not None:  # the record of what is not confirmed is damaged
        note, undoes = "the last apply was not confirmed", None
    elif installation.number == pending.before:
        disarm(installation)
        return "the unconfirmed apply had not taken effect: there is nothing to undo"
    else:
        current = installation.current
        assert current is not None
        note, undoes = f"generation {current.number} was not confirmed", current.reviewed
    draft = replace(earlier(installation, pending.before, note), undoes=undoes)
    plan = planning.make_plan(installation, draft, going_back=True)
    if engine.perform_at_least(plan, installation, draft, lambda _: None) is not None:
        installation.make_current(pending.before)
        installation.forget_unborn()
    disarm(installation)
    return "; ".join([f"{draft.note}: {_back(pending.before)}", *plan.left])


def _back(before: int | None) -> str:
    return "all that svcc had put in place is removed again" if before is None else f"generation {before} is back"


def due(installation: Installation) -> int | None:
    """Return the number of the generation that is to be in place once :func:`settle` has done its work, which it may
    not be able to record. None: nothing of ours. Errors: OSError, StoreError."""
    journal = Journal.read(installation.journal)
    number = installation.number
    if journal is not None:
        number = journal.after if journal.switched or number == journal.after else journal.before
    pending = Pending.read(installation)
    return pending.before if pending is not None and pending.over else number


def earlier(installation: Installation, number: int | None, note: str) -> Draft:
    """Return a draft of generation ``number`` as it was recorded; of nothing of ours where ``number`` is None.

    Errors: StoreError.
    """
    current = installation.current
    if number is None:
        if current is None:
            raise StoreError("nothing was applied yet")
        return Draft(None, installation.scope(current), Summary(), "", note)
    generation = installation.generation(number)
    return Draft(
        installation.bundle(generation),
        installation.scope(generation),
        installation.summary(generation),
        generation.source,
        note,
        of=generation.of,
        program=installation.program(generation),
    )


# ---- the watchdog's own process


def watch(store: Store, installation: Installation, waiting: Pending) -> None:
    """Wait for the confirmation of an apply; without one in time, go back. Where its record is damaged, what it said
    before counts."""
    while True:
        while not waiting.over:
            time.sleep(min(waiting.seconds_left, _GLANCE))
            still = _still(installation, waiting)
            if still is None:
                return
            waiting = still
        with store.locked(patience=float("inf")):
            # The apply held the lock until now, and may have set a later deadline meanwhile.
            still = _still(installation, waiting)
            if still is None or (still.over and _went_back(installation, still)):
                return
            waiting = still
        time.sleep(_PAUSE)


def _still(installation: Installation, waiting: Pending) -> Pending | None:
    """Return the record of the same apply as it is now; None when it was confirmed, or another one waits in its place.
    Where the record is damaged, return ``waiting``."""
    try:
        pending = Pending.read(installation)
    except (StoreError, OSError):
        return waiting
    return pending if pending is not None and pending.token == waiting.token else None


def _went_back(installation: Installation, waiting: Pending) -> bool:
    """Go back, and return whether that worked. Where it did not, log why: the cause may be gone at the next try."""
    try:
        _mend(installation, waiting)
        done = "; ".join(settle(installation))
    except (errors.Broken, errors.Restored, StepError, StoreError, OSError) as error:
        _log(f"not yet put back: {error or type(error).__name__}")
        return False
    _log(done)
    return True


def _log(words: str) -> None:
    with suppress(OSError):  # a full disk keeps nobody from going back
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words}", file=sys.stderr, flush=True)


def _mend(installation: Installation, waiting: Pending) -> None:
    """Write the record of an apply anew, where it is damaged. Errors: OSError."""
    try:
        Pending.read(installation)
    except StoreError:
        installation.set_aside(installation.confirm)
        waiting.write(installation)


def main(words: list[str]) -> None:
    """Watch, as a separate process. ``words``: the store's root, the installation's name, and the token of the apply
    that waits to be confirmed."""
    root, name, token = words
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    store = Store(Path(root))
    installation = store.installation(name)
    waiting = Pending.read(installation)  # before anybody relies on it: from here on it is known
    if waiting is None or waiting.token != token:
        return
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    watch(store, installation, waiting)


if __name__ == "__main__":
    main(sys.argv[1:])
