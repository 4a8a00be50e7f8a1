"""Read the nat chains of others that come before svcc's rules, and take what is sent to services.

All nat chains of a hook see the first packet of a connection, by their priorities, until one of them translates it
(net/netfilter/nf_nat_core.c, nf_nat_inet_fn). Of two at one priority, what was loaded last comes first. A chain that
accepts a packet ends for it, and the next one has it; only behind a rule of the chain that leads to svcc's rules, these
do not get it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from svcc.apply.firewall import iptables
from svcc.apply.firewall.chains import Firewall, Reader
from svcc.apply.firewall.rules import Condition, Dropped, Item, Joint, Kind, Rule, Rules
from svcc.kernel import tools
from svcc.kernel.addresses import Address
from svcc.kernel.xtables.state import listed_lines

_DSTNAT = -100  # NF_IP_PRI_NAT_DST, where svcc's rules translate


@dataclass(frozen=True)
class NatChain(Firewall):
    """A nat chain of somebody's, with the rules by which it takes packets before svcc's rules get them."""

    does: str = "takes"
    entry: str = ""  # the rule that leads to svcc's chains, where these are in the same table
    place: int = 0  # its number

    def accept_command(self, place: Dropped, nft_words: str, iptables_words: str) -> str:
        """Return a command that leaves the packets to svcc's rules: in a table of its own, to accept them does. In the
        same table svcc's entry becomes the first rule."""
        if not self.entry:
            return super().accept_command(place, nft_words, iptables_words)
        first = f"{self.command} -I {self.chain} {self.entry}"
        return f"{first} && {self.command} -D {self.chain} {self.place + 1}"


def nat_chains(reader: Reader, hook: str, addresses: Collection[Address], *, translated: bool) -> Iterator[NatChain]:
    """Yield the nat chains at prerouting or output that see packets to service addresses before svcc does.

    ``translated``: whether svcc's rules translate; else IPVS takes the packets, after all nat chains. Where no rules of
    svcc's are in the kernel, the next apply puts them before those of the same priority.
    """
    wanted = frozenset(addresses)
    found = [_parted(one, reader, translated=translated) for one in reader.firewalls(hook, "nat")]
    present = reader.families_translated(hook).union(*(one.families for one in found if one.entry))
    for one in found:
        latest = _DSTNAT if present & one.families else _DSTNAT - 1
        if one.rules is not None and (one.entry or not translated or one.priority <= latest):
            ties = translated and not one.entry and one.priority == _DSTNAT
            does = "takes, where it was loaded after svcc's rules," if ties else one.does
            yield replace(one, does=does, rules=_about(one.rules, wanted))


def _parted(one: Firewall, reader: Reader, *, translated: bool) -> NatChain:
    """Return a chain as far as it comes before svcc's entry, if it has one.

    ``translated``: whether what ends the chain before it takes the packet.
    """
    chain = NatChain(**{each.name: getattr(one, each.name) for each in fields(Firewall)} | {"does": "takes"})
    if one.tool == "nft" or one.rules is None or tools.find(one.tool) is None:
        return chain
    listed = tools.run([one.tool, "-w", "5", "-t", one.table, "-S", one.chain]).stdout
    lines = [line for line in listed_lines(listed) if line.startswith("-A ")]
    base, others = iptables.read(listed)[0](one.chain), one.rules
    for at, rule in enumerate(base):
        if reader.is_own(rule.chain):
            rules = _with(one.chain, base[:at], others)
            entry = lines[at].removeprefix(f"-A {one.chain} ")
            return replace(chain, rules=_ending(rules, one.chain) if translated else rules, entry=entry, place=at + 1)
    return replace(chain, rules=_with(one.chain, base, others))


def _with(chain: str, base: Sequence[Rule], others: Rules) -> Rules:
    return lambda name: base if name == chain else others(name)


def _ending(rules: Rules, chain: str) -> Rules:
    """Return rules that take each packet for which they end a built-in chain: ACCEPT does, and its own RETURN."""

    def ending(name: str) -> Sequence[Rule]:
        ends = (Kind.ACCEPT, Kind.RETURN) if name == chain else (Kind.ACCEPT,)
        return [replace(one, kind=Kind.DROP) if one.kind in ends else one for one in rules(name)]

    return ending


def _about(rules: Rules, wanted: Collection[Address]) -> Rules:
    """Return the rules without those for one other address: a proxy has thousands of them."""

    @cache
    def some(chain: str) -> Sequence[Rule]:
        return [one for one in rules(chain) if not any(_elsewhere(each, wanted) for each in one.conditions)]

    return some


def _elsewhere(condition: Condition | Joint, wanted: Collection[Address]) -> bool:
    if isinstance(condition, Joint) or condition.field != "destination" or condition.negated:
        return False
    return isinstance(condition.among, tuple) and all(_other(item, wanted) for item in condition.among)


def _other(item: Item, wanted: Collection[Address]) -> bool:
    """Whether a value is one address, and none of some."""
    if isinstance(item, IPv4Network | IPv6Network):
        return item.num_addresses == 1 and item.network_address not in wanted
    return isinstance(item, IPv4Address | IPv6Address) and item not in wanted
