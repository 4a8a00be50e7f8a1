"""The parts that prepare the node: kernel modules, sysctls, the dummy device with its addresses."""

from __future__ import annotations

from collections.abc import Sequence

from svcc.targets.ipvs.state import FamilyState
from svcc.targets.naming import device_alias

#: Characters of a device's name (IFNAMSIZ with its final zero).
DEVICE_NAME = 15

_LENGTHS = {4: "/32", 6: "/128"}
_OPTIONS = {4: "", 6: " nodad"}  # usable at once: on a dummy device there is nobody to have the address too

_ALWAYS = """\
# Connections that IPVS forwards are tracked, so that rules can masquerade them.
net.ipv4.vs.conntrack = 1
# What goes to an endpoint that was removed ends at once; a client that is bound to a draining one moves on.
net.ipv4.vs.expire_nodest_conn = 1
net.ipv4.vs.expire_quiescent_template = 1
"""
_FORWARDING = {4: "net.ipv4.ip_forward = 1\n", 6: "net.ipv6.conf.all.forwarding = 1\n"}
_ARP = """\
# The addresses are on a device of this machine, and on no network does it say that they are its own.
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
"""


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
    held = False
    for family in families:
        text += _FORWARDING[family.version]
        held |= device is not None and family.version == 4 and bool(family.addresses)
    return text + (_ARP if held else "")


def ip_text(device: str | None, prefix: str, families: Sequence[FamilyState]) -> str:
    """``ip -batch``: the dummy device and every vip and external ip but shared ones; empty where svcc is to hold none.

    The alias says whose the device is: one without it was not made by svcc, whatever its name.
    Loading it again needs ``-force``: the kernel has no way to say "create unless it is there" for a device.
    """
    if device is None:
        return ""
    lines = [
        f"address replace {address}{_LENGTHS[family.version]} dev {device}{_OPTIONS[family.version]}"
        for family in families
        for address in family.addresses
    ]
    if lines:
        alias = f"link set {device} alias {device_alias(prefix)}"
        lines = [f"link add {device} type dummy", alias, f"link set {device} up", *lines]
    return "".join(f"{line}\n" for line in lines)
