"""The fixed chains: where the kernel's hooks lead, and what is done about connections that no frontend took.

Order of priorities: the nat chains choose endpoints at -100; what they left alone is looked at right after, at -90.
A new connection that still has a service address as its destination then was not declared, or found no endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.targets.nft.expressions import And, Concat, Conntrack, DestinationType, Meta, Named, Word
from svcc.targets.nft.keys import Family, Key
from svcc.targets.nft.objects import Chain, Hook
from svcc.targets.nft.statements import Goto, Jump, Masquerade, Match, Reject, SetMark, Statement, VerdictMap

#: Priorities (linux/netfilter_ipv4.h): NF_IP_PRI_NAT_DST, just after it, and NF_IP_PRI_NAT_SRC.
DSTNAT, AFTER_DSTNAT, SRCNAT = -100, -90, 100

ADDRESSES = Named("addresses")  # all vips and external ips
NODEPORT_ADDRESSES = Named("nodeport-addresses")  # the networks whose local addresses serve node ports
HAIRPIN = Named("hairpin")  # each endpoint with itself

_DISPATCH, _NODEPORTS, _UNSERVED, _REJECT = "dispatch", "dispatch-nodeports", "unserved", "refuse"


def dispatch(keys: Sequence[Key], serving: Sequence[Statement]) -> Iterator[Chain]:
    """From the destination to the front that serves it. ``serving``: see :func:`serving_nodeports`."""
    nodeports = [_to_front(key) for key in keys if key.nodeport]
    services = [_to_front(key) for key in keys if not key.nodeport]
    if nodeports:
        yield Chain(_NODEPORTS, tuple(nodeports))
        services.append((*serving, Goto(_NODEPORTS)))
    yield Chain(_DISPATCH, tuple(services))
    for hook in ("prerouting", "output"):
        yield Chain(f"nat-{hook}", ((Jump(_DISPATCH),),), Hook("nat", hook, DSTNAT))


def _to_front(key: Key) -> tuple[Statement, ...]:
    return (VerdictMap(key.expression, Named(key.services.name)),)


def serving_nodeports(family: Family, *, addresses: bool, restricted: bool) -> tuple[Statement, ...]:
    """That the destination is an address of the node that serves node ports.

    Never a loopback address, and never a service address, should one be on a device of this node.
    ``addresses``: whether there are service addresses; ``restricted``: whether some networks serve only.
    """
    destination = family.destination
    statements: list[Statement] = [Match(destination, family.loopback, "!=")]
    if addresses:
        statements.append(Match(destination, ADDRESSES, "!="))
    if restricted:
        statements.append(Match(destination, NODEPORT_ADDRESSES))
    return (*statements, Match(DestinationType(), Word("local")))


def reject_unserved(
    family: Family, *, addresses: bool, empty: Sequence[Key], serving: Sequence[Statement]
) -> Iterator[Chain]:
    """Answer the new connections to service addresses, and to ``empty`` node ports, that found no endpoint.

    Only new ones: an ICMP error about a connection that a service address has (RELATED) is let through. And only what
    was not translated: all that was served is spared a look into the set of addresses. TCP is reset, since the kernel
    limits its rate of ICMP errors.
    """
    rules: list[tuple[Statement, ...]] = []
    if addresses:
        rules.append((Match(family.destination, ADDRESSES), Goto(_REJECT)))
    for key in empty:
        rules.append((*serving, Match(key.expression, Named(key.empty.name)), Goto(_REJECT)))
    if not rules:
        return
    tcp = Match(Meta("l4proto"), Word("tcp"))
    yield Chain(_REJECT, ((tcp, Reject("tcp reset")), (family.unreachable,)))
    yield Chain(_UNSERVED, tuple(rules))
    new = Match(Conntrack("state"), Word("new"), "in")
    untouched = Match(And(Conntrack("status"), Word("dnat")), Word(0))
    for hook in ("prerouting", "output"):
        yield Chain(f"filter-{hook}", ((new, untouched, Goto(_UNSERVED)),), Hook("filter", hook, AFTER_DSTNAT))


def masquerade(family: Family, mark: int) -> Iterator[Chain]:
    """Rewrite the source of what the fronts marked, and of endpoints that reach themselves. The mark ends here."""
    marked = Match(And(Meta("mark"), Word(mark)), Word(mark))
    unmark = SetMark(And(Meta("mark"), Word(0xFFFF_FFFF ^ mark)))
    hairpin = Match(Concat((family.source, family.destination)), HAIRPIN)
    through_service = Match(Conntrack("status"), Word("dnat"), "in")
    postrouting = ((marked, unmark, Masquerade()), (through_service, hairpin, Masquerade()))
    yield Chain("nat-postrouting", postrouting, Hook("nat", "postrouting", SRCNAT))
    # What goes to an endpoint on this very node does not pass postrouting.
    yield Chain("nat-input", ((marked, unmark),), Hook("nat", "input", SRCNAT))
