"""The packages in dist/ on new machines: ``make packages`` builds them and runs this."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support.tools.project import ROOT
from support.tools.roots import Ran, run_in

DIST = ROOT / "dist"
#: Releases of Debian, and what their packages have in their versions.
RELEASES = {"bookworm": "deb12", "trixie": "deb13"}


def package(release: str) -> Path:
    (found,) = DIST.glob(f"svcc_*~{RELEASES[release]}_amd64.deb")
    return found


@cache
def first_service(release: str) -> Ran:
    return run_in(release, Path(__file__).with_name("first_service.sh"), package(release))


@pytest.mark.parametrize("release", RELEASES)
def test_from_the_package_to_served_connections(release: str) -> None:
    """Each command is named by what the one before prints, or by the file that it wrote."""
    done = first_service(release)
    assert done.status == 0, done.said
    said = done.said.splitlines()
    assert "svcc is installed. To begin: svcc init" in said
    assert "svcc.dsl is written. Its first lines say how to go on." in said
    assert "Generation 1 is in place: 23 changes in 1 step." in said
    assert "served" in said
    assert said[-1] == "The kernel holds what was applied."


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_installed_beside_it_and_what_stays(release: str, tmp_path: Path) -> None:
    script = tmp_path / "beside.sh"
    script.write_text(
        "apt-get -q update >/dev/null\n"
        "apt-get -q install -y /srv/given/*.deb >/dev/null\n"
        "systemd-analyze verify --man=no svcc.service svcc-agent@nft.service\n"
        "bash -ec '. /usr/share/bash-completion/completions/svcc; complete -p svcc'\n"
        "ls /usr/share/man/man8/svcc.8.gz /usr/share/man/man8/svcc-lab-up.8.gz\n"
        "ls /usr/share/zsh/vendor-completions/_svcc /usr/share/fish/vendor_completions.d/svcc.fish\n"
        "ls /usr/share/doc/svcc/examples/grafana.json\n"
        "svcc agent status --help >/dev/null\n"
        "dpkg --verify svcc\n"
        "apt-get -q remove -y svcc >/dev/null 2>&1\n"
        "ls -d /opt/svcc /usr/bin/svcc 2>&1 || true\n"
    )
    done = run_in(release, script, package(release))
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
    script = tmp_path / "single.sh"
    script.write_text(
        "printf 'service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }' >svc.dsl\n"
        "python3 /srv/given/svcc.pex check svc.dsl\n"
        "python3 /srv/given/svcc.pex compile svc.dsl --target iptables | tail -n 1\n"
    )
    done = run_in(release, script, DIST / "svcc.pex")
    assert done.said.splitlines() == ["svc.dsl: 1 service, 1 endpoint: compiles to iptables, ipvs and nft", "COMMIT"]


def test_the_same_sources_give_the_same_package(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "packages"), "--into", str(tmp_path), "bookworm"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")})
    assert (tmp_path / package("bookworm").name).read_bytes() == package("bookworm").read_bytes()
