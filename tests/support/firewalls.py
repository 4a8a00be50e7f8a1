"""Firewalls that drop packets of the services of `kernel/test_apply_obstructions.py`, and others that let them through.

Services are 198.19.10.1 and fd00:19::1 at 53/udp, their endpoints 100.64.0.9 and fd00:64::9 at 5353/udp.
"""

from __future__ import annotations

FIREWALL = """\
table inet firewall {
  chain forward { type filter hook forward priority 0; policy drop
    ct state established,related accept
    tcp dport 22 accept
  }
}
"""


def rules(text: str, table: str = "fw", chain: str = "c", *, hook: str = "forward", flags: str = "") -> str:
    """Return a table of nft's with a chain of these rules."""
    return f"table ip {table} {{\n{flags}\nchain {chain} {{ type filter hook {hook} priority 0;\n{text}\n}}\n}}\n"


SET = """\
table ip fw {
  set bad { type ipv4_addr; flags interval; elements = { 100.64.0.2-100.64.0.9 }
  }
}
"""
MAP = """\
table ip fw {
  map bad { type ipv4_addr . inet_service : verdict; elements = { 100.64.0.9 . 5353 : drop }
  }
}
"""
#: Other tables that are loaded by nft, by the name of what they make dead.
TABLES = {
    "before translation": """\
table ip early {
  chain c { type filter hook prerouting priority -300;
    ip daddr 198.19.0.0/16 tcp dport 22 drop
    ip daddr 198.19.0.0/16 drop
  }
}
""",
    "after translation": """\
table ip late {
  chain c { type filter hook prerouting priority 0;
    ip daddr 100.64.0.0/24 drop
  }
}
""",
    "untracked": """\
table ip untracked {
  chain c { type filter hook prerouting priority raw;
    udp dport 53 notrack
  }
}
""",
    "a range of addresses": rules("ip daddr 100.64.0.2-100.64.0.9 drop"),
    "ports from a number on": rules("udp dport >= 1024 drop"),
    "all of a family": rules("meta protocol ip drop"),
    "a concatenation": rules("ip daddr . meta l4proto . th dport { 100.64.0.0/24 . udp . 5353 } drop"),
    "a named set": SET + rules("ip daddr @bad drop"),
    "a named map": MAP + rules("ip daddr . udp dport vmap @bad"),
    "behind forwarding": rules("ip daddr 100.64.0.9 drop", hook="postrouting"),
    "answers, behind forwarding": rules("ip saddr 100.64.0.9 drop", hook="postrouting"),
    "of iptables' name": rules("ip daddr 100.64.0.9 ct state vmap { new : drop }", "filter", "FORWARD"),
    "of iptables' name, with a set": rules("ip daddr { 100.64.0.8, 100.64.0.9 } drop", "filter", "FORWARD"),
}

