"""What is ours on a machine: everything under one prefix, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from svcc.compiler import ir
from svcc.targets.interface import Bundle

_CHAIN = re.compile(r"^:(?P<prefix>\S+?)-(?:SERVICES|POSTROUTING) ", re.MULTILINE)
_SET = re.compile(r"^create (?P<prefix>\S+?)-(?:6-)?SERVICE-IP ", re.MULTILINE)
_DEVICE = re.compile(r"^link add (?P<device>\S+) type dummy$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that ours go by. What is found under them is ours; nothing else is ever changed."""

    prefix: str  # of chains and sets: PREFIX-…
    device: str | None = None  # that carries the vips on ipvs; None: not known to have one
    #: What may be in the kernel: of the generation that is recorded, and of one that was under way. Objects that
    #: have no name to go by (IPVS virtual servers) are ours if one of these bundles has them.
    bundles: tuple[Bundle, ...] = ()

    @property
    def table(self) -> str:
        """The name of nft's tables."""
        return self.prefix.lower()

    def owns(self, name: str) -> bool:
        """Whether a chain or a set of that name is ours."""
        return name.startswith(f"{self.prefix}-")

    def including(self, *bundles: Bundle | None) -> Scope:
        """The scope in which these bundles may be in the kernel as well."""
        known = [b for b in bundles if b is not None and b not in self.bundles]
        device = self.device or next(filter(None, map(_device_of, known)), None)
        return replace(self, device=device, bundles=(*self.bundles, *known))


def scope_of_program(program: ir.Program) -> Scope:
    return Scope(program.cluster.prefix, program.cluster.vip_device)


def scope_of_bundle(bundle: Bundle) -> Scope | None:
    """The scope of a compiled bundle, as its texts tell it; None where it is empty.

    nft's tables have the prefix in lower case: it is given in upper case then, as most prefixes are.
    """
    for artifact in bundle.artifacts:
        if artifact.part.name == "nft":
            return Scope(_table_of(artifact.text).upper())
        for pattern in (_CHAIN, _SET):
            if found := pattern.search(artifact.text):
                return Scope(found["prefix"], _device_of(bundle))
    return None


def _table_of(text: str) -> str:
    """The table in the first command of an nft document (`{"add": {"table": {…}}}`)."""
    first = text.split("\n", 2)[1].strip()
    return str(json.loads(first)["add"]["table"]["name"])


def _device_of(bundle: Bundle) -> str | None:
    artifact = bundle.artifact("ip")
    found = _DEVICE.search(artifact.text) if artifact else None
    return found["device"] if found else None
