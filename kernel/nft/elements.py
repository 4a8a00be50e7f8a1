"""Turn elements of sets and maps from JSON, as documents and listings have it, into canonical text and back.

``nft -n`` lists protocols as numbers, and documents name them. The text has the name, as nft prints it without ``-n``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from operator import itemgetter
from typing import TypeAlias

from svcc.kernel.json_values import Json, items, members, string
from svcc.kernel.nft.state import VERDICT, Declaration, Element

#: Protocols by number (IANA), where our documents name them.
PROTOCOLS: Mapping[int, str] = {6: "tcp", 17: "udp", 132: "sctp"}

_ADDRESSES = ("ipv4_addr", "ipv6_addr")


def read_elements(listed: Iterable[Json], types: tuple[str, ...], *, is_map: bool) -> dict[str, Element]:
    """Return the elements of a set or map, by their keys. ``types``: the types of the key's parts."""
    quick = _QUICK.get(types)
    found: dict[str, Element] = {}
    for item in listed:
        key, data = items(item) if is_map else (item, None)
        comment = extra = ""
        if isinstance(key, dict) and "elem" in key:
            key, comment, extra = _unwrap(members(key["elem"]))
        try:
            text = quick(key) if quick else key_text(key, types)
        except (KeyError, TypeError, ValueError):  # a network, a range, or a key of somebody else's form
            text = key_text(key, types)
        value = data if isinstance(data, str) and ":" not in data else value_text(data)
        found[text] = (value + extra, comment) if extra else (value, comment)
    return found


# The forms of key that nearly all elements have are read by functions of their own, which is quicker. Errors of these
# functions, where a key has another form: ValueError, KeyError, TypeError.


def _frontend(key: Json) -> str:
    address, protocol, port = _parts(key)
    if not (isinstance(address, str) and isinstance(port, int)):
        raise TypeError
    return f"{address} . {_protocol(protocol)} . {port}"


def _nodeport(key: Json) -> str:
    protocol, port = _parts(key)
    if not isinstance(port, int):
        raise TypeError
    return f"{_protocol(protocol)} . {port}"


def _addresses(key: Json) -> str:
    one, other = _parts(key)
    if not (isinstance(one, str) and isinstance(other, str)):
        raise TypeError
    return f"{one} . {other}"


def _parts(key: Json) -> list[Json]:
    if isinstance(key, dict) and isinstance(parts := key["concat"], list):
        return parts
    raise TypeError


_QUICK: Mapping[tuple[str, ...], Callable[[Json], str]] = {
    ("ipv4_addr", "inet_proto", "inet_service"): _frontend,
    ("inet_proto", "inet_service"): _nodeport,
    ("ipv4_addr", "ipv4_addr"): _addresses,
}


def _protocol(part: Json) -> str:
    return PROTOCOLS.get(part, str(part)) if isinstance(part, int) else str(part)


def _unwrap(element: Mapping[str, Json]) -> tuple[Json, str, str]:
    """Return the key and the comment of an element, and the names of further attributes, which svcc would not have
    given it (a counter, a timeout)."""
    extra = "".join(f" {name}" for name in sorted(element.keys() - {"val", "comment"}))
    return element["val"], string(element.get("comment", "")), extra


# ---- JSON to text


def key_text(key: Json, types: tuple[str, ...]) -> str:
    """Return a key as nft prints it. ``types``: the types of its parts."""
    parts = items(key["concat"]) if isinstance(key, dict) and "concat" in key else [key]
    if len(parts) != len(types):
        return json.dumps(key, sort_keys=True)  # no set of ours has it: the text need only differ from others
    return " . ".join([_part_text(part, kind) for part, kind in zip(parts, types, strict=True)])


def _part_text(part: Json, kind: str) -> str:
    if kind == "inet_proto":
        return _protocol(part)
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


def value_text(data: Json) -> str:
    """Return the value that a map has for a key, as nft prints it: an address, a port or a verdict; "" for None."""
    match data:
        case None:
            return ""
        case {"goto": {"target": target}}:
            return f"goto {target}"
        case {"jump": {"target": target}}:
            return f"jump {target}"
        case {"drop": None} | {"accept": None} | {"return": None} | {"continue": None}:
            return next(iter(members(data)))
        case str() if ":" in data:
            return _part_text(data, "ipv6_addr")
        case str() | int():
            return str(data)
    return json.dumps(data, sort_keys=True)


# ---- text to JSON


#: Keys in JSON by their text, for each set's types. They are kept because ten maps may have the same ten thousand keys.
KnownKeys: TypeAlias = dict[tuple[str, ...], dict[str, Json]]


