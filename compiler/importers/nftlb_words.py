"""The members of nftlb's objects that svcc has no statement for, and why (the README of nftlb)."""

from __future__ import annotations

from collections.abc import Mapping

_LIMIT = "svcc limits no client's connections"
_LIMIT_OF_ALL = f"{_LIMIT}: max-connections, on ipvs, is a limit for all clients together"
_LOG = "svcc logs no packets"
_MARK = "svcc sets no marks of others"
_LINK = "svcc sends by routes, not by links"
_SOURCE = "svcc sets the source address by service, not by endpoint"

#: Why a member is not carried over. None: it is carried over, or services do not need it.
Reasons = Mapping[str, str | None]

#: Values with which a member that is not carried over gets no note, because they say what svcc does anyway.
_USUAL = frozenset(("", "0", "none", "off", "0x0", "0/second", "ipv4", "ipv6", "dual", "-1", -1, 0, None))

IN_FARM: Reasons = {
    **dict.fromkeys(("name", "mode", "protocol", "scheduler", "sched-param", "persistence", "persist-ttl"), None),
    **dict.fromkeys(("virtual-addr", "virtual-ports", "addresses", "backends", "policies", "state", "family"), None),
    # these set how often something is logged, or how long a client is banned, and mean nothing alone; all connect from
    # the machine
    **dict.fromkeys(("log-rtlimit", "limits-ttl", "intra-connect", "bcks-available", "bcks-usable"), None),
    "priority": None,  # nftlb computes it from the priorities of the backends
    "source-addr": None,
    "helper": "svcc sets no helpers of connection tracking",
    **dict.fromkeys(("log", "log-prefix"), _LOG),
    "mark": _MARK,
    **dict.fromkeys(("new-rtlimit", "new-rtlimit-burst", "est-connlimit"), _LIMIT),
    **dict.fromkeys(("rst-rtlimit", "rst-rtlimit-burst"), "svcc limits no client's resets"),
    **dict.fromkeys((f"{limit}-log-prefix" for limit in ("new-rtlimit", "rst-rtlimit", "est-connlimit")), None),
    "tcp-strict": "svcc drops no segments but those that would end a connection",
    "tcp-strict-log-prefix": None,
    "verdict": None,  # belongs to limits and lists that are noted themselves
    "flow-offload": "svcc offloads no flows",
    "queue": "svcc queues no packets to programs",
    **dict.fromkeys(("iface", "oface", "ether-addr"), _LINK),
    "sessions": "svcc assigns no clients to endpoints by name",
}
IN_ADDRESS: Reasons = {
    **dict.fromkeys(("name", "family", "ip-addr", "ports", "protocol", "verdict", "log-rtlimit"), None),
    "log-prefix": _LOG,
    "policies": "svcc has lists of clients by service, not by address",
}
IN_BACKEND: Reasons = {
    **dict.fromkeys(("name", "ip-addr", "port", "weight", "state"), None),
    "priority": "svcc has one rank of backups",
    "source-addr": _SOURCE,
    "mark": _MARK,
    "est-connlimit": _LIMIT_OF_ALL,
    "est-connlimit-log-prefix": None,
    **dict.fromkeys(("iface", "oface", "ether-addr"), _LINK),
}
IN_POLICY: Reasons = {
    **dict.fromkeys(("name", "type", "family", "elements", "priority", "used"), None),
    "timeout": "svcc's lists of clients do not expire",
    "log-prefix": _LOG,
}
IN_ELEMENT: Reasons = {
    **dict.fromkeys(("data", "counter-packets", "counter-bytes"), None),
    "time": "svcc's lists of clients do not expire",
}


def reason(reasons: Reasons, key: str, value: object) -> str | None:
    """Return why a member is not carried over.

    Return None where it is, or where its value says what svcc does anyway.
    """
    why = reasons.get(key, "import does not know it")
    if why is None or value == [] or (isinstance(value, (str, int, type(None))) and value in _USUAL):
        return None
    if key == "priority" and value in ("1", 1, "2", 2):
        return None
    return why
