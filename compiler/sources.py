"""What a program was read from: enough to tell, without compiling it, that it would be read the same again."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sources:
    """All paths are absolute."""

    files: tuple[tuple[str, str], ...]  # as it was named, and the SHA-256 of what was in it
    links: tuple[tuple[str, str], ...]  # each file that was named, and which one that is: none is read twice
    patterns: tuple[tuple[str, str, tuple[str, ...]], ...] = ()  # folder, pattern, and what matched it, sorted

    @property
    def first(self) -> str:
        """The file that includes the others."""
        return self.files[0][0]

    def unchanged(self) -> bool:
        """Whether all of them are as they were. Errors: OSError."""
        return (
            all(sorted(matching(folder, pattern)) == [*found] for folder, pattern, found in self.patterns)
            and all(str(Path(name).resolve()) == file for name, file in self.links)
            and all(digest(Path(name).read_bytes()) == before for name, before in self.files)
        )

    @classmethod
    def from_json(cls, data: Any) -> Sources:
        """Of what ``dataclasses.asdict`` made and JSON kept."""
        return cls(
            tuple((name, before) for name, before in data["files"]),
            tuple((name, file) for name, file in data["links"]),
            tuple((folder, pattern, tuple(found)) for folder, pattern, found in data["patterns"]),
        )


def matching(folder: str | Path, pattern: str) -> Sequence[str]:
    """The files that an include in a folder names."""
    return glob.glob(pattern, root_dir=folder, recursive=True) if "\0" not in pattern else []


def source_of(name: str, data: bytes) -> Sources:
    """A file that includes nothing."""
    path = os.path.abspath(name)
    return Sources(((path, digest(data)),), ((path, str(Path(path).resolve())),))


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()
