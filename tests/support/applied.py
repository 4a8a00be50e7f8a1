"""A program that was applied to a node, on each target; and which of its records are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support.apply_faults import tools_of
from support.apply_world import World
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.kernel.namespaces import Namespace
from svcc.targets.interface import Bundle

#: By name, a target and the variant of iptables on the machine.
SIDES = {"nft": ("nft", "nft"), "iptables": ("iptables", "nft"), "legacy": ("iptables", "legacy")}


@contextmanager
def applied(side: str, text: str, folder: Path) -> Iterator[World]:
    """A node of one of :data:`SIDES`, on which a program was applied; its store is in ``folder``."""
    target, variant = SIDES[side]
    with tools_of(variant), closing(Namespace("applied")) as namespace:
        made = World(namespace, folder, variant)
        made.apply(text, target)
        yield made


def bundles_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of the generations whose bundles are read, or compiled again, from now on; 0 stands for none."""
    read: list[int] = []
    original = Installation.bundle

    def bundle(self: Installation, generation: Generation | None) -> Bundle | None:
        read.append(generation.number if generation else 0)
        return original(self, generation)

    monkeypatch.setattr(Installation, "bundle", bundle)
    return read
