"""Record what a bundle was compiled from, so that it need not be compiled again to see that nothing changed."""

from __future__ import annotations

import os
from dataclasses import dataclass

from svcc.compiler.sources import Sources
from svcc.kernel.json_values import Json, members, optional, string


@dataclass(frozen=True, slots=True)
class Origin:
    """The target, the node and the files that a bundle was compiled from. :mod:`svcc.apply.cache` sees to it that the
    same svcc compiled it."""

    target: str
    node: str | None  # as the command line named it; None: it named none
    sources: Sources

    def is_unchanged(self, file: str, target: str, node: str | None) -> bool:
        """Whether compiling a file again would give the same bundle. Errors: OSError."""
        asked = target, node, os.path.abspath(file)
        return asked == (self.target, self.node, self.sources.first) and self.sources.unchanged()

    @classmethod
    def from_json(cls, data: Json) -> Origin:
        """Return the origin whose ``dataclasses.asdict`` was written as JSON. Errors: LookupError, TypeError."""
        fields = members(data)
        return cls(string(fields["target"]), optional(string, fields["node"]), Sources.from_json(fields["sources"]))
