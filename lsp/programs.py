"""Finds out which files form a program: a file that others include is part of their programs, wherever they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.files import may_quote
from svcc.compiler.include import read_text
from svcc.compiler.load import read_file
from svcc.compiler.sources import matching, matching_names
from svcc.lsp.documents import Documents
from svcc.lsp.names import Kind
from svcc.lsp.outline import Outline
from svcc.lsp.text import Text

#: The most files of a workspace that are searched for includes, and the most folders that are searched for files.
_FILES, _FOLDERS = 2_000, 5_000
#: Folders that hold no programs of the workspace itself.
_SKIPPED = ("node_modules",)
#: The suffix of a program's file name.
SUFFIX = ".dsl"


@dataclass(frozen=True, slots=True)
class File:
    """One file's text and its outline, whether it is open or not. In ``path`` links are followed."""

    path: str
    text: Text
    outline: Outline


class Programs:
    """The files that an editor works on, and which of them include which."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.folders: list[str] = []
        self._read: dict[str, tuple[tuple[int, int], File]] = {}
        self._included: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._lying: list[str] | None = None

    def forget(self) -> None:
        """Forget what was found on the disk, because files came, went or changed."""
        self._included.clear()
        self._lying = None

    def file(self, path: str, encoding: str) -> File | None:
        """Return the open text, or the text of the file.

        Return None where the file cannot be read, or must not be shown.
        """
        real = os.path.realpath(path)
        document = self.documents.at(real)
        if document is not None:
            return File(real, document.text, document.outline)
        try:
            found = os.stat(real)
        except OSError:
            return None
        mark = (found.st_mtime_ns, found.st_size)
        if real not in self._read or self._read[real][0] != mark:
            file = _read(real, encoding)
            if file is None:
                return None
            self._read[real] = mark, file
        return self._read[real][1]

    def roots(self, path: str, encoding: str) -> list[str]:
        """Return the files that no other file includes and that include this one, directly or not. That is the file
        itself where no file includes it.
        """
        includers = self._includers(encoding)
        found: set[str] = set()
        tops: list[str] = []
        left = [os.path.realpath(path)]
        while left:
            real = left.pop()
            if real in found:
                continue
            found.add(real)
            above = includers.get(real, [])
            left += above
            if not above:
                tops.append(real)
        return sorted(tops) or [os.path.realpath(path)]

    def together(self, path: str, encoding: str) -> list[File]:
        """Return all files of all programs that a file is part of, the file itself first."""
        order = [os.path.realpath(path), *self.roots(path, encoding)]
        found: dict[str, File] = {}
        while order:
            real = order.pop(0)
            file = None if real in found else self.file(real, encoding)
            if file is not None:
                found[real] = file
                order += self.included(file)
        return [*found.values()]

    def included(self, file: File) -> tuple[str, ...]:
        """Return the files that a file includes, with their links followed."""
        patterns = tuple(
            item.scanned.name.key.name
            for item in file.outline.items
            if item.scanned.name is not None and item.scanned.name.key.kind is Kind.INCLUDE
        )
        known = self._included.get(file.path)
        if known is None or known[0] != patterns:
            folder = os.path.dirname(file.path)
            known = patterns, tuple(dict.fromkeys(self._matching(folder, patterns)))
            self._included[file.path] = known
        return known[1]

    def named(self, path: str, pattern: str) -> list[str]:
        """Return the files that an include in a file names, with their links followed."""
        return [*self._matching(os.path.dirname(path), [pattern])]

    def _matching(self, folder: str, patterns: Iterable[str]) -> Iterator[str]:
        names = [document.real for document in self.documents]
        for pattern in patterns:
            try:
                found = {*matching(folder, pattern), *matching_names(names, folder, pattern)}
            except OSError:
                continue
            yield from (os.path.realpath(os.path.join(folder, name)) for name in sorted(found))

    def _includers(self, encoding: str) -> dict[str, list[str]]:
        """Return, for each included file, the files that include it: open ones, and those in the workspace."""
        found: dict[str, list[str]] = {}
        for path in dict.fromkeys((*(document.real for document in self.documents), *self._workspace())):
            file = self.file(path, encoding)
            for included in () if file is None else self.included(file):
                if included != path:
                    found.setdefault(included, []).append(path)
        return found

    def _workspace(self) -> list[str]:
        if self._lying is None:
            self._lying = [*_programs_below(self.folders)]
        return self._lying


def _read(real: str, encoding: str) -> File | None:
    if not may_quote(Path(real)):
        return None
    data = read_file(real)
    source = data if isinstance(data, Diagnostic) else read_text(real, data)
    return None if isinstance(source, Diagnostic) else File(real, Text(source.text, encoding), Outline(source.text))


def _programs_below(folders: Iterable[str]) -> Iterator[str]:
    files = looked = 0
    for top in folders:
        for folder, below, names in os.walk(top):
            looked += 1
            if looked > _FOLDERS:
                return
            below[:] = sorted(name for name in below if name[0] != "." and name not in _SKIPPED)
            for name in sorted(name for name in names if name.endswith(SUFFIX)):
                files += 1
                if files > _FILES:
                    return
                yield os.path.realpath(os.path.join(folder, name))
