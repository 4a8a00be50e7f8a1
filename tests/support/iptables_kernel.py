"""For the tests of the iptables target: programs from text, and its scripts loaded by either variant."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Bundle
from svcc.verify.lab import NODE, Lab
from svcc.verify.lab.netns import Namespace

TARGET = targets()["iptables"]
VARIANTS = ("nft", "legacy")  # in this order both can be used in one namespace without a warning
#: The parts' names, which are also their tools' names before ``-restore``.
FAMILIES = {4: "iptables", 6: "ip6tables"}


def program(text: str) -> ir.Program:
    loaded = load_text(Source("test.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program


def bundle(text: str, node: str | None = None) -> Bundle:
    """Return the bundle of a program that the target accepts, for a node of it (its first, where it has any)."""
    made = program(text)
    chosen = made.node(node) if node else next(iter(made.nodes), None)
    refused = check_target(made, TARGET, chosen)
    assert not refused, as_text(refused)
    return TARGET.render(made, chosen)


def scripts(made: Bundle) -> Iterator[tuple[str, str]]:
    """Yield the scripts of a bundle: the name of each, which is also its tool's name before ``-restore``, and its
    text."""
    for family in FAMILIES.values():
        artifact = made.artifact(family)
        assert artifact is not None
        yield family, artifact.text


def script(text: str, version: int = 4, node: str | None = None) -> str:
    artifact = bundle(text, node).artifact(FAMILIES[version])
    assert artifact is not None
    return artifact.text


def chain(text: str, name: str, table: str = "nat") -> list[str]:
    """Return the rules of a chain in a script, without ``-A NAME``; none where the script has no such chain."""
    body = text.partition(f"*{table}\n")[2].partition("COMMIT\n")[0]
    head = f"-A {name} "
    return [line.removeprefix(head) for line in body.splitlines() if line.startswith(head)]


def rules(text: str) -> list[str]:
    """Return every rule of a script (or of iptables-save's output, which has no ``-I``) that concerns our chains."""
    return sorted(f"-A{line[2:]}" for line in text.splitlines() if line.startswith(("-A", "-I")))


def load(namespace: Namespace, command: str, text: str = "") -> str:
    """Run a command in a namespace; it must succeed, and print nothing to standard error."""
    with namespace.entered():
        done = subprocess.run(command.split(), input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stderr}"
    return done.stdout


@contextmanager
def lab(
    text: str, variant: str, node: str | None = None, clients: dict[str, tuple[ir.Address, ...]] | None = None
) -> Iterator[Lab]:
    """Yield a lab whose node has the program's scripts loaded."""
    made = program(text)
    chosen = made.node(node) if node else next(iter(made.nodes), None)
    with Lab.up(made, chosen, clients=clients) as up:
        for version, tool in FAMILIES.items():
            up.run(NODE, [f"{tool}-{variant}-restore", "--noflush"], input=script(text, version, node), check=True)
        yield up
