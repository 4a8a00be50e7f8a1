"""The shapes of this target's chains: which rules each kind of chain has, by table, in the order of the chains in the
script.

A kind is the first word behind the prefix (``SVC``, ``POSTROUTING``). Rules are written here as words, with a semicolon
after each rule. A pattern matches all rules of a chain together:

    addr, net, loopback     destination: an address, a network, the loopback network of the family
    from                    source: a network
    ports, tcp, udp, sctp   a protocol with ports, without
    sport                   source ports of TCP
    -flags                  TCP flags: neither SYN nor RST
    local                   the destination is an address of this host
    state:…  lo  marked  hairpin  comment
    turn                    a part of what comes by: at random, in turn, by hash
    remembered, remember    affinity
    opened:…                what the connection was opened to: an address, a network, ports
    goto:KIND  jump:KIND  ACCEPT  DROP  RETURN  dnat  masquerade  snat  reject:…  mark:on  mark:off

``!`` stands before what does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_CHOICE = "(P?remembered dnat;)*(P?turn (remember )?dnat;)*P?(remember )?dnat;".replace("P", "((tcp|udp|sctp) )")
_BEFORE = "(jump:SRC;)?(jump:MARK;|jump:OUTSIDE;|(from jump:MARK;)+)?"
_BRANCHES = "(addr|net) (goto|jump):AT;|(addr )?ports jump:AT;"
_SERVED = "ports ((comment )?goto:(SVC|EXT)|ACCEPT);"
_REFUSED = "ports (goto:REJECT|goto:SRC|DROP|state:INVALID DROP);"
_PLACE = "(loopback |!loopback |addr |net )?"
_AT_NODE = f"({_PLACE}local goto:NODEPORTS;)*"
_NOBODYS = "(addr RETURN;)*((addr|net) goto:REJECT;)*"
_FIRST = "state:DNAT RETURN;(tcp -flags state:INVALID jump:INVALID;)?"

_OPENED = "((tcp|udp|sctp) opened:(addr,)?ports (snat|masquerade|jump:FROM);|opened:(addr|net), (goto|jump):FROM;)+"

_PATTERNS = {
    "nat": {
        "MARK": "mark:on;",
        "OUTSIDE": "((from )?RETURN;)*mark:on;",
        "FROM": _OPENED,
        "SNAT": _OPENED,
        "MASQUERADE": "mark:off;(!lo jump:SNAT;)?!lo masquerade;",
        "POSTROUTING": "marked state:DNAT jump:MASQUERADE;!lo state:DNAT hairpin (masquerade|jump:MASQUERADE);",
        "SVC": _BEFORE + _CHOICE,
        "SRC": "((from )?RETURN;)*ACCEPT;",
        "EXT": f"{_BEFORE}(goto:SVC;|{_CHOICE})",
        "NODEPORTS": f"(loopback RETURN;)?(addr RETURN;)*({_SERVED}|ports jump:AT;)+",
        "LOCAL": _AT_NODE,
        "AT": f"((addr )?{_SERVED}|{_BRANCHES}|addr RETURN;)*(RETURN;|goto:LOCAL;)?",
        "SERVICES": f"(addr {_SERVED}|{_BRANCHES}|addr RETURN;)*{_AT_NODE}",
    },
    "filter": {
        "REJECT": "tcp state:INVALID DROP;tcp reject:tcp-reset;udp reject:icmp;sctp reject:icmp;",
        "SRC": "(((from )?goto:REJECT;)*|((from )?RETURN;)*)DROP;",
        "ENDPOINTS": "(sport DROP;)+",
        "INVALID": f"((from )?jump:ENDPOINTS;)+(loopback RETURN;)?({_PLACE}ports local DROP;)*",
        "AT": f"((addr )?{_REFUSED}|{_BRANCHES}|addr goto:REJECT;)*(goto:REJECT;)?",
        "NODEPORTS": f"(loopback RETURN;)?(addr RETURN;)*({_REFUSED}|ports jump:AT;)+",
        "UNSERVED": f"{_FIRST}(addr {_REFUSED}|{_BRANCHES}|addr goto:REJECT;)*{_AT_NODE}{_NOBODYS}",
    },
}
SHAPES: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    table: {kind: re.compile(pattern) for kind, pattern in kinds.items()} for table, kinds in _PATTERNS.items()
}
#: Kinds of which there are several chains, each with a name of its own after the kind.
SEVERAL = ("SVC", "SRC", "EXT", "AT", "FROM")
#: The kinds whose chains are in descending order of their names.
DESCENDING = ("SVC", "SRC", "EXT")
