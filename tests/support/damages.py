"""What may happen to a file of the state directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def _fill(words: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_text(words)

    return damage


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "something").touch()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "no JSON": _fill("{"),
    "other JSON": _fill('{"number": "two", "before": [], "token": 1}'),
    "a folder": _folder,
    "missing": Path.unlink,
}
