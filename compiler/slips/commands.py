"""Slips of people who write lines of other programs: of ipvsadm, iptables, nft, firewalld, systemd, git and YAML."""

from __future__ import annotations

from svcc.compiler.slips.slip import slips


def _tool(name: str) -> str:
    return f"that is a line of {name}: `svcc import {name} FILE` prints a program of such lines"


_RULES = (
    "svcc writes rules itself: say what is served, "
    "service web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.9 }} }}"
)

#: Whole statements, recognized by their first words.
LINES = slips(
    (
        r"^(?:sudo\s+)?ipvsadm\b|^-[AaEe]\s+-[tuf]\s|^(?:TCP|UDP|SCTP)\s+\S+:\d+\s+\w+$|^FWM\s+\d+\s+\w+$",
        _tool("ipvsadm"),
    ),
    (r"^->\s+\S+\s+(?:Masq|Route|Tunnel)\b", _tool("ipvsadm")),
    (r"^(?:sudo\s+)?ip6?tables\b|^-[AIN]\s+[A-Z]", _tool("iptables")),
    (r"^(?:sudo\s+)?nft\b|^(?:table|chain|ip6?\s+[sd]addr|(?:tcp|udp)\s+dport\s.*\b(?:dnat|accept))\b|^dnat\b", _RULES),
    (
        r"^(?:sudo\s+)?(?:firewall-cmd|ufw)\b|^--(?:add|remove|permanent|zone)\b|^(?:rule|rich-rule)\b",
        "svcc opens no ports of a firewall; a service says what it has: port 80/tcp",
    ),
    (r"^(?:-p|--proto\w*)\s+(?i:tcp|udp|sctp)\b.*--dports?\s+(?P<port>\d+)", "write: port {port}/{spoken}"),
    (r"^-t\s+(?P<address>[\d.]+):(?P<port>\d+)", "write: vip {address}, and port {port}/tcp"),
    (r"^-u\s+(?P<address>[\d.]+):(?P<port>\d+)", "write: vip {address}, and port {port}/udp"),
    (r"^-s\s+(?P<name>\w+)", "write: scheduler {name}"),
    (r"^-p\s+(?P<time>\d+)", "write: affinity client-ip {time}s"),
    (r"^[A-Z]\w+=\S+\.(?:target|service)\b", "that is for a unit of systemd's, and no part of a program"),
    (
        r"^(?:\[(?:Unit|Service|Install|Socket|Match|Network)\])",
        "that is for a unit of systemd's, and no part of a program",
    ),
    (r"^(?:<{7}|>{7})(?:\s|$)", "a merge that was not finished: keep what is right, and remove its marks"),
    (r"^---$|^%YAML\b", "a file is one program: YAML's marks have no place in it"),
)

#: Options of ipvsadm in statements that are otherwise svcc's.
OPTIONS = slips(
    (r"^-r\s+(?P<address>[\d.:]+)\s+.*-w\s+(?P<weight>\d+)", "write: {address} weight {weight}"),
    (r"^-r\s+(?P<address>[\d.:]+)", "write: {address}"),
    (r"^[\d\[]\S*\s.*-w\s+(?P<weight>\d+)", "write: weight {weight}"),
    (r"^[\d\[]\S*\s.*-x\s+(?P<number>\d+)", "write: max-connections {number}"),
    (r"^[\d\[]\S*\s.*-[gim]\b.*", "that is for the whole service: forward masquerade, direct or tunnel"),
    (r"^scheduler\s+-s\s+(?P<name>\w+)", "write: scheduler {name}"),
    (r"^forward\s+-m\b", "write: forward masquerade"),
    (r"^forward\s+-g\b", "write: forward direct"),
    (r"^forward\s+-i\b", "write: forward tunnel"),
)
