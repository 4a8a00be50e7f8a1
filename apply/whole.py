"""A generation that is kept as a change, written whole: so that what is written of later changes is short again.

A process of its own does that, from the record, beside whoever keeps the prefix: no change has to wait for it. What it
writes is nobody's until it is taken over (:func:`take_over`), with the store's lock held.
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

#: How much the process stands back behind others (nice(1)).
_NICE = 10


def write_by_process(root: Path, name: str, generation: Generation) -> str:
    """Have the files written by a process of its own, and wait for it; returns the digest of the bundle.

    Errors: StepError, where it does not do it: the generation is not there any more, or the disk is full.
    """
    words = [sys.executable, "-P", "-m", __name__, str(root.absolute()), name, str(generation.number)]
    done = tools.run(words, name="writing a generation whole")
    if done.returncode:
        raise done.error("record", done.said.rpartition(": ")[2])
    return done.stdout.strip()


def write(installation: Installation, generation: Generation) -> str:
    """Write the files of a generation that is kept as a change. Nobody reads them yet. Returns the bundle's digest.

    Errors: StoreError, OSError, ValueError.
    """
    scope = Scope(generation.prefix, generation.device)
    bundle, summary = installation.bundle(generation), installation.summary(generation)
    draft = Draft(bundle, scope, summary, generation.source, program=installation.program(generation))
    for suffix, text in draft.files.items():
        files.write(installation.file(generation.number, DRAFTED[suffix]), text, lasting=False)
    return draft.hash


def take_over(installation: Installation, generation: Generation, digest: str) -> Generation:
    """Keep a generation whole from now on, its files being written. The store's lock is held.

    At any moment it is kept in one of both ways: the description says in which. Errors: OSError.
    """
    number = generation.number
    whole = replace(generation, base=None, hash=digest)
    fingerprints = cache.read(installation.file(number, "looks"), generation.hash)
    for suffix, drafted in DRAFTED.items():
        os.replace(installation.file(number, drafted), installation.file(number, suffix))
    files.sync(installation.path)  # before the description that says to read them
    installation.describe(whole)
    with suppress(OSError):  # what is lost of these is found out again
        if fingerprints is not None:
            cache.write(installation.file(number, "looks"), digest, fingerprints)
        installation.note_compiled(whole, installation.program_hash(whole))
        installation.file(number, "change").unlink()
    return whole


def discard(installation: Installation, number: int) -> None:
    """Remove files that are not to be taken over. Errors: OSError."""
    for drafted in DRAFTED.values():
        installation.file(number, drafted).unlink(missing_ok=True)


def main(words: Sequence[str]) -> None:
    """As a process of its own. ``words``: the store's root, the installation's name, the number of the generation."""
    root, name, number = words
    with suppress(OSError):  # a sandbox may not let it
        os.nice(_NICE)
    gc.disable()  # as in any command
    installation = Store(Path(root)).installation(name)
    print(write(installation, installation.generation(int(number))))


if __name__ == "__main__":
    main(sys.argv[1:])
