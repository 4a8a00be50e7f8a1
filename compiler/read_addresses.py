"""Reads the IPv4 addresses of programs, of which a large one has a hundred thousand."""

from __future__ import annotations

from ipaddress import IPv4Address
from socket import AF_INET, inet_pton


class ReadIPv4Address(IPv4Address):
    """An IPv4 address that keeps the text from which it was read, because each is printed several times. An IPv4
    address has only one spelling, so the text is what ``str()`` gives for any other object with the same address.
    """

    __slots__ = ("text",)

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
        address = int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError):
        return None
    return ReadIPv4Address(address, str(text))  # keeps only the text of a word, and not its place
