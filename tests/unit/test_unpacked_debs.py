"""Programs of another Debian release run without anything of this machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tools import debs


@pytest.mark.parametrize("top", ["", "usr/"])
def test_a_program_is_run_by_its_own_loader(top: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of libc6 the link that programs name leads from the root to the loader, in bookworm: out of what was unpacked."""
    for file in (
        f"{top}lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        f"{top}lib/x86_64-linux-gnu/libc.so.6",
        "usr/sbin/nft",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    link = tmp_path / top / "lib64" / "ld-linux-x86-64.so.2"
    link.parent.mkdir()
    link.symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    monkeypatch.setattr(debs, "unpacked", lambda *_: tmp_path)
    loader, _, libraries, program = debs.argv("bookworm", "nftables", "nft")
    assert all(Path(path).resolve().is_relative_to(tmp_path) for path in (loader, *libraries.split(":"), program))


def test_another_run_may_be_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(release: str, package: str, scratch: Path) -> None:
        for tree in (scratch / "tree", tmp_path / release / package):
            (tree / "usr").mkdir(parents=True)

    monkeypatch.setattr(debs, "CACHE", tmp_path)
    monkeypatch.setattr(debs, "_unpack", unpack)
    root = debs.unpacked("bookworm", "raced")
    assert [path.name for path in root.iterdir()] == ["usr"]
    assert [path.name for path in root.parent.iterdir()] == ["raced"]
