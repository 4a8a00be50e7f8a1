"""The versions that docs/supported.md states are what the tests have."""

from __future__ import annotations

import subprocess

import pytest

from support.tools import nft
from support.tools.debs import argv
from support.tools.supported import ETCD, OLDEST, STABLE_NFT, numbers, said_by

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("tool", [tool for tool in OLDEST if tool != "ipvsadm"])
def test_no_tool_is_older_than_the_oldest_that_is_stated(tool: str) -> None:
    assert said_by(tool) >= numbers(OLDEST[tool][1])


@pytest.mark.parametrize("release", STABLE_NFT)
def test_nft_of_a_stable_release_is_what_is_stated(release: str) -> None:
    assert nft.version(release) == STABLE_NFT[release]


@pytest.mark.parametrize("release", ETCD)
def test_etcd_of_a_release_is_what_is_stated(release: str) -> None:
    said = subprocess.run(
        [*argv(release, "etcd-server", "etcd"), "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith(f"etcd Version: {ETCD[release]}.")
