"""Prints a trace as text for people, and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction

from svcc.compiler import ir
from svcc.verify.packet import Packet, Portless, Refusal, Vantage
from svcc.verify.trace.flow import Step
from svcc.verify.trace.result import End, Trace, Way

_FROM = {Vantage.CLIENT: "from outside", Vantage.POD: "from a pod", Vantage.NODE: "sent by the node"}
_REFUSALS = {
    Refusal.REJECT: "rejected",
    Refusal.DROP: "dropped",
    Refusal.UNTOUCHED: "untouched: goes on as if there were no rules",
}
#: A fraction with a larger denominator is printed in per cent.
_READABLE = 1000


def as_text(trace: Trace) -> str:
    """Return the packet, each step once with its place in the artifacts, and the outcome."""
    packet = trace.packet
    lines = [f"{packet.source} -> {_socket(packet)}, {_FROM[packet.vantage]}", ""]
    lines += _tree([(way, way.steps) for way in trace.ways], Fraction(1), "")
    lines += ["", "outcome"]
    lines += [f"  {_share(share):>{_SHARE}}  {_end(end)}" for end, share in _ordered(trace)]
    if trace.affinity is not None:
        lines.append(f"  a client keeps its endpoint for {trace.affinity} s")
    return "".join(f"{line}".rstrip() + "\n" for line in lines)


_SHARE = 9
_HOOK = 12
_PLACE = 14


def _tree(ways: Sequence[tuple[Way, tuple[Step, ...]]], total: Fraction, indent: str) -> Iterator[str]:
    """Yield the steps that all ways have in common, then those of each; ``total`` is the share of all ways together."""
    while len({steps[:1] for _, steps in ways}) == 1 and ways[0][1]:
        yield indent + _step(ways[0][1][0])
        ways = [(way, steps[1:]) for way, steps in ways]
    if len(ways) == 1:
        yield f"{indent}=> {_end(ways[0][0].end)}"
        return
    groups: dict[object, list[tuple[Way, tuple[Step, ...]]]] = {}
    for way, steps in ways:
        groups.setdefault(steps[:1] or way.end, []).append((way, steps))
    for group in groups.values():
        share = sum((way.share for way, _ in group), Fraction(0))
        if len(groups) > 1:
            yield f"{indent}{_share(share / total)} of them"
        yield from _tree(group, share, indent + "  ")


def _step(step: Step) -> str:
    return f"{step.hook:<{_HOOK}} {step.place or ''!s:<{_PLACE}} {step.text}"


def _share(share: Fraction) -> str:
    if share == 1:
        return "all"
    return str(share) if share.denominator <= _READABLE else f"{float(share):.4%}".replace("%", " %")


def _ordered(trace: Trace) -> list[tuple[End, Fraction]]:
    """Return where the packet may end, sorted by address and port."""

    def order(item: tuple[End, Fraction]) -> tuple[bool, int, int, bool]:
        end = item[0]
        return end.address is None, int(end.address or 0), end.port, end.masquerade

    return sorted(trace.ends.items(), key=order)


def _end(end: End) -> str:
    if end.address is None:
        return _REFUSALS[end.refusal or Refusal.UNTOUCHED]
    from_ = "-".join(map(str, dict.fromkeys(end.sources)))
    rewritten = f", from {from_}" if end.sources else ", masqueraded" if end.masquerade else ""
    return f"{_host(end.address)}:{end.port}{rewritten}"


def _socket(packet: Packet) -> str:
    if isinstance(packet.protocol, Portless):
        return f"{packet.destination}/{packet.protocol}"
    return f"{_host(packet.destination)}:{packet.port}/{packet.protocol}"


def _host(address: ir.Address) -> str:
    return str(address) if address.version == 4 else f"[{address}]"


def as_json(trace: Trace) -> str:
    """Return one object: ``packet``, ``ends`` with their shares as exact fractions, ``affinity`` in seconds, ``ways``.

    The packet's ``port`` is 0 where its protocol has none.
    """
    packet = trace.packet
    document = {
        "packet": {
            "from": str(packet.source),
            "to": str(packet.destination),
            "port": packet.port,
            "protocol": packet.protocol.value,
            "in": packet.vantage.value,
        },
        "ends": [{"share": str(share), **_json_end(end)} for end, share in _ordered(trace)],
        "affinity": trace.affinity,
        "ways": [
            {"share": str(way.share), **_json_end(way.end), "steps": [_json_step(step) for step in way.steps]}
            for way in trace.ways
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _json_end(end: End) -> dict[str, object]:
    if end.address is None:
        return {"outcome": (end.refusal or Refusal.UNTOUCHED).value}
    return {
        "outcome": "forward",
        "address": str(end.address),
        "port": end.port,
        "masquerade": end.masquerade,
        "sources": [*map(str, end.sources)],
    }


def _json_step(step: Step) -> dict[str, object]:
    part, line = (step.place.part, step.place.line) if step.place else (None, None)
    return {"hook": step.hook, "part": part, "line": line, "text": step.text}
