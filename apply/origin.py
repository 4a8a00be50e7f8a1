"""What a bundle was compiled from, so that it need not be compiled again to see that nothing changed."""

from __future__ import annotations

import os
from dataclasses import dataclass

from svcc.compiler.sources import Sources
from svcc.kernel.json_values import Json, members, optional, string


@dataclass(frozen=True, slots=True)
class Origin:
    """A target, the node that was asked for, and the files. :mod:`svcc.apply.cache` compares the version of svcc."""

    target: str
    node: str | None
    sources: Sources

    def gives(self, file: str, target: str, node: str | None) -> bool:
        """Whether compiling a file again gives the same. Errors: OSError."""
        asked = target, node, os.path.abspath(file)
        return asked == (self.target, self.node, self.sources.first) and self.sources.unchanged()

    @classmethod
    def from_json(cls, data: Json) -> Origin:
        """Of what ``dataclasses.asdict`` made and JSON kept. Errors: LookupError, TypeError."""
        fields = members(data)
        return cls(string(fields["target"]), optional(string, fields["node"]), Sources.from_json(fields["sources"]))
