"""A target's artifacts against the reference: the same outcome for a packet, up to what the kernel cannot count."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from dsl_printer import program_text

from svcc.compiler import ir
from svcc.targets.interface import Target
from svcc.verify.packet import Forwarded, Outcome, Packet, Vantage
from svcc.verify.reference import outcome
from svcc.verify.trace import Kernel, Trace, load, trace

#: iptables keeps a probability as a number of 31 bits (xt_statistic): a cascade of rules is wrong by one of these
#: for each rule.
STEP = Fraction(1, 1 << 31)


def kernel(target: Target, program: ir.Program, node: ir.Node | None) -> Kernel:
    """The node with a target's artifacts loaded."""
    return load(target.render(program, node), node.addresses if node else ())


def same(packet: Packet, one: Outcome | None, other: Outcome | None) -> bool:
    """Whether two outcomes are one, up to the kernel's precision.

    What the node sends itself has the node's address as its source, masqueraded or not.
    """
    if not isinstance(one, Forwarded) or not isinstance(other, Forwarded):
        return one is other
    if one.affinity != other.affinity or len(one.choices) != len(other.choices):
        return False
    return all(
        (a.address, a.port) == (b.address, b.port)
        and (a.masquerade == b.masquerade or packet.vantage is Vantage.NODE)
        and abs(a.share - b.share) <= STEP * len(one.choices)
        for a, b in zip(one.choices, other.choices, strict=True)
    )


def differences(
    found: Kernel, program: ir.Program, node: ir.Node | None, packets: Iterator[Packet]
) -> Iterator[tuple[Trace, Outcome]]:
    """The packets that do not fare as the reference says."""
    for packet in packets:
        traced, expected = trace(found, packet), outcome(program, node, packet)
        if not same(packet, traced.outcome, expected):
            yield traced, expected


def story(program: ir.Program, node: ir.Node | None, traced: Trace, expected: Outcome) -> str:
    """A difference for a person to read."""
    lines = [f"{traced.packet}", f"reference: {_words(expected)}", f"trace:     {_words(traced.outcome)}"]
    for way in traced.ways[:4]:
        lines += [f"  {way.share}: {way.end}"]
        lines += [f"    {step.hook:12} {step.place or ''!s:14} {step.text}" for step in way.steps]
    return "\n".join([f"node {node and node.name}", program_text(program), *lines])


def _words(found: Outcome | None) -> str:
    if not isinstance(found, Forwarded):
        return str(found)
    choices = [f"{c.address}:{c.port} {c.share}{' masqueraded' * c.masquerade}" for c in found.choices]
    return ", ".join([*choices, f"affinity {found.affinity}"])
