"""Scripts of iptables-restore as objects, for the tests of their model."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from svcc.compiler.ir import PortRange, Protocol
from svcc.kernel.xtables import objects as x

HAIRPIN = ((32, 0, 0, 12), (7, 0, 0, 0), (32, 0, 0, 16), (29, 0, 1, 0), (6, 0, 0, 65535), (6, 0, 0, 0))


def _matches(version: int) -> list[tuple[x.Match, ...]]:
    """Every match, in every form that prints differently."""
    net = ip_network("10.0.0.0/8" if version == 4 else "fd00::/16")
    address = ip_address("198.19.10.0" if version == 4 else "fd00:19::10")
    return [
        (x.From(net), x.To(address), x.In("eth0"), x.Out("eth1", True), x.Proto(Protocol.TCP)),
        (x.From(net, True), x.To(net, True), x.In("eth0", True), x.Out("lo")),
        (x.Proto(Protocol.UDP, PortRange(53, 53)),),
        (x.Proto(Protocol.SCTP, PortRange(5000, 5099)),),
        (x.CtState(("NEW", "DNAT")),),
        (x.ToLocal(),),
        (x.ToLocal(True),),
        (x.Mark(0x4000, 0x4000),),
        (x.Mark(0, 0xF, True),),
        (x.InSet("TEST", "dst,dst"),),
        (x.InSet("TEST", "dst,dst", True),),
        (x.Bytecode(HAIRPIN),),
        (x.Comment("bare-words_1"),),
        (x.Comment('shop/web: "quoted" \\ it\'s'),),
        (),
    ]


def _nat_verdicts(version: int) -> list[x.Verdict]:
    address = "100.64.0.9" if version == 4 else "fd00:64::9"
    return [
        x.Dnat(address),
        x.Dnat(address, 8080),
        x.SetMark(0x4000, 0x4000),
        x.SetMark(0, 0x4000),
        x.ACCEPT,
        x.RETURN,
        x.Jump("TEST-B"),
        x.Goto("TEST-B"),
    ]


def script(version: int) -> x.Script:
    """Every match and every verdict somewhere."""
    udp = (x.Proto(Protocol.UDP),)
    unreachable = "icmp-port-unreachable" if version == 4 else "icmp6-port-unreachable"
    nat = x.Table(
        "nat",
        (x.Entry("PREROUTING", x.Rule((), x.Jump("TEST-A"))), x.Entry("POSTROUTING", x.Rule((), x.Jump("TEST-C")))),
        (
            x.Chain("TEST-A", tuple(x.Rule(udp, verdict) for verdict in _nat_verdicts(version))),
            x.Chain("TEST-B", ()),
            x.Chain("TEST-C", (x.Rule(udp, x.Masquerade()),)),
        ),
    )
    rejects = [
        x.Rule((x.Proto(Protocol.TCP),), x.Reject("tcp-reset")),
        x.Rule((), x.Reject(unreachable)),
        x.Rule((), x.DROP),
    ]
    rules = [x.Rule(matches, x.RETURN) for matches in _matches(version)] + rejects
    entry = x.Entry("INPUT", x.Rule((x.CtState(("NEW",)), x.Comment("a b")), x.Jump("TEST-A")))
    return x.Script((nat, x.Table("filter", (entry,), (x.Chain("TEST-A", tuple(rules)),))))
