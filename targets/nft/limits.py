"""Which names nft does not take."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic

#: The most characters of a name (NFT_NAME_MAXLEN, without the final zero).
NAME_MAX = 255

#: Words that nft (1.0.6 to 1.1.7) does not read as the name of a table: libnftables would make such a table, but ``nft
#: list table ip NAME`` could not name it.
_WORDS = """
    accept add ah all and arp auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct
    day dccp define delete describe destroy device devices dnat drop dst dup dynamic ecn element elements esp ether
    exists expires export exthdr fib flags flow flowtable flush frag fwd gc-interval geneve get goto gre gretap
    handle hbh hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include index inet
    insert interval ip ip6 ipsec jhash jump le limit list log lt map mark masquerade meta meter mh missing monitor
    ne netdev nftrace not notrack numgen obriport obrname offload oif oifgroup oifname oiftype or osf pkttype policy
    position priority queue quota random redefine redirect reject rename replace reset return rt rt0 rt2 rtclassid
    rule ruleset sctp secmark set size skgid skuid snat socket srh symhash synproxy table tcp th time timeout tproxy
    tunnel type typeof udp udplite undefine update vlan vmap vxlan xor xt
"""
KEYWORDS = frozenset(_WORDS.split())


def table_name(cluster: ir.Cluster) -> str:
    """Return the name of a cluster's tables, which is the same in both families."""
    return cluster.prefix.lower()


def limits(program: ir.Program) -> Iterator[Diagnostic]:
    """Return an error where the prefix cannot name the table. All other names are made to fit."""
    cluster, span = program.cluster, program.cluster.spans.get("prefix")
    name = table_name(cluster)
    if name in KEYWORDS:
        hint = f"any other word will do: {cluster.prefix}-LB"
        yield Diagnostic(Code.NAME, f"`{name}` is a word of nft's own, and would be the name of the table", span, hint)
    if len(name) > NAME_MAX:
        message = f"the prefix has {len(name)} characters, and names in nft at most {NAME_MAX}"
        yield Diagnostic(Code.NAME_TOO_LONG, message, span)
