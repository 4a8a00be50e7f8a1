"""How a plan is shown, by `svcc plan` and by the dry run of an apply."""

from __future__ import annotations

import click

from svcc.apply.installation import Installation
from svcc.applying import unfinished_of
from svcc.health_rows import Health, health_lines
from svcc.output import put, put_json
from svcc.plan_json import plan_json
from svcc.plan_text import plan_text
from svcc.review import Review


def show_plan(
    reviewed: Review, installation: Installation, *, as_json: bool, objects: bool = False, everything: bool = False
) -> None:
    """Print a plan, and what the command that changes anything next would do first. Errors: StoreError."""
    unfinished, health = unfinished_of(installation), Health.read(installation)
    if as_json:
        put_json(plan_json(reviewed, unfinished, health))
        return
    if unfinished:
        click.echo(f"svcc: {unfinished}", err=True)
    put(plan_text(reviewed, objects=objects, everything=everything))
    put("".join(f"{line}\n" for line in ("", *health_lines(health)) if health.failed))
