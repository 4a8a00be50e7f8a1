"""Reads the addresses of programs, of which a large one has a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_INET, inet_pton
from typing import NamedTuple


class ReadIPv4Address(IPv4Address):
    """An IPv4 address that keeps the text from which it was read, because each is printed several times. An IPv4
    address has only one spelling, so the text is what ``str()`` gives for any other object with the same address.
    """

    __slots__ = ("text",)

    _ip: int  # ipaddress's own

    def __init__(self, address: int, text: str = "") -> None:
        """``text``: what the address was read from; "": it was computed from another address, as sums are."""
        super().__init__(address)
        self.text = text or super().__str__()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"IPv4Address({self.text!r})"

    def __reduce__(self) -> tuple[type[IPv4Address], tuple[str]]:
        return IPv4Address, (self.text,)


def read_ipv4(text: str) -> ReadIPv4Address | None:
    """Return an IPv4 address. Return None where the text is something else, or wrong (inet_pton(3))."""
    try:
        number = int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError):
        return None
    # This is what the constructor does, without a second check that the number is one of an address.
    address = _new(ReadIPv4Address)
    address._ip = number
    address.text = str(text)  # keeps only the text of a word, and not its place
    return address


_new = object.__new__


class GluedPort(NamedTuple):
    """What to say about an IPv6 address whose last group was perhaps meant as a port."""

    message: str
    hint: str


def glued_port(text: str) -> GluedPort | None:
    """Return what to say about an IPv6 address whose last group looks like a port, because the rest is an address as
    well. Return None for any other.
    """
    head, _, tail = text.rpartition(":")
    usual = tail in ("53", "80", "443") or (len(tail) == 4 and tail.isdecimal() and tail[0] != "0")
    if not usual or "::" not in head or head.endswith(":") or text.startswith("["):
        return None
    return GluedPort(f"`{text}` is one address, without a port", f"port {tail} of {head} is [{head}]:{tail}")


def is_spelling(text: str, address: IPv4Address | IPv6Address) -> bool:
    """Whether a text is a spelling of the address."""
    try:
        return ip_address(text) == address
    except ValueError:
        return False


def numbers(addresses: Iterable[IPv4Address | IPv6Address]) -> list[int]:
    """Return ``int()`` of each address, without a call for each."""
    return [address._ip for address in addresses]  # type: ignore[union-attr]


def versions(addresses: Iterable[IPv4Address | IPv6Address]) -> set[int]:
    """Return the families of addresses: 4, 6 or both."""
    return {4 if issubclass(kind, IPv4Address) else 6 for kind in set(map(type, addresses))}
