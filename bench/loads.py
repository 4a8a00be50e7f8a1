"""Load rules into the kernel, ours part by part and a peer's from a file, each time into a fresh network namespace."""

from __future__ import annotations

import lzma
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measure import Failed, Values, in_a_row, rounds, run
from results import Part
from task import Task

from svcc.apply.scope import Scope
from svcc.compiler.ir import Cluster
from svcc.kernel.xtables.delta import delta
from svcc.kernel.xtables.loading import TRANSLATING
from svcc.kernel.xtables.state import parse_script
from svcc.kernel.xtables.variant import NFT
from svcc.targets.interface import Target
from svcc.verify.lab.netns import Namespace

#: Programs that load into the namespace in which they run. Others that a part names (modprobe, sysctl) change the whole
#: machine, and take no time that depends on the services.
_LOADERS = ("nft", "iptables-restore", "ip6tables-restore", "ip", "ipset", "ipvsadm")
_VARIANTS = ("legacy", "nft")


def fresh(name: str) -> Namespace:
    """Return a new namespace with loopback up. Without any address there, IPVS takes no address for the host's own."""
    namespace = Namespace(name)
    namespace.ip(["link set lo up"])
    return namespace


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    command: tuple[str, ...]
    file: Path


@dataclass(frozen=True, slots=True)
class Load:
    """Steps that load rules into one namespace."""

    name: str
    steps: tuple[Step, ...]

    def run(self, failed: dict[str, str]) -> dict[str, Values]:
        """Load and measure; return the values of each step, and of all. A step that fails goes to ``failed``, and is
        not tried again."""
        namespace = fresh(self.name)
        samples: dict[str, Values] = {}
        try:
            for step in self.steps:
                if step.name not in failed:
                    try:
                        samples[step.name] = run(step.command, step.file, namespace=namespace)
                    except Failed as error:
                        failed[step.name] = str(error)
        finally:
            namespace.close()
        if len(samples) == len(self.steps) > 1:
            samples[self.name] = in_a_row(samples.values())
        return samples

    def into(self, namespace: Namespace) -> None:
        """Load without measuring. Errors: Failed."""
        for step in self.steps:
            run(step.command, step.file, namespace=namespace)


def load(task: Task) -> Part:
    """Load each target's rules, and the peers', in turns."""
    loads: list[Load] = []
    for target in task.targets:
        if target.loads:
            loads += our_loads(target, task.compiled(task.size, target))
    failed: dict[str, str] = {}
    again = {"nft": as_nft_text, "ipvs": as_saved}
    loads += [as_applied(ours, task.folder) for ours in loads if ours.name == f"iptables ({NFT})"]
    for ours in [ours for ours in loads if ours.name in again]:
        try:
            loads.append(again[ours.name](ours, task.folder))
        except Failed as error:
            failed[f"{ours.name}, as its tools list it"] = str(error)
    loads += [peer_load(peer, task.folder) for peer in task.peers]
    found = rounds([partial(load.run, failed) for load in loads], task.rounds)
    return Part(str(task.size), {name: values for name, values in found.items() if name not in failed}, failed)


def our_loads(target: Target, folder: Path) -> Iterator[Load]:
    """Yield the ways to load a target's parts from ``folder``. Where all parts are xtables', there are two variants."""
    parts = [part for part in target.parts if part.tool.split()[0] in _LOADERS and _has_text(folder / part.file)]
    for variant in _VARIANTS if all("tables-restore" in part.tool for part in parts) else ("",):
        name = f"{target.name} ({variant})" if variant else target.name
        restore = f"tables-{variant}-restore" if variant else "tables-restore"
        steps = (
            Step(
                name if len(parts) == 1 else f"{name}: {part.name}",
                tuple(part.tool.replace("tables-restore", restore).split()),
                folder / part.file,
            )
            for part in parts
        )
        yield Load(name, tuple(steps))


def _has_text(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def as_nft_text(load: Load, folder: Path) -> Load:
    """Return the load of what nft lists after a load of JSON, in nft's own language."""
    name = f"{load.name}, as its tools list it"
    file = _listed(load, ("nft", "list", "ruleset"), folder / "listed.nft")
    return Load(name, (Step(name, ("nft", "-f", "-"), file),))


def as_saved(load: Load, folder: Path) -> Load:
    """Return the load of the same sets and servers without anything else, as ipset and ipvsadm save them."""
    name = f"{load.name}, as its tools list it"
    sets = _listed(load, ("ipset", "save"), folder / "saved.ipset")
    servers = _listed(load, ("ipvsadm", "-Sn"), folder / "saved.ipvsadm")
    return Load(
        name,
        (
            Step(f"{name}: ipset", ("ipset", "restore"), sets),
            Step(f"{name}: ipvsadm", ("ipvsadm", "-R"), servers),
        ),
    )


def as_applied(load: Load, folder: Path) -> Load:
    """Return the load of what ``svcc apply`` gives to the tool where there is nothing yet: chains are committed some at
    a time."""
    name = f"{load.name}, as applied"
    return Load(name, tuple(_applied(step, name, folder) for step in load.steps))


def _applied(step: Step, name: str, folder: Path) -> Step:
    tables = parse_script(step.file.read_text(encoding="utf-8"), Scope(Cluster().prefix)).tables
    file = folder / f"applied-{step.file.name}"
    file.write_text(str(delta({}, tables, TRANSLATING, ahead=True)), encoding="utf-8")
    return Step(step.name.replace(step.name.partition(": ")[0], name), step.command, file)


def _listed(load: Load, command: tuple[str, ...], file: Path) -> Path:
    namespace = fresh("listing")
    try:
        load.into(namespace)
        with file.open("wb") as listed:
            run(command, stdout=listed, namespace=namespace)
    finally:
        namespace.close()
    return file


def peer_load(word: str, folder: Path) -> Load:
    """Return the load that a word describes: ``NAME=FILE:TOOL``. FILE may be compressed with xz; TOOL reads it from
    standard input."""
    name, equal, rest = word.partition("=")
    path, colon, tool = rest.rpartition(":")
    if not (equal and colon and tool.strip()):
        raise Failed(f"a peer is NAME=FILE:TOOL, and {word} is not")
    file = Path(path)
    if file.suffix == ".xz":
        plain = folder / file.stem
        plain.write_bytes(lzma.decompress(file.read_bytes()))
        file = plain
    command = tuple(shlex.split(tool))
    name = f"{name} ({command[0].removesuffix('-restore')})"
    return Load(name, (Step(name, command, file),))
