"""Elements of sets and maps: from JSON, as documents and listings have it, to canonical text and back.

``nft -n`` lists protocols as numbers, and documents name them: the text has the name, as nft prints it for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from svcc.kernel.nft.state import Element

#: Protocols by number (IANA), where our documents name them.
PROTOCOLS: dict[Any, str] = {6: "tcp", 17: "udp", 132: "sctp"}

_ADDRESSES = ("ipv4_addr", "ipv6_addr")


def read_elements(items: Iterable[Any], types: tuple[str, ...], *, is_map: bool) -> dict[str, Element]:
    """The elements of a set with keys of these types."""
    quick = _QUICK.get(types)
    found: dict[str, Element] = {}
    for item in items:
        key, data = item if is_map else (item, None)
        comment = extra = ""
        if type(key) is dict and "elem" in key:
            key, comment, extra = _unwrap(key["elem"])
        try:
            text = quick(key) if quick else key_text(key, types)
        except (KeyError, TypeError, ValueError):  # no plain values: a network, a range, or of no set of ours
            text = key_text(key, types)
        value = data if type(data) is str and ":" not in data else value_text(data)
        found[text] = (value + extra, comment) if extra else (value, comment)
    return found


def _frontend(key: Any) -> str:
    address, protocol, port = key["concat"]
    return f"{address} . {PROTOCOLS.get(protocol, protocol)} . {port + 0}"


def _nodeport(key: Any) -> str:
    protocol, port = key["concat"]
    return f"{PROTOCOLS.get(protocol, protocol)} . {port + 0}"


def _addresses(key: Any) -> str:
    return " . ".join(key["concat"])


#: The keys that nearly all elements have, as long as they are plain.
_QUICK: Mapping[tuple[str, ...], Callable[[Any], str]] = {
    ("ipv4_addr", "inet_proto", "inet_service"): _frontend,
    ("inet_proto", "inet_service"): _nodeport,
    ("ipv4_addr", "ipv4_addr"): _addresses,
}


def _unwrap(element: Any) -> tuple[Any, str, str]:
    """Key, comment, and what else svcc would not have given it (a counter, a timeout), in words."""
    extra = "".join(f" {name}" for name in sorted(element.keys() - {"val", "comment"}))
    return element["val"], element.get("comment", ""), extra


# ---- JSON to text


def key_text(key: Any, types: tuple[str, ...]) -> str:
    parts = key["concat"] if type(key) is dict and "concat" in key else [key]
    if len(parts) != len(types):
        return json.dumps(key, sort_keys=True)  # of no set of ours: only to be told from others
    return " . ".join([_part_text(part, kind) for part, kind in zip(parts, types, strict=True)])


def _part_text(part: Any, kind: str) -> str:
    if kind == "inet_proto":
        return str(PROTOCOLS.get(part, part)) if type(part) is int else str(part)
    match part:
        case {"prefix": {"addr": address, "len": length}}:
            return f"{_part_text(address, kind)}/{length}"
        case {"range": [first, last]}:
            return f"{_part_text(first, kind)}-{_part_text(last, kind)}"
        case str() if kind == "ipv6_addr" and "." in part:  # inet_ntop(3) and Python differ there
            return str(ip_address(part))
        case str() | int():
            return str(part)
    return json.dumps(part, sort_keys=True)


def value_text(data: Any) -> str:
    """What a map has for a key: an address, a port, a verdict."""
    match data:
        case None:
            return ""
        case {"goto": {"target": target}}:
            return f"goto {target}"
        case {"jump": {"target": target}}:
            return f"jump {target}"
        case {"drop": None} | {"accept": None} | {"return": None} | {"continue": None}:
            return str(next(iter(data)))
        case str() if ":" in data:
            return _part_text(data, "ipv6_addr")
        case str() | int():
            return str(data)
    return json.dumps(data, sort_keys=True)


# ---- text to JSON


class ElementWriter:
    """Writes the elements of a set with this declaration."""

    def __init__(self, declaration: Any) -> None:
        self._types = types_of(declaration)
        self._data = declaration.get("map")

    def json(self, key: str, element: Element, *, whole: bool = True) -> Any:
        """For a command of libnftables-json(5); not ``whole``: without the comment, as for deleting it."""
        value, comment = element
        parts = [_part_json(part, kind) for part, kind in zip(key.split(" . "), self._types, strict=True)]
        written: Any = parts[0] if len(parts) == 1 else {"concat": parts}
        if whole and comment:
            written = {"elem": {"val": written, "comment": comment}}
        return written if self._data is None else [written, self._value_json(value)]

    def _value_json(self, value: str) -> Any:
        """Without what an element may have besides, which nft 1.0.6 could not be given."""
        word, _, more = value.partition(" ")
        if self._data == "verdict":
            return {word: {"target": more.partition(" ")[0]} if word in ("goto", "jump") else None}
        return int(word) if word.isdigit() else word


def types_of(declaration: Any) -> tuple[str, ...]:
    """The types of a key's parts."""
    types = declaration.get("type", ())
    return (types,) if isinstance(types, str) else tuple(map(str, types))


def _part_json(part: str, kind: str) -> Any:
    if kind in _ADDRESSES and "/" in part:
        address, _, length = part.partition("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    if "-" in part and kind in (*_ADDRESSES, "inet_service"):
        first, _, last = part.partition("-")
        return {"range": [_part_json(first, kind), _part_json(last, kind)]}
    return int(part) if part.isdigit() else part
