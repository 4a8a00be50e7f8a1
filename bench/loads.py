"""Loading rules into the kernel: ours part by part, and a peer's file, each time into a fresh network namespace."""

from __future__ import annotations

import lzma
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import Failed, Sample, run

from svcc.targets.interface import Target
from svcc.verify.lab.netns import Namespace

#: Programs that load into the namespace they run in. What else a part names (modprobe, sysctl) takes no time that
#: depends on the services, and is about the whole machine.
_LOADERS = ("nft", "iptables-restore", "ip6tables-restore", "ip", "ipset", "ipvsadm")
_VARIANTS = ("legacy", "nft")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    command: tuple[str, ...]
    file: Path

    @property
    def program(self) -> str:
        return self.command[0]


@dataclass(frozen=True, slots=True)
class Load:
    """Steps into one namespace; ``peer``: it is not ours."""

    name: str
    steps: tuple[Step, ...]
    peer: bool = False

    def run(self, failed: dict[str, str]) -> dict[str, Sample]:
        """The samples of the steps by their names. One that fails goes to ``failed``, and is not tried again."""
        namespace = Namespace(self.name)
        samples: dict[str, Sample] = {}
        try:
            for step in self.steps:
                if step.name not in failed:
                    try:
                        samples[step.name] = run(step.command, step.file, namespace=namespace)
                    except Failed as error:
                        failed[step.name] = str(error)
        finally:
            namespace.close()
        return samples


def our_loads(target: Target, folder: Path) -> Iterator[Load]:
    """The ways to load a target's parts, which are in ``folder``: xtables have two variants."""
    parts = [part for part in target.parts if part.tool.split()[0] in _LOADERS and _has_text(folder / part.file)]
    for variant in _VARIANTS if any("tables-restore" in part.tool for part in parts) else ("",):
        name = f"{target.name} ({variant})" if variant else target.name
        commands = {part: part.tool.replace("tables-restore", f"tables-{variant}-restore") for part in parts}
        steps = (
            Step(name if len(target.parts) == 1 else f"{name}: {part.name}", tuple(command.split()), folder / part.file)
            for part, command in commands.items()
        )
        yield Load(name, tuple(steps))


def _has_text(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def as_nft_text(load: Load, folder: Path) -> Load:
    """What nft lists after a load of JSON, to be loaded as nft's own language."""
    file, namespace = folder / "listed.nft", Namespace("listing")
    try:
        for step in load.steps:
            run(step.command, step.file, namespace=namespace)
        with file.open("wb") as listed:
            run(("nft", "list", "ruleset"), stdout=listed, namespace=namespace)
    finally:
        namespace.close()
    name = f"{load.name}, as nft text"
    return Load(name, (Step(name, ("nft", "-f", "-"), file),))


def peer_load(word: str, folder: Path) -> Load:
    """``NAME=FILE:TOOL``, FILE perhaps compressed with xz, TOOL a command that reads it from standard input."""
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
    return Load(name, (Step(f"{name} ({command[0].removesuffix('-restore')})", command, file),), peer=True)
