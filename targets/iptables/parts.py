"""The parts of the output of the iptables target."""

from __future__ import annotations

from svcc.targets.interface import Part
from svcc.targets.xtables_read.form import form

_FORM = form(sets=False)
#: By IP version.
SCRIPTS = {
    4: Part("iptables", "iptables.rules", "iptables-restore --noflush -w", form=_FORM),
    6: Part("ip6tables", "ip6tables.rules", "ip6tables-restore --noflush -w", form=_FORM),
}
