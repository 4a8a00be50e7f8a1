"""Slips in statements that list addresses and networks: `vip`, `external-ip`, `allow-from`, `pods`, `snat`."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from svcc.compiler.names import LET_FORM
from svcc.compiler.slips.slip import slips


def _netmask(found: re.Match[str]) -> str:
    """Return a hint with the network for an address and a netmask."""
    try:
        return f"a network is written with the length of its prefix: {IPv4Network(found['network'], strict=False)}"
    except ValueError:
        return "a network is written with the length of its prefix: 10.0.0.0/8"


def _short(found: re.Match[str]) -> str:
    """Return a hint with the network for an address that lacks numbers."""
    numbers = [number for number in found["head"].split(".") if number]
    length = found.groupdict().get("length") or str(8 * len(numbers))
    return f"an address has four numbers: {'.'.join([*numbers, '0', '0', '0'][:4])}/{length}"


#: What `masquerade` says of all sources, and lists of those that it is about.
_HOW = "auto|always|never"
_VALUE = r"(?:\$\w|[\da-fA-F]*[.:])[^\s,]*"
_VALUES = rf"{_VALUE}(?:\s+{_VALUE})*"

#: Statements that list addresses, and addresses in any statement.
SLIPS = slips(
    (
        r"^(?:vip|external-ip)\s.*?(?<!\S)\d+(?:\.\d+){3}:(?P<port>\d+/\w+)",
        "the port is a statement of its own: port {port}",
    ),
    (
        r"^(?:vip|external-ip|snat)\s.*?(?<!\S)(?P<head>\d+(?:\.\d+){2}\.)(?P<first>\d+)-(?P<last>\d+)(?![\d.])",
        "both ends of a range are addresses: {head}{first}-{head}{last}",
    ),
    (
        r"^(?:vip|external-ip|snat)\s.*?(?P<first>\d+(?:\.\d+){3})\s+(?:-|to)\s*(?P<last>\d+(?:\.\d+){3})",
        "a range has no blanks in it: {first}-{last}",
    ),
    (
        r"^(?P<word>vip|external-ip|allow-from|pods|services|snat)\s+\((?P<rest>[^()]*)\)?",
        "values stand side by side, without brackets: {word} {rest}",
    ),
    (
        r"^nodeport-addresses\s+(?!(?:any|all)$)[a-z][\w.-]*$",
        "it lists networks, not devices: nodeport-addresses 10.0.0.0/8",
    ),
    (r"^(?P<word>vip|external-ip|address|snat)$", "write: {word} 198.19.0.1"),
    (r"^(?P<word>pods|allow-from|nodeport-addresses)$", "write: {word} 10.0.0.0/8"),
    (r"(?<!\S)(?P<network>\d+(?:\.\d+){3}/\d+(?:\.\d+){3})", _netmask),
    (r"(?<!\S)(?P<head>\d+(?:\.\d+){0,2})(?:\.\*)+(?!\S)", _short),
    (
        r"^(?:allow-from|pods|services|nodeport-addresses|masquerade)\s.*?(?<!\S)(?P<head>\d+(?:\.\d+){0,2})/(?P<length>\d+)",
        _short,
    ),
    (
        r"^allow-from\s.*?\b(?P<word>except|not|but)\b.*",
        "it lists who may come, and all others may not: there is no `{word}`",
    ),
    (
        r"^(?P<word>vip|external-ip)\s+shared\s+(?P<address>\S+)",
        "the word follows the address: {word} {address} shared",
    ),
    (
        r"(?<!\S)\$[A-Za-z_][\w.-]*/(?P<length>\d+)(?!\S)",
        "a let has the lengths of its networks in it: [10.0.0.0/{length}]",
    ),
    (r"(?<!\S)\$[A-Za-z_][\w.-]*/\S*", LET_FORM),
    (r"^allow-from\s.*?![\s\d].*", "it lists who may come, and all others may not: there is no `!`"),
    (r"(?<!\S)(?P<address>[\da-fA-F.:]*[.:][\da-fA-F.:]*)%\S+", "an address has no zone behind it: {address}"),
    (r"^(?:vip|external-ip)\s.*?\s(?P<port>\d+/\w+)$", "the port is a statement of its own: port {port}"),
    (
        r"^(?:vip|external-ip)\s.*?\sdev\s+\S+",
        "the cluster says which device has the addresses: cluster {{ vip-device svcc0 }}",
    ),
    (r"^nodeport-addresses\s+(?:any|all|\*)$", "without the statement, every address of the machine serves them"),
    (
        rf"^masquerade\s+(?P<one>{_HOW}|{_VALUES})[\s,]+(?P<other>{_HOW})$",
        "it is one of both: masquerade {one}, or masquerade {other}",
    ),
    (
        rf"^masquerade\s+(?P<one>{_HOW})[\s,]+(?P<other>{_VALUES})$",
        "it is one of both: masquerade {one}, or masquerade {other}",
    ),
    (
        r"^masquerade\s.*?\b(?P<word>except|not|but|to|from)\b.*",
        "it lists the sources that are rewritten: there is no `{word}`",
    ),
    (r"^snat\s+(?:auto|always|yes|true|masquerade)$", "to the address that the way out has: masquerade always"),
    (r"^snat\s.*?\b(?P<word>auto|always|never)$", "which sources are rewritten is said by another: masquerade {word}"),
    (r"^(?:allow-from|pods)\s(?:.*\s)?(?:any|all|\*)$", "every address is written 0.0.0.0/0, for IPv6 ::/0"),
    (r"^(?:vip|external-ip)\s+(?:any|all|none|auto|dhcp|\*)$", "svcc serves addresses that it knows: write them"),
)
