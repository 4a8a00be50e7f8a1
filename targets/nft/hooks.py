"""The fixed chains: where the kernel's hooks lead, and what happens to connections that no frontend took.

Order of priorities: the nat chains choose endpoints at -100; right after, at -90, other chains look at what these left
alone. A new connection that still has a service address as its destination is then to no declared port, or found no
endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.compiler import ir
from svcc.kernel.nft.expressions import And, Concat, Conntrack, DestinationType, Meta, Named, Payload, Word
from svcc.kernel.nft.state import Chain, Hook
from svcc.kernel.nft.statements import (
    Drop,
    Goto,
    Jump,
    Masquerade,
    Match,
    Reject,
    Rule,
    SetMark,
    Statement,
    VerdictMap,
)
from svcc.targets.nft.keys import Family, Key
from svcc.targets.nft.sources import REWRITE

#: Priorities (linux/netfilter_ipv4.h): NF_IP_PRI_NAT_DST, just after it, and NF_IP_PRI_NAT_SRC.
DSTNAT, AFTER_DSTNAT, SRCNAT = -100, -90, 100

ADDRESSES = Named("addresses")  # the vips and external ips that only services have
SHARED = Named("shared")  # those that are shared with others, and are none of the node's
NODEPORT_ADDRESSES = Named("nodeport-addresses")  # the networks whose local addresses serve node ports
HAIRPIN = Named("hairpin")  # each endpoint, as destination and source

SERVICE_NETWORKS = Named("service-networks")  # addresses in them that no service has are rejected
#: The shared addresses in these networks: traffic to their other ports is for others.
SERVICE_NETWORKS_SHARED = Named("service-networks-shared")

TARGET_PORTS = Named("target-ports")  # the TCP ports at which endpoints serve

_DISPATCH, _NODEPORTS, _UNSERVED, _REJECT = "dispatch", "dispatch-nodeports", "unserved", "refuse"
_INVALID = "invalid"

#: TCP flags (RFC 9293).
_SYN, _RST = 0x02, 0x04


def _protocol(protocol: ir.Protocol) -> Statement:
    return Match(Meta("l4proto"), Word(protocol.value))


_TCP = _protocol(ir.Protocol.TCP)


def dispatch(keys: Sequence[Key], serving: Sequence[Statement]) -> Iterator[tuple[str, Chain]]:
    """Yield the chains that lead from a destination to the front that serves it.

    ``serving``: see :func:`serving_nodeports`.
    """
    nodeports = [_to_front(key) for key in keys if key.nodeport]
    services = [_to_front(key) for key in keys if not key.nodeport]
    if nodeports:
        yield _NODEPORTS, Chain(tuple(nodeports))
        services.append((*serving, Goto(_NODEPORTS)))
    yield _DISPATCH, Chain(tuple(services))
    for hook in ("prerouting", "output"):
        yield f"nat-{hook}", Chain(((Jump(_DISPATCH),),), Hook("nat", hook, DSTNAT))


def _to_front(key: Key) -> Rule:
    return (VerdictMap(key.expression, Named(key.services.name)),)


def serving_nodeports(family: Family, *, addresses: bool, shared: bool, restricted: bool) -> tuple[Statement, ...]:
    """Return the match: the destination is an address of the node that serves node ports.

    It excludes loopback addresses, and addresses that only services have, even where a device of this node holds one.
    It excludes shared addresses that are not the node's own: of these only the declared ports are served.
    ``addresses``, ``shared``: whether there are any; ``restricted``: whether only some networks serve node ports.
    """
    destination = family.destination
    statements: list[Statement] = [Match(destination, family.loopback, "!=")]
    if addresses:
        statements.append(Match(destination, ADDRESSES, "!="))
    if shared:
        statements.append(Match(destination, SHARED, "!="))
    if restricted:
        statements.append(Match(destination, NODEPORT_ADDRESSES))
    return (*statements, Match(DestinationType(), Word("local")))


def unserved(
    family: Family,
    *,
    addresses: bool,
    declared: Sequence[Key],
    rejecting: Sequence[Key],
    serving: Sequence[Statement],
    networks: Sequence[Statement],
    targets: bool,
) -> Iterator[tuple[str, Chain]]:
    """Yield the chains for packets to our addresses and ports that no endpoint got, and for packets of no known
    connection.

    ``declared``: the keys with a set of declared ports on shared addresses; ``rejecting``: those of them with a port
    that has no endpoints; ``networks``: see :func:`in_service_networks`, empty where there are none; ``targets``:
    whether endpoints serve at TCP ports. Only packets that were not translated are looked up in the sets.
    """
    ours = [(Match(family.destination, ADDRESSES),)] if addresses else []
    tcp = [key for key in declared if key.ranges in (None, ir.Protocol.TCP)]
    nobodys = [tuple(networks)] if networks else []
    refused = [*ours, *(_declared(key, serving) for key in rejecting), *nobodys]
    rules: list[Rule] = []
    if refused:
        yield from _refuse(family, refused)
        untouched = Match(And(Conntrack("status"), Word("dnat")), Word(0))
        rules.append((_state("new"), untouched, Goto(_UNSERVED)))
    if ours or tcp or targets or nobodys:
        yield from _drop_invalid(family, [*ours, *(_declared(key, serving) for key in tcp), *nobodys], targets)
        rules.append((_state("invalid"), _TCP, Goto(_INVALID)))
    if rules:
        for hook in ("prerouting", "output"):
            yield f"filter-{hook}", Chain(tuple(rules), Hook("filter", hook, AFTER_DSTNAT))


def in_service_networks(family: Family, *, shared: bool) -> tuple[Statement, ...]:
    """Return the match: the destination is in the networks of service addresses.

    ``shared``: whether some addresses there are shared.
    """
    networks = Match(family.destination, SERVICE_NETWORKS)
    return (networks, Match(family.destination, SERVICE_NETWORKS_SHARED, "!=")) if shared else (networks,)


def _declared(key: Key, serving: Sequence[Statement]) -> tuple[Statement, ...]:
    """Return the match: the destination is a declared port on a shared address."""
    declared = Match(key.expression, Named(key.declared.name))
    return (*serving, declared) if key.nodeport else (declared,)


def _state(state: str) -> Statement:
    return Match(Conntrack("state"), Word(state), "in")


def _refuse(family: Family, ours: Sequence[Rule]) -> Iterator[tuple[str, Chain]]:
    """Yield the chains that reject new connections. Protocols without ports belong to no service, and pass.

    Only new connections are rejected: an ICMP error about a connection of a service address (RELATED) passes. TCP gets
    a reset, because the kernel limits its rate of ICMP errors.
    """
    others = [(_protocol(protocol), family.unreachable) for protocol in (ir.Protocol.UDP, ir.Protocol.SCTP)]
    yield _REJECT, Chain(((_TCP, Reject("tcp reset")), *others))
    yield _UNSERVED, Chain(tuple((*match, Goto(_REJECT)) for match in ours))


def _drop_invalid(family: Family, ours: Sequence[Rule], targets: bool) -> Iterator[tuple[str, Chain]]:
    """Yield the chain that drops segments which connection tracking calls INVALID, and so does not translate in either
    direction.

    A late segment of an endpoint would reach its client from an address that the client never asked; a late segment of
    a client would reach the machine itself. Either would answer with a reset, and so end a working connection
    (semantics rule 8). Of what endpoints send, resets pass, because nobody answers them, and SYN-ACKs, which are
    INVALID where only the way back leads over this machine.
    """
    rules = [(*match, Drop()) for match in ours]
    if targets:
        endpoint = Match(Concat((family.source, family.source)), HAIRPIN)
        port = Match(Payload("tcp", "sport"), TARGET_PORTS)
        rules.append((endpoint, port, Match(And(Payload("tcp", "flags"), Word(_SYN | _RST)), Word(0)), Drop()))
    yield _INVALID, Chain(tuple(rules))


def masquerade(family: Family, mark: int, *, sources: bool) -> Iterator[tuple[str, Chain]]:
    """Yield the chains that rewrite the source of what the fronts marked, and of endpoints that reach themselves. They
    clear the mark. Packets that stay on the node keep their source.

    ``sources``: whether the chain of :func:`svcc.targets.nft.sources.rewriting` exists.

    Others may use the bit too (0x4000 is kube-proxy's), so it stays on packets that nobody translated.
    """
    translated = Match(Conntrack("status"), Word("dnat"), "in")
    marked = Match(And(Meta("mark"), Word(mark)), Word(mark))
    unmark = SetMark(And(Meta("mark"), Word(0xFFFF_FFFF ^ mark)))
    hairpin = Match(Concat((family.source, family.destination)), HAIRPIN)
    leaves = Match(DestinationType(), Word("local"), "!=")
    rewrite = Goto(REWRITE) if sources else Masquerade()
    postrouting = ((translated, marked, unmark, leaves, rewrite), (translated, hairpin, leaves, rewrite))
    yield "nat-postrouting", Chain(postrouting, Hook("nat", "postrouting", SRCNAT))
    # What others send to an endpoint on this very node does not pass postrouting.
    yield "nat-input", Chain(((translated, marked, unmark),), Hook("nat", "input", SRCNAT))
