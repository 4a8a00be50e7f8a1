"""A generation: one state of the machine that was applied, and the drafts that become one."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from svcc.apply.origin import Origin
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.services_change import ServicesChange
from svcc.apply.state_files import bytes_of
from svcc.apply.summary import Summary
from svcc.targets.bundle import bundle_text
from svcc.targets.interface import Assembly, Bundle


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
    #: What the bundle was put together in from that program, now and by this svcc.
    assembly: Assembly | None = field(default=None, compare=False, repr=False)

    base = None

    @property
    def target(self) -> str | None:
        """The target of the bundle; None where the draft serves nothing."""
        return self.bundle.target if self.bundle else None

    @property
    def node(self) -> str | None:
        """The node that the bundle is for; None where it is for any."""
        return self.bundle.node if self.bundle else None

    @cached_property
    def text(self) -> str:
        """The bundle as text; "" where the draft serves nothing."""
        return "" if self.bundle is None else bundle_text(self.bundle)

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the text, in hexadecimal digits."""
        return sha256(bytes_of(self.text)).hexdigest()

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
    origin: Origin | None = None  # as of Draft

    @property
    def base(self) -> int:
        """The number of the generation that was recorded as a whole, from which this one differs."""
        return self.whole.number

    @property
    def target(self) -> str | None:
        """The target of the generation that it changes."""
        return self.whole.target

    @property
    def node(self) -> str | None:
        """The node of the generation that it changes."""
        return self.whole.node

    @cached_property
    def text(self) -> str:
        """The services that differ, as the record has them."""
        return self.change.text

    @property
    def hash(self) -> str:
        """A digest of the generation that it changes, the program and the change."""
        return change_hash(self.whole, self.program_hash, self.text)

    @property
    def files(self) -> dict[str, str]:
        """The texts to record, by the ends of their files' names."""
        return {"change": self.text}


def change_hash(whole: Generation, program: str, change: str) -> str:
    """The digest of all that the rules of a generation are compiled of. ``program``: the digest of the whole one's."""
    return sha256(f"{whole.hash}\n{program}\n".encode() + bytes_of(change)).hexdigest()


def who() -> str:
    """Who is at work, for people: the user, and before them the one who called sudo."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER")
    return f"{before} as {user}" if before else user
