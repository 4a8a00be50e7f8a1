"""Other people's rules on the same node, before and behind ours.

With them a trace shows differences that would not show otherwise: a rule that leaves its chain too early or too late,
an order that matters only to others, a table that is not replaced as a whole.
"""

from __future__ import annotations

import json
from typing import Any

from svcc.targets.interface import Artifact, Bundle, Part

#: The bits of the mark that their chains set, each chain one.
MARKS = tuple(1 << bit for bit in range(20, 30))
#: Where they send packets that nobody has translated, except those to one port.
ELSEWHERE = {4: "192.0.2.250", 6: "2001:db8:fe::250"}
LEFT_ALONE = 22
_FILTERING = ("INPUT", "OUTPUT", "FORWARD")
_FAMILIES = {"ip": 4, "ip6": 6}


def around(bundle: Bundle, mark: int) -> tuple[Bundle, ...]:
    """Return a bundle and others' rules, in the order of loading. ``mark``: the bundle's own bit of the mark."""
    if any(artifact.part.name == "nft" for artifact in bundle.artifacts):
        return bundle, _beside(mark)
    return _behind(), bundle


def _behind() -> Bundle:
    """Return rules of xtables that come after ours in every hook. They are loaded first, as ours are put in front."""
    artifacts = []
    for part, version in (("iptables", 4), ("ip6tables", 6)):
        to = f"-j DNAT --to-destination {ELSEWHERE[version]}"
        dnat = [f"-p {p} -m {p} ! --dport {LEFT_ALONE} {to}" for p in ("tcp", "udp", "sctp")]
        marks = (f"-j MARK --set-xmark {bit:#x}/{bit:#x}" for bit in MARKS)
        lines = [
            *("*mangle", *(f"-A {hook} {next(marks)}" for hook in (*_FILTERING, "POSTROUTING")), "COMMIT"),
            *("*filter", *(f"-A {hook} {next(marks)}" for hook in _FILTERING), "COMMIT"),
            *("*nat", *(f"-A {hook} {rule}" for hook in ("PREROUTING", "OUTPUT") for rule in dnat)),
            *(f"-A POSTROUTING {next(marks)}", "COMMIT"),
        ]
        artifacts.append(Artifact(Part(part, "", ""), "".join(f"{line}\n" for line in lines)))
    return Bundle("neighbours", None, tuple(artifacts))


def _beside(own: int) -> Bundle:
    """Return tables of nft with chains of the same priorities as ours. They are loaded later, so they are called later.

    They translate TCP at our chains' priority, and everything else later than any of ours.
    """
    commands: list[Any] = []
    for family, version in _FAMILIES.items():
        commands.append({"add": {"table": {"family": family, "name": "neighbours"}}})
        dnat = {"dnat": {"addr": ELSEWHERE[version]}}
        for hook in ("prerouting", "output"):
            for operator, priority in (("==", -100), ("!=", -80)):
                tcp = _match({"meta": {"key": "l4proto"}}, operator, "tcp")
                other = _match({"payload": {"protocol": "th", "field": "dport"}}, "!=", LEFT_ALONE)
                commands += _chain(family, "nat", hook, priority, [[tcp, other, dnat]])
        marks = iter(MARKS)
        for type, hook, priority in (("filter", "prerouting", -90), ("filter", "output", -90)):
            commands += _chain(family, type, hook, priority, [[_marked(next(marks))]])
        for hook in ("postrouting", "input"):
            seen = _match({"&": [_MARK, own]}, "==", own)
            commands += _chain(family, "nat", hook, 100, [[_marked(next(marks))], [seen, _marked(next(marks))]])
    return Bundle("neighbours", None, (Artifact(Part("nft", "", ""), json.dumps({"nftables": commands})),))


_MARK: Any = {"meta": {"key": "mark"}}


def _marked(bit: int) -> Any:
    return {"mangle": {"key": _MARK, "value": {"|": [_MARK, bit]}}}


def _match(left: Any, operator: str, right: Any) -> Any:
    return {"match": {"op": operator, "left": left, "right": right}}


def _chain(family: str, type: str, hook: str, priority: int, rules: list[list[Any]]) -> list[Any]:
    place = {"family": family, "table": "neighbours"}
    name = f"{type}-{hook}-{priority}"
    chain = {"name": name, "type": type, "hook": hook, "prio": priority}
    added = [{"add": {"rule": {**place, "chain": name, "expr": statements}}} for statements in rules]
    return [{"add": {"chain": {**place, **chain}}}, *added]


def stale(bundle: Bundle) -> Bundle:
    """Return what an earlier load may have left in our own tables of nft: a chain that drops everything."""
    artifact = bundle.artifact("nft")
    if artifact is None:
        return Bundle("stale", None, ())
    commands: list[Any] = []
    for command in json.loads(artifact.text)["nftables"]:
        table = command.get("add", {}).get("table")
        if table is not None and {"add": {"table": table}} not in commands:
            chain = {"name": "stale", "type": "filter", "hook": "prerouting", "prio": -300, "policy": "drop"}
            commands += [
                {"add": {"table": table}},
                {"add": {"chain": {"family": table["family"], "table": table["name"], **chain}}},
            ]
    return Bundle("stale", None, (Artifact(artifact.part, json.dumps({"nftables": commands})),))
