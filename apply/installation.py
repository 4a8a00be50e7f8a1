"""An installation: the generations under one prefix, and what is under way."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from svcc.apply import cache, files
from svcc.apply.generation import ChangeDraft, Draft, Generation, change_hash, who
from svcc.apply.origin import Origin
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.services_change import ServicesChange
from svcc.apply.state_files import StoreError, bytes_of, damaged, read_record, text_of
from svcc.apply.summary import Summary
from svcc.compiler.prefix import fault
from svcc.kernel.json_values import members
from svcc.targets import find
from svcc.targets.bundle import read_bundle
from svcc.targets.interface import Bundle
from svcc.targets.reading import RefusedText

#: Generations that are kept besides the current one.
KEPT = 20
#: Notes that are kept: the one in place, and the one before it, to go back to.
_NOTES = 2
#: The files of a generation, its description first.
_SUFFIXES = ("json", "bundle", "services", "program", "change", "looks", "source", "compiled")
#: Those of one that is whole, and what they are called until it is (:mod:`svcc.apply.whole`).
DRAFTED = {suffix: f"{suffix}.whole" for suffix in ("bundle", "services", "program")}


class Installation:
    """Everything under one prefix on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.journal = path / "journal.json"
        self.confirm = path / "confirm.json"
        self.keeper = path / "keeper"
        self._summaries: dict[int, Summary] = {}  # those that were read; a generation's does not change
        self._digests: dict[Path, tuple[tuple[int, ...], str]] = {}  # of large files, and what these were like

    # ---- reading

    @property
    def has_history(self) -> bool:
        """Whether anything was ever applied, or is under way; what is damaged may have been."""
        try:
            return self.number is not None or self.journal.exists()
        except StoreError:
            return True

    @property
    def holds(self) -> bool:
        """Whether anything of it is in the kernel, or may be: else nothing but its history is left."""
        if self.journal.exists() or self.confirm.exists():
            return True
        try:
            current = self.current
        except StoreError:
            return True
        return current is not None and current.target is not None

    @property
    def unconfirmed(self) -> frozenset[int]:
        """The numbers of generations that went because nobody confirmed them."""
        return frozenset(one.undoes for one in self.generations() if one.undoes is not None)

    @property
    def number(self) -> int | None:
        """The number of the current generation."""
        try:
            return int((self.path / "current").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise damaged(self.path / "current", error.strerror or str(error)) from None
        except ValueError:
            raise damaged(self.path / "current", "it holds no number") from None

    @property
    def current(self) -> Generation | None:
        """The generation in place; None where there is none. Errors: StoreError."""
        number = self.number
        return None if number is None else self.generation(number)

    def generation(self, number: int) -> Generation:
        """The generation of a number. Errors: StoreError where it is not there, or damaged."""
        try:
            found = read_record(self.file(number, "json"), Generation)
        except FileNotFoundError:
            raise StoreError(f"there is no generation {number}") from None
        if found.number != number or found.prefix.lower() != self.name or fault(found.prefix):
            raise damaged(self.file(number, "json"), "it is of something else")
        return found

    def generations(self) -> list[Generation]:
        """All that are kept, the newest first."""
        return [self.generation(number) for number in sorted(self.numbers(), reverse=True)]

    def bundle(self, generation: Generation | None) -> Bundle | None:
        """What a generation put into the kernel; None: nothing."""
        if generation is None or generation.target is None:
            return None
        if generation.base is not None:
            return self._compiled(generation)
        path = self.file(generation.number, "bundle")
        text = text_of(path)
        if sha256(bytes_of(text)).hexdigest() != generation.hash:
            raise damaged(path, "it is not what was applied: its hash has changed")
        try:
            return read_bundle(text)
        except RefusedText as error:  # of another version of svcc
            raise damaged(path, str(error)) from None

    def _compiled(self, generation: Generation) -> Bundle:
        """The rules of a generation that is kept as a change."""
        path, target = self.file(generation.number, "change"), find(generation.target or "")
        if target is None:
            raise damaged(self.file(generation.number, "json"), f"there is no target {generation.target}")
        try:
            program = self._changed(generation).program()
            node = None if generation.node is None else program.node(generation.node)
            return target.render(program, node)
        except ValueError as error:
            raise damaged(path, str(error)) from None

    def _changed(self, generation: Generation) -> KeptProgram:
        """The program of a generation that is kept as a change. Errors: ValueError, where it cannot be made."""
        change, whole = self._change(generation)
        return change.program(KeptProgram(text_of(self.file(whole.number, "program"))))

    def kept_as(self, generation: Generation) -> tuple[ServicesChange, Generation]:
        """The generation that is kept whole, and what another is beside it; of itself that is nothing.

        Errors: StoreError.
        """
        return (ServicesChange({}), generation) if generation.base is None else self._change(generation)

    def _change(self, generation: Generation) -> tuple[ServicesChange, Generation]:
        """What a generation is kept as, and the one that it is a change to."""
        path = self.file(generation.number, "change")
        text, whole = text_of(path), self.generation(generation.base or 0)
        if change_hash(whole, self.program_hash(whole), text) != generation.hash:
            raise damaged(path, "it is not what was applied: its hash has changed")
        try:
            return ServicesChange.from_text(text), whole
        except ValueError as error:
            raise damaged(path, str(error)) from None

    def program_hash(self, generation: Generation) -> str:
        """The digest of a program that is kept whole (:attr:`KeptProgram.hash`). Errors: StoreError."""
        return self._digest(generation, "program") or KeptProgram(text_of(self.file(generation.number, "program"))).hash

    def is_bundle_of(self, generation: Generation, draft: Draft) -> bool:
        """Whether a draft's rules are those of a generation."""
        if generation.base is None:
            return generation.hash == draft.hash
        if generation.target != draft.target:
            return False
        kept = self.program(generation)
        if kept is not None and draft.assembly is not None and draft.program is not None:
            return generation.node == draft.node and kept.text == draft.program.text
        return self.bundle(generation) == draft.bundle

    def size(self, generation: Generation) -> int:
        """Bytes of a generation's files."""
        paths = (self.file(generation.number, suffix) for suffix in _SUFFIXES)
        return sum(path.stat().st_size for path in paths if path.exists())

    def summary(self, generation: Generation | None) -> Summary:
        """What a generation serves; nothing for None. It is read once."""
        if generation is None or generation.target is None:
            return Summary()
        known = self._summaries.get(generation.number)
        if known is None:
            known = self._summaries[generation.number] = self._summary(generation)
        return known

    def _summary(self, generation: Generation) -> Summary:
        if generation.base is not None:
            change, whole = self._change(generation)
            return change.summary(self.summary(whole))
        try:
            return Summary.from_json(json.loads(text_of(self.file(generation.number, "services"))))
        except (ValueError, KeyError, IndexError, TypeError):
            raise damaged(self.file(generation.number, "services"), "it holds no services") from None

    def program(self, generation: Generation) -> KeptProgram | None:
        """What a generation was compiled from. None: it was a bundle, or an svcc recorded it that kept no programs.

        Errors, when it is looked at: ValueError, where the text is damaged.
        """
        try:
            if generation.base is not None:
                return self._changed(generation)
            return KeptProgram(text_of(self.file(generation.number, "program")))
        except (StoreError, ValueError):
            return None

    def compiled(self, generation: Generation) -> KeptProgram | None:
        """The program that this very svcc compiled the rules of a generation from. None: it is not known, or damaged.

        Errors, when it is looked at: ValueError.
        """
        noted = cache.read(self.file(generation.number, "compiled"), generation.hash)
        program = None if noted is None else self.program(generation)
        if program is None or generation.base is not None:  # of a change, the generation's own hash holds the program
            return program
        return program if members(noted).get("program") == program.hash else None

    def scope(self, generation: Generation) -> Scope:
        """The names under which a generation's objects may be. Errors: StoreError, ValueError."""
        return Scope(generation.prefix, generation.device).including(self.bundle(generation))

    def check(self, number: int) -> None:
        """Errors: StoreError where a generation is not whole."""
        generation = self.generation(number)
        if self.is_as_written(generation):
            return
        if generation.base is None:
            self.bundle(generation)
        self.summary(generation)

    def is_as_written(self, generation: Generation) -> bool:
        """Whether this very svcc wrote a generation, and its files are as they were then: they need not be read."""
        _, whole = self.kept_as(generation)
        noted = cache.read(self.file(whole.number, "compiled"), whole.hash)
        known = None if noted is None else members(noted).get("services")
        return (
            known is not None
            and known == self._digest(whole, "services")
            and (generation.base is not None or whole.hash == self._digest(whole, "bundle"))
        )

    def _digest(self, generation: Generation, suffix: str) -> str:
        """Of a file, which is read again where it is another one, or was written to. "": it cannot be read."""
        path = self.file(generation.number, suffix)
        try:
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
                like = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
                known = self._digests.get(path)
                if known is None or known[0] != like:
                    known = self._digests[path] = like, sha256(file.read()).hexdigest()
                return known[1]
        except OSError:
            return ""

    # ---- writing, under the store's lock

    def set_aside(self, path: Path) -> None:
        """Keep a damaged file under another name, where it is in nobody's way."""
        kept = path.with_name(f"{path.name}.damaged")
        if kept.is_dir() and not kept.is_symlink():
            shutil.rmtree(kept)
        if path.is_dir() and not path.is_symlink():
            kept.unlink(missing_ok=True)
        os.replace(path, kept)

    def mend(self) -> list[str]:
        """Put what is damaged out of the way, so that a command can go on from what is in the kernel; says what it was.
        The newest generation that is whole is the current one then; without one, there is none.
        """
        said = []
        try:
            if self.number is not None:
                self.check(self.number)
        except StoreError as error:
            said.append(str(error))
            whole = next((number for number in sorted(self.numbers(), reverse=True) if self._whole(number)), None)
            if (self.path / "current").exists():
                self.set_aside(self.path / "current")
            if whole is not None:
                self.make_current(whole)
        for number in self.numbers():
            try:
                self.generation(number)
            except StoreError as error:
                said += [str(error)] if str(error) not in said else []
                self.set_aside(self.file(number, "json"))
        return said

    def _whole(self, number: int) -> bool:
        try:
            self.check(number)
        except StoreError:
            return False
        return True

    def record(self, draft: Draft | ChangeDraft) -> Generation:
        """Write a new generation. It is not the current one yet."""
        files.make_directory(self.path)
        number = max([*self.numbers(), self.number or 0, 0]) + 1
        generation = Generation(
            number,
            draft.target,
            draft.node,
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            who(),
            draft.hash,
            draft.source,
            draft.scope.prefix,
            draft.scope.device,
            draft.note,
            draft.undoes,
            draft.of,
            draft.base,
        )
        for suffix, text in draft.files.items():  # their names are on disk with that of the description
            files.write(self.file(number, suffix), text, lasting=False)
        if isinstance(draft, ChangeDraft):
            self.note_compiled(generation, None)
        elif draft.assembly is not None and draft.program is not None:
            self.note_compiled(generation, draft.program.hash)
        if draft.origin is not None:
            cache.write(self.file(number, "source"), generation.hash, asdict(draft.origin))
        self.describe(generation)
        return generation

    def describe(self, generation: Generation) -> None:
        """Write the description: from then on there is this generation, kept as it says. Errors: OSError."""
        files.write(self.file(generation.number, "json"), json.dumps(asdict(generation), indent=2) + "\n")

    def note_compiled(self, generation: Generation, program: str | None) -> None:
        """Note that this svcc compiled the rules, as :meth:`compiled` reads it.

        ``program``: the program's digest; None: the generation is kept as a change. Errors: OSError.
        """
        services = None if program is None else self._digest(generation, "services")
        noted = {"program": program, "services": services}
        cache.write(self.file(generation.number, "compiled"), generation.hash, noted)

    def origin(self, generation: Generation) -> Origin | None:
        """What a generation is known to be compiled from."""
        noted = cache.read(self.file(generation.number, "source"), generation.hash)
        return None if noted is None else Origin.from_json(noted)

    def note_origin(self, generation: Generation, draft: Draft) -> None:
        """Note that a draft, of the same bundle and services, was compiled from something else."""
        if draft.origin in (None, self.origin(generation)):
            return
        if generation.base is None:
            same = text_of(self.file(generation.number, "services")) == json.dumps(draft.summary.to_json())
        else:
            kept = self.program(generation)
            same = kept is not None and draft.program is not None and kept.text == draft.program.text
        if same:
            cache.write(self.file(generation.number, "source"), generation.hash, asdict(draft.origin))

    def make_current(self, number: int | None) -> None:
        """Say which generation is in the kernel, and forget the oldest ones."""
        if number is None:
            files.remove(self.path / "current")
            return
        files.write(self.path / "current", f"{number}\n")
        kept = [one for one in reversed(self._readable()) if one.number <= number]
        reviewed = [one.number for one in kept if one.of is None]
        notes = [one.number for one in kept if one.of is not None]
        going = {*reviewed[: -KEPT - 1], *notes[:-_NOTES]} - {number}
        needed = {one.base for one in kept if one.number not in going}
        for old in sorted(going - needed):
            self.forget(old)

    def _readable(self) -> list[Generation]:
        """The generations that can be read, the newest first."""
        found = []
        for number in sorted(self.numbers(), reverse=True):
            with suppress(StoreError):
                found.append(self.generation(number))
        return found

    def forget(self, number: int) -> None:
        """Remove a generation, its description first: what is left of it otherwise is no generation."""
        for suffix in (*_SUFFIXES, *DRAFTED.values()):
            path = self.file(number, suffix)
            if path.is_dir():  # somebody's accident
                self.set_aside(path)
            elif suffix == _SUFFIXES[0]:
                files.remove(path)
            else:  # what a crash leaves of these is no generation
                path.unlink(missing_ok=True)

    def forget_unborn(self) -> None:
        """Remove generations that were written and never came to be: those after the current one."""
        for number in self.numbers():
            if number > (self.number or 0):
                self.forget(number)

    def file(self, number: int, suffix: str) -> Path:
        """One of the files of a generation."""
        return self.path / f"{number:06}.{suffix}"

    def numbers(self) -> list[int]:
        """The numbers of the generations that are kept, in no order."""
        return [int(path.stem) for path in self.path.glob("*.json") if path.stem.isdigit()]
