"""Read the base chains of a hook that may drop packets, of nftables and of both variants of iptables.

Where a table is of iptables' nft variant, iptables prints those of its rules that nft has no words for: its extensions.
All others are read from nft, as iptables leaves out what it has no words for, or says that the table is incompatible.
A rule that neither can give may match anything. A chain whose rules cannot be read is given where it drops by default,
and left out where it does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from svcc.apply.firewall import iptables, nft
from svcc.apply.firewall.rules import Dropped, Kind, Packet, Rule, Rules, dropped
from svcc.kernel import tools
from svcc.kernel.json_values import Json, integer, items, members, parsed, string
from svcc.kernel.steps import StepError
from svcc.kernel.xtables.variant import NFT, default

_FAMILIES = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_LEGACY = ((4, "iptables", "ip_tables_names"), (6, "ip6tables", "ip6_tables_names"))
_RAW, _MANGLE, _FILTER, _SECURITY = {"raw": -300}, {"mangle": -150}, {"filter": 0}, {"security": 50}
#: The tables of iptables that have a chain at a hook, with their priorities (linux/netfilter_ipv4.h).
_TABLES = {
    "prerouting": {**_RAW, **_MANGLE},
    "input": {**_MANGLE, **_FILTER, **_SECURITY},
    "forward": {**_MANGLE, **_FILTER, **_SECURITY},
    "output": {**_RAW, **_MANGLE, **_FILTER, **_SECURITY},
    "postrouting": _MANGLE,
}
_NAT = {"nat": -100}
#: Types of nftables' chains that may drop packets and translate none. iptables' mangle OUTPUT has the second.
_TYPES = ("filter", "route")
_IPTABLES = {"ip": "iptables", "ip6": "ip6tables"}
_DORMANT = re.compile(r"^\tflags .*\bdormant\b", re.MULTILINE)
_UNKNOWN = "nft printed what svcc does not know"
_CONNTRACK = -200  # NF_IP_PRI_CONNTRACK
_SRCNAT = 100  # NF_IP_PRI_NAT_SRC


@dataclass(frozen=True)
class Firewall:
    """A base chain of a firewall that is not svcc's."""

    families: frozenset[int]
    table: str  # "inet firewall"; of iptables "filter"
    chain: str
    tool: str  # iptables, ip6tables, either with its variant behind it where that has to be said, or nft
    policy: Kind
    rules: Rules | None  # None: they could not be read
    hook: str
    priority: int  # its place among the chains of its hook
    words: str = ""  # why they, or some of them, could not be read
    does: str = "drops"  # what it does to packets that are lost
    needs_tracking: bool = True  # whether a packet that is kept from connection tracking is lost

    @property
    def tracked(self) -> bool:
        """Whether connection tracking has seen the packets that come here."""
        return self.hook in ("forward", "input", "postrouting") or self.priority > _CONNTRACK

    @property
    def name(self) -> str:
        """The tool, the table and the chain, as messages name them."""
        return f"{self.tool} {self.table} {self.chain}"

    def drops(self, packet: Packet) -> Dropped | None:
        """Return where the chain drops a packet, or has it lost; None where it accepts the packet, or may. If its rules
        could not be read, its policy decides."""
        if packet.version not in self.families:
            return None
        packet = packet if self.tracked else replace(packet, state=None)
        if self.hook == "postrouting" and self.priority > _SRCNAT:  # some have other sources by then
            packet = replace(packet, source=None, source_port=None)
        found = dropped(self.rules or (lambda _: ()), self.chain, self.policy, packet)
        return None if found and found.untracked and not self.needs_tracking else found

    def accept_command(self, place: Dropped, nft_words: str, iptables_words: str) -> str:
        """Return a command that inserts a rule which accepts packets, before the rule at ``place`` that drops them now,
        or at the end of the chain where its policy does. So rules that come before and refuse other packets still do.

        ``nft_words``, ``iptables_words``: the matches of the new rule in the notation of either tool.
        """
        if self.tool == "nft":
            where = f"{self.table} {place.chain}"
            at = f"insert rule {where} handle {place.place}" if place.place else f"add rule {where}"
            return f"nft {at} {nft_words} accept"
        return f"{self.command} {'-I' if place.place else '-A'} {place.chain} {place.place}".rstrip() + (
            f" {iptables_words} -j ACCEPT"
        )

    @property
    def command(self) -> str:
        """The words with which a command of iptables begins that changes the chain's table."""
        return self.tool if self.table == "filter" else f"{self.tool} -t {self.table}"


