"""Mutants: artifacts with one thing removed or altered, as by a slip of a programmer or a reviewer.

Each mutant is made from the artifact's text alone, by its format. Nothing is random: the same text always has the same
mutants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """A part of a bundle in which one line is changed."""

    part: str  # the name of the part
    number: int  # the number of the changed line, from 1
    line: str  # the line before the change
    change: str  # the change in words
    text: str  # the text of the whole part after the change
    focus: str = ""  # the text that differs in the line, before and after the change

    def __str__(self) -> str:
        return f"{self.part}: {self.change}\n    {self.line}"


def mutants(part: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a part. ``part``: its name; ``text``: its text."""
    if part == "nft":
        yield from _json_mutants(text)
    else:
        yield from _line_mutants(part, text)


# ---- words


def _next_address(text: str) -> str | None:
    """Return the address or network after this one. Return None where the text is neither."""
    try:
        network = ip_network(text)
    except ValueError:
        return None
    following = _beside(network)
    return f"{following}/{network.prefixlen}" if "/" in text else str(following)


def _beside(network: IPv4Network | IPv6Network) -> IPv4Address | IPv6Address:
    """Return the address after a network, or for the last network the address before it."""
    last = int(network[-1]) == (1 << network.max_prefixlen) - 1
    return network[0] - 1 if last else network[-1] + 1


_TURNED = {
    "tcp": "udp",
    "udp": "sctp",
    "sctp": "tcp",
    "saddr": "daddr",
    "daddr": "saddr",
    "dport": "sport",
    "src": "dst",
    "dst": "src",
    "prerouting": "input",
    "input": "forward",
    "forward": "output",
    "output": "prerouting",
    "postrouting": "output",
    "nat": "filter",
    "filter": "nat",
    "accept": "drop",
    "drop": "accept",
    "==": "!=",
    "!=": "==",
    "random": "inc",
    "inc": "random",
    "update": "delete",
    "add": "delete",
    "PREROUTING": "INPUT",
    "INPUT": "FORWARD",
    "FORWARD": "OUTPUT",
    "OUTPUT": "PREROUTING",
    "POSTROUTING": "OUTPUT",
    "ACCEPT": "DROP",
    "DROP": "ACCEPT",
    "RETURN": "ACCEPT",
    "NEW": "ESTABLISHED",
    "DNAT": "SNAT",
    "-j": "-g",
    "-g": "-j",
    "-A": "-D",
    "-I": "-D",
    "LOCAL": "UNICAST",
    "-m": "-g",
    "rr": "wrr",
    "wrr": "rr",
    "sh": "wrr",
    "inet": "inet6",
    "inet6": "inet",
    "new": "established",
    "local": "unicast",
    "ip": "ip6",
    "ip6": "ip",
    "tcp-reset": "icmp-port-unreachable",
}


def altered(word: str, names: Sequence[str]) -> Iterator[str]:
    """Yield words that could stand in place of a word: another of ``names`` (names of the same kind), another number,
    address or keyword.
    """
    if word in names:
        yield names[(names.index(word) + 1) % len(names)]
        yield f"{word}x"
    elif word in _TURNED:
        yield _TURNED[word]
    elif (moved := _next_address(word)) is not None:
        yield moved
    elif re.fullmatch(r"0x[0-9a-f]+(/0x[0-9a-f]+)?", word):
        yield from (re.sub(pattern, _doubled, word) for pattern in (r"\A0x[0-9a-f]+", r"0x[0-9a-f]+\Z"))
    elif re.fullmatch(r"0\.\d+", word):
        yield f"{float(word) * 0.9:.11f}"
    elif re.search(r"\d", word):
        yield from _numbers(word)


def _doubled(match: re.Match[str]) -> str:
    return hex(int(match[0], 16) * 2 or 1)


def _numbers(word: str) -> Iterator[str]:
    """Yield the word with each of its numbers one higher; of an address, only the last number."""
    for match in re.finditer(r"(?<![\w.])\d+(?![\w.])|\d+(?=[:,\]/]|\Z)", word):
        yield f"{word[: match.start()]}{int(match[0]) + 1}{word[match.end() :]}"


# ---- lines


