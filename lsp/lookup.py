"""Finds where names are declared and used in all files of a program, and renames them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from svcc.compiler.names import LET, LET_FORM, PLAIN, QUOTED_FORM, is_name
from svcc.lsp.names import Key, Kind, Name
from svcc.lsp.outline import Item, Outline
from svcc.lsp.programs import File


class Refusal(ValueError):
    """A name cannot be changed to that. ``str()`` is the reason."""


@dataclass(frozen=True, slots=True)
class Found:
    """The characters ``start`` to ``end`` of a file that hold a name."""

    file: File
    item: Item
    name: Name

    @property
    def start(self) -> int:
        """Where the name begins in the text, in characters."""
        return self.item.start + self.name.start

    @property
    def end(self) -> int:
        """Where the name ends in the text: the first character behind it."""
        return self.item.start + self.name.end


def name_at(outline: Outline, offset: int) -> tuple[Item, Name] | None:
    """Return the name around an offset, or ending there, and its item. Return None where there is none."""
    item = outline.item_at(offset)
    if item is None:
        return None
    at = offset - item.start
    found = [name for name in item.scanned.names if name.start <= at <= name.end]
    return (item, found[-1]) if found else None


def occurrences(key: Key, files: Iterable[File]) -> Iterator[Found]:
    """Yield every place of a name, in the order of the files."""
    for file in files:
        for item in file.outline.items:
            yield from (Found(file, item, name) for name in item.scanned.names if name.key == key)


def declared(kind: Kind, files: Iterable[File]) -> list[Key]:
    """Return the names of one kind that are declared, each once, sorted."""
    found = {
        name.key
        for file in files
        for item in file.outline.items
        for name in item.scanned.names
        if name.declares and name.key.kind is kind
    }
    return sorted(found)


def renamed(key: Key, new: str, files: Iterable[File]) -> Mapping[str, list[tuple[Found, str]]]:
    """Return the places of a name by file, each with the text to put there. Errors: Refusal."""
    files = [*files]
    plain = _check(key, new.strip('"'), files)
    found: dict[str, list[tuple[Found, str]]] = {}
    for place in occurrences(key, files):
        written = place.file.text.content[place.start : place.end]
        quoted = plain is None or written.startswith('"')
        found.setdefault(place.file.path, []).append((place, f'"{new.strip(chr(34))}"' if quoted else plain or ""))
    return found


def _check(key: Key, new: str, files: Iterable[File]) -> str | None:
    """Return the new name as it is written without quotes. Return None where it needs quotes. Errors: Refusal."""
    if key.kind is Kind.LET and not LET.fullmatch(new):
        raise Refusal(LET_FORM)
    if not is_name(new):
        raise Refusal(QUOTED_FORM)
    other = key._replace(name=new)
    if new != key.name and any(found.name.declares for found in occurrences(other, files)):
        raise Refusal(f"there is a {key.kind} `{new}` already")
    return new if PLAIN.fullmatch(new) else None
