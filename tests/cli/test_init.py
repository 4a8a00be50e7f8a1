"""``svcc init``: what it finds on a machine, and that its file serves there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import svcc
from support.shell import Shell
from support.waiting import until


def machine(shell: Shell) -> None:
    """A machine with a way out, a bridge of pods, and an address that is not its own to serve with."""
    for words in (
        "link set lo up",
        "link add eth0 type veth peer name far",
        "link set eth0 up",
        "link set far up",
        "address add 10.0.0.4/24 dev eth0",
        "address add fd00:10::4/64 dev eth0 nodad",
        "route add default via 10.0.0.1",
        "link add cni0 type bridge",
        "link set cni0 up",
        "address add 10.244.0.1/24 dev cni0",
        "address add 192.0.2.77/32 dev lo",
    ):
        shell.run("ip", *words.split())


@pytest.mark.kernel
@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_the_file_that_it_writes_serves(shell: Shell, target: str) -> None:
    machine(shell)
    assert shell.svcc("init").stderr == "svcc.dsl is written. Its first lines say how to go on.\n"
    text = (shell.folder / "svcc.dsl").read_text()
    assert "  pods   10.244.0.0/24                  # seen behind cni0\n" in text
    assert "{ address 10.0.0.4 fd00:10::4 }\n" in text
    assert "192.0.2.77" not in text
    checked = shell.svcc("check", "svcc.dsl")
    assert (checked.stdout, checked.stderr) == (
        "svcc.dsl: 1 service, 1 endpoint, 1 node: compiles to iptables, ipvs and nft\n",
        "",
    )
    shell.svcc("apply", "svcc.dsl", "-t", target)
    (shell.folder / "index.html").write_text("served\n")
    with shell.namespace.entered():
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", "8080"],
            cwd=shell.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until(lambda: _fetched("10.0.0.4:8080") == "served\n", "the server answers", process=server)
            assert _fetched("198.19.0.1") == "served\n"
        finally:
            server.kill()
            server.wait()


def _fetched(host: str) -> str:
    """What is served at ``http://HOST/``, "" where nobody does."""
    script = f"import urllib.request as r; print(r.urlopen('http://{host}/').read().decode(), end='')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.kernel
def test_a_machine_without_any_address_gets_a_file_too(shell: Shell) -> None:
    shell.svcc("init", "-o", "first.dsl")
    text = (shell.folder / "first.dsl").read_text()
    assert "\nnode " not in text
    assert "this machine, so that it can be tried" not in text
    assert "Its endpoint is an example: this machine has no address that could be it.\n" in text
    assert "svcc apply first.dsl --target nft\n" in text
    assert shell.svcc("check", "first.dsl").stderr == ""
    shell.svcc("apply", "first.dsl", "-t", "nft")


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("svcc.dsl").write_text("# mine\n")
    Path("link.dsl").symlink_to("nowhere.dsl")
    for name in ("svcc.dsl", "link.dsl"):
        done = svcc("init", "-o", name)
        assert (done.status, done.out) == (2, b"")
        assert done.err == f"svcc: cannot write {name}: File exists: -o FILE chooses another\n"
    assert Path("svcc.dsl").read_text() == "# mine\n"
    assert not Path("nowhere.dsl").exists()
    assert svcc("init", "-o", "nowhere/a.dsl").status == 3


def test_it_can_be_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = svcc("init", "-o", "-")
    assert (done.status, done.err) == (0, "")
    assert svcc("check", "-", stdin=done.out).status == 0
    assert list(tmp_path.iterdir()) == []
