"""Endpoints that are made in the quick way are endpoints as any other."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields, replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.compiler import ir
from svcc.compiler.read_addresses import read_ipv4
from svcc.compiler.source import Source, Span

SPAN = Span(Source("a.dsl", "10.0.0.1"), 0, 8)


def test_a_plain_endpoint_has_all_that_the_constructor_gives() -> None:
    address = IPv4Address("10.0.0.1")
    plain, usual = ir.plain_endpoint(address, SPAN), ir.Endpoint(address, span=SPAN)
    assert type(plain) is ir.Endpoint
    assert [getattr(plain, field.name) for field in fields(plain)] == [getattr(usual, f.name) for f in fields(usual)]
    assert plain == usual
    assert hash(plain) == hash(usual)
    assert replace(plain, weight=2) == replace(usual, weight=2)
    assert pickle.loads(pickle.dumps(plain)) == usual
    with pytest.raises(FrozenInstanceError):
        plain.weight = 2  # type: ignore[misc]


@given(st.integers(0, 2**32 - 1))
def test_an_address_that_is_read_is_one_of_ipaddress(number: int) -> None:
    address = IPv4Address(number)
    found = read_ipv4(str(address))
    assert found is not None
    assert found == address
    assert (int(found), str(found), hash(found), found.packed) == (number, str(address), hash(address), address.packed)
    assert not found < address
