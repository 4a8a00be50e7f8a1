"""A bundle as files in a folder: one per part, named by the target."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from svcc.targets.interface import Bundle


def write_folder(bundle: Bundle, folder: Path) -> list[Path]:
    """Write each part that has content, and remove the file of each that has none (it would be loaded still).

    Every file is replaced whole. Returns the paths written. Errors: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for artifact in bundle.artifacts:
        path = folder / artifact.part.file
        if artifact.text:
            _replace(path, artifact.text)
            written.append(path)
        else:
            path.unlink(missing_ok=True)
    return written


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def folder_differences(bundle: Bundle, folder: Path) -> Iterator[str]:
    """Lines of a unified diff from the folder's files to the bundle; none where they are the same."""
    for artifact in bundle.artifacts:
        path = folder / artifact.part.file
        try:
            committed = path.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            committed = ""
        if committed != artifact.text:
            yield from unified_diff(
                committed.splitlines(keepends=True),
                artifact.text.splitlines(keepends=True),
                str(path),
                f"{path} (compiled)",
            )
