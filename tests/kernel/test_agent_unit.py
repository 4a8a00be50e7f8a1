"""The agent's unit under a real systemd, and what systemd's own judges say of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from support.agents import ADDRESSES, TEXT, Site
from support.shell import Shell
from support.systemd import LOG, Machine, machine
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

#: systemd's own measure, from 0 (shut) to 10, as a percentage: see systemd-analyze(1), security.
_EXPOSURE = 30
_NET_ADMIN, _NET_RAW = 12, 13  # linux/capability.h


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    namespace = Namespace("unit")
    site = Site(Shell(namespace, tmp_path))
    try:
        site.up(*ADDRESSES)
        yield site
    finally:
        site.down(*site.servers)
        namespace.close()


def _text(more: str = "", ends: str = "100.64.0.1; 100.64.0.2; 100.64.0.3") -> str:
    return TEXT.format(more=more, ends=ends)


def test_systemds_judges(site: Site) -> None:
    with machine(site.shell) as there:
        units = ("svcc.service", "svcc-agent@nft.service", "svcc-agent@iptables.service", "svcc-agent@ipvs.service")
        paths = (str(site.shell.folder / "units" / unit) for unit in units)
        found = there.run("systemd-analyze", "verify", "--man=no", *paths)
        assert (found.returncode, found.stderr) == (0, "")
        found = there.run("systemd-analyze", "security", f"--threshold={_EXPOSURE}", "svcc-agent@nft.service")
        assert found.returncode == 0, found.stdout


def test_the_agent_as_a_unit(site: Site) -> None:
    with machine(site.shell, "WatchdogSec=10\nRestartSec=0\n") as there:
        there.write(_text())
        unit = "svcc-agent@nft.service"
        there.systemctl("start", unit)
        site.serves(1, 2, 3)
        assert _capabilities(there, unit) == {_NET_ADMIN, _NET_RAW}
        site.down("100.64.0.2")
        site.serves(1, 3)
        there.systemctl("reload", unit)  # it returns when the agent says that it is done
        there.write(_text(ends="100.64.0.1; 100.64.0.4"))
        there.systemctl("reload", unit)
        site.serves(1, 4)
        there.write(_text(ends="100.64.0.1 weight ten"))
        there.systemctl("reload", unit)
        # systemd may hear that the agent reloads when it has already answered who asked for it
        there.until(lambda: there.show(unit, "ActiveState") == ["active"], "it goes on with what it had")
        there.write(_text(ends="100.64.0.1; 100.64.0.3"))
        for signal in ("KILL", "STOP"):  # who is stopped gives no sign of life
            (before,) = there.show(unit, "MainPID")
            there.systemctl("kill", "--kill-whom=main", f"--signal={signal}", unit)
            there.until(partial(_anew, there, unit, before), f"it is there again after SIG{signal}")
        site.serves(1, 3)
        there.systemctl("stop", unit)
        assert there.show(unit, "Result") == ["success"], there.said()
        site.serves(1, 3)


def _anew(there: Machine, unit: str, before: str) -> bool:
    """Whether the unit is active with another process.

    Both are of one answer. Of two, the first may be of the process that ended, and the second of one that only starts:
    it would be stopped then while systemd still waits for its start, which it does for five minutes.
    """
    state, process = there.show(unit, "ActiveState", "MainPID")
    return state == "active" and process not in (before, "0")


@pytest.mark.parametrize("variant", ["legacy", "nft"])
def test_what_iptables_needs(site: Site, variant: str) -> None:
    """The lock, the raw socket, parameters of the network; and the same once more over a restart."""
    unit = "svcc-agent@iptables.service"
    settings = 'Environment="OPTIONS=--repair 0"\nExecStartPre=sysctl -qw net.ipv4.ip_forward=1\n'
    with machine(site.shell, settings) as there:
        _have(there, variant)
        there.write(_text("affinity client-ip 1h"))
        there.systemctl("start", unit)
        assert site.shell.run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"
        site.until(lambda: " down=0 " in there.run("cat", LOG).stdout, "all are up, and the kernel has it")
        assert _endpoints(site, variant) == {*ADDRESSES[:3]}
        site.shell.run(f"iptables-{variant}", "-t", "nat", "-F")
        site.until(lambda: "put right" in there.run("cat", LOG).stdout, "it is put right")
        assert _endpoints(site, variant) == {*ADDRESSES[:3]}
        there.systemctl("restart", unit)
        assert " error: " not in there.run("cat", LOG).stdout


def _endpoints(site: Site, variant: str) -> set[str]:
    return set(re.findall(r"-j DNAT --to-destination (\S+):8080", site.shell.run(f"iptables-{variant}-save")))


def _have(there: Machine, variant: str) -> None:
    """Have the machine's iptables be of a variant."""
    script = "for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do "
    script += "ln -sf /usr/sbin/xtables-$0-multi /usr/local/sbin/$tool; done"
    assert there.run("sh", "-c", script, variant).returncode == 0


def _capabilities(there: Machine, unit: str) -> set[int]:
    """Their numbers (linux/capability.h)."""
    (process,) = there.show(unit, "MainPID")
    status = there.run("grep", "CapEff", f"/proc/{process}/status").stdout
    mask = int(status.split()[1], 16)
    return {bit for bit in range(64) if mask >> bit & 1}
