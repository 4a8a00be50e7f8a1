"""Scripts of iptables-restore as objects, for tests of their model."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from svcc.compiler.ir import PortRange, Protocol
from svcc.kernel.xtables.matches import (
    Bytecode,
    Comment,
    CtState,
    From,
    In,
    InSet,
    Mark,
    Match,
    Out,
    Proto,
    To,
    ToLocal,
)
from svcc.kernel.xtables.script import Chain, Entry, Rule, Script, Table
from svcc.kernel.xtables.verdicts import ACCEPT, DROP, RETURN, Dnat, Goto, Jump, Masquerade, Reject, SetMark, Verdict

HAIRPIN = ((32, 0, 0, 12), (7, 0, 0, 0), (32, 0, 0, 16), (29, 0, 1, 0), (6, 0, 0, 65535), (6, 0, 0, 0))


def _matches(version: int) -> list[tuple[Match, ...]]:
    """Return every match, in every form that prints differently."""
    net = ip_network("10.0.0.0/8" if version == 4 else "fd00::/16")
    address = ip_address("198.19.10.0" if version == 4 else "fd00:19::10")
    return [
        (From(net), To(address), In("eth0"), Out("eth1", True), Proto(Protocol.TCP)),
        (From(net, True), To(net, True), In("eth0", True), Out("lo")),
        (Proto(Protocol.UDP, PortRange(53, 53)),),
        (Proto(Protocol.SCTP, PortRange(5000, 5099)),),
        (CtState(("NEW", "DNAT")),),
        (ToLocal(),),
        (ToLocal(True),),
        (Mark(0x4000, 0x4000),),
        (Mark(0, 0xF, True),),
        (InSet("TEST", "dst,dst"),),
        (InSet("TEST", "dst,dst", True),),
        (Bytecode(HAIRPIN),),
        (Comment("bare-words_1"),),
        (Comment('shop/web: "quoted" \\ it\'s'),),
        (),
    ]


def _nat_verdicts(version: int) -> list[Verdict]:
    address = "100.64.0.9" if version == 4 else "fd00:64::9"
    return [
        Dnat(address),
        Dnat(address, 8080),
        SetMark(0x4000, 0x4000),
        SetMark(0, 0x4000),
        ACCEPT,
        RETURN,
        Jump("TEST-B"),
        Goto("TEST-B"),
    ]


def script(version: int) -> Script:
    """Return a script with every match and every verdict."""
    udp = (Proto(Protocol.UDP),)
    unreachable = "icmp-port-unreachable" if version == 4 else "icmp6-port-unreachable"
    nat = Table(
        "nat",
        (Entry("PREROUTING", Rule((), Jump("TEST-A"))), Entry("POSTROUTING", Rule((), Jump("TEST-C")))),
        (
            Chain("TEST-A", tuple(Rule(udp, verdict) for verdict in _nat_verdicts(version))),
            Chain("TEST-B", ()),
            Chain("TEST-C", (Rule(udp, Masquerade()),)),
        ),
    )
    rejects = [
        Rule((Proto(Protocol.TCP),), Reject("tcp-reset")),
        Rule((), Reject(unreachable)),
        Rule((), DROP),
    ]
    rules = [Rule(matches, RETURN) for matches in _matches(version)] + rejects
    entry = Entry("INPUT", Rule((CtState(("NEW",)), Comment("a b")), Jump("TEST-A")))
    return Script((nat, Table("filter", (entry,), (Chain("TEST-A", tuple(rules)),))))
