"""JSON of commands that need no machine: it follows its schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import svcc
from support.files import ERRORS
from support.schemas import follows
from support.tools.project import ROOT
from svcc.compiler.codes import Code

EXAMPLE = ROOT / "examples" / "dual-stack-shop.dsl"


@pytest.mark.parametrize("file", [EXAMPLE, *sorted(ERRORS.glob("*.dsl"))], ids=lambda path: path.name)
def test_what_is_wrong_with_a_file(file: Path) -> None:
    said = svcc("check", file, "--json")
    assert bool(follows("diagnostics", said.text)["diagnostics"]) or said.status == 0
    assert said.out == svcc("check", file, "--format", "json").out


@pytest.mark.parametrize("to", ["198.19.10.0:80/tcp", "198.19.10.0:81/tcp", "192.0.2.1:1/udp", "198.19.10.0/icmp"])
@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs"])
def test_the_way_of_a_packet(target: str, to: str) -> None:
    said = svcc("trace", EXAMPLE, "-t", target, "--from", "10.0.0.9", "--to", to, "--json")
    assert follows("trace", said.text)["ways"]


def test_what_a_machine_lacks(tmp_path: Path) -> None:
    said = svcc("doctor", "-t", "nft", "--json", "--state-dir", tmp_path)
    assert {one["target"] for one in follows("doctor", said.text)["findings"]} == {"nft"}


def test_labs_that_are_up() -> None:
    assert isinstance(follows("lab", svcc("lab", "status", "--json").text)["labs"], list)


@pytest.mark.parametrize("name", ["../lab", "a/b", "", ".hidden"])
def test_a_lab_s_name_is_no_path(name: str) -> None:
    done = svcc("lab", "up", "--name", name, EXAMPLE)
    assert (done.status, "cannot be a lab's name" in done.err) == (2, True)


def test_what_findings_mean() -> None:
    every = follows("explain", svcc("explain", "--json").text)["findings"]
    assert [one["code"] for one in every] == sorted(code.id for code in Code)
    assert follows("explain", svcc("explain", "12", "--json").text)["findings"] == [
        one for one in every if one["code"] == "SVC012"
    ]
