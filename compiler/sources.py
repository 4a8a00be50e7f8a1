"""What a program was read from: enough to tell, without compiling it, whether it would be read the same again."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from errno import E2BIG
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from svcc.compiler.files import Budget, resolved

#: The most folders that a pattern with ``**`` looks into.
_FOLDERS = 100_000


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a program, and the patterns of its includes. All paths are absolute."""

    files: tuple[tuple[str, str], ...]  # each file's name as it was written, and the SHA-256 of its content
    links: tuple[tuple[str, str], ...]  # each file as it was named, and the path that this leads to: none is read twice
    patterns: tuple[tuple[str, str, tuple[str, ...]], ...] = ()  # folder, pattern, and what matched it, sorted

    @property
    def first(self) -> str:
        """The file that includes the others."""
        return self.files[0][0]

    def unchanged(self) -> bool:
        """Whether all files are unchanged, and all patterns match the same files. Errors: OSError, Unreadable."""
        return (
            all(sorted(matching(folder, pattern)) == [*found] for folder, pattern, found in self.patterns)
            and all(str(resolved(name)) == file for name, file in self.links)
            and all(digest(Budget().read(name)) == before for name, before in self.files)
        )

    @classmethod
    def from_json(cls, data: object) -> Sources:
        """Return an object from what ``dataclasses.asdict`` made and JSON stored. Errors: TypeError."""
        match data:
            case {"files": [*files], "links": [*links], "patterns": [*patterns]}:
                return cls(tuple(map(_pair, files)), tuple(map(_pair, links)), tuple(map(_pattern, patterns)))
        raise TypeError("not the files that a program was read from")


def _pair(data: object) -> tuple[str, str]:
    match data:
        case [str(name), str(other)]:
            return name, other
    raise TypeError("not a file's name with what belongs to it")


def _pattern(data: object) -> tuple[str, str, tuple[str, ...]]:
    match data:
        case [str(folder), str(pattern), [*found]]:
            return folder, pattern, tuple(map(str, found))
    raise TypeError("not a pattern with what matched it")


def matching(folder: str | Path, pattern: str) -> Sequence[str]:
    """Return the files in a folder that an include names. ``**`` goes through folders and follows no links.

    Errors: OSError, where there are too many folders to look into.
    """
    if "\0" in pattern:
        return []
    parts = pattern.split("/")
    if "**" not in parts:
        return glob.glob(pattern, root_dir=folder)
    at = parts.index("**")
    head, tail = "/".join(parts[:at]), "/".join(part for part in parts[at + 1 :] if part != "**") or "*"
    if at and not head:
        head = "/"
    tops = glob.glob(head, root_dir=folder) if at else [""]
    return [*{found: None for top in tops for found in _matching_below(folder, top, tail)}]


def _matching_below(folder: str | Path, top: str, tail: str) -> Iterator[str]:
    """Yield what matches ``tail`` in a folder and all folders below it, without folders that begin with a dot."""
    count = 0
    for path, folders, _ in os.walk(os.path.join(folder, top)):
        count += 1 + len(folders)
        if count > _FOLDERS:
            raise OSError(E2BIG, f"there are more than {_FOLDERS} folders")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(path, folder) if not os.path.isabs(top) else path
        place = "" if below == "." else f"{glob.escape(below)}/"
        found = glob.glob(place + tail, root_dir=folder)
        yield from (name for name in found if tail != "*" or not _is_folder(folder, name))


def _is_folder(folder: str | Path, name: str) -> bool:
    return os.path.isdir(os.path.join(folder, name))


def matching_names(names: Iterable[str], folder: str | Path, pattern: str) -> list[str]:
    """Return those of the absolute paths that an include in a folder names, whether or not such files exist."""
    top = os.path.abspath(folder)
    parts = os.path.normpath(os.path.join(glob.escape(top), pattern)).split("/")
    return [os.path.relpath(name, top) for name in names if _matches(name.split("/"), parts)]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] != "**":
        fits = bool(parts) and fnmatchcase(parts[0], pattern[0]) and parts[0].startswith(".") <= (pattern[0][:1] == ".")
        return fits and _matches(parts[1:], pattern[1:])
    rest = pattern[1:] or ["*"]
    return _matches(parts, rest) or (bool(parts) and not parts[0].startswith(".") and _matches(parts[1:], pattern))


def source_of(name: str, data: bytes) -> Sources:
    """Return the Sources of a file that includes nothing."""
    path = os.path.abspath(name)
    return Sources(((path, digest(data)),), ((path, str(resolved(path))),))


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return sha256(data).hexdigest()
