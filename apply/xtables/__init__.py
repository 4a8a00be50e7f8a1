"""The xtables drivers: our chains in iptables and ip6tables, of either variant."""

from __future__ import annotations

from typing import Any

from svcc.apply.driver import Driver
from svcc.apply.xtables.driver import Ip6tables, Iptables

DRIVERS: tuple[Driver[Any], Driver[Any]] = (Iptables(), Ip6tables())

__all__ = ["DRIVERS"]