class _Table(NamedTuple):
    """A table of nftables as it was read."""

    tool: str
    shown: str  # its name in messages
    rules: Rules | None
    words: str  # why they, or some of them, could not be read


class Reader:
    """Reads the firewalls of the calling thread's network namespace. What it has read once it does not read again,
    however many hooks are asked for."""

    def __init__(self, ours: Collection[str] = ()) -> None:
        """``ours``: the names of svcc's nftables tables, which are left out. Chains of iptables under svcc's prefixes
        are left out as well: the rules that lead there now may be removed by the apply."""
        self._ours = ours
        self._own = tuple(f"{name}-" for name in ours)
        self._base_chains, self._table, self._saved = cache(_base_chains), cache(self._read_table), cache(_saved)

    def is_own(self, chain: str) -> bool:
        """Whether a chain of iptables is under one of svcc's prefixes."""
        return chain.lower().startswith(self._own)

    def firewalls(self, hook: str, of: str = "filter") -> Iterator[Firewall]:
        """Yield the base chains of a hook: prerouting, forward, input, output or postrouting.

        ``of``: their type, "filter" or "nat". iptables' nat table is read when a chain's rules are asked for, as it may
        be full of svcc's.
        """
        tables = _NAT if of == "nat" else _TABLES[hook]
        for chain in self._at(hook, _TYPES if of == "filter" else (of,)):
            if chain["table"] not in self._ours:
                yield from self._of_nft(chain, tables)
        for family, tool, names in _LEGACY:
            path = Path("/proc/thread-self/net", names)
            present = path.read_text(encoding="ascii").split() if path.exists() else ()
            for table, priority in tables.items():
                save, chain_name = f"{tool}-legacy-save", hook.upper()
                if table not in present or not tools.find(save):
                    continue
                if of == "nat":
                    rules, policy = self._when_asked(save, table), Kind.ACCEPT
                else:
                    rules, policies = iptables.read(self._saved(save, table).stdout, self._ours)
                    policy = policies.get(chain_name, Kind.ACCEPT)
                yield Firewall(frozenset({family}), table, chain_name, f"{tool}-legacy", policy, rules, hook, priority)

    def families_translated(self, hook: str) -> frozenset[int]:
        """Return the families of which svcc's nftables tables translate packets at a hook."""
        own = (chain for chain in self._at(hook, ("nat",)) if chain["table"] in self._ours)
        return frozenset[int]().union(*(_FAMILIES[string(chain["family"])] for chain in own))

    def _at(self, hook: str, types: Collection[str]) -> Iterator[Mapping[str, Json]]:
        return (one for one in self._base_chains() if one["hook"] == hook and one.get("type") in types)

    def _of_nft(self, chain: Mapping[str, Json], of_iptables: Collection[str]) -> Iterator[Firewall]:
        """Yield a chain of nftables, if there is anything to know of it. ``of_iptables``: the tables that iptables has
        at its hook."""
        family, table, name, hook = (string(chain[name]) for name in ("family", "table", "name", "hook"))
        by_iptables = family != "inet" and name == hook.upper() and table in of_iptables
        policy = Kind.DROP if chain.get("policy") == "drop" else Kind.ACCEPT
        if by_iptables and chain["type"] == "nat":
            rules = self._when_asked(f"{_IPTABLES[family]}-nft-save", table)
            read: _Table | None = _Table(_command(_IPTABLES[family]), table, rules, "")
        else:
            read = self._table(family, table, by_iptables)
        if read is not None and (read.rules is not None or policy is Kind.DROP):
            yield Firewall(
                _FAMILIES[family],
                read.shown,
                name,
                read.tool,
                policy,
                read.rules,
                hook,
                integer(chain["prio"]),
                read.words,
            )

    def _read_table(self, family: str, table: str, by_iptables: bool) -> _Table | None:
        """Return a table; None where its chains are off their hooks. ``by_iptables``: whether it may be of iptables."""
        listed, words = _listed("-t", "list", "table", family, table)
        if _is_dormant(listed, family, table):
            return None
        tool, shown, saved = "nft", f"{family} {table}", None
        if by_iptables:
            listed = None if listed is None else [one for one in listed if not self.is_own(_chain_of(one))]
            saved, why = self._rules_saved(_IPTABLES[family], table)
            if saved is not None:
                tool, shown, words = _command(_IPTABLES[family]), table, ""
            elif any(map(_has_extension, listed or ())):
                words = why

        def elements(kind: str, name: str) -> Sequence[Json] | None:
            return _elements(family, table, kind, name)

        rules = saved if listed is None else _rules(listed, elements, saved)
        return _Table(tool, shown, rules, words or ("" if rules else _UNKNOWN))

    def _rules_saved(self, family: str, table: str) -> tuple[Rules | None, str]:
        """Return the rules of a table as iptables prints them and ""; or None and the reason why it does not."""
        save = f"{family}-nft-save"
        if tools.find(save) is None:
            return None, f"there is no {save}"
        done = self._saved(save, table)
        if done.returncode:
            return None, done.words
        if "*" + table not in done.stdout.splitlines():
            return None, f"{save} says that table {table} is incompatible"
        return iptables.read(done.stdout, self._ours)[0], ""

    def _when_asked(self, save: str, table: str) -> Rules:
        """Return the rules of a table of iptables', which is read when they are asked for; none if the tool is
        missing."""

        @cache
        def whole() -> Rules:
            return iptables.read(self._saved(save, table).stdout if tools.find(save) else "", self._ours)[0]

        def rules(chain: str) -> Sequence[Rule]:
            return whole()(chain)

        return rules


