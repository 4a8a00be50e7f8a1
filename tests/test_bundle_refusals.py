"""What a target would not print is refused, with its place and the reason: an edit of what it prints for each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from bundles import refusal
from golden_files import compare

from svcc.compiler.load import load
from svcc.targets import targets
from svcc.targets.bundle import bundle_text
from svcc.targets.capability import check_target

FOLDER = Path(__file__).parent / "refusals"
TARGETS = sorted(path.stem for path in FOLDER.glob("*.toml"))


def _printed(name: str) -> str:
    loaded = load(str(FOLDER / "program.dsl"))
    assert loaded.program is not None
    target = targets()[name]
    assert not check_target(loaded.program, target, loaded.program.nodes[0])
    return bundle_text(target.render(loaded.program, loaded.program.nodes[0]), single=len(target.parts) == 1)


def _edited(printed: str, edit: dict[str, Any]) -> str:
    """``everywhere``: each place is edited, not only the first; ``padding``: so many letters stand before `new`."""
    assert edit["old"] in printed, f"{edit['title']}: {edit['old']!r} is not printed"
    new = "x" * edit.get("padding", 0) + edit["new"]
    return printed.replace(edit["old"], new, -1 if edit.get("everywhere") else 1)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_printed_is_accepted(name: str) -> None:
    assert refusal(_printed(name), targets()[name]) is None


@pytest.mark.parametrize("name", TARGETS)
def test_each_edit_is_refused(name: str, update_golden: bool) -> None:
    printed, said = _printed(name), []
    for edit in tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["edit"]:
        message = refusal(_edited(printed, edit), targets()[name])
        assert message is not None, f"{edit['title']}: accepted"
        said.append(f"# {edit['title']}\n{message}")
    compare(FOLDER / f"{name}.txt", "\n".join(said), update_golden)


#: What a program may end with before the end of this one's: it has nothing at all, nothing for IPv6, or only what is
#: shared with somebody else.
_EARLIER = {
    "iptables": ("#: svcc bundle 1 target=iptables node=n1\n", "COMMIT\n"),
    "ipvs": ("#: svcc bundle 1 target=ipvs node=n1\n",),
    "nft": (),
}


@pytest.mark.parametrize("name", TARGETS)
def test_it_ends_nowhere_but_at_its_end(name: str) -> None:
    """Cut off behind any line, and in the midst of it."""
    printed = _printed(name)
    ends = [at for at, character in enumerate(printed) if character == "\n"]
    for end in ends[:-1]:
        assert refusal(printed[:end], targets()[name]) is not None
        assert refusal(printed[: end - 3] + "\n", targets()[name]) is not None
        if not printed[: end + 1].endswith(_EARLIER[name]):
            assert refusal(printed[: end + 1], targets()[name]) is not None
