"""The base chains of a hook that may drop packets, of nftables and of both variants of iptables.

Where a table holds iptables' rules, iptables prints them: nft has no words for its extensions. What cannot be read is
named where its chain drops by default, and else left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from svcc.apply.firewall import iptables, nft
from svcc.apply.firewall.rules import Dropped, Kind, Packet, Rules, dropped
from svcc.kernel import tools
from svcc.kernel.json_values import Json, items, members, parsed, string

_FAMILIES = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_LEGACY = ((4, "iptables", "ip_tables_names"), (6, "ip6tables", "ip6_tables_names"))


@dataclass(frozen=True)
class Firewall:
    """A base chain of somebody's."""

    families: frozenset[int]
    table: str  # "inet firewall"; of iptables "filter"
    chain: str
    tool: str  # iptables, ip6tables, either with -legacy behind it, or nft
    policy: Kind
    rules: Rules | None  # None: they could not be read
    words: str = ""  # why

    @property
    def name(self) -> str:
        """The tool, the table and the chain, as people look for them."""
        return f"{self.tool} {self.table} {self.chain}"

    def drops(self, packet: Packet) -> Dropped | None:
        """Where it drops a packet; if its rules could not be read, what its policy says."""
        if packet.version not in self.families:
            return None
        return dropped(self.rules or (lambda _: ()), self.chain, self.policy, packet)

    def before(self, place: Dropped, nft_words: str, iptables_words: str) -> str:
        """A command that accepts what some words match, where a packet is dropped now: before the rule that drops it,
        or behind all rules; never before those that refuse what nobody serves."""
        if self.tool == "nft":
            where = f"{self.table} {place.chain}"
            at = f"insert rule {where} handle {place.place}" if place.place else f"add rule {where}"
            return f"nft {at} {nft_words} accept"
        at = f"-I {place.chain} {place.place}" if place.place else f"-A {place.chain}"
        return f"{self.tool} {at} {iptables_words} -j ACCEPT"


def firewalls(hook: str, ours: Collection[str] = ()) -> Iterator[Firewall]:
    """The chains of a hook: forward, input, output. ``ours``: names of svcc's tables, which are not looked at.

    iptables' chains of theirs are neither: what leads there now may go with what is applied.
    """
    yield from _of_nft(hook, ours)
    for family, tool, names in _LEGACY:
        tables = Path("/proc/thread-self/net", names)
        save = f"{tool}-legacy-save"
        if tables.exists() and "filter" in tables.read_text(encoding="ascii").split() and tools.find(save):
            done = tools.run([save, "-t", "filter"])
            rules, policies = iptables.read(done.stdout, ours)
            chain = hook.upper()
            policy = policies.get(chain, Kind.ACCEPT)
            yield Firewall(frozenset({family}), "filter", chain, f"{tool}-legacy", policy, rules)


def _of_nft(hook: str, ours: Collection[str]) -> Iterator[Firewall]:
    if tools.find("nft") is None:
        return
    done = tools.run(["nft", "-j", "list", "chains"])
    try:
        listed = items(members(parsed(done.stdout))["nftables"])
    except (ValueError, KeyError, TypeError):
        if done.returncode:  # without nf_tables in the kernel there is nothing to read
            return
        listed = ()
    for item in listed:
        chain = members(members(item).get("chain", {}))
        filters = chain.get("hook") == hook and chain.get("type") == "filter"
        if filters and chain["family"] in _FAMILIES and chain["table"] not in ours:
            yield from _read(chain, ours)


def _read(chain: Mapping[str, Json], ours: Collection[str]) -> Iterator[Firewall]:
    family, table, name = (string(chain[name]) for name in ("family", "table", "name"))
    policy = Kind.DROP if chain.get("policy") == "drop" else Kind.ACCEPT
    by_iptables = table == "filter" and name.isupper() and family != "inet"
    tool = ("iptables" if family == "ip" else "ip6tables") if by_iptables else "nft"
    listing = (
        [f"{tool}-nft-save", "-t", "filter"] if by_iptables else ["nft", "-j", "-t", "list", "table", family, table]
    )
    rules, words = _rules(listing, ours, by_iptables=by_iptables)
    if rules is not None or policy is Kind.DROP:
        shown = table if by_iptables else f"{family} {table}"
        yield Firewall(_FAMILIES[family], shown, name, tool, policy, rules, words)


def _rules(listing: list[str], ours: Collection[str], *, by_iptables: bool) -> tuple[Rules | None, str]:
    """The rules of a table, or None and why they could not be read."""
    if tools.find(listing[0]) is None:
        return None, f"there is no {listing[0]}"
    done = tools.run(listing)
    if done.returncode:
        return None, done.words
    if by_iptables:
        return iptables.read(done.stdout, ours)[0], ""
    try:
        return nft.read(items(members(parsed(done.stdout))["nftables"])), ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, "nft printed what svcc does not know"
