"""Slips in settings of a service and of the cluster: `affinity`, `scheduler`, `forward`, `traffic`, `mark`."""

from __future__ import annotations

from svcc.compiler.slips.slip import slips

#: Statements that begin with such a setting.
SLIPS = slips(
    (r"^mark\s+(?:auto|none|off|no|default)$", "without the statement it is 0x4000"),
    (r"^prefix(?:\s+[\w-]+\s+\S+)?$", "a prefix is one word: prefix SVCC"),
    (
        r"^affinity\s+(?P<whose>client-ip\S*)\s+(?P<time>\d+[smhd])\s*,?\s*(?:per[- ])?service$",
        "write: affinity {whose} {time} per service",
    ),
    (
        r"^affinity\s.*\bper\s+(?:port|address|frontend|vip)\b",
        "without `per`, each address and port remembers clients by itself; `per service`: all of them together",
    ),
    (r"^affinity\s+(?P<whose>client-ip\S*)\s+(?P<time>\d+[smhd])\s.*", "write: affinity {whose} {time}"),
    (
        r"^affinity\s+(?P<whose>client-ip\S*)\s+[a-z_-]+\s*[=:]?\s*(?P<time>\d+)(?P<unit>[smhd]?)$",
        lambda m: f"write: affinity {m['whose']} {m['time']}{m['unit'] or 's'}",
    ),
    (r"^affinity\s+(?P<time>\d+[smhd])\s+client-ip", "write: affinity client-ip {time}"),
    (r"^scheduler\s+(?P<name>sh|mh)\s+(?:sh-|mh-|with-)?ports?$", "write: scheduler {name} by address-port"),
    (r"^scheduler\s+random\s+two\b", "write: scheduler twos"),
    (
        r"^affinity\s+client-ip\s+(?P<number>\d+)\s+(?P<unit>[smhd])[a-z]*\b.*",
        "no blank before the unit: {number}{unit}",
    ),
    (r"^mark\s+(?P<mark>0x[0-9a-fA-F]+|\d+)/\S+", "the mark is its own mask: mark {mark}"),
    (r"^affinity\s+(?P<time>\d+[smhd])$", "write whose: affinity client-ip {time}"),
    (r"^affinity\s+(?P<time>\d+)$", "write whose, and a unit: affinity client-ip {time}s"),
    (r"^scheduler\s+(?P<name>\w+)\s+by\s+address[\s,+/]+port", "write: scheduler {name} by address-port"),
    (r"^scheduler\s+(?P<name>\w+)\s*[,|/]\s*\w+", "a service has one scheduler: scheduler {name}"),
    (r"^traffic\s+(?P<how>local|cluster)$", "write whose: traffic external {how}, or traffic internal {how}"),
)
