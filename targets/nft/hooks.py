"""The fixed chains: where the kernel's hooks lead, and what is done about connections that no frontend took.

Order of priorities: the nat chains choose endpoints at -100; what they left alone is looked at right after, at -90.
A new connection that still has a service address as its destination then was not declared, or found no endpoint.
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

ADDRESSES = Named("addresses")  # the vips and external ips that are services' alone
SHARED = Named("shared")  # those that are others' as well, and none of the node's
NODEPORT_ADDRESSES = Named("nodeport-addresses")  # the networks whose local addresses serve node ports
HAIRPIN = Named("hairpin")  # each endpoint with itself

SERVICE_NETWORKS = Named("service-networks")  # what no service has in them is rejected
#: Shared addresses in these networks: what is not declared there is others' affair.
SERVICE_NETWORKS_SHARED = Named("service-networks-shared")

TARGET_PORTS = Named("target-ports")  # the ports of TCP that endpoints serve at

_DISPATCH, _NODEPORTS, _UNSERVED, _REJECT = "dispatch", "dispatch-nodeports", "unserved", "refuse"
_INVALID = "invalid"

#: Flags of TCP (RFC 9293).
_SYN, _RST = 0x02, 0x04


def _protocol(protocol: ir.Protocol) -> Statement:
    return Match(Meta("l4proto"), Word(protocol.value))


_TCP = _protocol(ir.Protocol.TCP)


def dispatch(keys: Sequence[Key], serving: Sequence[Statement]) -> Iterator[tuple[str, Chain]]:
    """From the destination to the front that serves it. ``serving``: see :func:`serving_nodeports`."""
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
    """The match: the destination is an address of the node that serves node ports.

    Never a loopback address, and never an address of services alone, should one be on a device of this node.
    Of an address that is shared with others the declared ports alone are taken, unless it is the node's as well.
    ``addresses``, ``shared``: whether there are such; ``restricted``: whether some networks serve only.
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
    """What becomes of packets to our addresses and ports that no endpoint got, and of what is no connection's.

    ``declared``: the keys with a set of declared ports, on addresses that others have too; ``rejecting``: those among
    them where one has no endpoints; ``networks``: see :func:`in_service_networks`, or nothing where there are none;
    ``targets``: whether endpoints have ports of TCP. Only what was not translated is
    looked at closer: all that was served is spared the sets.
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
    """The match: the destination is in the networks of service addresses. ``shared``: whether others have some, too."""
    networks = Match(family.destination, SERVICE_NETWORKS)
    return (networks, Match(family.destination, SERVICE_NETWORKS_SHARED, "!=")) if shared else (networks,)


def _declared(key: Key, serving: Sequence[Statement]) -> tuple[Statement, ...]:
    """The match: the destination is a declared port on an address that others have too."""
    declared = Match(key.expression, Named(key.declared.name))
    return (*serving, declared) if key.nodeport else (declared,)


def _state(state: str) -> Statement:
    return Match(Conntrack("state"), Word(state), "in")


def _refuse(family: Family, ours: Sequence[Rule]) -> Iterator[tuple[str, Chain]]:
    """Answer new connections. Protocols without ports are no service's affair, and pass.

    Only new ones: an ICMP error about a connection that a service address has (RELATED) is let through. TCP is reset,
    since the kernel limits its rate of ICMP errors.
    """
    others = [(_protocol(protocol), family.unreachable) for protocol in (ir.Protocol.UDP, ir.Protocol.SCTP)]
    yield _REJECT, Chain(((_TCP, Reject("tcp reset")), *others))
    yield _UNSERVED, Chain(tuple((*match, Goto(_REJECT)) for match in ours))


def _drop_invalid(family: Family, ours: Sequence[Rule], targets: bool) -> Iterator[tuple[str, Chain]]:
    """Drop segments that connection tracking calls INVALID, and so translates neither there nor back.

    A late one of an endpoint would reach its client from an address that the client never asked, a late one of a client
    the machine itself: each would answer with a reset, and end a connection that lives (semantics rule 8). Nobody
    answers a reset; and a SYN-ACK is INVALID where only the way back leads over this machine. Of what endpoints send,
    these pass.
    """
    rules = [(*match, Drop()) for match in ours]
    if targets:
        endpoint = Match(Concat((family.source, family.source)), HAIRPIN)
        port = Match(Payload("tcp", "sport"), TARGET_PORTS)
        rules.append((endpoint, port, Match(And(Payload("tcp", "flags"), Word(_SYN | _RST)), Word(0)), Drop()))
    yield _INVALID, Chain(tuple(rules))


def masquerade(family: Family, mark: int, *, sources: bool) -> Iterator[tuple[str, Chain]]:
    """Rewrite the source of what the fronts marked, and of endpoints that reach themselves. The mark ends here.

    ``sources``: whether there is the chain of :func:`svcc.targets.nft.sources.rewriting`.

    The bit may be others' too (0x4000 is kube-proxy's): of what nobody translated it stays as it is.
    """
    translated = Match(Conntrack("status"), Word("dnat"), "in")
    marked = Match(And(Meta("mark"), Word(mark)), Word(mark))
    unmark = SetMark(And(Meta("mark"), Word(0xFFFF_FFFF ^ mark)))
    hairpin = Match(Concat((family.source, family.destination)), HAIRPIN)
    rewrite = Goto(REWRITE) if sources else Masquerade()
    postrouting = ((translated, marked, unmark, rewrite), (translated, hairpin, rewrite))
    yield "nat-postrouting", Chain(postrouting, Hook("nat", "postrouting", SRCNAT))
    # What goes to an endpoint on this very node does not pass postrouting.
    yield "nat-input", Chain(((translated, marked, unmark),), Hook("nat", "input", SRCNAT))
