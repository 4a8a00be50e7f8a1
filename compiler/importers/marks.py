"""Finds out which packets get a firewall mark, from iptables-save's rules of PREROUTING in the mangle table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.compiler.importers.interface import Note, broken
from svcc.compiler.importers.words import address, lines, number, ports, text_of
from svcc.compiler.source import Source

_TABLE = re.compile(r"^\*(?:mangle|nat|filter|raw|security)\s*$", re.MULTILINE)
#: Matches that add no condition to the ones beside them.
_IGNORED = re.compile(r"-m (?:tcp|udp|sctp|multiport|comment)(?= )|--comment (?:\"(?:[^\"\\]|\\.)*\"|\S+)")
_MARK = re.compile(r"-j MARK --set-(?:x?mark|mark) (0x[0-9a-fA-F]{1,8}|[0-9]{1,10})(?:/0x[fF]{8})?")


@dataclass(frozen=True, slots=True)
class Mark:
    """A firewall mark that packets to some ports of an address get."""

    mark: int
    address: ir.Address
    protocol: ir.Protocol
    ports: ir.PortRange

    @property
    def version(self) -> int:
        """The family of its address: 4 or 6."""
        return self.address.version


def with_rules(sources: Sequence[Source], whose: str) -> tuple[list[Source], list[Source]]:
    """Return the importer's own sources, and those that iptables-save or ip6tables-save printed.

    Errors: Broken where there are only rules. ``whose``: what the rules stand beside, for the hint.
    """
    rules = [source for source in sources if _TABLE.search(source.text) is not None]
    others = [source for source in sources if source not in rules]
    if rules and not others:
        span = next(lines(rules[0]))
        hint = f"give {whose} beside it; connections that rules translate: svcc import iptables"
        raise broken("this is what iptables-save prints, which says here what has a firewall mark", span, hint)
    return others, rules


def marks(source: Source, notes: list[Note]) -> Iterator[Mark]:
    """Return what is marked for certain: by rules that ask for an address, a protocol and ports, and for nothing else.

    Other rules that mark packets are noted.
    """
    table = ""
    for span in lines(source):
        text = text_of(span)
        if text.startswith("*"):
            table = text[1:]
        elif table == "mangle" and text.startswith("-A PREROUTING ") and " -j MARK " in text:
            found = _marks(text.removeprefix("-A PREROUTING "))
            if not found:
                notes.append(Note(span, "import takes only rules that mark by -d, -p and --dport"))
            yield from found


def _marks(rule: str) -> list[Mark]:
    found = _MARK.search(rule)
    if found is None:
        return []
    rest = _IGNORED.sub(" ", rule.replace(found.group(), "")).split()
    options = dict(zip(rest[::2], rest[1::2], strict=False))
    if len(options) * 2 != len(rest) or options.keys() - {"-d", "-p", "--dport", "--dports"}:
        return []
    mark = number(str(int(found.group(1), 0)), 1, 0xFFFF_FFFF)
    where = address(options.get("-d", "").removesuffix("/32").removesuffix("/128"))
    protocol = options.get("-p", "")
    listed = [ports(text, ":") for text in (options.get("--dport") or options.get("--dports", "")).split(",")]
    if mark is None or where is None or protocol not in set(ir.Protocol) or None in listed:
        return []
    return [Mark(mark, where, ir.Protocol(protocol), one) for one in listed if one is not None]
