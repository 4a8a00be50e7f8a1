"""The words that shells are offered while a command line of svcc is typed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from support.command_line import PROGRAM, folder
from support.shell import PROGRAM as TEXT
from support.shell import Shell
from svcc.command_line import svcc
from svcc.targets import targets

NODES = "node east { address 10.0.0.7 }\nnode west { address 10.0.0.5 }\nnode edge { address 10.0.0.6 }\n"


def offered(line: str) -> dict[str, str | None]:
    """What may stand at the end of a line, with what is said about it."""
    *before, incomplete = line.split(" ")
    found = ShellComplete(svcc, {}, "svcc", "_SVCC_COMPLETE").get_completions(before, incomplete)
    return {item.value: item.help for item in found}


@pytest.fixture
def shell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("SVCC_STATE_DIR", str(shell.folder / "state"))
    return shell


def test_nodes_of_the_file_on_the_line(tmp_path: Path) -> None:
    with folder(tmp_path):
        Path("svc.dsl").write_text(NODES + TEXT)
        assert offered("compile svc.dsl -t nft --node e") == {"east": "10.0.0.7", "edge": "10.0.0.6"}
        assert [*offered("plan svc.dsl --node ")] == ["east", "edge", "n", "west"]
        assert offered("plan --node ") == offered("plan missing.dsl --node ") == offered("plan - --node ") == {}
        Path("svc.dsl").write_text("node {{{")
        assert offered("plan svc.dsl --node ") == {}


def test_parts_of_the_target_on_the_line() -> None:
    for target in targets().values():
        assert {*offered(f"compile svc.dsl -t {target.name} --part ")} == {part.name for part in target.parts}
    assert {"nft", "iptables", "ipset"} < {*offered("compile svc.dsl --part ")}
    assert [*offered("compile svc.dsl -t iptables -p ip6")] == ["ip6tables"]


def test_what_is_known_at_any_time() -> None:
    assert "nft" in offered("apply svc.dsl -t ")
    assert [*offered("explain svc01")][:2] == ["SVC010", "SVC011"]
    assert [*offered("import kube")] == ["kubernetes"]
    assert [*offered("diff a b --format mark")] == ["markdown"]
    assert "lab" in offered("la")


def test_nothing_was_applied_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVCC_STATE_DIR", str(tmp_path / "none"))
    for line in ("status ", "status --prefix ", "show ", "rollback "):
        assert offered(line) == {}


@pytest.mark.kernel
def test_what_was_applied_here(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert offered("status ") == {"web": "198.19.10.1", "dns": "198.19.10.2"}
    assert offered("status web ") == {"dns": "198.19.10.2"}
    assert offered("status --prefix other ") == {}
    assert offered("delete --prefix ") == {"custom": "generation 2"}
    assert [*offered("show ")] == [*offered("rollback --prefix custom ")] == ["2", "1"]
    assert str(offered("show 2")["2"]).endswith(", b.dsl")
    (shell.folder / "state/custom/000002.json").write_text("{")
    assert offered("status ") == {}  # damaged: said by commands, not while a line is typed


@pytest.mark.kernel
def test_hosts_of_a_lab(shell: Shell) -> None:
    name = f"completed-{os.getpid()}"
    assert offered(f"lab exec --name {name} ") == {}
    shell.svcc("lab", "up", "a.dsl", "--name", name)
    try:
        assert offered("lab down --name completed-")[name] == "a.dsl"
        hosts = offered(f"lab exec --name {name} ")
        assert hosts["pod-1"] == "100.64.0.1"
        assert [*offered(f"lab exec --name {name} no")] == ["node"]
    finally:
        shell.svcc("lab", "down", "--name", name)


def test_bash_itself() -> None:
    typed = """
        eval "$(_SVCC_COMPLETE=bash_source svcc)"
        COMP_WORDS=(svcc expl) COMP_CWORD=1
        _svcc_completion svcc
        echo "${COMPREPLY[@]}"
    """
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", typed], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "explain\n"
