"""Write a generation whole that is recorded as a change, so that the records of later changes are short again.

A separate process does that from the record, while a session keeps the prefix and goes on: no change has to wait for
it. Nobody reads what it writes until it is taken over (:func:`take_over`), with the store's lock held.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from svcc.apply import cache, files
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import DRAFTED, Installation
from svcc.apply.scope import Scope
from svcc.apply.store import Store
from svcc.kernel import tools

#: The niceness of the process (nice(1)), so that others go first.
_NICE = 10


def write_by_process(root: Path, name: str, generation: Generation) -> str:
    """Have a separate process write the files of a generation, and wait for it. Return the digest of the bundle.

    Errors: StepError where the process fails: the generation is not kept any more, or the disk is full.
    """
    words = [sys.executable, "-P", "-m", __name__, str(root.absolute()), name, str(generation.number)]
    done = tools.run(words, name="writing a generation whole")
    if done.returncode:
        raise done.error("record", done.complaint.rpartition(": ")[2])
    return done.stdout.strip()


def write(installation: Installation, generation: Generation) -> str:
    """Write the files of a generation that is recorded as a change. Nobody reads them yet. Return the bundle's digest.

    Errors: StoreError, OSError, ValueError.
    """
    scope = Scope(generation.prefix, generation.device)
    bundle, summary = installation.bundle(generation), installation.summary(generation)
    draft = Draft(bundle, scope, summary, generation.source, program=installation.program(generation))
    for suffix, text in draft.files.items():
        files.write(installation.file(generation.number, DRAFTED[suffix]), text, lasting=False)
    return draft.hash


def take_over(installation: Installation, generation: Generation, digest: str) -> Generation:
    """Record a generation whole from now on, and return it; its files are written already. The store's lock is held.

    At any moment the record is complete, as a change or whole: the generation's description says in which of these two
    ways. ``digest``: that of the bundle. Errors: OSError.
    """
    number = generation.number
    whole = replace(generation, base=None, hash=digest)
    fingerprints = cache.read(installation.file(number, "looks"), generation.hash)
    for suffix, drafted in DRAFTED.items():
        os.replace(installation.file(number, drafted), installation.file(number, suffix))
    files.sync(installation.path)  # before the description that says to read them
    installation.describe(whole)
    with suppress(OSError):  # without these notes, the next command finds the same out again
        if fingerprints is not None:
            cache.write(installation.file(number, "looks"), digest, fingerprints)
        installation.note_compiled(whole, installation.program_hash(whole))
        installation.file(number, "change").unlink()
    return whole


def discard(installation: Installation, number: int) -> None:
    """Remove files that were written for a generation and are not to be taken over. Errors: OSError."""
    for drafted in DRAFTED.values():
        installation.file(number, drafted).unlink(missing_ok=True)


def main(words: Sequence[str]) -> None:
    """Write a generation whole, as a separate process. ``words``: the store's root, the installation's name, and the
    number of the generation."""
    root, name, number = words
    with suppress(OSError):  # a sandbox may not let it
        os.nice(_NICE)
    gc.disable()  # as in any command
    installation = Store(Path(root)).installation(name)
    print(write(installation, installation.generation(int(number))))


if __name__ == "__main__":
    main(sys.argv[1:])
