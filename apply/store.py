"""The state directory: what was applied, generation by generation, and what is under way.

    STATE/lock                   held by whoever changes anything, with the process and when; together by those who look
    STATE/NAME/                  an installation: everything under one prefix; NAME is the prefix in lower case
        current                  the number of the generation that is in the kernel; no file: none
        000007.json              a generation: target, node, time, hash, who, …; or a note to one: the same program,
                                 served in another way while endpoints fail their checks
        000007.bundle            its bundle, as compile prints it
        000007.services          which frontends and endpoints it has
        000007.program           the program that it was compiled from; missing where it was a bundle
        000007.change            in the place of these three: the services in which it differs from an earlier one
        000007.looks             how the kernel's listings look while it is there; may be missing
        000007.source            what it was compiled from; may be missing
        journal.json             only while an apply is under way, or was killed
        confirm.json             only while an apply waits to be confirmed
        keeper                   held by a session for as long as it lives, with its process and what it is

All are written so that they are whole or not there, and only their owner can read them.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TypeVar, get_origin, get_type_hints

from svcc.apply import cache, files
from svcc.apply.origin import Origin
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.services_change import ServicesChange
from svcc.apply.summary import Summary
from svcc.compiler.errors import SvccError
from svcc.compiler.prefix import FORM, fault, is_prefix
from svcc.targets import find
from svcc.targets.bundle import bundle_text, read_bundle
from svcc.targets.interface import Bundle
from svcc.targets.reading import Refused

_Record = TypeVar("_Record")

#: Generations that are kept besides the current one.
KEPT = 20
#: Notes that are kept: the one in place, and the one before it, to go back to.
_NOTES = 2
#: The files of a generation, its description first.
_SUFFIXES = ("json", "bundle", "services", "program", "change", "looks", "source")
#: Seconds between looks at a lock that somebody else has.
_PAUSE = 0.05


class StoreError(SvccError):
    """The state directory cannot be used; the message says why."""


class Locked(StoreError):
    """Somebody else is at work."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of the machine that was applied."""

    number: int
    target: str | None  # None: everything of ours was removed
    node: str | None
    time: str  # ISO 8601, UTC
    who: str  # the user, and behind sudo the one before
    hash: str  # SHA-256 of the bundle's text; where there is none (``base``): see ChangeDraft.hash
    source: str  # the file, as it was named
    prefix: str
    device: str | None
    note: str = ""  # what made it, if not an apply: "rollback to 3"
    undoes: int | None = None  # the generation that was not confirmed, where this one came in its stead
    of: int | None = None  # the reviewed generation that this is, but for how its endpoints are
    base: int | None = None  # the generation that this one's file is a change to; None: its files are whole

    @property
    def reviewed(self) -> int:
        """The number of the generation that somebody applied: this one, or the one that it is a note to."""
        return self.number if self.of is None else self.of


class Store:
    """A state directory. Errors of all methods: StoreError, OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before: str | None = None  # the stamp before this store took the lock
        self.own = ""  # the stamp since this store took the lock; "": it could not be written

    @property
    def stamp(self) -> str:
        """Changes whenever somebody takes the lock to change anything; but not when this store does. Empty where it is
        not known: nobody ever did, or the disk was full."""
        if self._before is not None:
            return self._before
        try:
            return (self.root / "lock").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def installation(self, name: str) -> Installation:
        if not is_prefix(name):
            raise StoreError(f"`{name}` cannot be a prefix: {FORM}")
        return Installation(self.root / name)

    def installations(self) -> list[Installation]:
        """All that have a history: those with a current generation, or with something under way; by name."""
        if not self.root.is_dir():
            return []
        _trust(self.root)
        found = [Installation(path) for path in sorted(self.root.iterdir()) if is_prefix(path.name) and path.is_dir()]
        return [one for one in found if one.begun]

    @contextmanager
    def locked(self, patience: float = 30.0) -> Iterator[Self]:
        """Hold the lock, which nobody else then can. ``patience``: seconds to wait for it. Errors: Locked."""
        files.make_directory(self.root)
        _trust(self.root)
        with open(self.root / "lock", "a+", encoding="utf-8", opener=private) as file:
            _lock(file.fileno(), fcntl.LOCK_EX, patience, lambda: _holder(self.root / "lock"))
            self._before = self.stamp
            try:
                self.own = _say_who(file.fileno())
                yield self
            finally:
                self._before = None

    @contextmanager
    def reading(self, patience: float = 30.0) -> Iterator[str]:
        """Hold the lock together with others who only look; nobody changes anything meanwhile. Gives the stamp.

        ``patience``: as of :meth:`locked`. Errors: Locked.
        """
        try:
            file = open(self.root / "lock", "rb")  # noqa: SIM115
        except FileNotFoundError:  # nobody ever changed anything
            yield ""
            return
        with file:
            _lock(file.fileno(), fcntl.LOCK_SH, patience, lambda: _holder(self.root / "lock"))
            yield self.stamp


def _say_who(handle: int) -> str:
    """The lock is held, whether or not a full disk can take who holds it; returns what it took."""
    said = f"{os.getpid()} {time.monotonic_ns()}\n"
    with suppress(OSError):
        os.ftruncate(handle, 0)
        if os.write(handle, said.encode()) == len(said):
            return said
    return ""


def private(path: str, flags: int) -> int:
    """Open a file of the store, as ``open`` wants its opener: for us alone.

    Errors: StoreError where the path is a symbolic link: what it leads to is not ours.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StoreError(f"{path} is a symbolic link, which svcc does not follow") from None
        raise


