"""What values are called in other tools.

This module holds tables only; it is imported only for programs with errors.
"""

from __future__ import annotations

_YES_OR_NO = {**dict.fromkeys(("true", "on"), "yes"), **dict.fromkeys(("false", "off"), "no")}

#: Schedulers by their names in other tools.
SCHEDULERS = {
    "roundrobin": "rr",
    "round-robin": "rr",
    "round_robin": "rr",
    "static-rr": "wrr",
    "leastconn": "lc",
    "least_conn": "lc",
    "least-conn": "lc",
    "source": "sh",
    "ip_hash": "sh",
    "hash": "sh",
    "maglev": "mh",
    "consistent": "mh",
    "p2c": "twos",
    "first": "fo",
}

#: Values by their names in other tools, grouped by the statement as messages call it.
VALUES: dict[str, dict[str, str]] = {
    "scheduler": SCHEDULERS,
    "scheduler by": {
        **dict.fromkeys(("source", "src", "ip", "client-ip"), "address"),
        **dict.fromkeys(("port", "sh-port", "mh-port", "source-port"), "address-port"),
    },
    "check": {
        **dict.fromkeys(("yes", "true", "on", "connect", "ping", "icmp", "grpc"), "tcp"),
        **dict.fromkeys(("no", "false", "off", "disabled"), "none"),
        **dict.fromkeys(("ssl", "tls"), "https"),
    },
    "unit of time": {
        **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
        **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
        **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
        **dict.fromkeys(("day", "days"), "d"),
    },
    "device": dict.fromkeys(("no", "false", "off"), "none"),
    "forward": {
        **dict.fromkeys(("dr", "dsr", "gatewaying", "gateway", "route"), "direct"),
        **dict.fromkeys(("nat", "masq", "masquerading", "dnat"), "masquerade"),
        **dict.fromkeys(("tun", "ipip", "gre", "tunneling"), "tunnel"),
    },
    "masquerade": {
        **dict.fromkeys(("yes", "true", "on", "all"), "always"),
        **dict.fromkeys(("no", "false", "off", "none"), "never"),
    },
    **dict.fromkeys(("announce", "one-packet"), _YES_OR_NO),
    "affinity": dict.fromkeys(("source", "src", "ip", "sourceip", "source_ip"), "client-ip"),
    "when-empty": {
        **dict.fromkeys(("refuse", "deny", "rst", "reset"), "reject"),
        **dict.fromkeys(("blackhole", "ignore", "silent"), "drop"),
    },
    "protocol": {
        **dict.fromkeys(("http", "https", "grpc", "tls", "h2"), "tcp"),
        **dict.fromkeys(("quic", "http3", "dns", "dtls"), "udp"),
    },
}

#: Values that no statement of svcc has, and what a message says of them.
REMARKS: dict[str, dict[str, str]] = {
    "affinity": dict.fromkeys(("none", "no", "off", "false"), "without the statement there is none"),
    "check": dict.fromkeys(("exec", "script", "command", "misc", "external"), "a check runs no command"),
}
