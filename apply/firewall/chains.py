"""Read the base chains of a hook that may drop packets, of nftables and of both variants of iptables.

Where a table holds iptables' rules, iptables prints them: nft has no words for its extensions. A chain whose rules
cannot be read is given where it drops by default, and left out where it does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from svcc.apply.firewall import iptables, nft
from svcc.apply.firewall.rules import Dropped, Kind, Packet, Rules, dropped
from svcc.kernel import tools
from svcc.kernel.json_values import Json, integer, items, members, parsed, string

_FAMILIES = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_LEGACY = ((4, "iptables", "ip_tables_names"), (6, "ip6tables", "ip6_tables_names"))
#: The tables of iptables that are looked at, with their priorities (linux/netfilter_ipv4.h). Few drop anything in the
#: mangle table's other chains.
_TABLES = {"prerouting": {"raw": -300, "mangle": -150}}
_FILTER = {"filter": 0}
_CONNTRACK = -200  # NF_IP_PRI_CONNTRACK


@dataclass(frozen=True)
class Firewall:
    """A base chain of a firewall that is not svcc's."""

    families: frozenset[int]
    table: str  # "inet firewall"; of iptables "filter"
    chain: str
    tool: str  # iptables, ip6tables, either with -legacy behind it, or nft
    policy: Kind
    rules: Rules | None  # None: they could not be read
    hook: str
    priority: int  # its place among the chains of its hook
    words: str = ""  # why they could not be read
    needs_tracking: bool = True  # whether a packet that is kept from connection tracking is lost

    @property
    def tracked(self) -> bool:
        """Whether connection tracking has seen the packets that come here."""
        return self.hook in ("forward", "input") or self.priority > _CONNTRACK

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


def firewalls(hook: str, ours: Collection[str] = ()) -> Iterator[Firewall]:
    """Yield the base chains of a hook: prerouting, forward, input or output.

    ``ours``: the names of svcc's nftables tables, which are left out. Chains of iptables under svcc's prefixes are left
    out as well: the rules that lead there now may be removed by the apply.
    """
    yield from _of_nft(hook, ours)
    for family, tool, names in _LEGACY:
        path = Path("/proc/thread-self/net", names)
        present = path.read_text(encoding="ascii").split() if path.exists() else ()
        for table, priority in _TABLES.get(hook, _FILTER).items():
            save = f"{tool}-legacy-save"
            if table in present and tools.find(save):
                done = tools.run([save, "-t", table])
                rules, policies = iptables.read(done.stdout, ours)
                chain = hook.upper()
                policy = policies.get(chain, Kind.ACCEPT)
                yield Firewall(frozenset({family}), table, chain, f"{tool}-legacy", policy, rules, hook, priority)


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
            yield from _read(chain, _TABLES.get(hook, _FILTER), ours)


def _read(chain: Mapping[str, Json], of_iptables: Collection[str], ours: Collection[str]) -> Iterator[Firewall]:
    family, table, name = (string(chain[name]) for name in ("family", "table", "name"))
    policy = Kind.DROP if chain.get("policy") == "drop" else Kind.ACCEPT
    by_iptables = table in of_iptables and name.isupper() and family != "inet"
    tool = ("iptables" if family == "ip" else "ip6tables") if by_iptables else "nft"
    listing = [f"{tool}-nft-save", "-t", table] if by_iptables else ["nft", "-j", "-t", "list", "table", family, table]
    rules, words = _rules(listing, ours, by_iptables=by_iptables)
    if rules is not None or policy is Kind.DROP:
        shown = table if by_iptables else f"{family} {table}"
        yield Firewall(
            _FAMILIES[family], shown, name, tool, policy, rules, string(chain["hook"]), integer(chain["prio"]), words
        )


def _rules(listing: list[str], ours: Collection[str], *, by_iptables: bool) -> tuple[Rules | None, str]:
    """Return the rules of a table and ""; or None and the reason why they could not be read."""
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
