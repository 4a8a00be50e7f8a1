"""What each code means at length, with an example: read from explanations.toml, and shown in docs/diagnostics.md."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from svcc.compiler.codes import Code


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one code. ``about`` is one paragraph. ``before`` gives the code, ``after`` is the same without
    the mistake.

    Both are whole texts. Where there is a ``bundle``, they are a line of the bundle that this program is compiled to.
    """

    about: str
    before: str
    after: str
    file: str = "main.dsl"  # the name of the text
    target: str | None = None  # the target that it is for, where only one target reports the code
    files: Mapping[str, str] = field(default_factory=dict)  # further files beside it
    encoding: str = "utf-8"  # of ``before``
    bundle: str | None = None
    importer: str | None = None  # the kind of other program whose files they are
    machine: str | None = None  # the machines that report the code

    @property
    def where(self) -> str:
        """The further conditions under which svcc reports the finding: ", with --target nft"."""
        if self.bundle is not None:
            return f", in a bundle for {self.target}"
        if self.importer is not None:
            return f", with svcc import {self.importer}"
        if self.machine is not None:
            return f", applied with --target {self.target} on a machine {self.machine}"
        if self.target is not None:
            return f", with --target {self.target}"
        if self.files:
            return f", beside {' and '.join(self.files)}"
        return f", in {self.encoding.title()}" if self.encoding != "utf-8" else ""


@cache
def explanations() -> Mapping[Code, Explanation]:
    """Return one explanation for each code, in the order of the catalogue."""
    text = files(__package__).joinpath("explanations.toml").read_text(encoding="utf-8")
    found = {id: Explanation(**entry) for id, entry in tomllib.loads(text).items()}
    return {code: found[code.id] for code in Code}


def code_of(word: str) -> Code | None:
    """Return the code that a word means: SVC012, svc012 or 12. Return None where it means none."""
    number = word.upper().removeprefix("SVC")
    wanted = f"SVC{number.zfill(3)}" if number.isdecimal() else word
    return next((code for code in Code if code.id == wanted), None)
