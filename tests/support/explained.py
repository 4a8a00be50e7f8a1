"""Run the examples of explanations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from support.bundles import refusal
from support.command_line import Done, folder, svcc
from svcc.compiler.explanations import Explanation
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import printed


def check(explanation: Explanation, text: str, encoding: str, place: Path, *options: str) -> Done:
    """Return what ``svcc check`` (or ``import``) prints for one of the two texts, in a folder of its own."""
    for name, content in {explanation.file: text, **explanation.files}.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode(encoding if name == explanation.file else "utf-8"))
    target = ("--target", explanation.target) if explanation.target else ()
    with folder(place):
        if explanation.importer is not None:
            return svcc("import", explanation.importer, explanation.file, *options)
        return svcc("check", explanation.file, *target, *options)


def codes(done: Done) -> list[str]:
    """Return the codes that ``check --format json``, or ``import`` on standard error, printed."""
    return [diagnostic["code"] for diagnostic in json.loads(done.text or done.err)["diagnostics"]]


def refusals(explanation: Explanation) -> Iterator[str | None]:
    """Yield what is said of a bundle with the line as it was before, and as it is after."""
    assert explanation.bundle is not None
    assert explanation.target is not None
    program = load_text(Source("main.dsl", explanation.bundle)).program
    assert program is not None
    target = targets()[explanation.target]
    text = printed(target, target.render(program, None))
    assert text.count(f"\n{explanation.after}") == 1, f"{explanation.after!r} is not one line of the bundle"
    yield refusal(text.replace(explanation.after, explanation.before), target)
    yield refusal(text, target)
