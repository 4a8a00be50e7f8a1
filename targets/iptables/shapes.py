"""What rules the chains of this target have, by table and kind of chain, in the order in which the chains stand.

A kind is the first word behind the prefix (``SVC``, ``POSTROUTING``). A chain's rules are written here as words, each
rule ended by a semicolon, and its chain's pattern takes all of them together:

    addr, net, loopback     destination: an address, a network, the loopback network of the family
    from                    source: a network
    ports, proto            a protocol with ports, without
    local                   the destination is an address of this host
    state:…  lo  marked  hairpin  comment
    turn                    a part of what comes by: at random, in turn, by hash
    remembered, remember    affinity
    goto:KIND  jump:KIND  ACCEPT  DROP  RETURN  dnat  masquerade  reject:…  mark:on  mark:off

``!`` stands before what does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_CHOICE = "(proto remembered dnat;|remembered dnat;)*((proto )?turn (remember )?dnat;)*(proto )?(remember )?dnat;"
_BEFORE = "(jump:SRC;)?(jump:MARK;|jump:OUTSIDE;)?"
_BRANCHES = "(addr|net) (goto|jump):AT;|(addr )?ports jump:AT;"
_SERVED = "ports (comment )?goto:(SVC|EXT);"
_REFUSED = "ports (goto:REJECT|goto:SRC|DROP);"
_AT_NODE = "((loopback |!loopback |addr |net )?local goto:NODEPORTS;)*"

_PATTERNS = {
    "nat": {
        "MARK": "mark:on;",
        "OUTSIDE": "((from )?RETURN;)*mark:on;",
        "MASQUERADE": "mark:off;!lo masquerade;",
        "POSTROUTING": "marked state:DNAT jump:MASQUERADE;!lo state:DNAT hairpin masquerade;",
        "SVC": _BEFORE + _CHOICE,
        "SRC": "((from )?RETURN;)*ACCEPT;",
        "EXT": f"{_BEFORE}(goto:SVC;|{_CHOICE})",
        "AT": f"((addr )?{_SERVED}|{_BRANCHES}|addr ACCEPT;)*(ACCEPT;)?",
        "NODEPORTS": f"(loopback RETURN;)?({_SERVED}|ports jump:AT;)+",
        "SERVICES": f"(addr {_SERVED}|{_BRANCHES}|addr ACCEPT;)*{_AT_NODE}",
    },
    "filter": {
        "REJECT": "proto reject:tcp-reset;reject:icmp;",
        "SRC": "((from )?goto:REJECT;)*DROP;",
        "AT": f"((addr )?{_REFUSED}|{_BRANCHES}|addr goto:REJECT;)*(goto:REJECT;)?",
        "NODEPORTS": f"(loopback RETURN;)?({_REFUSED}|ports jump:AT;)+",
        "UNSERVED": f"state:DNAT RETURN;(addr {_REFUSED}|{_BRANCHES}|addr goto:REJECT;)*{_AT_NODE}",
    },
}
SHAPES: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    table: {kind: re.compile(pattern) for kind, pattern in kinds.items()} for table, kinds in _PATTERNS.items()
}
#: Kinds of which there are several chains, each with a name of its own behind the kind.
SEVERAL = ("SVC", "SRC", "EXT", "AT")
#: Those of them that stand in descending order of their names.
DESCENDING = ("SVC", "SRC", "EXT")
