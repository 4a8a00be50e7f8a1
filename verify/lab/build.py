"""Builds a lab from its layout: namespaces with devices, addresses and routes.

All commands for the node are one ``ip -batch``; each host needs one more for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from svcc.compiler import ir
from svcc.verify.lab.layout import NODE, OUTSIDE, LabHost, Layout
from svcc.verify.lab.netns import Namespace, has_sctp

#: The pods' bridge, with the name that the walkthrough uses, and the node's other device.
BRIDGE = "custom-cni"
UPLINK = "eth0"

#: The sysctls of every namespace: no rate limits for ICMP errors, so that each rejected connection gets its own; no
#: duplicate address detection, which would take a second for each IPv6 address; no routes learned from redirects.
_EVERYWHERE: Mapping[str, int | str] = {
    "net/ipv4/ping_group_range": "0 0",
    "net/ipv4/icmp_ratelimit": 0,
    "net/ipv4/icmp_ratemask": 0,
    "net/ipv6/icmp/ratelimit": 0,
    "net/ipv6/icmp/ratemask": "\n",  # no type of message is limited
    "net/ipv4/conf/all/accept_redirects": 0,
    "net/ipv4/conf/default/accept_redirects": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv6/conf/all/disable_ipv6": 0,
    "net/ipv6/conf/default/disable_ipv6": 0,
    "net/ipv6/conf/all/accept_dad": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/all/accept_redirects": 0,
    "net/ipv6/conf/default/accept_redirects": 0,
    "net/sctp/rto_initial": 200,  # ms; only the ICMP error for the second INIT is reported
}
_FORWARDING = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}

#: The router answers as its routes would. Answers from routing itself are limited: five, then one a second for each
#: source.
_UNRATIONED = """
table ip lab {
  chain answer {
    type filter hook prerouting priority 0;
    fib daddr type unicast reject with icmp host-unreachable;
  }
}
"""

#: A pod that answers for a vip (direct routing) sends from an address that the node has as well.
_DIRECT = {"net/ipv4/conf/all/accept_local": 1, "net/ipv4/conf/default/accept_local": 1}

#: The node's link-local address, as hosts see it: the same on both of its devices.
_GATEWAY6 = "fe80::1"


def build(plan: Layout, bridge_netfilter: bool) -> dict[str, Namespace]:
    """Build every namespace of a layout. Errors: LabError; then all namespaces made so far are closed."""
    namespaces: dict[str, Namespace] = {}
    try:
        if any(listener.protocol is ir.Protocol.SCTP for listener in plan.listeners):
            has_sctp()  # this loads it, before its sysctls are set
        for name in (NODE, OUTSIDE, *(host.name for host in plan.hosts)):
            namespaces[name] = Namespace(name)
            namespaces[name].sysctl(_EVERYWHERE)
        _furnish(plan, namespaces, bridge_netfilter)
    except BaseException:
        close_all(namespaces)
        raise
    return namespaces


def close_all(namespaces: dict[str, Namespace]) -> None:
    """Close all namespaces, and forget them."""
    while namespaces:
        namespaces.popitem()[1].close()


def _furnish(plan: Layout, namespaces: dict[str, Namespace], bridge_netfilter: bool) -> None:
    node, outside = namespaces[NODE], namespaces[OUTSIDE]
    node.sysctl(_FORWARDING)
    if any(host.vips for host in plan.hosts):
        node.sysctl(_DIRECT)
    outside.sysctl(_FORWARDING)
    outside.ip(_outside(plan, namespaces))
    outside.sysctl(_bridge_netfilter(False))
    outside.try_nft(_UNRATIONED)
    node.ip(_node(plan, namespaces))
    node.sysctl(_bridge_netfilter(bridge_netfilter))
    for host in plan.hosts:
        namespaces[host.name].ip(_host(plan, host))


def _bridge_netfilter(on: bool) -> dict[str, int]:
    """Return the sysctls that decide whether bridged packets pass netfilter. They exist once br_netfilter is loaded."""
    return {f"net/bridge/bridge-nf-call-{tool}tables": int(on) for tool in ("ip", "ip6")}


def _outside(plan: Layout, namespaces: dict[str, Namespace]) -> Iterator[str]:
    """Yield commands for the router and its bridge, to which the node and all clients are connected."""
    yield "link set lo up"
    yield from _bridge("lan")
    yield f"link add lan-node type veth peer name {UPLINK} netns {namespaces[NODE].path}"
    yield "link set lan-node master lan up"
    for number, host in enumerate(h for h in plan.hosts if not h.pod):
        yield from _port(f"lan{number}", "lan", namespaces[host.name])
    for address in plan.routers:
        yield f"address add {address} dev lan{_nodad(address)}"
    for host in plan.hosts:
        if not host.pod:
            yield from _routes(host.addresses, "lan")
    yield from _routes(plan.node.addresses, "lan")
    for host in plan.pods:
        yield from (f"route add {a} via {_next_hop(plan.node.addresses, a)} dev lan onlink" for a in host.addresses)
    yield from ("route add unreachable 0.0.0.0/0", "route add unreachable ::/0")


def _node(plan: Layout, namespaces: dict[str, Namespace]) -> Iterator[str]:
    yield "link set lo up"
    yield f"link set {UPLINK} up"
    yield from _bridge(BRIDGE)
    for address in plan.node.addresses:
        yield f"address add {address} dev {UPLINK}{_nodad(address)}"
    for address in plan.held:
        yield f"address add {address} dev lo{_nodad(address)}"
    for address in plan.gateways:
        yield f"address add {address} dev {BRIDGE}{_nodad(address)}"
    for device in (UPLINK, BRIDGE):
        yield f"address add {_GATEWAY6}/64 dev {device} nodad"
    for number, host in enumerate(plan.pods):
        yield from _port(pod_port(number), BRIDGE, namespaces[host.name])
    for host in plan.hosts:
        yield from _routes(host.addresses, BRIDGE if host.pod else UPLINK)
    for address in plan.routers:
        yield from _routes((address,), UPLINK)
        yield f"route add default via {address} dev {UPLINK} onlink"


def _host(plan: Layout, host: LabHost) -> Iterator[str]:
    gateways = plan.gateways if host.pod else plan.node.addresses
    yield "link set lo up"
    yield "link set eth0 up"
    for address in host.vips:
        yield f"address add {address} dev lo{_nodad(address)}"
    for address in host.addresses:
        yield f"address add {address} dev eth0{_nodad(address)}"
    for version in sorted({address.version for address in host.addresses}):
        hop = _GATEWAY6 if version == 6 else next(str(a) for a in gateways if a.version == 4)
        yield f"route add default via {hop} dev eth0 onlink"
    for address in host.addresses if host.tunnel else ():
        kind = "ipip" if address.version == 4 else "ip6tnl mode ip6ip6"
        yield f"link add tunnel{address.version} type {kind} local {address}"
        yield f"link set tunnel{address.version} up"


def pod_port(number: int) -> str:
    """Return the name of the node's end of a pod's link. ``number``: the pod's place in the layout."""
    return f"pod{number}"


def _bridge(name: str) -> Iterator[str]:
    yield f"link add {name} type bridge stp_state 0 mcast_snooping 0"
    yield f"link set {name} up"


def _port(name: str, bridge: str, host: Namespace) -> Iterator[str]:
    """Yield commands for a link from a bridge to a host. It is a hairpin port, because br_netfilter may send a
    rewritten packet back out of the port by which it came.
    """
    yield f"link add {name} type veth peer name eth0 netns {host.path}"
    yield f"link set {name} master {bridge} up"
    yield f"link set {name} type bridge_slave hairpin on"


def _routes(addresses: tuple[ir.Address, ...], device: str) -> Iterator[str]:
    return (f"route add {address} dev {device}" for address in addresses)


def _next_hop(addresses: tuple[ir.Address, ...], towards: ir.Address) -> ir.Address:
    return next(address for address in addresses if address.version == towards.version)


def _nodad(address: ir.Address) -> str:
    return " nodad" if address.version == 6 else ""
