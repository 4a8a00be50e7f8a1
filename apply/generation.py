"""Generations, each of which is a state of the machine that was applied, and the drafts that become one."""

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
    who: str  # the user who applied it; see :func:`who`
    hash: str  # SHA-256 of the bundle's text; where the generation has a ``base``, see ChangeDraft.hash
    source: str  # the file, as it was named
    prefix: str
    device: str | None
    note: str = ""  # what made it, if not an apply: "rollback to 3"
    undoes: int | None = None  # the unconfirmed generation that this one replaced, if it did
    of: int | None = None  # the generation whose program this one serves again, or in another way (endpoints drained)
    base: int | None = None  # the generation that this one is recorded as a change to; None: it is recorded whole

    @property
    def reviewed(self) -> int:
        """The number of the generation whose program somebody applied: this one, or the one in ``of``."""
        return self.number if self.of is None else self.of


@dataclass(frozen=True)
class Draft:
    """All that a generation is to be made from, before it has a number."""

    bundle: Bundle | None  # None: nothing of ours is to be in the kernel
    scope: Scope
    summary: Summary
    source: str
    note: str = ""
    undoes: int | None = None  # as of Generation
    of: int | None = None  # likewise
    origin: Origin | None = None  # what it was compiled from, where that is known
    program: KeptProgram | None = None  # likewise
    #: The assembly that made the bundle from that program, where this process compiled it.
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
    """All that a generation is to be made from, where it is recorded as a change to another one."""

    whole: Generation  # the other one, which is recorded whole
    program_hash: str  # the digest of the program of ``whole``
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
        """The target of the generation that this one is a change to."""
        return self.whole.target

    @property
    def node(self) -> str | None:
        """The node of the generation that this one is a change to."""
        return self.whole.node

    @cached_property
    def text(self) -> str:
        """The text of the services that differ, as it is recorded."""
        return self.change.text

    @property
    def hash(self) -> str:
        """A digest of the generation that this one is a change to, of that one's program, and of the change."""
        return change_hash(self.whole, self.program_hash, self.text)

    @property
    def files(self) -> dict[str, str]:
        """The files of the generation, by their suffixes."""
        return {"change": self.text}


def change_hash(whole: Generation, program: str, change: str) -> str:
    """Return the digest of all that the rules of a changed generation are compiled from.

    ``whole``: the generation that it is a change to. ``program``: the digest of that one's program. ``change``: the
    text of the change.
    """
    return sha256(f"{whole.hash}\n{program}\n".encode() + bytes_of(change)).hexdigest()


def who() -> str:
    """Return who runs this process, for people to read: "root", or "anna as root" where anna called sudo."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER")
    return f"{before} as {user}" if before else user
