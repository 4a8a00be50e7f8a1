"""Time the stages of a compilation inside one process; print the seconds of each as a JSON object.

python bench/stages.py FILE NAME...     compile FILE to these targets
python bench/stages.py FILE lark        read FILE with svcc's grammar, and nothing else of svcc's
python bench/stages.py FILE lark-alone  the same without Python's garbage collector, as svcc runs
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from time import process_time
from typing import Any

from lark import Lark, Transformer

from svcc.compiler.checks import check
from svcc.compiler.frontends import frontends
from svcc.compiler.lower import lower
from svcc.compiler.parse import parse
from svcc.compiler.source import Source
from svcc.grammar import grammar_text
from svcc.targets import targets
from svcc.targets.capability import check_target


class Stages:
    """Processor seconds by stage: other work on the machine disturbs these less than seconds by the clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = process_time()

    def done(self, name: str) -> None:
        """End the stage that began at the last call."""
        self.seconds[name] = process_time() - self._begun
        self._begun = process_time()


def read_with_lark(text: str, name: str) -> dict[str, float]:
    """Read a text with lark's own lexer and parser, and a transformer that passes on what it is given."""
    names = {str(rule.origin.name) for rule in Lark(grammar_text(), parser="lalr").rules}
    keep = {name: staticmethod(lambda children: children) for name in names if not name.startswith("_")}
    transformer: Transformer[Any, Any] = type("Keep", (Transformer,), keep)()
    parser = Lark(grammar_text(), parser="lalr", transformer=transformer, maybe_placeholders=False)
    stages = Stages()
    parser.parse(text)
    stages.done(name)
    return stages.seconds


def compile_with_svcc(text: str, names: list[str]) -> dict[str, float]:
    chosen = [targets()[name] for name in names]
    parse(Source("", "svcc 1\n"))  # this makes the parser
    stages = Stages()
    file, _ = parse(Source("bench.dsl", text))
    assert file is not None
    stages.done("parse")
    program, found = lower([file])
    stages.done("lower")
    found += check(program)
    stages.done("check")
    assert not found, found[0]
    node = program.nodes[0] if program.nodes else None
    for _ in frontends(program, node):
        pass
    stages.done("frontends")
    for target in chosen:
        refused = check_target(program, target, node)
        stages.done(f"{target.name}: capabilities")
        assert not refused, refused[0]
        target.render(program, node)
        stages.done(f"{target.name}: render")
    return stages.seconds


def main() -> None:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    names = sys.argv[2:]
    if names != ["lark"]:
        gc.disable()
    reads = names in (["lark"], ["lark-alone"])
    json.dump(read_with_lark(text, names[0]) if reads else compile_with_svcc(text, names), sys.stdout)


if __name__ == "__main__":
    main()