def _line_mutants(part: str, text: str) -> Iterator[Mutant]:
    lines = text.splitlines()
    names = _chain_names(lines) if part in ("iptables", "ip6tables") else _set_names(lines)
    for index, line in enumerate(lines):
        if not line or line.startswith("#"):
            continue

        def whole(*instead: str, index: int = index) -> str:
            return "".join(f"{line}\n" for line in (*lines[:index], *instead, *lines[index + 1 :]))

        yield Mutant(part, index + 1, line, "removed", whole(), line)
        seen = {line}
        for change, instead in _altered_lines(part, line, names):
            if instead not in seen:
                seen.add(instead)
                yield Mutant(part, index + 1, line, change, whole(instead), f"{line} {change}")
    for index, (line, after) in enumerate(pairwise(lines)):
        if part in ("iptables", "ip6tables") and line.split()[:2] == after.split()[:2] and line.startswith("-A"):
            swapped = [*lines[:index], after, line, *lines[index + 2 :]]
            both = f"{line}\n    {after}"
            yield Mutant(part, index + 1, both, "swapped", "".join(f"{line}\n" for line in swapped), both)


def _chain_names(lines: Sequence[str]) -> list[str]:
    return [line[1:].split()[0] for line in lines if line.startswith(":")]


def _set_names(lines: Sequence[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("create ")]


_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')


def _altered_lines(part: str, line: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the line with one word altered, or one match removed or negated: the change in words, and the line."""
    words = _WORD.findall(line)
    for index, word in enumerate(words):
        if index and words[index - 1] == "--comment":
            continue
        for other in altered(word, names):
            yield f"{word} -> {other}", " ".join([*words[:index], other, *words[index + 1 :]])
        if word == "--match-set" and part.endswith("tables"):
            continue
        if "," in word and word.replace(",", "").isalpha():  # dst,dst,src
            fields = word.split(",")
            for i, field in enumerate(fields):
                other = ",".join([*fields[:i], _TURNED.get(field, field), *fields[i + 1 :]])
                yield f"{word} -> {other}", " ".join([*words[:index], other, *words[index + 1 :]])
    if part in ("iptables", "ip6tables") and line.startswith(("-A", "-I")):
        yield from _altered_matches(words)
    if part == "sysctl":
        yield "1 -> 0", line.replace("= 1", "= 0").replace("= 2", "= 0")


def _altered_matches(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    groups = _groups(words[2:])
    for index, group in enumerate(groups):
        before, after = groups[:index], groups[index + 1 :]
        if group[0] in ("-j", "-g"):
            for target in ("ACCEPT", "DROP", "RETURN"):
                yield f"target {target}", _joined(words, [*before, ["-j", target], *after])
            yield "without target", _joined(words, [*before, *after])
            if len(group) > 2:
                yield "without the target's options", _joined(words, [*before, group[:2], *after])
        else:
            yield f"without {' '.join(group)}", _joined(words, [*before, *after])
            yield f"negated {' '.join(group)}", _joined(words, [*before, _negated(group), *after])


def _groups(words: Sequence[str]) -> list[list[str]]:
    """Return a rule's words in groups: one for each match, and one for the target."""
    groups: list[list[str]] = []
    for index, word in enumerate(words):
        begins = word in ("-s", "-d", "-p", "-i", "-o", "-m", "-j", "-g") or (
            word == "!" and words[index + 1] in ("-s", "-d", "-p", "-i", "-o")
        )
        if begins and not (groups and groups[-1] == ["!"]):
            groups.append([])
        groups[-1].append(word)
    return groups


def _negated(group: Sequence[str]) -> list[str]:
    if "!" in group:
        return [word for word in group if word != "!"]
    first = next((i for i, word in enumerate(group) if word.startswith("--")), 0)
    return [*group[:first], "!", *group[first:]]


def _joined(words: Sequence[str], groups: Sequence[Sequence[str]]) -> str:
    return " ".join([*words[:2], *(word for group in groups for word in group)])


# ---- JSON


def _json_mutants(text: str) -> Iterator[Mutant]:
    commands = json.loads(text)["nftables"]
    lines = [json.dumps(command) for command in commands]
    names = _Names(commands)
    for index, command in enumerate(commands):

        def whole(*instead: str, index: int = index) -> str:
            return _document([*lines[:index], *instead, *lines[index + 1 :]])

        yield Mutant("nft", index + 2, lines[index], "removed", whole(), lines[index])
        for change, other in _altered_json(command, names, ()):
            instead, focus = json.dumps(other), " ".join(map(json.dumps, _other_elements(command, other)))
            yield Mutant("nft", index + 2, lines[index], change, whole(instead), focus or f"{lines[index]} {instead}")
    for index, (command, after) in enumerate(pairwise(commands)):
        if _chain_of(command) is not None and _chain_of(command) == _chain_of(after):
            swapped = [*lines[:index], lines[index + 1], lines[index], *lines[index + 2 :]]
            both = f"{lines[index]}\n    {lines[index + 1]}"
            yield Mutant("nft", index + 2, both, "swapped", _document(swapped), both)


def _other_elements(command: Any, other: Any) -> Iterator[Any]:
    """Yield the elements that only one of two commands adds."""
    one, two = (c.get("add", {}).get("element", {}).get("elem", []) for c in (command, other))
    yield from (element for element in one if element not in two)
    yield from (element for element in two if element not in one)


def one_line_each(text: str) -> str:
    """Return a document with each command on a line of its own, as its mutants have it."""
    return _document([json.dumps(command) for command in json.loads(text)["nftables"]])


def _document(lines: Sequence[str]) -> str:
    return '{"nftables": [\n' + ",\n".join(lines) + "\n]}\n"


def _chain_of(command: Mapping[str, Any]) -> tuple[str, str] | None:
    rule = command.get("add", {}).get("rule")
    return None if rule is None else (rule["family"], rule["chain"])


class _Names:
    """The names in a document, by kind. A mutant has another name of the same kind in place of one of them."""

    def __init__(self, commands: Sequence[Mapping[str, Any]]) -> None:
        self._kinds: dict[str, list[str]] = {}
        for command in commands:
            for kind, fields in command.get("add", {}).items():
                if "name" in fields and kind in ("chain", "set", "map"):
                    self._kinds.setdefault("chain" if kind == "chain" else "set", []).append(fields["name"])

    def others(self, path: tuple[Any, ...], value: str) -> list[str]:
        """Return all names that could stand in a place. ``path``: the members that lead there; ``value``: its text."""
        if value.startswith("@"):
            return [f"@{name}" for name in self._kinds.get("set", [])]
        if path[-1] in ("target", "chain"):
            return self._kinds.get("chain", [])
        return []


def _altered_json(value: Any, names: _Names, path: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the value with one thing in it removed or altered: the change in words, and the value.

    ``path``: the members and indexes that lead to the value.
    """
    if isinstance(value, dict):
        if set(value) == {"addr", "len"}:
            yield from _moved_network(value)
            return
        for key, inner in value.items():
            rest = {k: v for k, v in value.items() if k != key}
            if len(value) > 1:
                yield f"without {key}", rest
            elif key in _VERDICTS:
                yield from (
                    (f"{key} -> {other}", {other: None}) for other in ("accept", "drop", "return") if other != key
                )
            for change, other in _altered_json(inner, names, (*path, key)):
                yield change, {k: other if k == key else v for k, v in value.items()}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield f"without {json.dumps(inner)}", [*value[:index], *value[index + 1 :]]
            for change, other in _altered_json(inner, names, (*path, index)):
                yield change, [*value[:index], other, *value[index + 1 :]]
    elif isinstance(value, bool) or value is None or path[-1:] == ("comment",):
        return
    elif isinstance(value, int):
        yield f"{value} -> {value + 1}", value + 1
    elif path[-1:] != ("name",) and path[-1:] != ("table",):
        for other in altered(value, names.others(path, value)):
            yield f"{value} -> {other}", other


def _moved_network(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the next network, and one of half the size."""
    network = ip_network(f"{value['addr']}/{value['len']}")
    following = _beside(network)
    yield f"{network} -> {following}", {**value, "addr": str(following)}
    yield f"{network} -> half of it", {**value, "len": value["len"] + 1}


_VERDICTS = ("accept", "drop", "goto", "jump", "return", "continue")