#: What is done to the node, and the subjects that are named.
DEAD: dict[str, tuple[list[str], list[str]]] = {
    "docker": (["iptables-nft -P FORWARD DROP"], ["iptables filter FORWARD"]),
    "legacy": (["iptables-legacy -P FORWARD DROP"], ["iptables-legacy filter FORWARD"]),
    "both families": (
        ["iptables-nft -P FORWARD DROP", "ip6tables-nft -P FORWARD DROP"],
        ["iptables filter FORWARD", "ip6tables filter FORWARD"],
    ),
    "no forwarding": (["sysctl -qw net.ipv4.ip_forward=0"], ["IPv4 forwarding"]),
    "no IPv6 forwarding": (["sysctl -qw net.ipv6.conf.all.forwarding=0"], ["IPv6 forwarding"]),
    "a device": (["sysctl -qw net.ipv4.conf.client.forwarding=0"], ["IPv4 forwarding from client"]),
    "an own table": (["nft -f -"], ["nft inet firewall forward"]),
    "a last rule": (
        [
            "iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "iptables-nft -A FORWARD -j REJECT",
        ],
        ["iptables filter FORWARD"],
    ),
    "a rule about endpoints": (
        ["iptables-legacy -A FORWARD -d 100.64.0.0/24 -j DROP"],
        ["iptables-legacy filter FORWARD"],
    ),
    "before translation": (
        ["nft -f -"],
        ["nft ip early c"],
    ),
    "after translation": (
        ["nft -f -"],
        ["nft ip late c"],
    ),
    "raw": (
        ["iptables-nft -t raw -A PREROUTING -d 198.19.0.0/16 -j DROP"],
        ["iptables raw PREROUTING"],
    ),
    "mangle": (
        ["iptables-legacy -t mangle -A PREROUTING -p udp --dport 53 -j DROP"],
        ["iptables-legacy mangle PREROUTING"],
    ),
    "answers, in mangle": (
        ["ip6tables-legacy -t mangle -A PREROUTING -s fd00:64::/64 -j DROP"],
        ["ip6tables-legacy mangle PREROUTING"],
    ),
    "untracked": (["nft -f -"], ["nft ip untracked c"]),
    "untracked, by iptables": (
        ["iptables-legacy -t raw -A PREROUTING -p udp --dport 53 -j CT --notrack"],
        ["iptables-legacy raw PREROUTING"],
    ),
    "untracked answers": (
        ["ip6tables-nft -t raw -A PREROUTING -p udp --sport 5353 -j NOTRACK"],
        ["ip6tables raw PREROUTING"],
    ),
    **{
        name: (["nft -f -"], [subject])
        for name, subject in {
            **dict.fromkeys(
                (
                    "a range of addresses",
                    "ports from a number on",
                    "all of a family",
                    "a concatenation",
                    "a named set",
                    "a named map",
                    "behind forwarding",
                    "answers, behind forwarding",
                ),
                "nft ip fw c",
            ),
            "of iptables' name": "nft ip filter FORWARD",
            "of iptables' name, with a set": "iptables filter FORWARD",
        }.items()
    },
    "a range, by iptables": (
        ["iptables-legacy -A FORWARD -m iprange --dst-range 100.64.0.2-100.64.0.9 -j DROP"],
        ["iptables-legacy filter FORWARD"],
    ),
    "mangle FORWARD": (
        ["iptables-legacy -t mangle -P FORWARD DROP"],
        ["iptables-legacy mangle FORWARD"],
    ),
    "mangle POSTROUTING": (
        ["iptables-nft -t mangle -A POSTROUTING -d 100.64.0.9 -j DROP"],
        ["iptables mangle POSTROUTING"],
    ),
    "only answers": (
        ["iptables-legacy -P FORWARD DROP", "iptables-legacy -A FORWARD -d 100.64.0.0/24 -j ACCEPT"],
        ["iptables-legacy filter FORWARD"],
    ),
}

#: Firewalls that drop by default and let the services through, each in words of its own.
LIVE: dict[str, list[str]] = {
    "untracked too late": ["iptables-nft -t raw -A PREROUTING -p udp --dport 5353 -j NOTRACK"],
    "other ports": [
        "iptables-nft -t raw -A PREROUTING -p tcp --dport 53 -j CT --notrack",
        "iptables-legacy -t mangle -A PREROUTING -d 198.19.0.0/16 -p udp --dport 54 -j DROP",
        "iptables-legacy -t raw -A PREROUTING -p udp --dport 53 -j CT --zone 0",
    ],
    "by address": [
        "iptables-nft -P FORWARD DROP",
        "iptables-nft -A FORWARD -d 100.64.0.0/24 -p udp --dport 5353 -j ACCEPT",
        "iptables-nft -A FORWARD -m state --state ESTABLISHED -j ACCEPT",
    ],
    "dormant": ["nft -f -", rules("policy drop;", flags="flags dormant;")],
    "other addresses": [
        "nft -f -",
        rules(
            "ip daddr 100.64.0.10-100.64.0.19 drop\nudp dport < 5353 drop\nmeta protocol ip6 drop\n"
            "ip daddr . udp dport { 100.64.0.9 . 53 } drop\nct direction reply ip daddr 100.64.0.9 drop"
        ),
    ],
    "other addresses, in a table of iptables' name": [
        "nft -f -",
        rules("ip daddr { 10.77.1.2, 10.77.1.3 } udp dport 5353 drop", "filter", "FORWARD"),
    ],
    "accepted by a map, in a table of iptables' name": [
        "nft -f -",
        rules(
            "policy drop; ct status dnat accept; ip saddr 100.64.0.9 ct state vmap { established : accept }",
            "filter",
            "FORWARD",
        ),
    ],
    "in a chain": [
        "iptables-legacy -P FORWARD DROP",
        "iptables-legacy -N pods",
        "iptables-legacy -A FORWARD -p udp -j pods",
        "iptables-legacy -A pods -d 100.64.0.0/24 -j ACCEPT",
        "iptables-legacy -A pods -s 100.64.0.0/24 -j ACCEPT",
    ],
    "forwarding of devices": ["sysctl -qw net.ipv4.ip_forward=0"]
    + [f"sysctl -qw net.ipv4.conf.{device}.forwarding=1" for device in ("client", "pods")],
    "devices that are no routers by IPv6": [
        f"sysctl -qw net.ipv6.conf.{device}.forwarding=0" for device in ("client", "pods")
    ],
}
