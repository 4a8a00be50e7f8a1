"""The other nft releases that the tests bring run here, and tell right from wrong."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from support.tools import nft

pytestmark = pytest.mark.kernel

_RELEASES = pytest.mark.parametrize("release", nft.RELEASES)


def _document(*objects: dict[str, Any]) -> str:
    return json.dumps({"nftables": [{"add": entry} for entry in objects]})


_TABLE = {"table": {"family": "ip", "name": "house"}}
_CHAIN = {"chain": {"family": "ip", "table": "house", "name": "c"}}
_CHAIN_OF_NO_TABLE = {"chain": {"family": "ip", "table": "nowhere", "name": "c"}}


def test_the_releases_are_old_and_new() -> None:
    versions = [tuple(map(int, nft.version(release).split("."))) for release in nft.RELEASES]
    assert versions == sorted(versions)
    assert versions[-1] >= (1, 1, 3)


@_RELEASES
def test_a_release_takes_what_is_right(release: str) -> None:
    assert nft.check(release, _document(_TABLE, _CHAIN)) == ""


@_RELEASES
def test_a_release_refuses_what_is_wrong(release: str) -> None:
    assert "No such file or directory" in nft.check(release, _document(_CHAIN_OF_NO_TABLE))


@_RELEASES
def test_what_a_release_loads_is_in_a_namespace_of_its_own(release: str) -> None:
    assert nft.load(release, _document(_TABLE, _CHAIN)) == "table ip house {\n\tchain c {\n\t}\n}\n"
    assert nft.run(release, "list", "ruleset").stdout == ""


def test_the_library_says_what_the_program_says() -> None:
    assert nft.check_json(_document(_TABLE, _CHAIN)) == ""
    assert "No such file or directory" in nft.check_json(_document(_CHAIN_OF_NO_TABLE))


def test_a_crash_is_an_answer() -> None:
    def crash() -> str:
        signal.raise_signal(signal.SIGKILL)
        return "still here"

    assert nft._in_child(crash) == "ended by SIGKILL"
