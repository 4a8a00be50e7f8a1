"""Golden files: what svcc printed when somebody last read it and found it right."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import pytest


def compare(path: Path, text: str, update: bool) -> None:
    """Fail unless the file holds exactly ``text``; with ``update`` write it instead.

    An empty text means that there is to be no such file.
    """
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        if text:
            path.write_text(text, encoding="utf-8", newline="")
        else:
            path.unlink(missing_ok=True)
        return
    golden = path.read_bytes().decode() if path.exists() else ""
    if golden != text:
        before, after = golden.splitlines(keepends=True), text.splitlines(keepends=True)
        difference = "".join(unified_diff(before, after, f"{path.name} (golden)", f"{path.name} (now)"))
        pytest.fail(f"{path} differs; if the new text is right: pytest --update-golden\n{difference}", pytrace=False)