class ElementWriter:
    """Writes the elements of a set or map as JSON."""

    def __init__(self, declaration: Declaration, known: KnownKeys | None = None) -> None:
        """``declaration``: that of the set. ``known``: keys that were written before, also for other sets; nobody may
        change a written key."""
        self._types = declaration.types
        self._data = declaration.data
        self._known = {} if known is None else known.setdefault(declaration.types, {})

    def json(self, key: str, element: Element, *, whole: bool = True) -> Json:
        """Return an element for a command of libnftables-json(5). ``whole``: whether with its comment, which a command
        that deletes it must not have."""
        value, comment = element
        written = self.key(key)
        if whole and comment:
            written = {"elem": {"val": written, "comment": comment}}
        return written if self._data is None else [written, self.value(value)]

    def key(self, key: str) -> Json:
        """Return a key as JSON for libnftables. The same key gives the same object, so nobody may change it."""
        written = self._known.get(key)
        if written is None:
            written = self._known[key] = self._key(key)
        return written

    def _key(self, key: str) -> Json:
        parts = [_part_json(part, kind) for part, kind in zip(key.split(" . "), self._types, strict=True)]
        return parts[0] if len(parts) == 1 else {"concat": parts}

    def value(self, value: str) -> Json:
        """Return a value as JSON, without further attributes of its element, which nft 1.0.6 could not read."""
        word, _, more = value.partition(" ")
        if self._data == VERDICT:
            return {word: {"target": more.partition(" ")[0]} if word in ("goto", "jump") else None}
        return int(word) if word.isdigit() else word


class ElementPrinter:
    """Prints the elements of sets as lines of JSON text. Each key is written once, as many maps have the same keys."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, ...], dict[str, str]] = {}

    def lines(self, declaration: Declaration, elements: Mapping[str, Element]) -> Iterable[str]:
        """Return the elements as lines of JSON, in their order, without commas between them."""
        write = _key_lines(declaration.types)
        if declaration.data is None:
            keys: Iterable[str] = [write(key) for key in elements]
        else:
            known = self._keys.setdefault(declaration.types, {})
            known.update([(key, write(key)) for key in elements.keys() - known.keys()])
            keys = map(known.__getitem__, elements)
        if any(map(_comment_of, elements.values())):
            comments = map(_comment_of, elements.values())
            keys = [_commented(key, comment) for key, comment in zip(keys, comments, strict=True)]
        if declaration.data is None:
            return keys
        if declaration.data in _ADDRESSES:
            return [f'[{key}, "{value}"]' for key, (value, _) in zip(keys, elements.values(), strict=True)]
        writer = ElementWriter(declaration)
        values = {value: json.dumps(writer.value(value)) for value in {value for value, _ in elements.values()}}
        return [f"[{key}, {values[value]}]" for key, (value, _) in zip(keys, elements.values(), strict=True)]


_comment_of: Callable[[Element], str] = itemgetter(1)


def _commented(key: str, comment: str) -> str:
    return f'{{"elem": {{"val": {key}, "comment": {json.dumps(comment)}}}}}' if comment else key


def _key_lines(types: tuple[str, ...]) -> Callable[[str], str]:
    """Return the function that writes keys of these types as JSON text. Errors of the function: ValueError, where a key
    has another number of parts."""
    if len(types) == 1:
        return lambda key: _part_line(key, types[0])
    plain = _PLAIN_KEYS.get(types)

    def line(key: str) -> str:
        parts = key.split(" . ")
        if plain is not None and len(parts) == len(types) and "-" not in key and "/" not in key:
            return plain(*parts)
        written = [_part_line(part, kind) for part, kind in zip(parts, types, strict=True)]
        return f'{{"concat": [{", ".join(written)}]}}'

    return line


#: Functions that write the forms of key that nearly all elements have, where no part is a network or a range.
_PLAIN_KEYS: Mapping[tuple[str, ...], Callable[..., str]] = {
    **{
        (address, "inet_proto", "inet_service"): lambda address, protocol, port: (
            f'{{"concat": ["{address}", "{protocol}", {port}]}}'
        )
        for address in _ADDRESSES
    },
    **{(address, address): lambda one, other: f'{{"concat": ["{one}", "{other}"]}}' for address in _ADDRESSES},
}


def _part_line(part: str, kind: str) -> str:
    if kind in _ADDRESSES and "/" not in part and "-" not in part:
        return f'"{part}"'
    return json.dumps(_part_json(part, kind))


def _part_json(part: str, kind: str) -> Json:
    if kind in _ADDRESSES and "/" in part:
        address, _, length = part.partition("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    if "-" in part and kind in (*_ADDRESSES, "inet_service"):
        first, _, last = part.partition("-")
        return {"range": [_part_json(first, kind), _part_json(last, kind)]}
    return int(part) if part.isdigit() else part
