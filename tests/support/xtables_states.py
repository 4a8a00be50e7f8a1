"""What tests of the iptables drivers share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from svcc.apply.driver import Transition
from svcc.apply.drivers.rules import XtablesDriver
from svcc.apply.scope import Scope
from svcc.kernel.xtables.delta import delta
from svcc.kernel.xtables.loading import TRANSLATING
from svcc.kernel.xtables.state import State
from svcc.kernel.xtables.variant import NFT

_HERE = Transition("iptables", "iptables")


def whole_plan(driver: XtablesDriver, old: State, new: State) -> dict[str, Any]:
    """Return everything that is computed from two states."""
    old, new = replace(old, variant=NFT), replace(new, variant=NFT)
    left, come = driver.gone_routes(old, new), driver.gone_routes(new, old)
    return {
        "changes": [*driver.changes(old, new)],
        "script": str(delta(old.tables, new.tables, TRANSLATING)),
        "steps": [(step.title, step.size) for step in driver.steps(old, new, Scope(new.prefix or old.prefix), _HERE)],
        "left": left,
        "come": come,
        "served": driver.serves(old, come.frontends),
        "nothing": (old.empty, new.empty),
    }
