"""A bundle as files in a folder: one for each part, with the name that the target gives it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from errno import EINVAL
from pathlib import Path
from secrets import token_hex

from svcc.compiler.codes import Code
from svcc.compiler.files import Budget, Unreadable, is_shown, named
from svcc.compiler.suggest import one_of
from svcc.targets import find, targets
from svcc.targets.bundle import Given, source_of_text
from svcc.targets.interface import Bundle, Part, Target
from svcc.targets.reading import RefusedText, Text


class ForeignFile(ValueError):
    """A file in a folder is not svcc's, or of another target. ``str()`` says which, and what to do."""


@dataclass(frozen=True, slots=True)
class WrittenFolder:
    """What was done to a folder."""

    written: Sequence[Path]  # in load order
    removed: Sequence[Path]  # files of parts that are empty now, or that have another language now


def write_folder(bundle: Bundle, folder: Path) -> WrittenFolder:
    """Write each part that has content, and remove the file of each that has none (it would still be loaded).

    All new files are complete before the first takes its place, so that a full disk, or a place that cannot be written
    to, leaves the folder as it was. Errors: OSError; ForeignFile, where that would replace or remove a file of somebody
    else, such as /etc/sysctl.conf, or of another target.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {folder / a.part.file: a.text for a in bundle.artifacts if a.text}
    there = _files_there(folder)
    left = {folder / part.file for part in _forms(bundle.target)} & there.keys() - texts.keys()
    _refuse_other_targets(bundle.target, folder, there, {path.name for path in (*texts, *left)})
    _refuse_others(bundle.target, there)
    write_files(texts)
    for path in left:
        path.unlink()
    return WrittenFolder([*texts], sorted(left))


def _forms(target: str) -> list[Part]:
    """Return the parts of a target, in every language that it can write them in."""
    found = find(target)
    return [] if found is None else [*dict.fromkeys((*found.parts, *found.syntaxes.values()))]


def _files_there(folder: Path) -> dict[Path, str]:
    """Return the texts of all files in a folder that are called as a part is, "" where svcc can read none."""
    names = {part.file for target in targets() for part in _forms(target)}
    return {path: _text(path) for path in sorted(folder / name for name in names) if os.path.lexists(path)}


def _text(path: Path) -> str:
    try:  # a folder may be larger than an input: it is written, and not read as one
        return Budget(sys.maxsize).read(str(path)).decode("utf-8", "surrogateescape")
    except Unreadable:
        return ""


def _own(target: str, there: Mapping[Path, str]) -> set[str]:
    """Return the names of those files that have the form of the target's parts. Without a file that has a prefix in it,
    no other is the target's."""
    found = {part for part in _forms(target) for path in there if path.name == part.file and _fits(part, there[path])}
    return {part.file for part in found} if any(not part.common for part in found) else set()


def _fits(part: Part, text: str) -> bool:
    return part.form is not None and part.form.match(text) is not None


def _refuse_other_targets(target: str, folder: Path, there: Mapping[Path, str], touched: set[str]) -> None:
    """Refuse to change files that another target has in the folder, or that it would take for its own."""
    own = _own(target, there)
    for other in targets().keys() - {target}:
        same = touched & {part.file for part in _forms(other)}
        if same and _own(other, there) - own:
            raise ForeignFile(
                f"{folder} has rules of target {other}, whose files have the same names: {', '.join(sorted(same))}\n"
                f"  Give target {target} a folder of its own."
            )


def _refuse_others(target: str, there: Mapping[Path, str]) -> None:
    """Refuse to change files that have the name of a part and not its form."""
    names = {part.file for part in _forms(target)} - _own(target, there)
    if others := [str(path) for path in there if path.name in names]:
        raise ForeignFile(f"svcc did not write {one_of(others, 'and')}\n  Choose another folder, or move that away.")


def write_files(texts: Mapping[Path, str]) -> None:
    """Write all of the files or none: each is complete before the first takes its place. Errors: OSError."""
    with ExitStack() as stack:
        drafts = {path: _draft(path, text, stack) for path, text in texts.items()}
        for path, draft in drafts.items():
            with named(path):
                os.replace(draft, path)


def _draft(path: Path, text: str, stack: ExitStack) -> str:
    """Write the text to a new file beside ``path``, and return its name.

    Closing ``stack`` removes the file if it is still there.
    """
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    with named(path):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        stack.callback(draft.unlink, missing_ok=True)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    return str(draft)


def read_part(path: Path, budget: Budget | None = None) -> bytes | None:
    """Return the content of a part's file, or None where there is no such file. Errors: OSError.

    A link that leads nowhere does not say that a part was left out: it is an error, like any file that cannot be read,
    and like a link to a file whose lines must not be shown.
    """
    if not os.path.lexists(path):
        return None
    if path.exists() and not is_shown(str(path)):
        raise OSError(EINVAL, "it is a link to a file of another name, of which svcc as root shows nothing", str(path))
    try:
        return (budget or Budget()).read(str(path))
    except Unreadable as error:
        raise OSError(EINVAL, str(error), str(path)) from None


def given_folder(folder: Path, target: Target) -> Given:
    """Return the parts that :func:`write_folder` wrote. The files do not say the node.

    Errors: OSError where a file cannot be read, RefusedText where one is not text, and where there is no part at all.
    """
    budget = Budget()
    texts: dict[str, Text] = {}
    for part in (_in_folder(part, folder, target) for part in target.parts):
        path = folder / part.file
        data = read_part(path, budget)
        source = source_of_text(str(path), data or b"")
        texts[part.name] = Text(source, 0, len(source.text))
        if data == b"":
            raise texts[part.name].refused(
                f"part {part.name} is empty: the target writes no file then", 0, 0, Code.BUNDLE
            )
    if not any(text.end for text in texts.values()):
        files = one_of([part.file for part in target.parts])
        raise RefusedText(Code.BUNDLE, f"no part of target {target.name} is in this folder: {files}", None, str(folder))
    return Given(target, None, texts)


def _in_folder(part: Part, folder: Path, target: Target) -> Part:
    """Return the part in the language that its file in the folder has, or the part itself where there is no file.

    Errors: RefusedText, where there are files in several languages.
    """
    forms = [one for one in target.syntaxes.values() if one.name == part.name] or [part]
    there = [one for one in forms if os.path.lexists(folder / one.file)]
    if len(there) > 1:
        files = one_of([one.file for one in there], "and")
        raise RefusedText(Code.BUNDLE, f"part {part.name} is here twice: as {files}", None, str(folder))
    return there[0] if there else part


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """A part's file as it is (``in_folder``; None: it does not exist), and as it should be (``wanted``; None: not
    at all).
    """

    part: Part
    path: Path
    in_folder: str | None
    wanted: str | None


def compared(bundle: Bundle, folder: Path) -> Iterator[ComparedFile]:
    """Yield each part of a bundle with its file in a folder, except where there is neither text nor file.

    Bytes of a file that are no UTF-8 are decoded with surrogateescape. Errors: OSError.
    """
    for artifact in bundle.artifacts:
        path = folder / artifact.part.file
        data = read_part(path)
        there = data.decode("utf-8", "surrogateescape") if data else None
        if there or artifact.text:
            yield ComparedFile(artifact.part, path, there, artifact.text or None)
