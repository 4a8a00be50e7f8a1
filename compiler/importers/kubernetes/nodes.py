"""Makes the nodes of a program of the Nodes of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.importers.kubernetes.objects import Node
from svcc.compiler.importers.kubernetes.remarks import At, Numbers, Place, Remark, Work, addresses, nowhere
from svcc.compiler.importers.sound import Findings


class Nodes(NamedTuple):
    """The nodes that a cluster's Nodes became, and the remarks on them."""

    nodes: tuple[ir.Node, ...]  # by name
    remarks: tuple[Remark, ...]


def nodes_of(nodes: Iterable[Node], findings: Findings, at: At = nowhere) -> Nodes:
    """Map Nodes, without those that break a rule of svcc. Of two with one address the older becomes a node."""
    found: dict[str, ir.Node] = {}
    by_address: dict[ir.Address, ir.Node] = {}
    remarks: list[Remark] = []
    for node in sorted(nodes, key=lambda node: node.age):
        mapped, said = node_of(node, at)
        remarks += said
        if mapped is None:
            continue
        others = {by_address[address].name for address in mapped.addresses if address in by_address}
        beside = tuple(replace(found[name], span=None, spans={}) for name in sorted(others))
        numbers = Numbers()
        marked, _ = node_of(node, numbers.at)
        errors = _errors(findings, (*beside, marked or mapped))
        if errors:
            remarks += _faults(errors, numbers, node.name)
        else:
            found[node.name] = mapped
            by_address |= dict.fromkeys(mapped.addresses, mapped)
    return Nodes(tuple(node for _, node in sorted(found.items())), tuple(remarks))


def _errors(findings: Findings, nodes: tuple[ir.Node, ...]) -> list[Diagnostic]:
    return [one for one in findings(ir.Program(nodes=nodes)) if one.severity is Severity.ERROR]


def _faults(errors: Iterable[Diagnostic], numbers: Numbers, name: str) -> Iterable[Remark]:
    for error in errors:
        yield Remark(numbers.place(error.span) if error.span else Place(f"Node {name}"), error.message)


def node_of(node: Node, at: At = nowhere) -> tuple[ir.Node | None, tuple[Remark, ...]]:
    """Map a Node with its InternalIPs. The result has None where it has none."""
    name = f"Node {node.name}"
    work = Work((), at)
    found = dict(addresses(work, name, node.internal_ips))
    for word in node.external_ips:
        reason = "where this ExternalIP is the machine's own, add it to the node's addresses"
        work.remark(Place(name, word.path), reason)
    if not found:
        work.remark(Place(name), "the node has no InternalIP, and a node needs an address")
        return None, tuple(work.remarks)
    spans = {f"address {address}": span for address, path in found.items() if (span := at(Place(name, path)))}
    return ir.Node(node.name, tuple(found), node.zone or None, span=at(Place(name)), spans=spans), tuple(work.remarks)