def _trust(directory: Path) -> None:
    """Whoever may write here decides what root puts into the kernel. Errors: StoreError where others may."""
    found = directory.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise StoreError(f"{directory} belongs to somebody else (uid {found.st_uid}), who could change what is applied")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(f"others may write to {directory}, and change what is applied: chmod go-w {directory}")


def damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged ({why}); `svcc apply` and `svcc delete` go on from what is in the kernel")


def read_record(path: Path, kind: type[_Record]) -> _Record:
    """A dataclass from a file of JSON with its fields. Errors: FileNotFoundError; StoreError where it holds no such."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise damaged(path, "it is no JSON") from None
    hints: dict[str, Any] = get_type_hints(kind)
    if not isinstance(data, dict) or not data.keys() <= hints.keys():
        raise damaged(path, "it is something else")
    for name, value in data.items():
        hint = dict if get_origin(hints[name]) is dict else hints[name]
        if not isinstance(value, hint) and (hint, type(value)) != (float, int):
            raise damaged(path, f"{name} is {value!r}"[:100])
    try:
        return kind(**data)
    except TypeError:
        raise damaged(path, "something is missing") from None


def _lock(handle: int, how: int, patience: float, holder: Any) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Locked(f"another svcc is at work here{holder()}; try again when it is done") from None
            time.sleep(_PAUSE)


def _holder(path: Path) -> str:
    said, _, _ = path.read_text(encoding="utf-8").partition(" ")
    return f" (process {said})" if said.isdigit() else ""


class Installation:
    """Everything under one prefix on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.journal = path / "journal.json"
        self.confirm = path / "confirm.json"
        self.keeper = path / "keeper"
        self._summaries: dict[int, Summary] = {}  # those that were read; a generation's does not change

    # ---- reading

    @property
    def begun(self) -> bool:
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
        number = self.number
        return None if number is None else self.generation(number)

    def generation(self, number: int) -> Generation:
        try:
            found = read_record(self.file(number, "json"), Generation)
        except FileNotFoundError:
            raise StoreError(f"there is no generation {number}") from None
        if found.number != number or found.prefix.lower() != self.name or fault(found.prefix):
            raise damaged(self.file(number, "json"), "it is of something else")
        return found

    def generations(self) -> list[Generation]:
        """All that are kept, the newest first."""
        return [self.generation(number) for number in sorted(self._numbers(), reverse=True)]

    def bundle(self, generation: Generation | None) -> Bundle | None:
        """What a generation put into the kernel; None: nothing."""
        if generation is None or generation.target is None:
            return None
        if generation.base is not None:
            return self._compiled(generation)
        path = self.file(generation.number, "bundle")
        text = _text(path)
        if sha256(_bytes(text)).hexdigest() != generation.hash:
            raise damaged(path, "it is not what was applied: its hash has changed")
        try:
            return read_bundle(text)
        except Refused as error:  # of another version of svcc
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
        return change.program(KeptProgram(_text(self.file(whole.number, "program"))))

    def _change(self, generation: Generation) -> tuple[ServicesChange, Generation]:
        """What a generation is kept as, and the one that it is a change to."""
        path = self.file(generation.number, "change")
        text, whole = _text(path), self.generation(generation.base or 0)
        if change_hash(whole, self.program_hash(whole), text) != generation.hash:
            raise damaged(path, "it is not what was applied: its hash has changed")
        try:
            return ServicesChange.from_text(text), whole
        except ValueError as error:
            raise damaged(path, str(error)) from None

    def program_hash(self, generation: Generation) -> str:
        """The digest of a program that is kept whole."""
        return sha256(_bytes(_text(self.file(generation.number, "program")))).hexdigest()

    def is_bundle_of(self, generation: Generation, draft: Draft) -> bool:
        """Whether a draft's rules are those of a generation."""
        if generation.base is None:
            return generation.hash == draft.hash
        return generation.target == draft.target and self.bundle(generation) == draft.bundle

    def size(self, generation: Generation) -> int:
        """Bytes of a generation's files."""
        paths = (self.file(generation.number, suffix) for suffix in _SUFFIXES)
        return sum(path.stat().st_size for path in paths if path.exists())

    def summary(self, generation: Generation | None) -> Summary:
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
            return Summary.from_json(json.loads(_text(self.file(generation.number, "services"))))
        except (ValueError, KeyError, IndexError, TypeError):
            raise damaged(self.file(generation.number, "services"), "it holds no services") from None

    def program(self, generation: Generation) -> KeptProgram | None:
        """What a generation was compiled from. None: it was a bundle, or an svcc recorded it that kept no programs.

        Errors, when it is looked at: ValueError, where the text is damaged.
        """
        try:
            if generation.base is not None:
                return self._changed(generation)
            return KeptProgram(_text(self.file(generation.number, "program")))
        except (StoreError, ValueError):
            return None

    def scope(self, generation: Generation) -> Scope:
        return Scope(generation.prefix, generation.device).including(self.bundle(generation))

    def check(self, number: int) -> None:
        """Errors: StoreError where a generation is not whole."""
        generation = self.generation(number)
        if generation.base is None:
            self.bundle(generation)
        self.summary(generation)

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
            whole = next((number for number in sorted(self._numbers(), reverse=True) if self._whole(number)), None)
            if (self.path / "current").exists():
                self.set_aside(self.path / "current")
            if whole is not None:
                self.make_current(whole)
        for number in self._numbers():
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
        number = max([*self._numbers(), self.number or 0, 0]) + 1
        generation = Generation(
            number,
            draft.target,
            draft.node,
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            _who(),
            draft.hash,
            draft.source,
            draft.scope.prefix,
            draft.scope.device,
            draft.note,
            draft.undoes,
            draft.of,
            draft.base,
        )
        for suffix, text in draft.files.items():
            files.write(self.file(number, suffix), text)
        if isinstance(draft, Draft) and draft.origin is not None:
            cache.write(self.file(number, "source"), generation.hash, asdict(draft.origin))
        files.write(self.file(number, "json"), json.dumps(asdict(generation), indent=2) + "\n")
        return generation

    def origin(self, generation: Generation) -> Origin | None:
        """What a generation is known to be compiled from."""
        noted = cache.read(self.file(generation.number, "source"), generation.hash)
        return None if noted is None else Origin.from_json(noted)

    def note_origin(self, generation: Generation, draft: Draft) -> None:
        """Note that a draft, of the same bundle and services, was compiled from something else."""
        if generation.base is not None:
            return
        services = _text(self.file(generation.number, "services"))
        if draft.origin not in (None, self.origin(generation)) and services == json.dumps(draft.summary.to_json()):
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
        for number in sorted(self._numbers(), reverse=True):
            with suppress(StoreError):
                found.append(self.generation(number))
        return found

    def forget(self, number: int) -> None:
        """Remove a generation, its description first: what is left of it otherwise is no generation."""
        for suffix in _SUFFIXES:
            path = self.file(number, suffix)
            if path.is_dir():  # somebody's accident
                self.set_aside(path)
            elif suffix == _SUFFIXES[0]:
                files.remove(path)
            else:  # what a crash leaves of these is no generation
                path.unlink(missing_ok=True)

    def forget_unborn(self) -> None:
        """Remove generations that were written and never came to be: those after the current one."""
        for number in self._numbers():
            if number > (self.number or 0):
                self.forget(number)

    def file(self, number: int, suffix: str) -> Path:
        """One of the files of a generation."""
        return self.path / f"{number:06}.{suffix}"

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.path.glob("*.json") if path.stem.isdigit()]


