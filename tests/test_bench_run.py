"""The benchmarks run: at a tiny size, so that they do not rot."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.project import ROOT

from svcc.targets import targets

LOADED = [target.name for target in targets().values() if target.loads]
SMALL = ("--services", "20", "--endpoints", "3", "--rounds", "1")


def bench(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "run.py"), *SMALL, *arguments],
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bench("--json", *arguments))
    return document


@pytest.mark.parametrize("variant", [("--mixed",), ("--ipv6", "--ports", "3")], ids=" ".join)
def test_every_kind_of_program_compiles(variant: tuple[str, ...]) -> None:
    document = answers("--only", "stages", *variant)
    stages = {"lark", "lark-alone", "parse", "lower", "check", "frontends"}
    stages |= {f"{name}: {stage}" for name in LOADED for stage in ("capabilities", "render")}
    assert {name: len(values) for name, values in document["stages"].items()} == dict.fromkeys(stages, 1)


def test_processes_are_timed() -> None:
    document = answers("--only", "start", "--only", "compile")
    assert set(document["start"]) == {"svcc --version", "svcc check, 20 lines"}
    assert set(document["compile"]) == {"svcc check", *(f"svcc compile -t {name}" for name in LOADED)}
    for samples in (document["start"] | document["compile"]).values():
        assert all(sample["megabytes"] > 5 for sample in samples)
        assert all(sample["seconds"] > 0.01 for sample in samples)


@pytest.mark.kernel
def test_rules_are_loaded_beside_a_peers(tmp_path: Path) -> None:
    peer = tmp_path / "peer.nft.xz"
    peer.write_bytes(lzma.compress(b"add table ip peer\n"))
    document = answers("--only", "load", "--peer", f"other={peer}:nft -f -")
    parts = {name.partition(":")[0] for name in (document["load"] | document["failed"])}
    assert {name.partition(" (")[0].partition(",")[0] for name in parts} == {*LOADED, "other"}
    assert not [name for name in document["failed"] if not name.startswith("ipvs")]
    assert set(document["ratios"]) == {"other (nft) : nft"}


def test_tables_are_printed_and_the_answers_written(tmp_path: Path) -> None:
    said = bench("--only", "stages", "--target", "ipvs", "--output", str(tmp_path / "answers.json"))
    assert said.startswith("20x3, rounds: 1; cores ")
    assert "\nparse + lower + check : lark " in said
    assert json.loads((tmp_path / "answers.json").read_text())["program"] == "20x3"
