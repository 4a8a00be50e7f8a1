"""``svcc diff``: what changes between two files, folders, bundles or generations, by service and endpoint."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from svcc.apply.machine import Machine
from svcc.apply.served import Compared, compare_sides
from svcc.apply.store import Store
from svcc.applying import Cause, explained
from svcc.comparison_json import comparison_json
from svcc.comparison_markdown import comparison_markdown, objects_markdown
from svcc.comparison_text import comparison_lines, limits_text, total_line
from svcc.exits import Exit
from svcc.help import examples
from svcc.inputs import input_told
from svcc.kernel.steps import Change
from svcc.object_text import object_json, object_lines
from svcc.options import SingleOption, TargetName, chosen_format, node_option, quiet_option, refuse_given, tell
from svcc.output import put
from svcc.paths import FilePath
from svcc.sides import NamedSide, SideOptions, is_generation, read_side
from svcc.state_options import prefix_option, state_option
from svcc.targets import find
from svcc.targets.interface import Target

_OTHER_RULES = "No service changes, as far as rules tell; the rules themselves differ (--objects shows them)."


@click.command(
    "diff",
    epilog=examples(
        "svcc diff old.dsl new.dsl", "git show main:svc.dsl | svcc diff - svc.dsl --format markdown", "svcc diff 3 4"
    ),
)
@click.argument("old", type=FilePath(allow_dash=True))
@click.argument("new", type=FilePath(allow_dash=True))
@click.option(
    "-t",
    "--target",
    cls=SingleOption,
    type=TargetName(),
    help="The target whose rules --objects compares, or that a folder is of.",
)
@node_option
@prefix_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How it is printed; Markdown is for a comment in a pull request.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--objects", is_flag=True, help="The elements, rules and servers that change, too.")
@click.option("--all", "everything", is_flag=True, help="Show every change, however many there are.")
@state_option
@quiet_option
def command(
    old: str,
    new: str,
    target: Target | None,
    node: str | None,
    prefix: str | None,
    form: str,
    as_json: bool,
    objects: bool,
    everything: bool,
    store: Store,
    quiet: bool,
) -> None:
    """Say what changes from OLD to NEW, by service and endpoint: a line for each change, and in the last one what is
    taken away.

    OLD and NEW are programs, their IR as JSON, compiled bundles or folders, or the numbers of generations (see `svcc
    history`). Exit status 1 if they differ.
    """
    form = chosen_format(form, as_json=as_json)
    _check_words((old, new), objects=objects)
    told = "json" if form == "json" else "text"  # how diagnostics are printed, to standard error
    asked = SideOptions(target, node, prefix, store)
    with explained(Cause()), input_told(told, quiet=quiet, warnings=asked.warnings):
        sides = read_side(old, asked), read_side(new, asked)
        if asked.warnings:
            tell(asked.warnings, told, quiet=quiet)
            asked.warnings.clear()
        compared = compare_sides(sides[0].side, sides[1].side)
        changes = _objects(*sides, target) if objects else None
    other_rules = compared.comparison.empty and (bool(changes) if objects else _other_rules(*sides))
    put(_printed(form, compared, sides, changes, everything=everything, other_rules=other_rules))
    if not compared.comparison.empty or other_rules:
        sys.exit(Exit.DIFFERENT)


def _check_words(words: Sequence[str], *, objects: bool) -> None:
    """Check that the options mean something for these sides. Errors: UsageError."""
    numbers = [*map(is_generation, words)]
    if not any(numbers):
        refuse_given("the number of a generation", "prefix")
    if all(numbers):
        refuse_given("a program: a generation has its own node", "node")
    if not objects and not any(map(os.path.isdir, words)):
        refuse_given("--objects, or with a folder", "target")


def _printed(
    form: str,
    compared: Compared,
    sides: tuple[NamedSide, NamedSide],
    changes: Sequence[Change] | None,
    *,
    everything: bool,
    other_rules: bool,
) -> str:
    summaries = [one.side.summary for one in sides] if changes is not None else []
    if form == "json":
        document: dict[str, Any] = {"version": 1, **comparison_json(compared), "rules_differ": other_rules}
        listed = None if changes is None else [object_json(one, *summaries) for one in changes]
        return json.dumps({**document, "objects": listed}, indent=2) + "\n"
    lines = [] if changes is None else [*object_lines(changes, *summaries, everything=everything)]
    if form == "markdown":
        said = _OTHER_RULES if other_rules else ""
        return comparison_markdown(compared, everything=everything, instead=said) + objects_markdown(lines)
    return "".join(f"{line}\n" for line in _text(compared, lines, everything=everything, other_rules=other_rules))


def _text(compared: Compared, objects: Sequence[str], *, everything: bool, other_rules: bool) -> list[str]:
    comparison = compared.comparison
    limits = [text for text in [limits_text(compared)] if text]
    below = ["", *objects] if objects else []
    if comparison.empty:
        return [*(objects and [*objects, ""]), *limits, _OTHER_RULES if other_rules else "No service changes."]
    return [*comparison_lines(comparison, everything=everything), *below, "", *limits, total_line(comparison)]


def _other_rules(old: NamedSide, new: NamedSide) -> bool:
    """Whether both sides are rules of one target, and these rules differ."""
    target = find(old.target or "")
    if target is None or old.target != new.target:
        return False
    before, after = old.rules(target), new.rules(target)
    return (before.artifacts if before else ()) != (after.artifacts if after else ())


def _objects(old: NamedSide, new: NamedSide, target: Target | None) -> list[Change]:
    """Return the changes of objects in the kernel. A program is compiled to the other side's target, or to
    ``target``."""
    known = find(new.target or old.target or "")
    if target is not None and known not in (None, target):
        raise click.UsageError(f"--target {target.name}: these are rules of target {known.name}")
    chosen = known or target
    if chosen is None or not chosen.loads:
        raise click.UsageError("--objects needs --target: it compares the objects of one target")
    before, after = old.rules(chosen), new.rules(chosen)
    scope = replace(new.scope, device=new.scope.device or old.scope.device).including(before, after)
    machine = Machine(scope)
    return machine.changes(machine.differing(machine.parse(before), machine.parse(after)))
