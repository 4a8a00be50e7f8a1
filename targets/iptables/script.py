"""One family's whole script: the nat and the filter table."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.targets.iptables import masquerade
from svcc.targets.iptables.dispatch import Node, PortRule, Walk, at_address, by_address, by_port, tree
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.services import Services
from svcc.targets.iptables.unserved import Unserved
from svcc.targets.xtables import (
    ACCEPT,
    RETURN,
    Chain,
    Comment,
    CtState,
    Entry,
    Goto,
    Jump,
    Match,
    Rule,
    Script,
    Table,
    To,
    ToLocal,
    Verdict,
    to,
)

LOOPBACK: dict[int, ir.Network] = {4: IPv4Network("127.0.0.0/8"), 6: IPv6Network("::1/128")}


def script(cluster: ir.Cluster, frontends: list[Frontend], version: int) -> Script:
    """The script for the frontends of one family; without any, an empty one."""
    if not frontends:
        return Script()
    names = Names(cluster.prefix)
    services = Services(names, frontends)
    nodes = tree(services.addresses)
    nat = _nat(cluster, names, services, nodes, version)
    unserved = _filter(cluster, names, Unserved(names, frontends), nodes, version)
    return Script((nat, unserved) if unserved is not None else (nat,))


def _nat(cluster: ir.Cluster, names: Names, services: Services, nodes: tuple[Node, ...], version: int) -> Table:
    bit = cluster.mark
    chains: list[Chain] = []
    if services.marks(names.mark):
        chains.append(masquerade.mark(names, bit))
    if services.marks(names.outside):
        chains.append(masquerade.outside(names, bit, (pod for pod in cluster.pods if pod.version == version)))
    chains += masquerade.postrouting(names, bit, version)
    chains += services.chains()
    # An address of ours has no node ports, even where it is an address of this host too.
    addresses = _at_addresses(names, nodes, services.addresses, ACCEPT)
    local = _at_node(cluster, names, services.node_ports, version)
    chains += (*addresses.chains, *local.chains, Chain(names.services, (*addresses.rules, *local.rules)))
    return Table("nat", entries("nat", names), tuple(chains), upwards=True)


def _filter(
    cluster: ir.Cluster, names: Names, unserved: Unserved, nodes: tuple[Node, ...], version: int
) -> Table | None:
    """None: every packet that is ours is served."""
    addresses = _at_addresses(names, nodes, unserved.addresses, unserved.reject)
    local = _at_node(cluster, names, unserved.node_ports, version)
    if not addresses.rules and not local.rules:
        return None
    served = Rule((CtState(("DNAT",)),), RETURN)
    root = Chain(names.unserved, (served, *addresses.rules, *local.rules))
    chains = (*unserved.chains(version), *addresses.chains, *local.chains, root)
    return Table("filter", entries("filter", names), chains, upwards=True)


def _at_addresses(
    names: Names, nodes: tuple[Node, ...], rules: Mapping[ir.Address, list[PortRule]], other: Verdict
) -> Walk:
    return by_address(names, nodes, {a: at_address(names, a, ports, other) for a, ports in rules.items()})


def _at_node(cluster: ir.Cluster, names: Names, rules: list[PortRule], version: int) -> Walk:
    """Node ports, at the node's addresses that serve them; never at loopback addresses."""
    if not rules:
        return Walk((), ())
    walk = by_port(names, rules)
    loopback = LOOPBACK[version]
    served = [network for network in cluster.nodeport_addresses if network.version == version]
    before = [Rule((To(loopback),), RETURN)] if any(network.overlaps(loopback) for network in served) else []
    chain = Chain(names.node_ports, (*before, *walk.rules))
    places = [to(network) for network in served] or [(To(loopback, negate=True),)]
    return Walk(tuple(Rule((*place, ToLocal()), Goto(chain.name)) for place in places), (*walk.chains, chain))


def entries(table: str, names: Names) -> tuple[Entry, ...]:
    """How packets come to the chains of a table."""
    if table == "filter":
        return tuple(_entry(names, hook, names.unserved, CtState(("NEW",))) for hook in ("INPUT", "FORWARD", "OUTPUT"))
    services = (_entry(names, hook, names.services) for hook in ("PREROUTING", "OUTPUT"))
    return (*services, _entry(names, "POSTROUTING", names.postrouting))


def _entry(names: Names, hook: str, chain: str, *matches: Match) -> Entry:
    return Entry(hook, Rule((*matches, Comment(f"{names.prefix} services")), Jump(chain)))
