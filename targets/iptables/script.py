"""One family's whole script: the nat and the filter table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv4Network, IPv6Network

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, service_networks
from svcc.kernel.xtables.objects import (
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
from svcc.targets.iptables import invalid, masquerade
from svcc.targets.iptables.dispatch import Branch, Node, PortRule, Walk, at_address, by_address, by_port, tree
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.services import Services
from svcc.targets.iptables.sources import sources
from svcc.targets.iptables.unserved import Unserved

LOOPBACK: dict[int, ir.Network] = {4: IPv4Network("127.0.0.0/8"), 6: IPv6Network("::1/128")}


def script(cluster: ir.Cluster, frontends: list[Frontend], version: int, own: Collection[ir.Address]) -> Script:
    """The script for the frontends of one family and its networks of service addresses; without any, an empty one.

    ``own``: the node's own addresses.
    """
    if not frontends and not service_networks(cluster, version):
        return Script()
    names = Names(cluster.prefix)
    services = Services(names, frontends)
    nodes = tree(services.addresses)
    others = sorted(address for address in services.shared if address not in own)
    from_own = sources(cluster, names, frontends, version)
    nat = _nat(cluster, names, services, nodes, version, others, from_own)
    unserved = _filter(cluster, names, frontends, nodes, version, others)
    return Script((nat, unserved) if unserved is not None else (nat,))


def _nat(
    cluster: ir.Cluster,
    names: Names,
    services: Services,
    nodes: tuple[Node, ...],
    version: int,
    others: Sequence[ir.Address],
    from_own: Sequence[Chain],
) -> Table:
    """``from_own``: the chains for sources that services name."""
    bit = cluster.mark
    chains: list[Chain] = []
    if services.marks(names.mark):
        chains.append(masquerade.mark(names, bit))
    if services.marks(names.outside):
        chains.append(masquerade.outside(names, bit, (pod for pod in cluster.pods if pod.version == version)))
    chains += (*from_own, *masquerade.postrouting(names, bit, version, sources=bool(from_own)))
    chains += services.chains()
    local = _at_node(cluster, names, services.node_ports, version, others)
    chains += local.chains
    branched = any(isinstance(node, Branch) for node in nodes)
    behind = Goto(names.local) if branched else None
    if branched:
        chains.append(Chain(names.local, local.rules))
    # An address of ours alone has no node ports, even where this host holds it. Others may translate what comes there.
    addresses = _at_addresses(names, nodes, services, RETURN, behind)
    chains += (*addresses.chains, Chain(names.services, (*addresses.rules, *local.rules)))
    return Table("nat", entries("nat", names), tuple(chains), upwards=True)


def _filter(
    cluster: ir.Cluster,
    names: Names,
    frontends: list[Frontend],
    nodes: tuple[Node, ...],
    version: int,
    others: Sequence[ir.Address],
) -> Table | None:
    """None: every packet that is ours is served, and none can be INVALID."""
    unserved = Unserved(names, frontends)
    addresses = _at_addresses(names, nodes, unserved, unserved.reject)
    local = _at_node(cluster, names, unserved.node_ports, version, others)
    node = _but_loopback(cluster, version), _places(cluster, version)
    late = invalid.chains(cluster, names, frontends, *node, version)
    nobodys = _in_service_networks(cluster, unserved, version)
    rules = (*([invalid.entry(names)] if late else ()), *addresses.rules, *local.rules, *nobodys)
    if not rules:
        return None
    root = Chain(names.unserved, (Rule((CtState(("DNAT",)),), RETURN), *rules))
    chains = [*late, *addresses.chains, *local.chains, root]
    led = {rule.verdict for chain in (*chains, *unserved.sources()) for rule in chain.rules}
    rejects = [unserved.rejections(version)] if unserved.reject in led else []
    return Table("filter", entries("filter", names), (*rejects, *unserved.sources(), *chains), upwards=True)


def _in_service_networks(cluster: ir.Cluster, unserved: Unserved, version: int) -> list[Rule]:
    """What no service has in the networks of service addresses is rejected. Behind the addresses' own rules: what
    comes here of a shared one is others' affair."""
    networks = service_networks(cluster, version)
    shared = sorted(address for address in unserved.shared if any(address in network for network in networks))
    passing = [Rule((To(address),), RETURN) for address in shared]
    return [*passing, *(Rule((To(network),), unserved.reject) for network in networks)]


def _at_addresses(
    names: Names, nodes: tuple[Node, ...], rules: Services | Unserved, other: Verdict, behind: Goto | None = None
) -> Walk:
    """``other``: what becomes of other ports, but where the address is shared: these are none of ours."""
    walks = {
        address: at_address(names, address, ports, None if address in rules.shared else other)
        for address, ports in rules.addresses.items()
    }
    return by_address(names, nodes, walks, behind)


def _at_node(
    cluster: ir.Cluster, names: Names, rules: list[PortRule], version: int, others: Sequence[ir.Address]
) -> Walk:
    """Node ports, at the node's addresses that serve them; never at loopback addresses.

    ``others``: shared addresses that are none of the node's own. This host may hold them; only declared ports are ours.
    """
    if not rules:
        return Walk((), ())
    walk = by_port(names, rules)
    held = [Rule((To(address),), RETURN) for address in others]
    chain = Chain(names.node_ports, (*_but_loopback(cluster, version), *held, *walk.rules))
    led = tuple(Rule((*place, ToLocal()), Goto(chain.name)) for place in _places(cluster, version))
    return Walk(led, (*walk.chains, chain))


def _places(cluster: ir.Cluster, version: int) -> list[tuple[Match, ...]]:
    """What matches the addresses that serve node ports, beside being the node's own and none of loopback."""
    served = [network for network in cluster.nodeport_addresses if network.version == version]
    return [to(network) for network in served] or [(To(LOOPBACK[version], negate=True),)]


def _but_loopback(cluster: ir.Cluster, version: int) -> list[Rule]:
    """What has to stand before rules for these addresses, where loopback addresses are among them."""
    loopback = LOOPBACK[version]
    among = any(n.version == version and n.overlaps(loopback) for n in cluster.nodeport_addresses)
    return [Rule((To(loopback),), RETURN)] if among else []


def entries(table: str, names: Names) -> tuple[Entry, ...]:
    """How packets come to the chains of a table."""
    if table == "filter":
        states = CtState(("INVALID", "NEW"))
        return tuple(_entry(names, hook, names.unserved, states) for hook in ("INPUT", "FORWARD", "OUTPUT"))
    services = (_entry(names, hook, names.services) for hook in ("PREROUTING", "OUTPUT"))
    return (*services, _entry(names, "POSTROUTING", names.postrouting))


def _entry(names: Names, hook: str, chain: str, *matches: Match) -> Entry:
    return Entry(hook, Rule((*matches, Comment(f"{names.prefix} services")), Jump(chain)))
