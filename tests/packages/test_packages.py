"""The packages in dist/ on new machines: ``make packages`` builds them and runs this."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.tools.project import ROOT
from support.tools.roots import RELEASES, Ran, run_in

DIST = ROOT / "dist"


def package(release: str) -> Path:
    (found,) = DIST.glob(f"svcc_*~deb{RELEASES[release]}_amd64.deb")
    return found


def ran(release: str, folder: Path, given: Path, *lines: str) -> Ran:
    """What lines for sh(1) say in a fresh root."""
    script = folder / "lines.sh"
    script.write_text("".join(f"{line}\n" for line in lines))
    return run_in(release, script, given)


@pytest.mark.parametrize("release", RELEASES)
def test_from_the_package_to_served_connections(release: str) -> None:
    """Each command is named by what the one before prints, or by the file that it wrote."""
    done = run_in(release, Path(__file__).with_name("first_service.sh"), package(release))
    assert done.status == 0, done.said
    said = done.said.splitlines()
    assert "svcc is installed. To begin: svcc init" in said
    assert "svcc.dsl is written. Its first lines say how to go on." in said
    assert "Generation 1 is in place: 23 changes in 1 step." in said
    assert "served" in said
    assert said[-1] == "The kernel holds what was applied."


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_installed_beside_it_and_what_stays(release: str, tmp_path: Path) -> None:
    done = ran(
        release,
        tmp_path,
        package(release),
        "apt-get -q update >/dev/null",
        "apt-get -q install -y /srv/given/*.deb >/dev/null",
        "systemd-analyze verify --man=no svcc.service svcc-agent@nft.service",
        "bash -ec '. /usr/share/bash-completion/completions/svcc; complete -p svcc'",
        "ls /usr/share/man/man8/svcc.8.gz /usr/share/man/man8/svcc-lab-up.8.gz",
        "ls /usr/share/zsh/vendor-completions/_svcc /usr/share/fish/vendor_completions.d/svcc.fish",
        "ls /usr/share/doc/svcc/examples/grafana.json",
        "svcc agent status --help >/dev/null",
        "dpkg --verify svcc",
        "apt-get -q remove -y svcc >/dev/null 2>&1",
        "ls -d /opt/svcc /usr/bin/svcc 2>&1 || true",
    )
    assert done.status == 0, done.said
    assert [line for line in done.said.splitlines() if not line.startswith("debconf: ")] == [
        "complete -o nosort -F _svcc_completion svcc",
        "/usr/share/man/man8/svcc-lab-up.8.gz",
        "/usr/share/man/man8/svcc.8.gz",
        "/usr/share/fish/vendor_completions.d/svcc.fish",
        "/usr/share/zsh/vendor-completions/_svcc",
        "/usr/share/doc/svcc/examples/grafana.json",
        "ls: cannot access '/opt/svcc': No such file or directory",
        "ls: cannot access '/usr/bin/svcc': No such file or directory",
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_the_single_file(release: str, tmp_path: Path) -> None:
    done = ran(
        release,
        tmp_path,
        DIST / "svcc.pex",
        "printf 'service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }' >svc.dsl",
        "python3 /srv/given/svcc.pex check svc.dsl",
        "python3 /srv/given/svcc.pex compile svc.dsl --target iptables | tail -n 1",
    )
    assert done.said.splitlines() == ["svc.dsl: 1 service, 1 endpoint: compiles to iptables, ipvs and nft", "COMMIT"]


def test_the_same_sources_give_the_same_package(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "packages"), "--into", str(tmp_path), "bookworm"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")})
    assert (tmp_path / package("bookworm").name).read_bytes() == package("bookworm").read_bytes()
