"""What prepares the node: kernel modules, sysctls, and the addresses on the dummy device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.kernel.modules.names import Modules
from svcc.kernel.sysctl.settings import Setting
from svcc.targets.ipvs.state import FamilyState
from svcc.targets.vip_device import VipAddress, arp_settings, nd_settings

_ALWAYS = (
    Setting(
        "net.ipv4.vs.conntrack", "1", "Connections that IPVS forwards are tracked, so that rules can masquerade them."
    ),
    Setting(
        "net.ipv4.vs.expire_nodest_conn",
        "1",
        "What goes to an endpoint that was removed ends at once; a client that is bound to a draining one moves on.",
    ),
    Setting("net.ipv4.vs.expire_quiescent_template", "1"),
)
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_FORWARDED = "Packets pass through this node to the endpoints."
#: In ARP requests, the machine does not give an address of the dummy device as its own.
_ARP_ANNOUNCE = Setting("net.ipv4.conf.all.arp_announce", "2")


def modules(device: str | None, families: Sequence[FamilyState]) -> Modules:
    """Return the modules that the families need; none where there are no families."""
    if not families:
        return frozenset()
    found = {"ip_set", "ip_vs", "nf_conntrack"}
    found |= {f"ip_vs_{scheduler}" for family in families for scheduler in family.schedulers}
    if device is not None and any(family.held for family in families):
        found.add("dummy")
    return frozenset(found)


def settings(device: str | None, families: Sequence[FamilyState]) -> Iterator[Setting]:
    """Return the sysctls in the order in which they are printed. The keys below net.ipv4.vs apply to both families."""
    if not families:
        return
    yield from _ALWAYS
    why = _FORWARDED
    for family in families:
        yield Setting(_FORWARDING[family.version], "1", why)
        why = ""
    announcing = {version: any(f.announcing for f in families if f.version == version) for version in (4, 6)}
    if device is not None and any(family.version == 4 and family.held for family in families):
        yield from arp_settings(announced=announcing[4])
        yield _ARP_ANNOUNCE
    if device is not None:
        yield from nd_settings(announced=announcing[6])


def vip_addresses(families: Sequence[FamilyState]) -> Iterator[VipAddress]:
    """Return every vip and external ip, except shared ones."""
    for family in families:
        yield from (VipAddress(address, address in family.announced) for address in family.addresses)
