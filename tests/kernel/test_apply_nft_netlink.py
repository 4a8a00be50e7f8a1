"""Elements asked for one by one: the same as a listing has, and whatever is not as it should be is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.nft_programs import EVERYTHING, program
from support.nft_states import SCOPE, nft, read, state, take, use_release
from support.tools.nft import RELEASES
from svcc.apply.nft import DRIVER
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft import netlink
from svcc.kernel.nft.reading_back import read_changed
from svcc.kernel.nft.state import Declaration, NftState
from svcc.kernel.steps import StepError

pytestmark = pytest.mark.kernel

_HEAD = "cluster { prefix LAB; pods 100.64.0.0/24 fd00:64::/64 }\nnode n { address 10.0.0.4 fd00:10::4 }\n"


def _state(endpoints: str, more: str = "") -> NftState:
    service = f"vip 198.19.10.1 fd00:19::1; port 80/tcp nodeport 30080; endpoints {{ {endpoints} }}"
    parsed = program(f"{_HEAD}service web {{ {service} }}\n{more}")
    return state(parsed, parsed.nodes[0])


BEFORE = _state("100.64.0.1; 100.64.0.2; fd00:64::1", "service gone { vip 198.19.10.9; port 9/udp; endpoints { } }")
AFTER = _state("100.64.0.1; 100.64.0.3; fd00:64::2", "service come { vip 198.19.10.8; port 8/sctp; endpoints { } }")


@pytest.fixture(autouse=True, params=RELEASES)
def _inside(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A namespace of its own, with each release of nft to change it."""
    use_release(request.param, tmp_path, monkeypatch)
    namespace = Namespace("netlink")
    with namespace.entered():
        yield
    namespace.close()


def test_every_element_is_as_it_is_listed() -> None:
    parsed = program(EVERYTHING)
    take(NftState(), state(parsed, parsed.nodes[0] if parsed.nodes else None))
    asked = 0
    for family, table in read().tables.items():
        for name, named in table.sets.items():
            declaration = named.declaration
            if netlink.can_ask(declaration) and not named.dynamic:
                found = netlink.elements(family, table.name, name, declaration, [*named.elements])
                assert found == named.elements
                asked += len(found)
    assert asked > 50


def test_what_changed_is_read_back_without_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    take(NftState(), BEFORE)
    assert read_changed(BEFORE, AFTER) == BEFORE
    take(BEFORE, AFTER)
    monkeypatch.setattr("svcc.kernel.nft.tool.Listing", None)
    assert read_changed(BEFORE, AFTER) == AFTER
    assert DRIVER.read_changed(SCOPE, AFTER, BEFORE) == AFTER


#: What may be otherwise than it was to be: an element that came, one that changed, one that went.
WRONG = {
    "missing": "delete element ip lab hairpin { 100.64.0.3 . 100.64.0.3 }",
    "still there": "add element ip lab hairpin { 100.64.0.2 . 100.64.0.2 }",
    "another value": (
        "delete element ip lab endpoint-1 { 198.19.10.1 . tcp . 80 }; "
        "add element ip lab endpoint-1 { 198.19.10.1 . tcp . 80 : 100.64.0.2 }"
    ),
    "another value, of IPv6": (
        "delete element ip6 lab endpoint-0 { fd00:19::1 . tcp . 80 }; "
        "add element ip6 lab endpoint-0 { fd00:19::1 . tcp . 80 : fd00:64::1 }"
    ),
    "another comment": (
        "delete element ip lab hairpin { 100.64.0.3 . 100.64.0.3 }; "
        'add element ip lab hairpin { 100.64.0.3 . 100.64.0.3 comment "mine" }'
    ),
    "another verdict": (
        "delete element ip lab services { 198.19.10.8 . sctp . 8 }; "
        'add element ip lab services { 198.19.10.8 . sctp . 8 comment "come" : drop }'
    ),
    "no table": "delete table ip lab",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_as_it_was_to_be_is_noticed(wrong: str) -> None:
    take(NftState(), BEFORE)
    take(BEFORE, AFTER)
    assert read_changed(BEFORE, AFTER) == AFTER
    nft(WRONG[wrong])
    there = read_changed(BEFORE, AFTER)
    assert there != AFTER
    if wrong != "no table":
        assert there == read()


def test_many_elements_are_answered_each() -> None:
    nft("add table ip lab; add map ip lab many { type ipv4_addr : inet_service; }")
    keys = [f"10.0.{number >> 8}.{number & 255}" for number in range(1000)]
    nft("add element ip lab many { " + ", ".join(f"{key} : {at + 1}" for at, key in enumerate(keys[::2])) + " }")
    found = netlink.elements("ip", "lab", "many", Declaration(("ipv4_addr",), "inet_service"), keys)
    assert found == {key: (str(at + 1), "") for at, key in enumerate(keys[::2])}


def test_what_the_kernel_says_otherwise_is_an_error() -> None:
    nft("add table ip lab; add set ip lab few { type ipv4_addr; }")
    with pytest.raises(StepError, match="Invalid argument"):
        netlink.elements("ip", "lab", "few", Declaration(("ipv6_addr",)), ["fd00::1"])
