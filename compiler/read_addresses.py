"""Addresses as programs have them, a hundred thousand in a large one."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, inet_pton


class ReadIPv4Address(IPv4Address):
    """An IPv4 address that was read from a text, and keeps it: each is printed several times. It has one spelling only,
    so that this is ``str()`` of any other object for the same address.
    """

    __slots__ = ("text",)

    _ip: int  # ipaddress's own

    def __init__(self, address: int, text: str = "") -> None:
        """``text``: what it was read from; "": it was computed of another one, as sums are."""
        super().__init__(address)
        self.text = text or super().__str__()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"IPv4Address({self.text!r})"

    def __reduce__(self) -> tuple[type[IPv4Address], tuple[str]]:
        return IPv4Address, (self.text,)


def read_ipv4(text: str) -> ReadIPv4Address | None:
    """An IPv4 address; None: the text is something else, or wrong (inet_pton(3))."""
    try:
        number = int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError):
        return None
    # What its constructor does, without asking once more whether the number is that of an address.
    address = _new(ReadIPv4Address)
    address._ip = number
    address.text = str(text)  # of a word with a place, the word alone
    return address


_new = object.__new__


def numbers(addresses: Iterable[IPv4Address | IPv6Address]) -> list[int]:
    """``int()`` of each, without a call for each."""
    return [address._ip for address in addresses]  # type: ignore[union-attr]


def versions(addresses: Iterable[IPv4Address | IPv6Address]) -> set[int]:
    """The families that they are of."""
    return {4 if issubclass(kind, IPv4Address) else 6 for kind in set(map(type, addresses))}
