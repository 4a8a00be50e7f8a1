"""The drivers of all parts but nft. Each is a thin layer over its package in :mod:`svcc.kernel`."""

from __future__ import annotations

from typing import Any

from svcc.apply.driver import Driver
from svcc.apply.drivers.devices import DeviceDriver
from svcc.apply.drivers.host import ModulesDriver, SysctlDriver
from svcc.apply.drivers.rules import Ip6tablesDriver, IptablesDriver
from svcc.apply.drivers.servers import IpvsadmDriver
from svcc.apply.drivers.sets import IpsetDriver

__all__ = [
    "HOST",
    "RULES",
    "DeviceDriver",
    "Ip6tablesDriver",
    "IpsetDriver",
    "IptablesDriver",
    "IpvsadmDriver",
    "ModulesDriver",
    "SysctlDriver",
]

#: The drivers of what rules need around them, and of the kernel's balancer.
HOST: tuple[Driver[Any], ...] = (ModulesDriver(), SysctlDriver(), DeviceDriver(), IpsetDriver(), IpvsadmDriver())
#: The drivers of iptables' rules, one for each address family.
RULES: tuple[Driver[Any], ...] = (IptablesDriver(), Ip6tablesDriver())
