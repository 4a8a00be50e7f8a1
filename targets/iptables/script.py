"""What the services of one family share: the rules for the node's own addresses, and how packets reach the chains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from svcc.compiler import ir
from svcc.kernel.xtables.matches import Comment, CtState, Match, To, ToLocal, to
from svcc.kernel.xtables.script import Chain, Entry, Rule
from svcc.kernel.xtables.verdicts import RETURN, Goto, Jump
from svcc.targets.iptables.dispatch import PortRule, Walk, by_port
from svcc.targets.iptables.names import Names

LOOPBACK: dict[int, ir.Network] = {4: IPv4Network("127.0.0.0/8"), 6: IPv6Network("::1/128")}


def at_node(
    cluster: ir.Cluster, names: Names, rules: Iterable[PortRule], version: int, others: Sequence[ir.Address]
) -> Walk:
    """Return the rules for node ports, at those of the node's addresses that serve them, and never at loopback
    addresses.

    ``others``: shared addresses that are not the node's own. This host may hold them; only their declared ports are
    ours.
    """
    walk = by_port(names, rules)
    if not walk.rules:
        return walk
    held = [Rule((To(address),), RETURN) for address in others]
    chain = Chain(names.node_ports, (*but_loopback(cluster, version), *held, *walk.rules))
    led = tuple(Rule((*place, ToLocal()), Goto(chain.name)) for place in places(cluster, version))
    return Walk(led, (*walk.chains, chain))


def places(cluster: ir.Cluster, version: int) -> list[tuple[Match, ...]]:
    """Return alternative matches for the addresses that serve node ports. That they are the node's own, and not
    loopback, is for other matches.
    """
    served = [network for network in cluster.nodeport_addresses if network.version == version]
    return [to(network) for network in served] or [(To(LOOPBACK[version], negate=True),)]


def but_loopback(cluster: ir.Cluster, version: int) -> list[Rule]:
    """Return the rules that have to come before rules for these addresses, where loopback addresses are among them."""
    loopback = LOOPBACK[version]
    among = any(n.version == version and n.overlaps(loopback) for n in cluster.nodeport_addresses)
    return [Rule((To(loopback),), RETURN)] if among else []


def entries(table: str, names: Names) -> tuple[Entry, ...]:
    """Return the rules by which packets reach the chains of a table."""
    if table == "filter":
        states = CtState(("INVALID", "NEW"))
        return tuple(_entry(names, hook, names.unserved, states) for hook in ("INPUT", "FORWARD", "OUTPUT"))
    services = (_entry(names, hook, names.services) for hook in ("PREROUTING", "OUTPUT"))
    return (*services, _entry(names, "POSTROUTING", names.postrouting))


def _entry(names: Names, hook: str, chain: str, *matches: Match) -> Entry:
    return Entry(hook, Rule((*matches, Comment(f"{names.prefix} services")), Jump(chain)))
