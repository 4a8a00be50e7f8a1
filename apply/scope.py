"""Tell which objects on a machine are ours: those under one prefix, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from svcc.compiler import ir
from svcc.compiler.prefix import fault
from svcc.kernel.link.devices import names_of_text
from svcc.kernel.link.difference import PART
from svcc.targets.interface import Bundle


@dataclass(frozen=True, slots=True)
class Scope:
    """The names by which our objects are known. Objects that have them are ours; no others are ever changed."""

    prefix: str  # of the names of chains and sets: PREFIX-…
    device: str | None = None  # the device that carries service addresses; None: there is none that is known
    #: The bundles that may be in the kernel: that of the recorded generation, and of one that was under way. Objects
    #: without a name of their own (IPVS virtual servers) are ours if one of these bundles has them.
    bundles: tuple[Bundle, ...] = ()

    def __post_init__(self) -> None:
        if wrong := fault(self.prefix):
            raise ValueError(f"`{self.prefix}` cannot be a prefix: {wrong}")

    @property
    def table(self) -> str:
        """The name of nft's tables."""
        return self.prefix.lower()

    def owns(self, name: str) -> bool:
        """Whether a chain or a set of that name is ours."""
        return name.startswith(f"{self.prefix}-")

    def texts(self, part: str) -> Iterator[str]:
        """Yield the text of a part from each bundle that may be in the kernel."""
        for bundle in self.bundles:
            if artifact := bundle.artifact(part):
                yield artifact.text

    def including(self, *bundles: Bundle | None) -> Scope:
        """Return the scope in which these bundles may be in the kernel as well."""
        known = [b for b in bundles if b is not None and b not in self.bundles]
        device = self.device or next(filter(None, map(_device_of, known)), None)
        return replace(self, device=device, bundles=(*self.bundles, *known))


def scope_of_program(program: ir.Program) -> Scope:
    """Return the scope of a program: its prefix and its device."""
    return Scope(program.cluster.prefix, program.cluster.vip_device)


def _device_of(bundle: Bundle) -> str | None:
    artifact = bundle.artifact(PART)
    return next(names_of_text(artifact.text), None) if artifact else None
