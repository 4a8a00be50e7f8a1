"""Free oracles on every golden file: the tools that load it are asked, and the kernel holds what the file says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from support.files import GOLDEN
from support.references import dangling
from support.tools.nft import RELEASES, check, check_json, nft
from svcc.kernel.namespaces import Namespace
from svcc.kernel.tools import run

NFT = sorted(GOLDEN.glob("nft/*/nft.json"))
SCRIPTS = sorted(GOLDEN.glob("*/*/ip*tables.rules"))
SETS = sorted(GOLDEN.glob("*/*/ipset.restore"))

pytestmark = pytest.mark.kernel


def name(path: Path) -> str:
    return "/".join(path.relative_to(GOLDEN).parts)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace("golden")
    yield made
    made.close()


def test_there_are_goldens_of_every_kind() -> None:
    assert len(NFT) >= 4
    assert len(SCRIPTS) >= 8
    assert len(SETS) >= 4


# ---- nft


@pytest.mark.parametrize("path", NFT, ids=name)
def test_libnftables_takes_it(path: Path) -> None:
    assert check_json(path.read_text()) == ""


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", NFT, ids=name)
def test_nft_takes_it(path: Path, release: str) -> None:
    assert check(release, path.read_text()) == ""


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", NFT, ids=name)
def test_the_kernel_holds_what_the_file_says(path: Path, release: str, namespace: Namespace) -> None:
    """Every base chain is at its hook and priority, every map and set has its elements, every chain its rules."""
    text = path.read_text()
    for _ in range(2):  # loading again is loading once
        tool(namespace, release, ["-j", "-f", "-"], text)
    live = json.loads(tool(namespace, release, ["-j", "list", "ruleset"]))["nftables"]
    assert summary(entry for entry in live) == summary(
        command["add"] for command in json.loads(text)["nftables"] if "add" in command
    )


def tool(namespace: Namespace, release: str, arguments: list[str], text: str | None = None) -> str:
    with namespace.entered():
        done = subprocess.run([*nft(release), *arguments], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def summary(entries: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Base chains with hook and priority; the number of rules of each chain and of elements of each map and set."""
    found: dict[str, Any] = {}
    for entry in entries:
        ((kind, value),) = entry.items()
        place = f"{value.get('family')} {value.get('table')}"
        if kind == "chain":
            found.setdefault(f"{place} {value['name']} rules", 0)
            if "hook" in value:
                found[f"{place} {value['name']}"] = value["type"], value["hook"], value["prio"]
        elif kind == "rule":
            key = f"{place} {value['chain']} rules"
            found[key] = found.get(key, 0) + 1
        elif kind in ("map", "set", "element"):
            key = f"{place} {value['name']} elements"
            found[key] = found.get(key, 0) + len(value.get("elem", ()))
    return found


# ---- iptables and ipset


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_every_chain_is_there_and_led_to(path: Path) -> None:
    """Asked of svcc's own check, as the nft variant of iptables-restore takes jumps to chains that are not there."""
    assert dangling(path.read_text()) == []


def _scripts() -> Iterator[ParameterSet]:
    """Each with each variant; those for IPVS use its match, so they need a kernel that has it."""
    for path in SCRIPTS:
        for variant in ("nft", "legacy"):
            by_ipvs = path.parent.parent.name == "ipvs"
            marks = [pytest.mark.vm(nf_tables=variant == "nft", oldest=variant == "legacy")] if by_ipvs else []
            yield pytest.param(path, variant, id=f"{name(path)}-{variant}", marks=marks)


@pytest.mark.parametrize(("path", "variant"), [*_scripts()])
def test_iptables_takes_it_and_gives_it_back(path: Path, variant: str, namespace: Namespace) -> None:
    """By its check mode, by loading it, and every rule is there again when it is saved."""
    program, text = path.stem, path.read_text()
    sets = path.with_name("ipset.restore")
    with namespace.entered():
        if sets.exists():
            ask(["ipset", "restore"], sets.read_text())
        ask([f"{program}-{variant}-restore", "--noflush", "--test"], text)
        ask([f"{program}-{variant}-restore", "--noflush"], text)
        saved = ask([f"{program}-{variant}-save"])
    assert count_rules(saved) == count_rules(text)


@pytest.mark.parametrize("path", SETS, ids=name)
def test_ipset_takes_it_and_gives_it_back(path: Path, namespace: Namespace) -> None:
    text = path.read_text()
    with namespace.entered():
        ask(["ipset", "-exist", "restore"], text)
        ask(["ipset", "-exist", "restore"], text)
        saved = ask(["ipset", "save"])
    assert sorted(line.split()[1] for line in saved.splitlines()) == sorted(
        line.split()[1] for line in text.splitlines()
    )


def ask(argv: list[str], text: str | None = None) -> str:
    done = run(argv, text)
    assert (done.returncode, done.stderr) == (0, ""), f"{argv}: {done.stderr}"
    return done.stdout


def count_rules(script: str) -> dict[str, int]:
    """The number of rules of each chain, built-in ones included, by table."""
    found: dict[str, int] = {}
    table = ""
    for line in script.splitlines():
        if line.startswith("*"):
            table = line
        elif line.startswith(("-A ", "-I ")):
            key = f"{table} {line.split()[1]}"
            found[key] = found.get(key, 0) + 1
    return found


def test_the_checks_leave_the_machine_alone() -> None:
    """Everything here happens in namespaces: the machine's own has none of the examples' tables."""
    assert os.geteuid() == 0
    assert "custom" not in run(["nft", "list", "tables"]).stdout
