"""For the tests of the ipvs target: programs from text, and a bundle's parts loaded into a lab's node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Bundle
from svcc.verify.lab import CLIENT, NODE, Lab

TARGET = targets()["ipvs"]


def program(text: str) -> ir.Program:
    loaded = load_text(Source("test.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program


def render(text: str, node: str | None = None) -> Bundle:
    """The bundle of a program that the target takes as it is."""
    made = program(text)
    chosen = made.node(node) if node else (made.nodes[0] if made.nodes else None)
    refused = check_target(made, TARGET, chosen)
    assert not refused, as_text(refused)
    return TARGET.render(made, chosen)


def part(bundle: Bundle, name: str) -> str:
    artifact = bundle.artifact(name)
    assert artifact is not None
    return artifact.text


def load_bundle(lab: Lab, bundle: Bundle) -> None:
    """Load every part into the lab's node with the part's own tool; each must succeed."""
    for artifact in bundle.artifacts:
        if artifact.text:
            done = lab.run(NODE, ["sh", "-c", artifact.part.tool], input=artifact.text)
            assert (done.returncode, done.stderr) == (0, ""), f"{artifact.part.name}: {done}"


@contextmanager
def served(text: str, *, bridge_netfilter: bool = False, crowd: Iterable[ir.Address] = ()) -> Iterator[Lab]:
    """A lab whose node has a program's parts loaded. The client's address is in 192.0.2.0/24 or 2001:db8:100::/48;
    ``crowd`` is one more client, with many addresses."""
    made = program(text)
    clients = {CLIENT: (ip_address("192.0.2.10"), ip_address("2001:db8:100::10")), "crowd": tuple(crowd)}
    node = made.nodes[0] if made.nodes else None
    with Lab.up(made, node, clients=clients, bridge_netfilter=bridge_netfilter) as lab:
        load_bundle(lab, render(text))
        yield lab


def live_sets(saved: str) -> str:
    """``ipset save`` as the artifact has it: without what the kernel adds to or chooses for a hash."""
    return re.sub(r" bucketsize \d+ initval 0x[0-9a-f]+", "", saved)
