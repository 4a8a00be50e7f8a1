"""A range of ports leads to as many ports of an endpoint: no bundle leads it to one, which no target prints."""

from __future__ import annotations

import re

import pytest

from support.bundles import refusal
from support.nft_programs import program
from svcc.targets import targets

_PROGRAM = """
node n { address 10.0.0.4 }
service web { vip 198.19.0.1; external-ip 203.0.113.7; port 2000-65535/tcp; endpoints { 10.1.1.1 } }
"""

#: By target: the rule to the endpoint, and what makes it one with a port.
_TO_ENDPOINT = {
    "iptables": (r"(--to-destination 10\.1\.1\.1)$", r"\1:8080"),
    "nft": (r'("data": "@tcp-range-endpoint-0"}})', r'\1, "port": 8080'),
}
_SAID = {
    "iptables": "the ports of this range would be one port of the endpoint",
    "nft": "the endpoint's port is a number, or for a range its map gives it",
}


@pytest.mark.parametrize("name", _SAID)
def test_all_ports_of_a_range_to_one(name: str) -> None:
    whole = program(_PROGRAM)
    text = str(targets()[name].render(whole, whole.nodes[0]))
    assert refusal(text, targets()[name]) is None
    edited = re.sub(*_TO_ENDPOINT[name], text, flags=re.MULTILINE)
    assert (refusal(edited, targets()[name]) or "").partition("\n")[0] == f"error[SVC066]: {_SAID[name]}"
