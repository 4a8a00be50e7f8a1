"""A bundle as files in a folder: one per part, named by the target."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from difflib import unified_diff
from errno import EISDIR
from io import StringIO
from pathlib import Path

from svcc.targets.interface import Bundle


def write_folder(bundle: Bundle, folder: Path) -> list[Path]:
    """Write each part that has content, and remove the file of each that has none (it would be loaded still).

    All new files are complete before the first takes its place, so that a full disk or a place that cannot be
    taken leaves the folder as it was. Returns the paths written. Errors: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {artifact.part.name: folder / artifact.part.file for artifact in bundle.artifacts}
    for path in paths.values():
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    with ExitStack() as stack:
        texts = {a.part.name: a.text for a in bundle.artifacts if a.text}
        drafts = {name: _draft(paths[name], text, stack) for name, text in texts.items()}
        for name, draft in drafts.items():
            os.replace(draft, paths[name])
    for name in paths.keys() - texts.keys():
        paths[name].unlink(missing_ok=True)
    return [paths[name] for name in texts]


def _draft(path: Path, text: str, stack: ExitStack) -> str:
    """The name of a new file beside ``path`` with the text; what is left of it goes with ``stack``."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    stack.callback(Path(name).unlink, missing_ok=True)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    return name


def folder_differences(bundle: Bundle, folder: Path) -> Iterator[str]:
    """Lines of a unified diff from the folder's files to the bundle; none where they are the same."""
    for artifact in bundle.artifacts:
        path = folder / artifact.part.file
        try:
            committed = path.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            committed = ""
        if committed != artifact.text:
            before, after = list(StringIO(committed, "\n")), list(StringIO(artifact.text, "\n"))
            for line in unified_diff(before, after, str(path), f"{path} (compiled)"):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
