"""A device of somebody's own that has the name which a program gives to svcc's, on a kernel with dummy devices."""

from __future__ import annotations

import pytest

from support.shell import Shell

pytestmark = [pytest.mark.vm, pytest.mark.kernel]


@pytest.mark.parametrize("target", ["ipvs", "iptables"])
def test_a_dummy_device_of_somebody_s_is_left_alone(shell: Shell, target: str) -> None:
    """Also where ``vip-device`` names it: nothing begins, and ``delete`` removes nothing of it."""
    text = (
        "cluster { prefix T; vip-device vips }\n"
        "service s { external-ip 198.51.100.1; announce yes; port 80/tcp -> 8080; endpoints { 100.64.0.9 } }\n"
    )
    for words in ("link add vips type dummy", "link set vips up", "address add 198.51.100.77/32 dev vips"):
        shell.run("ip", *words.split())
    before = shell.run("ip", "-o", "address", "show", "dev", "vips")
    assert "198.51.100.77/32" in before
    for command in ("plan", "apply"):
        assert "vips" in shell.svcc(command, "-", "-t", target, status=3, given=text).stderr
    shell.svcc("delete", "--yes", status=2)
    assert shell.run("ip", "-o", "address", "show", "dev", "vips") == before
    shell.run("ip", "link", "delete", "vips")
    shell.svcc("apply", "-", "-t", target, "-q", given=text)
    assert "198.51.100.1/32" in shell.run("ip", "-o", "address", "show", "dev", "vips")
    shell.svcc("delete", "--yes", "-q")
