"""Golden files: every example, for every target, as the whole native files that a reviewer reads.

``targets/TARGET/EXAMPLE/`` holds what ``svcc compile examples/EXAMPLE.dsl --target TARGET -o`` writes, with the same in
each other language of the target; or ``refused.txt``: why the target refuses the example.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.files import EXAMPLES, GOLDEN
from support.golden_files import compare
from support.tools.project import ROOT
from svcc.compiler.load import load
from svcc.compiler.report import as_text
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Target

REFUSED = "refused.txt"


def outcome(target: Target, example: Path) -> dict[str, str]:
    """The files of the target's golden folder for an example, by name."""
    loaded = load(str(example.relative_to(ROOT)))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    node = loaded.program.nodes[0] if loaded.program.nodes else None
    refused = check_target(loaded.program, target, node)
    if refused:
        return {REFUSED: as_text(refused)}
    made = target.render(loaded.program, node)
    bundles = [made, *(target.in_syntax(made, syntax) for syntax in target.syntaxes)]
    return {a.part.file: a.text for bundle in bundles for a in bundle.artifacts}


def names(target: Target) -> list[str]:
    """The files that an example may have for a target."""
    return [REFUSED, *{part.file: None for part in (*target.parts, *target.syntaxes.values())}]


@pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example(example: Path, target: Target, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    folder = GOLDEN / target.name / example.stem
    files = outcome(target, example)
    for name in names(target):
        compare(folder / name, files.get(name, ""), update_golden)


def test_nothing_is_orphaned() -> None:
    """No golden file without a target, an example and a part that it is about."""
    expected = {
        GOLDEN / target.name / example.stem / name
        for target in targets().values()
        for example in EXAMPLES
        for name in names(target)
    }
    assert {path for path in GOLDEN.rglob("*") if path.is_file()} - expected == set()


def test_the_three_targets_of_the_kernel_are_there() -> None:
    assert {"nft", "iptables", "ipvs"} <= {target.name for target in targets().values() if target.loads}


def test_every_example_is_accepted_by_every_target_of_the_kernel() -> None:
    for example in EXAMPLES:
        for target in ("nft", "iptables", "ipvs"):
            assert not (GOLDEN / target / example.stem / REFUSED).exists(), f"{target} refuses {example.stem}"
