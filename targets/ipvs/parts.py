"""The parts of the output of the ipvs target."""

from __future__ import annotations

import re

from svcc.targets import vip_device
from svcc.targets.interface import Part
from svcc.targets.xtables_read.form import form

_SCRIPT = form(sets=True)
_SETS = re.compile(r"create (?P<prefix>[\w-]+)-\S+ .*\n(?:(?:create|add) (?P=prefix)-\S+ .*\n|(?!).)*+\Z")
_SERVERS = re.compile(r"(?:-[Aa] (?:-[tuf]|--sctp-service) \S+ -.*\n|(?!).)++\Z")
_MODULES = re.compile(r"(?:(?:dummy|ip_set|ip_vs\w*|nf_conntrack)\n|(?!).)++\Z")

MODULES = Part("modules", "modules.conf", "xargs -n1 modprobe", form=_MODULES, common=True)
IPSET = Part("ipset", "ipset.restore", "ipset -exist restore", form=_SETS)
IPVSADM = Part("ipvsadm", "ipvsadm.rules", "ipvsadm -R", repeatable=False, form=_SERVERS, common=True)
IPTABLES = Part("iptables", "iptables.rules", "iptables-restore --noflush -w", form=_SCRIPT)
IP6TABLES = Part("ip6tables", "ip6tables.rules", "ip6tables-restore --noflush -w", form=_SCRIPT)
PARTS = (MODULES, vip_device.SYSCTL, vip_device.IP, IPSET, IPVSADM, IPTABLES, IP6TABLES)
