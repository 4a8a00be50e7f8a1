"""Says what is wrong with a text that is no IP address. Only programs with errors need it."""

from __future__ import annotations

import re

from svcc.compiler.read_addresses import read_ipv4

_GROUPS = "an IPv6 address has eight groups of up to four hexadecimal digits, and may have `::` for those that are zero"


def address_hint(text: str) -> str:
    """Return what to say about a text that is no address, and has only digits, letters, dots, colons and slashes."""
    if "/" in text:
        return f"write one address, without the /{text.partition('/')[2]}"
    if text.count(":") == 1 and "." in text:
        return f"write the address without a port: {text.partition(':')[0]}"
    if ":" not in text:
        return _of_ipv4(text)
    head, _, last = text.rpartition(":")
    if "." in last and read_ipv4(last) is None:
        return _of_ipv4(last)
    groups = [group for group in head.split(":") if group] + ([] if "." in last else [last] if last else [])
    if text.count("::") > 1 or ":::" in text:
        return "an IPv6 address has `::` once at most"
    if any(len(group) > 4 for group in groups):
        return "a group of an IPv6 address has at most four hexadecimal digits"
    return _GROUPS


def _of_ipv4(text: str) -> str:
    parts = text.split(".")
    if len(parts) != 4 or not all(parts):
        return "an IPv4 address has four numbers, such as 10.0.0.4"
    if not re.fullmatch(r"[\d.]+", text):
        return "the numbers of an IPv4 address are decimal, such as 10.0.0.4"
    plain = ".".join(part.lstrip("0") or "0" for part in parts)
    if read_ipv4(plain) is None:
        return "the numbers of an IPv4 address are 0 to 255"
    return f"the numbers of an IPv4 address have no zeros in front: {plain}"
