"""The files of an installation: the generations under one prefix, and the journal of a change under way."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from svcc.apply import cache, files
from svcc.apply.generation import ChangeDraft, Draft, Generation, change_hash, who
from svcc.apply.origin import Origin
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.services_change import ServicesChange
from svcc.apply.state_files import Damaged, StoreError, bytes_of, read_record, text_of
from svcc.apply.summary import Summary
from svcc.compiler.prefix import fault
from svcc.kernel.json_values import members
from svcc.targets import find
from svcc.targets.bundle import bundle_text, read_bundle
from svcc.targets.interface import Bundle
from svcc.targets.reading import RefusedText

#: Generations that are kept besides the current one.
KEPT = 20
#: Generations with an ``of`` that are kept: the one in place, and the one before it, to go back to.
_NOTES = 2
_MISSING = "it is missing"
#: The files of a generation, its description first.
_SUFFIXES = ("json", "bundle", "services", "program", "change", "looks", "source", "compiled")
#: The files that record a generation whole, and their names until they are taken over (:mod:`svcc.apply.whole`).
DRAFTED = {suffix: f"{suffix}.whole" for suffix in ("bundle", "services", "program")}


@dataclass(frozen=True, slots=True)
class Instead:
    """What counts as in place where the record of that is damaged, until something is recorded again."""

    number: int | None  # None: no generation is whole
    lost: str  # what was in place last, where this is not known to be the same: "generation 2"


class Installation:
    """Everything under one prefix on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.journal = path / "journal.json"
        self.confirm = path / "confirm.json"
        self.keeper = path / "keeper"
        self.health = path / "health.jsonl"  # how an agent noted that endpoints stand (svcc.agent.standings)
        self.instead: Instead | None = None  # set while what is in place by the record is damaged (svcc.apply.mending)
        self._bundles: dict[int, Bundle] = {}  # bundles that were made anew, by generation: they may not be on disk
        self._summaries: dict[int, Summary] = {}  # summaries read so far, by generation; a summary never changes
        self._digests: dict[Path, tuple[tuple[int, ...], str]] = {}  # each file's identity, size and times; its digest

    # ---- reading

    @property
    def has_history(self) -> bool:
        """Whether anything was ever applied, or is under way. True also where the record is damaged."""
        try:
            return self.number is not None or self.journal.exists()
        except StoreError:
            return True

    @property
    def may_have_objects(self) -> bool:
        """Whether the kernel holds, or may hold, anything of this installation. Otherwise only its history is left."""
        if self.journal.exists() or self.confirm.exists():
            return True
        try:
            current = self.current
        except StoreError:
            return True
        return current is not None and current.target is not None

    @property
    def unconfirmed(self) -> frozenset[int]:
        """The numbers of the generations that were undone because nobody confirmed them."""
        return frozenset(one.undoes for one in self.generations() if one.undoes is not None)

    @property
    def number(self) -> int | None:
        """The number of the current generation; None where there is none. Errors: StoreError."""
        if self.instead is not None:
            return self.instead.number
        try:
            return int((self.path / "current").read_text(encoding="utf-8"))
        except FileNotFoundError:
            if self._had_current():
                raise Damaged(self.path / "current", _MISSING) from None
            return None
        except OSError as error:
            raise Damaged(self.path / "current", error.strerror or str(error)) from None
        except ValueError:
            raise Damaged(self.path / "current", "it holds no number") from None

    def _had_current(self) -> bool:
        """Whether some generation was in place once. A first one that was only recorded when svcc was stopped was
        not."""
        if self.journal.exists():  # it says what was in place
            return False
        if any(number > 1 or self.file(number, "looks").exists() for number in self.numbers()):
            return True
        return any(self.path.glob("current.damaged")) or any(self.path.glob("*.json.damaged"))

    @property
    def current(self) -> Generation | None:
        """The generation in place; None where there is none. Errors: StoreError."""
        number = self.number
        found = None if number is None else self._recorded(number)
        if number is None or found is not None:
            return found
        if number != self.number:  # somebody applies, and has forgotten since what was in place
            return self.current
        raise Damaged(self.file(number, "json"), _MISSING)

    def generation(self, number: int) -> Generation:
        """Return the generation with a number. Errors: StoreError where it does not exist or is damaged."""
        found = self._recorded(number)
        if found is None:
            raise StoreError(f"there is no generation {number}")
        return found

    def _recorded(self, number: int) -> Generation | None:
        """Return the generation with a number; None where there is none. Errors: StoreError where it is damaged."""
        try:
            found = read_record(self.file(number, "json"), Generation)
        except FileNotFoundError:
            return None
        if found.number != number or found.prefix.lower() != self.name or fault(found.prefix):
            raise Damaged(self.file(number, "json"), "it is of something else")
        return found

    def generations(self) -> list[Generation]:
        """Return all generations that are kept, the newest first. One that somebody who applies forgets meanwhile may
        be missing. Errors: StoreError.
        """
        found = (self._recorded(number) for number in sorted(self.numbers(), reverse=True))
        return [one for one in found if one is not None]

    def bundle(self, generation: Generation | None) -> Bundle | None:
        """Return what a generation put into the kernel, or None where it put nothing there. Errors: StoreError."""
        if generation is None or generation.target is None:
            return None
        if generation.base is not None:
            return self._compiled(generation)
        if (known := self._bundles.get(generation.number)) is not None:
            return known
        path = self.file(generation.number, "bundle")
        text = text_of(path)
        if sha256(bytes_of(text)).hexdigest() != generation.hash:
            raise Damaged(path, "it is not what was applied: its hash has changed")
        try:
            return read_bundle(text)
        except RefusedText as error:  # of another version of svcc
            raise Damaged(path, str(error)) from None

    def _compiled(self, generation: Generation) -> Bundle:
        """Compile the rules of a generation that is recorded as a change. Errors: StoreError."""
        path, target = self.file(generation.number, "change"), find(generation.target or "")
        if target is None:
            raise Damaged(self.file(generation.number, "json"), f"there is no target {generation.target}")
        try:
            program = self._program_with_change(generation).program()
            node = None if generation.node is None else program.node(generation.node)
            return target.render(program, node)
        except ValueError as error:
            raise Damaged(path, str(error)) from None

    def _program_with_change(self, generation: Generation) -> KeptProgram:
        """Return the program of a generation that is recorded as a change.

        Errors: StoreError; ValueError where the program cannot be made.
        """
        change, whole = self._change(generation)
        return change.program(KeptProgram(text_of(self.file(whole.number, "program"))))

    def as_change(self, generation: Generation) -> tuple[ServicesChange, Generation]:
        """Return how a generation is recorded: a change, and the whole generation that it is a change to.

        For a generation that is itself recorded whole, return an empty change and that generation. Errors: StoreError.
        """
        return (ServicesChange({}), generation) if generation.base is None else self._change(generation)

    def _change(self, generation: Generation) -> tuple[ServicesChange, Generation]:
        """Return the change that a generation is recorded as, and the generation that it is a change to."""
        path = self.file(generation.number, "change")
        text, whole = text_of(path), self.generation(generation.base or 0)
        if change_hash(whole, self.program_hash(whole), text) != generation.hash:
            raise Damaged(path, "it is not what was applied: its hash has changed")
        try:
            return ServicesChange.from_text(text), whole
        except ValueError as error:
            raise Damaged(path, str(error)) from None

    def program_hash(self, generation: Generation) -> str:
        """Return the digest of the program of a generation that is recorded whole (:attr:`KeptProgram.hash`).

        Errors: StoreError.
        """
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
        """Return the size of a generation's files, in bytes."""
        paths = (self.file(generation.number, suffix) for suffix in _SUFFIXES)
        return sum(path.stat().st_size for path in paths if path.exists())

    def summary(self, generation: Generation | None) -> Summary:
        """Return what a generation serves: nothing where it is None. It is read only once. Errors: StoreError."""
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
            raise Damaged(self.file(generation.number, "services"), "it holds no services") from None

    def program(self, generation: Generation) -> KeptProgram | None:
        """Return the program that a generation was compiled from.

        Return None where a bundle was applied, where the svcc that recorded the generation kept no programs, or where
        the record cannot be read. The program's text is parsed later; that raises ValueError where the text is damaged.
        """
        try:
            if generation.base is not None:
                return self._program_with_change(generation)
            return KeptProgram(text_of(self.file(generation.number, "program")))
        except (StoreError, ValueError):
            return None

    def compiled(self, generation: Generation) -> KeptProgram | None:
        """Return the program that this same svcc compiled the rules of a generation from.

        Return None where the program is not known or cannot be read. Its text is parsed later; that raises ValueError
        where the text is damaged.
        """
        noted = cache.read(self.file(generation.number, "compiled"), generation.hash)
        program = None if noted is None else self.program(generation)
        if program is None or generation.base is not None:  # a change's hash covers the program already
            return program
        return program if members(noted).get("program") == program.hash else None

    def scope(self, generation: Generation) -> Scope:
        """Return the names that a generation's kernel objects may have. Errors: StoreError, ValueError."""
        return Scope(generation.prefix, generation.device).including(self.bundle(generation))

    def check(self, number: int) -> None:
        """Check that no file of a generation is missing or damaged. Errors: StoreError."""
        generation = self.generation(number)
        if self.is_as_written(generation):
            return
        if generation.base is None:
            self.bundle(generation)
        self.summary(generation)

    def is_as_written(self, generation: Generation) -> bool:
        """Whether this same svcc wrote a generation, and its files have not changed since: they need not be parsed."""
        _, whole = self.as_change(generation)
        noted = cache.read(self.file(whole.number, "compiled"), whole.hash)
        known = None if noted is None else members(noted).get("services")
        return (
            known is not None
            and known == self._digest(whole, "services")
            and (generation.base is not None or whole.hash == self._digest(whole, "bundle"))
        )

    def _digest(self, generation: Generation, suffix: str) -> str:
        """Return the SHA-256 digest of a generation's file, or "" where it cannot be read.

        The file is read again only where it was replaced or written to since the last time.
        """
        path = self.file(generation.number, suffix)
        try:
            with open(path, "rb") as file:
                stat = os.fstat(file.fileno())
                version = stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
                known = self._digests.get(path)
                if known is None or known[0] != version:
                    known = self._digests[path] = version, sha256(file.read()).hexdigest()
                return known[1]
        except OSError:
            return ""

    # ---- writing, under the store's lock

    def make_anew(self, number: int, bundle: Bundle | None, summary: Summary) -> None:
        """Have a bundle and services for a generation in place of files that are damaged. ``bundle``: None where that
        file is whole. What cannot be written is known to this object alone."""
        self._summaries[number] = summary
        texts = {"services": json.dumps(summary.to_json())}
        if bundle is not None:
            self._bundles[number], texts["bundle"] = bundle, bundle_text(bundle)
        with suppress(OSError):
            for suffix, text in texts.items():
                files.write(self.file(number, suffix), text)

    def forget_health(self) -> None:
        """Remove what an agent noted of the endpoints, as something else decides now who is served. The next agent
        takes those for up that are served then. Errors: OSError."""
        files.remove(self.health)

    def set_aside(self, path: Path) -> None:
        """Rename a damaged file, if there is one: svcc does not read it again, and it is kept. Errors: OSError."""
        if not os.path.lexists(path):
            return
        kept = path.with_name(f"{path.name}.damaged")
        if kept.is_dir() and not kept.is_symlink():
            shutil.rmtree(kept)
        if path.is_dir() and not path.is_symlink():
            kept.unlink(missing_ok=True)
        os.replace(path, kept)

    def record(self, draft: Draft | ChangeDraft) -> Generation:
        """Write a new generation and return it. It is not the current one yet. Errors: StoreError, OSError."""
        files.make_directory(self.path)
        number = max([*self._taken(), self.number or 0, 0]) + 1
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
        for suffix, text in draft.files.items():  # writing the description below syncs the directory for all files
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
        """Write the description of a generation. From then on the generation exists, recorded as its ``base`` says.

        Errors: OSError.
        """
        files.write(self.file(generation.number, "json"), json.dumps(asdict(generation), indent=2) + "\n")

    def note_compiled(self, generation: Generation, program: str | None) -> None:
        """Note for :meth:`compiled` and :meth:`is_as_written` that this svcc compiled the rules of a generation.

        ``program``: the program's digest; None where the generation is recorded as a change. Errors: OSError.
        """
        services = None if program is None else self._digest(generation, "services")
        noted = {"program": program, "services": services}
        cache.write(self.file(generation.number, "compiled"), generation.hash, noted)

    def origin(self, generation: Generation) -> Origin | None:
        """Return what a generation was compiled from, or None where that is not known."""
        noted = cache.read(self.file(generation.number, "source"), generation.hash)
        return None if noted is None else Origin.from_json(noted)

    def note_origin(self, generation: Generation, draft: Draft) -> None:
        """Note the origin of a draft as that of a generation, where both have the same bundle and services.

        The caller has compared the bundles. Errors: StoreError, OSError.
        """
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
        """Write which generation is in the kernel, and forget the oldest ones. None: write that there is none.

        Errors: OSError.
        """
        if number is None:
            files.remove(self.path / "current")
            self.instead = None
            return
        if (self.path / "current").is_dir():
            self.set_aside(self.path / "current")
        files.write(self.path / "current", f"{number}\n")
        self.instead = None
        kept = [one for one in reversed(self.readable()) if one.number <= number]
        reviewed = [one.number for one in kept if one.of is None]
        notes = [one.number for one in kept if one.of is not None]  # the same program, again or served in another way
        going = {*reviewed[: -KEPT - 1], *notes[:-_NOTES]} - {number}
        needed = {number for one in kept if one.number not in going for number in (one.base, one.of)}
        for old in sorted(going - needed):
            self.forget(old)

    def readable(self) -> list[Generation]:
        """Return the generations that can be read, the newest first."""
        found = []
        for number in sorted(self.numbers(), reverse=True):
            with suppress(StoreError):
                found.append(self.generation(number))
        return found

    def forget(self, number: int) -> None:
        """Remove a generation. Its description goes first: files without a description are no generation."""
        for suffix in (*_SUFFIXES, *DRAFTED.values()):
            path = self.file(number, suffix)
            if path.is_dir():  # somebody else made it, perhaps by accident
                self.set_aside(path)
            elif suffix == _SUFFIXES[0]:
                files.remove(path)
            else:  # a crash may leave some of these files, which are no generation
                path.unlink(missing_ok=True)

    def forget_unborn(self) -> None:
        """Remove the generations that were written and never became current: all after the current one. Where that one
        is damaged, it is not known which these are."""
        if self.instead is not None:
            return
        for number in self.numbers():
            if number > (self.number or 0):
                self.forget(number)

    def file(self, number: int, suffix: str) -> Path:
        """Return the path of a generation's file with a suffix."""
        return self.path / f"{number:06}.{suffix}"

    def _taken(self) -> list[int]:
        """Return the numbers of the generations that are kept, also of those whose description is damaged."""
        aside = (path.name.partition(".")[0] for path in self.path.glob("*.json.damaged"))
        return [*self.numbers(), *(int(number) for number in aside if number.isdigit())]

    def numbers(self) -> list[int]:
        """Return the numbers of the generations that are kept, in no order."""
        return [int(path.stem) for path in self.path.glob("*.json") if path.stem.isdigit()]