@dataclass(frozen=True)
class Draft:
    """What a generation is to be made of. ``bundle`` None: nothing of ours."""

    bundle: Bundle | None
    scope: Scope
    summary: Summary
    source: str
    note: str = ""
    undoes: int | None = None  # as of Generation
    of: int | None = None  # likewise
    origin: Origin | None = None  # what it was compiled from, where that is known
    program: KeptProgram | None = None  # likewise

    base = None

    @property
    def target(self) -> str | None:
        return self.bundle.target if self.bundle else None

    @property
    def node(self) -> str | None:
        return self.bundle.node if self.bundle else None

    @cached_property
    def text(self) -> str:
        return "" if self.bundle is None else bundle_text(self.bundle)

    @cached_property
    def hash(self) -> str:
        return sha256(_bytes(self.text)).hexdigest()

    @property
    def files(self) -> dict[str, str]:
        """The files of the generation, by their suffixes."""
        program = {} if self.program is None else {"program": self.program.text}
        return {"bundle": self.text, "services": json.dumps(self.summary.to_json()), **program}


@dataclass(frozen=True)
class ChangeDraft:
    """What a generation is to be made of that is kept as a change to another one, which is kept whole."""

    whole: Generation
    program_hash: str  # of the whole one's program
    change: ServicesChange
    scope: Scope
    source: str
    of: int | None = None  # as of Generation
    note: str = ""
    undoes: int | None = None

    @property
    def base(self) -> int:
        return self.whole.number

    @property
    def target(self) -> str | None:
        return self.whole.target

    @property
    def node(self) -> str | None:
        return self.whole.node

    @cached_property
    def text(self) -> str:
        return self.change.text

    @property
    def hash(self) -> str:
        return change_hash(self.whole, self.program_hash, self.text)

    @property
    def files(self) -> dict[str, str]:
        return {"change": self.text}


def change_hash(whole: Generation, program: str, change: str) -> str:
    """The digest of all that the rules of a generation are compiled of. ``program``: the digest of the whole one's."""
    return sha256(f"{whole.hash}\n{program}\n".encode() + _bytes(change)).hexdigest()


def _who() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER")
    return f"{before} as {user}" if before else user


def _text(path: Path) -> str:
    """Errors: StoreError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
