"""The keys of a fleet: what they may contain, and that each is read back as what it was made from."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.fleet.errors import BadName
from svcc.fleet.keys import Keys, address_in, fault, last_part, number_in

KEYS = Keys("shop")
_SIGNS = st.sampled_from("aZ0_.-/ \n\0é*")


def test_all_keys_are_below_the_fleet_and_differ() -> None:
    found = [KEYS.head, KEYS.rollout, KEYS.lock, KEYS.release(7), KEYS.blob("ab", 0)]
    found += [KEYS.want("a"), KEYS.alive("a"), KEYS.status("a"), KEYS.holder("fd00::1")]
    assert found == [
        "/svcc/shop/head",
        "/svcc/shop/rollout",
        "/svcc/shop/lock",
        "/svcc/shop/release/7",
        "/svcc/shop/blob/ab/0",
        "/svcc/shop/want/a",
        "/svcc/shop/alive/a",
        "/svcc/shop/status/a",
        "/svcc/shop/holder/fd00::1",
    ]


@given(st.ip_addresses().map(str) | st.text("0.1:af/%", max_size=9))
def test_an_address_in_a_key_is_canonical(text: str) -> None:
    found = address_in(KEYS.holders, KEYS.holder(text))
    assert found is None or (found == text and str(ip_address(text)) == text)
    assert address_in(KEYS.holders, f"/svcc/other/holder/{text}") is None


@given(st.text(_SIGNS, max_size=4) | st.text("a.", min_size=62, max_size=65))
def test_a_name_is_one_part_of_a_key_or_is_refused(name: str) -> None:
    if fault(name) is None:
        assert KEYS.want(name).split("/") == ["", "svcc", "shop", "want", name]
        assert last_part(KEYS.wants, KEYS.want(name)) == name
        assert Keys(name).all.split("/") == ["", "svcc", name, ""]
        assert name.isascii()
        assert name.isprintable()
    else:
        with pytest.raises(BadName):
            KEYS.want(name)
        with pytest.raises(BadName):
            Keys(name)


@pytest.mark.parametrize("name", ["", ".", "..", "-v", "a/b", "a b", "x" * 64, "a\n"])
def test_what_is_no_name(name: str) -> None:
    assert fault(name) is not None


@given(st.integers(1, 10**18 - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert number_in(KEYS.releases, KEYS.release(number)) == number


@pytest.mark.parametrize("rest", ["0", "01", "+1", "1_0", "٣", "", "1/2", "a"])
def test_what_is_no_number(rest: str) -> None:
    assert number_in(KEYS.releases, KEYS.releases + rest) is None


def test_another_fleets_key_has_no_node() -> None:
    assert last_part(KEYS.wants, Keys("other").want("a")) is None
