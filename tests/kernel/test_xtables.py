"""The model of iptables-restore scripts against the kernel: what is saved is what was printed."""

from __future__ import annotations

import subprocess

import pytest

from support.xtables_scripts import script

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("variant", ["legacy", "nft"])
@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_saves_word_for_word_what_was_loaded(variant: str, version: int) -> None:
    text = str(script(version))
    tool = f"ip{'6' if version == 6 else ''}tables-{variant}"
    family = "inet6" if version == 6 else "inet"
    shell = f"ipset create TEST hash:ip,port family {family} && {tool}-restore --noflush && {tool}-save"
    command = ["unshare", "-n", "sh", "-ec", shell]
    run = subprocess.run(command, check=False, capture_output=True, text=True, input=text)
    assert run.returncode == 0, run.stderr
    saved = [line for line in run.stdout.splitlines() if "TEST-" in line and line.startswith("-A")]
    loaded = [line.replace("-I", "-A", 1) for line in text.splitlines() if line.startswith("-")]
    assert sorted(saved) == sorted(loaded)
