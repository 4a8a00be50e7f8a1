"""The parts of the output of the ipvs target."""

from __future__ import annotations

from svcc.targets import vip_device
from svcc.targets.interface import Part

MODULES = Part("modules", "modules.conf", "xargs -n1 modprobe")
IPSET = Part("ipset", "ipset.restore", "ipset -exist restore")
IPVSADM = Part("ipvsadm", "ipvsadm.rules", "ipvsadm -R", repeatable=False)
IPTABLES = Part("iptables", "iptables.rules", "iptables-restore --noflush -w")
IP6TABLES = Part("ip6tables", "ip6tables.rules", "ip6tables-restore --noflush -w")
PARTS = (MODULES, vip_device.SYSCTL, vip_device.IP, IPSET, IPVSADM, IPTABLES, IP6TABLES)
