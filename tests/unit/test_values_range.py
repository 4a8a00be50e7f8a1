"""Ranges of addresses."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.compiler.values import MAX_ADDRESSES


def vips(text: str) -> tuple[ir.Address, ...] | None:
    """The vips that a statement means, or None where it is refused."""
    loaded = load_text(Source("main.dsl", f"service a {{ vip {text}; port 80/tcp; endpoints {{ }} }}"))
    return None if loaded.program is None else loaded.program.services[0].vips


@given(st.sampled_from(("198.19.0.1", "198.19.0.250", "fd00:19::1", "fd00:19::ffff")), st.integers(0, 20))
def test_a_range_is_every_address_in_it(first: str, more: int) -> None:
    wanted = tuple(ip_address(first) + i for i in range(more + 1))
    assert vips(f"{first}-{wanted[-1]}") == wanted == vips(" ".join(map(str, wanted)))


@pytest.mark.parametrize("first", ["198.19.0.0", "fd00:19::"])
def test_a_range_has_a_limit(first: str) -> None:
    largest, larger = (vips(f"{first}-{ip_address(first) + count}") for count in (MAX_ADDRESSES - 1, MAX_ADDRESSES))
    assert largest is not None
    assert len(largest) == MAX_ADDRESSES
    assert larger is None
