"""The parts that prepare the node: kernel modules, sysctls, the dummy device with its addresses."""

from __future__ import annotations

from collections.abc import Iterable

from svcc.compiler import ir
from svcc.targets.ipvs.state import FamilyState

#: Characters of a device's name (IFNAMSIZ with its final zero).
DEVICE_NAME = 15

_ALWAYS = """\
# Connections that IPVS forwards are tracked, so that rules can masquerade them.
net.ipv4.vs.conntrack = 1
# What goes to an endpoint that was removed ends at once; a client that is bound to a draining one moves on.
net.ipv4.vs.expire_nodest_conn = 1
net.ipv4.vs.expire_quiescent_template = 1
"""
_FORWARDING = {4: "net.ipv4.ip_forward = 1\n", 6: "net.ipv6.conf.all.forwarding = 1\n"}
_ARP = """\
# forward direct: several machines hold a vip, and none may say on a network that it is its own.
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
"""


def modules_text(families: Iterable[FamilyState]) -> str:
    """modules-load.d(5): one module per line."""
    schedulers = {f"ip_vs_{server.scheduler}" for family in families for server in family.servers}
    return "".join(f"{module}\n" for module in sorted({"dummy", "ip_set", "ip_vs", "nf_conntrack"} | schedulers))


def sysctl_text(families: Iterable[FamilyState]) -> str:
    """sysctl.d(5). The keys below net.ipv4.vs hold for both families."""
    text = _ALWAYS + "# Packets pass through this node to the endpoints.\n"
    direct = False
    for family in families:
        text += _FORWARDING[family.version]
        direct |= family.version == 4 and any(server.forward is ir.Forward.DIRECT for server in family.servers)
    return text + (_ARP if direct else "")


def ip_text(device: str, families: Iterable[FamilyState]) -> str:
    """``ip -batch``: the dummy device and every vip and external ip.

    Loading it again needs ``-force``: the kernel has no way to say "create unless it is there" for a device.
    """
    lines = [f"link add {device} type dummy", f"link set {device} up"]
    for family in families:
        tail = f"/{32 if family.version == 4 else 128} dev {device}{'' if family.version == 4 else ' nodad'}"
        lines += [f"address replace {address}{tail}" for address in family.addresses]
    return "".join(f"{line}\n" for line in lines)
