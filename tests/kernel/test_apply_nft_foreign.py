"""A table of our name that somebody else made is never taken over."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.apply_states import inside
from svcc.command_line import svcc
from svcc.exits import Exit

PROGRAM = "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n"
THEIRS = {
    "a base chain guard": "chain guard { type filter hook input priority 0; policy accept; }",
    "a counter hits": "counter hits { }",
    "no chain nat-prerouting": "set blocked { type ipv4_addr; }",
}


def nft(*words: str) -> str:
    return subprocess.run(["nft", *words], check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.kernel
@pytest.mark.parametrize("family", ["ip", "ip6"])
@pytest.mark.parametrize("what", THEIRS)
def test_a_table_of_somebody_s_is_left_alone(what: str, family: str, tmp_path: Path) -> None:
    file = tmp_path / "a.dsl"
    file.write_text(PROGRAM)
    with inside(loopback=True):
        theirs = tmp_path / "theirs.nft"
        theirs.write_text(f"table {family} svcc {{\n{THEIRS[what]}\n}}\n")
        nft("-f", str(theirs))
        before = nft("list", "ruleset")
        options = ["--state-dir", str(tmp_path / "state")]
        result = CliRunner().invoke(svcc, ["apply", str(file), "-t", "nft", *options])
        assert result.exit_code == Exit.MACHINE, result.output
        said = f"table {family} svcc is not svcc's: it has {what}, and no table of nft was applied under this prefix"
        assert said in result.output
        assert nft("list", "ruleset") == before


@pytest.mark.kernel
def test_what_was_loaded_by_hand_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "a.dsl"
    file.write_text(PROGRAM)
    with inside(loopback=True):
        (tmp_path / "rules.json").write_text(CliRunner().invoke(svcc, ["compile", str(file), "-t", "nft"]).output)
        nft("-j", "-f", str(tmp_path / "rules.json"))
        result = CliRunner().invoke(svcc, ["apply", str(file), "-t", "nft", "--state-dir", str(tmp_path / "state")])
        assert result.exit_code == Exit.DONE, result.output
