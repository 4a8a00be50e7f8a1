"""``svcc explain``: explain a finding at length."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from shutil import get_terminal_size
from textwrap import fill, indent

import click

from svcc.compiler.codes import Code
from svcc.compiler.explanations import Explanation, code_of, explanations
from svcc.compiler.suggest import did_you_mean
from svcc.completion import beginning
from svcc.help import examples
from svcc.options import ParameterType, json_option
from svcc.output import put, put_json

_WIDTH = 100


class CodeName(ParameterType[Code]):
    """The code of a diagnostic: SVC012, or 12."""

    name = "code"

    def convert(self, value: str | Code, param: click.Parameter | None, ctx: click.Context | None) -> Code:
        if isinstance(value, Code):
            return value
        found = code_of(value)
        if found is None:
            hint = did_you_mean(value, [code.id for code in Code]) or "svcc explain lists them all"
            self.fail(f"no code `{value}`: {hint}", param, ctx)
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return beginning(incomplete.upper(), {code.id: code.title for code in Code})


@click.command("explain", epilog=examples("svcc explain SVC012", "svcc explain"))
@click.argument("codes", nargs=-1, type=CodeName(), metavar="[CODE]...")
@json_option
def command(codes: tuple[Code, ...], as_json: bool) -> None:
    """Say at length what a finding means: SVC012, or 12. Without CODE, list all there are."""
    every = sorted(Code, key=lambda code: code.id)
    if as_json:
        put_json({"version": 1, "findings": [_as_json(code, explanations()[code]) for code in codes or every]})
    elif not codes:
        put("".join(f"{code.id}  {code.title}\n" for code in every))
    else:
        put("\n".join("\n".join(_explained(code, explanations()[code])) for code in codes))


def _as_json(code: Code, explanation: Explanation) -> dict[str, str]:
    where = explanation.where.removeprefix(", ")
    told = {"about": explanation.about, "where": where, "before": explanation.before, "after": explanation.after}
    return {"code": code.id, "title": code.title, **told}


def _explained(code: Code, explanation: Explanation) -> Iterator[str]:
    yield f"{code.id}: {code.title}\n"
    width = _WIDTH if not sys.stdout.isatty() else min(_WIDTH, get_terminal_size().columns)
    yield fill(explanation.about, width, break_long_words=False, break_on_hyphens=False)
    yield f"\nBefore{explanation.where}:\n\n{indent(explanation.before, '  ')}"
    yield f"After:\n\n{indent(explanation.after, '  ')}"
