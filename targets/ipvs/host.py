"""What prepares the node: kernel modules, sysctls, and the addresses that are on the dummy device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.targets.ipvs.state import FamilyState
from svcc.targets.vip_device import Held, arp_text

_ALWAYS = """\
# Connections that IPVS forwards are tracked, so that rules can masquerade them.
net.ipv4.vs.conntrack = 1
# What goes to an endpoint that was removed ends at once; a client that is bound to a draining one moves on.
net.ipv4.vs.expire_nodest_conn = 1
net.ipv4.vs.expire_quiescent_template = 1
"""
_FORWARDING = {4: "net.ipv4.ip_forward = 1\n", 6: "net.ipv6.conf.all.forwarding = 1\n"}
#: Where the machine asks who has an address, it names none of the device as its own.
_ARP_ANNOUNCE = "net.ipv4.conf.all.arp_announce = 2\n"


def modules_text(device: str | None, families: Sequence[FamilyState]) -> str:
    """modules-load.d(5): one module per line."""
    modules = {"ip_set", "ip_vs", "nf_conntrack"}
    modules |= {f"ip_vs_{server.scheduler}" for family in families for server in family.servers}
    if device is not None and any(family.addresses for family in families):
        modules.add("dummy")
    return "".join(f"{module}\n" for module in sorted(modules))


def sysctl_text(device: str | None, families: Sequence[FamilyState]) -> str:
    """sysctl.d(5). The keys below net.ipv4.vs hold for both families."""
    text = _ALWAYS + "# Packets pass through this node to the endpoints.\n"
    held = announced = False
    for family in families:
        text += _FORWARDING[family.version]
        held |= device is not None and family.version == 4 and bool(family.addresses)
        announced |= bool(family.announced)
    return text + (arp_text(announced=announced) + _ARP_ANNOUNCE if held else "")


def held(families: Sequence[FamilyState]) -> Iterator[Held]:
    """Every vip and external ip but shared ones."""
    for family in families:
        yield from (Held(address, address in family.announced) for address in family.addresses)
