"""Other people's rules on the same node: what comes before ours, and what stands behind them.

With them a trace shows what would else be the same: a rule that leaves its chain too early or too late, an order
that only matters to others, a table that is not replaced as a whole.
"""

from __future__ import annotations

import json
from typing import Any

from svcc.targets.interface import Artifact, Bundle, Part

#: A bit of the mark that they set wherever a packet comes by.
MARK = 0x0010_0000
#: Where they send what nobody has translated.
ELSEWHERE = {4: "192.0.2.250", 6: "2001:db8:fe::250"}
_FAMILIES = {"ip": 4, "ip6": 6}


def around(bundle: Bundle) -> tuple[Bundle, ...]:
    """A bundle and others' rules, in the order of loading."""
    if any(artifact.part.name == "nft" for artifact in bundle.artifacts):
        return bundle, _beside()
    return _behind(), bundle


def _behind() -> Bundle:
    """Rules of xtables that follow ours in every hook: loaded first, as ours are put in front."""
    marks = f"-j MARK --set-xmark {MARK:#x}/{MARK:#x}"
    artifacts = []
    for part, version in (("iptables", 4), ("ip6tables", 6)):
        dnat = f"-j DNAT --to-destination {ELSEWHERE[version]}"
        lines = [
            *("*mangle", *(f"-A {hook} {marks}" for hook in ("INPUT", "OUTPUT", "FORWARD")), "COMMIT"),
            *("*filter", *(f"-A {hook} {marks}" for hook in ("INPUT", "OUTPUT", "FORWARD")), "COMMIT"),
            *("*nat", f"-A PREROUTING {dnat}", f"-A OUTPUT {dnat}", f"-A POSTROUTING {marks}", "COMMIT"),
        ]
        artifacts.append(Artifact(Part(part, "", ""), "".join(f"{line}\n" for line in lines)))
    return Bundle("neighbours", None, tuple(artifacts))


def _beside() -> Bundle:
    """Tables of nft's with chains of the same priorities as ours: loaded later, they are called later."""
    commands: list[Any] = []
    for family, version in _FAMILIES.items():
        commands.append({"add": {"table": {"family": family, "name": "neighbours"}}})
        mark: Any = {"meta": {"key": "mark"}}
        marks = [{"mangle": {"key": mark, "value": {"|": [mark, MARK]}}}]
        for hook, priority in (("prerouting", -100), ("output", -100)):
            commands += _chain(family, "nat", hook, priority, [{"dnat": {"addr": ELSEWHERE[version]}}])
        for hook, priority in (("prerouting", -90), ("output", -90), ("postrouting", 100), ("input", 100)):
            commands += _chain(family, "filter" if priority == -90 else "nat", hook, priority, marks)
    return Bundle("neighbours", None, (Artifact(Part("nft", "", ""), json.dumps({"nftables": commands})),))


def _chain(family: str, type: str, hook: str, priority: int, statements: list[Any]) -> list[Any]:
    place = {"family": family, "table": "neighbours"}
    name = f"{type}-{hook}"
    chain = {"name": name, "type": type, "hook": hook, "prio": priority}
    return [{"add": {"chain": {**place, **chain}}}, {"add": {"rule": {**place, "chain": name, "expr": statements}}}]


def stale(bundle: Bundle) -> Bundle:
    """What an earlier load may have left in our own tables of nft's: a chain that drops all."""
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
