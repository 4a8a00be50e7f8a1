"""Slips in settings of a service and of the cluster: `affinity`, `scheduler`, `forward`, `traffic`, `mark`."""

from __future__ import annotations

from svcc.compiler.slips.slip import slips

#: Statements that begin with such a setting.
SLIPS = slips(
    (r"^mark\s+(?:auto|none|off|no|default)$", "without the statement it is 0x4000"),
    (r"^prefix(?:\s+[\w-]+\s+\S+)?$", "a prefix is one word: prefix SVCC"),
    (r"^affinity\s+(?P<time>\d+[smhd])\s+client-ip", "write: affinity client-ip {time}"),
    (r"^scheduler\s+(?P<name>sh|mh)\s+(?:sh-|mh-|with-)?ports?$", "write: scheduler {name} by address-port"),
    (r"^scheduler\s+random\s+two\b", "write: scheduler twos"),
    (
        r"^affinity\s+client-ip\s+(?P<number>\d+)\s*(?P<unit>[smhd])[a-z]*\b.*",
        "no blank before the unit: {number}{unit}",
    ),
    (r"^mark\s+(?P<mark>0x[0-9a-fA-F]+|\d+)/\S+", "the mark is its own mask: mark {mark}"),
    (r"^affinity\s+(?P<time>\d+\w*)$", "write whose: affinity client-ip {time}"),
    (r"^traffic\s+(?P<how>local|cluster)$", "write whose: traffic external {how}, or traffic internal {how}"),
)
