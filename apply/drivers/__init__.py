"""The drivers of modules, sysctls, devices, sets and virtual servers: thin, over what :mod:`svcc.kernel` has."""

from __future__ import annotations

from typing import Any

from svcc.apply.driver import Driver
from svcc.apply.drivers.devices import DeviceDriver
from svcc.apply.drivers.host import ModulesDriver, SysctlDriver
from svcc.apply.drivers.servers import IpvsadmDriver
from svcc.apply.drivers.sets import IpsetDriver

__all__ = ["DRIVERS", "DeviceDriver", "IpsetDriver", "IpvsadmDriver", "ModulesDriver", "SysctlDriver"]

DRIVERS: tuple[Driver[Any], ...] = (ModulesDriver(), SysctlDriver(), DeviceDriver(), IpsetDriver(), IpvsadmDriver())
