"""The ``ir`` target: the program itself as JSON, for other programs, and for people who look up what a text means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.features import Feature
from svcc.compiler.ir_to_json import to_json
from svcc.targets.interface import Accepted, Artifact, Bundle, Part, Target
from svcc.targets.reading import Text

PART = Part("ir", "ir.json", "svcc compile - --target TARGET", form=re.compile(r'\{\n  "svcc": 1,\n  "'))


class IrTarget(Target):
    """The ``ir`` target: JSON that follows ``ir.schema.json``. Every command accepts it in place of a ``.dsl`` file."""

    name = "ir"
    title = "the program itself, as JSON"
    parts = (PART,)
    alone = PART
    loads = False
    translates = False
    by_node = False
    features: ClassVar[dict[Feature, str]] = dict.fromkeys(Feature, "")

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        text = texts[PART.name]
        raise text.refused("a program is no bundle: give its JSON without this heading", 0, 0, Code.BUNDLE)

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        text = "".join(_pretty(to_json(program), "")) + "\n"
        return Bundle(self.name, None if node is None else node.name, (Artifact(PART, text),))


def _pretty(value: object, indent: str) -> Iterator[str]:
    """Yield JSON with one line for every innermost list or object: an endpoint, a port."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(member, (dict, list)) for member in members):
        yield json.dumps(value, ensure_ascii=False)
        return
    deeper = indent + "  "
    yield "{" if isinstance(value, dict) else "["
    pairs = value.items() if isinstance(value, dict) else ((None, member) for member in members)
    for i, (key, member) in enumerate(pairs):
        yield f"{',' if i else ''}\n{deeper}"
        if key is not None:
            yield f"{json.dumps(key)}: "
        yield from _pretty(member, deeper)
    yield f"\n{indent}" + ("}" if isinstance(value, dict) else "]")


TARGET = IrTarget()