def _base_chains() -> Sequence[Mapping[str, Json]]:
    """Return the base chains of nftables, in families that svcc knows; none where they cannot be read."""
    if tools.find("nft") is None:
        return ()
    listed, _ = _listed("list", "chains")
    chains = (members(members(item).get("chain", {})) for item in listed or ())
    return [one for one in chains if "hook" in one and one["family"] in _FAMILIES]


def _listed(*words: str) -> tuple[Sequence[Json] | None, str]:
    """Return what nft lists and ""; or None and the reason why that could not be read."""
    done = tools.run(["nft", "-j", *words])
    if done.returncode:
        return None, done.words
    try:
        return items(members(parsed(done.stdout))["nftables"]), ""
    except (ValueError, KeyError, TypeError):
        return None, _UNKNOWN


def _is_dormant(listed: Sequence[Json] | None, family: str, table: str) -> bool:
    """Whether a table's base chains are off their hooks. The text is asked, as nft 1.0.6 gives any word for the flag in
    JSON."""
    flagged = listed is None or any("flags" in members(members(item).get("table", {})) for item in listed)
    return flagged and bool(_DORMANT.search(tools.run(["nft", "-t", "list", "table", family, table]).stdout))


def _rule_of(item: Json) -> Mapping[str, Json]:
    return members(members(item).get("rule", {}))


def _chain_of(item: Json) -> str:
    return str(_rule_of(item).get("chain", ""))


def _has_extension(item: Json) -> bool:
    rule = _rule_of(item)
    return bool(rule) and nft.has_extension(rule)


def _saved(save: str, table: str) -> tools.Done:
    return tools.run([save, "-t", table])


def _command(family: str) -> str:
    """Return the command that changes tables of the nft variant of iptables or ip6tables."""
    with suppress(StepError):
        if default(family) == NFT:
            return family
    return f"{family}-{NFT}"


def _elements(family: str, table: str, kind: str, name: str) -> Sequence[Json] | None:
    """Return the elements of a set or map; None where they cannot be read."""
    listed, _ = _listed("list", kind, family, table, name)
    for item in listed or ():
        if found := members(members(item).get(kind, {})):
            return items(found.get("elem", ()))
    return None


def _rules(listed: Sequence[Json], elements: nft.Elements, of_iptables: Rules | None) -> Rules | None:
    try:
        return nft.read(listed, elements, of_iptables)
    except (ValueError, KeyError, TypeError, AttributeError):
        return of_iptables
