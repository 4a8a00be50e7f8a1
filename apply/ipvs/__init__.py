"""The drivers of what the ipvs target needs: modules, sysctls, a device with addresses, sets, virtual servers."""

from __future__ import annotations

from typing import Any

from svcc.apply.device import DeviceDriver
from svcc.apply.driver import Driver
from svcc.apply.ipvs.ipset import IpsetDriver
from svcc.apply.ipvs.ipvsadm import IpvsadmDriver
from svcc.apply.ipvs.modules import ModulesDriver
from svcc.apply.ipvs.sysctl import SysctlDriver
from svcc.apply.ipvs.traffic import Traffic, connected, connections, leaving

__all__ = ["DRIVERS", "Traffic", "connected", "connections", "leaving"]

DRIVERS: tuple[Driver[Any], ...] = (ModulesDriver(), SysctlDriver(), DeviceDriver(), IpsetDriver(), IpvsadmDriver())
