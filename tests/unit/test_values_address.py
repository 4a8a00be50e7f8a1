"""Addresses are read as :mod:`ipaddress` reads them, though the C library reads most of them."""

from __future__ import annotations

import pickle
from copy import copy
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from hypothesis import example, given
from hypothesis import strategies as st

from svcc.compiler import ir
from svcc.compiler.syntax import word_at
from svcc.compiler.values import _address
from svcc.kernel.addresses import text_of

PIECES = ["0", "1", "9", "00", "01", "255", "256", "f", "ffff", "10000", ".", ":", "::", "1.2.3.4", "/", "%", "é", "\0"]


def _plainly(text: str) -> ir.Address:
    return IPv6Address(text) if text.count(":") > 1 else IPv4Address(text)


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.ip_addresses().map(str))
@example("1.2.3.4 ")
@example("01.2.3.4")
@example("1.2.3")
@example("0x1.2.3.4")
@example("::1.2.3.04")
@example("1:2:3:4:5:6:7::")
@example("fe80::1%eth0")
def test_the_same_texts_are_addresses(text: str) -> None:
    try:
        expected: ir.Address | str = _plainly(text)
    except AddressValueError as error:
        expected = str(error)
    try:
        found: ir.Address | str = _address(text)
    except AddressValueError as error:
        found = str(error)
    assert found == expected
    assert (str(found), repr(found), f"{found}") == (str(expected), repr(expected), f"{expected}")


@given(st.ip_addresses(v=4))
def test_an_address_that_was_read_is_the_address(address: IPv4Address) -> None:
    read = _address(word_at("ADDRESS", str(address), 0))
    assert isinstance(read, IPv4Address)
    assert (read == address, hash(read) == hash(address), read < address, read > address) == (True, True, False, False)
    assert type(copy(read)) is type(pickle.loads(pickle.dumps(read))) is IPv4Address
    assert copy(read) == pickle.loads(pickle.dumps(read)) == address
    assert type(str(read)) is str
    assert text_of(read) == text_of(address) == str(address)
    other = int(address) ^ 1  # the one beside it
    assert str(read + (other - int(read))) == str(read - (int(read) - other)) == str(IPv4Address(other))
