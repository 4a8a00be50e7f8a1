"""Checks and warnings before services are taken away: an input may have lost them by mistake."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.losses import Losses, losses
from svcc.apply.obstructions import obstructions
from svcc.apply.other_prefixes import installations_beside
from svcc.apply.own_addresses import own_ports
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.summary import Summary
from svcc.apply.taken_addresses import taken_addresses
from svcc.compiler.suggest import count
from svcc.exits import Exit
from svcc.kernel.steps import StepError
from svcc.state_options import fail
from svcc.targets import find

if TYPE_CHECKING:
    from svcc.review import Review

#: How many services are named where some are lost.
_NAMED = 8
#: How many warnings are given whole, of those that differ in an address alone.
_WHOLE = 3

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Consent:
    """What the options of the command line agree to beforehand."""

    allow_empty: bool = False  # nothing is served afterwards
    yes: bool = False  # services are removed; without it, a person at a terminal is asked


yes_option = click.option("-y", "--yes", is_flag=True, help="On a terminal: remove services without asking.")


def consent_options(command: _Command) -> _Command:
    """Add ``--allow-empty`` and ``--yes`` to a command."""
    allow = click.option("--allow-empty", is_flag=True, help="Apply FILE even if no service is left then.")
    return allow(yes_option(command))


def losses_text(found: Losses) -> str:
    """Say what is lost: "2 services that are served here: db, web". Frontends count where no service is known."""
    number = len(found.services)
    what = count(number, "service" if found.named else "frontend")
    return f"{what} that {'is' if number == 1 else 'are'} served here: {_listed(found.services)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def refusal(found: Losses) -> str:
    """Say why this is not applied without ``--allow-empty``; "" where services are left."""
    return f"this would leave no service, and take away {losses_text(found)}" if found.everything else ""


def guard(plan: ExecutionPlan, installation: Installation, draft: Draft, given: Consent) -> None:
    """End the command where services would be lost and nobody agrees to that."""
    if given.allow_empty and given.yes:
        return
    found = losses(plan, lambda: installation.summary(installation.current), draft)
    if found.everything and not given.allow_empty:
        fail(f"nothing was changed: {refusal(found)}\n  If that is meant: --allow-empty", Exit.INPUT)
    if found.services and not given.yes:
        from svcc.review import review  # this imports all that compares programs

        ask(review(plan, installation, draft), f"This removes {losses_text(found)}.")


def ask(reviewed: Review, what: str) -> None:
    """Show the plan to a person at a terminal, and end the command unless they say yes. Without a terminal do
    nothing."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from svcc.plan_text import plan_text

    click.echo(f"{plan_text(reviewed)}\n{what}", err=True)
    if not click.confirm("Go on?", err=True):
        fail("nothing was changed", Exit.DIFFERENT)


def warn_of_doubles(installation: Installation, services: Summary) -> None:
    """Warn of what another prefix serves on this machine as well. Where that is all that it serves, most likely the
    prefix was renamed."""
    for other in installations_beside(installation):
        if (current := other.current) is not None and (
            said := _double(current.prefix, services, other.summary(current))
        ):
            click.echo(f"svcc: prefix {current.prefix} serves here as well: {said}", err=True)


def _double(prefix: str, services: Summary, others: Summary) -> str:
    """Say what two prefixes serve, as the ``others`` under ``prefix`` call it; "" where there is nothing."""
    ours, theirs = services.listens, others.listens
    both = ours & theirs
    if not both:
        return ""
    if not theirs - ours:
        names = sorted({one.service for one in others.frontends})
        return f"{_listed(names)}; `svcc delete --prefix {prefix}` ends them there"
    which = "which of the two leads their clients depends on the order of the rules"
    return f"{_listed([*both.texts()])}; {which}: leave them out of one program"


def warn_of_machine(target: str | None, services: Summary, scope: Scope) -> None:
    """Warn of what this machine has against services: its own ports, and what keeps packets from the endpoints."""
    warn_of_own_ports(services, scope)
    warn_of_obstructions(target, services, scope)


def warn_of_plan(plan: ExecutionPlan, installation: Installation, draft: Draft) -> None:
    """Warn of what this machine has against the services of a plan that is not carried out now."""
    if plan.empty:
        warn_of_taken_addresses(installation, installation.current)
    warn_of_machine(draft.target, draft.summary, draft.scope)


def warn_of_generation(installation: Installation, generation: Generation, *, quiet: bool) -> None:
    """Warn of all that there is to say of a generation that is in place. Nothing else may tell of it: a machine changes
    while no file does."""
    with suppress(StoreError):  # what is damaged is told by whoever needs it
        services = installation.summary(generation)
        warn_of_doubles(installation, services)
        if not quiet:
            warn_of_taken_addresses(installation, generation)
            warn_of_machine(generation.target, services, Scope(generation.prefix, generation.device))


def warn_of_taken_addresses(installation: Installation, generation: Generation | None) -> None:
    """Warn of service addresses that have become the machine's own since a generation was applied."""
    with suppress(OSError, StepError, StoreError, ValueError):
        for one in taken_addresses(installation, generation):
            click.echo(f"svcc: warning: {one}\n  The next change of rules will be refused for that.", err=True)


def warn_of_own_ports(services: Summary, scope: Scope) -> None:
    """Warn of declared ports on which this machine itself listens: its sshd may be among them."""
    with suppress(OSError, StepError):
        for place, label in own_ports(services, scope):
            message = f"{place}: this machine listens there itself, and its clients are led to {label} instead"
            click.echo(f"svcc: warning: {message}\n  remedy: another port for one of the two", err=True)


def warn_of_obstructions(name: str | None, services: Summary, scope: Scope) -> None:
    """Warn of what keeps packets from services' endpoints, each with its remedy. ``name``: the target's."""
    target = find(name) if name is not None else None
    if target is None or not services.frontends:
        return
    found = Counter[str]()  # counts by the subject without its last word, and the state
    with suppress(OSError, StepError):
        for one in obstructions([services], translated=target.translates, ours=[scope.table]):
            alike = f"{one.subject.rpartition(' ')[0]} …: {one.state}"
            found[alike] += 1
            if found[alike] <= _WHOLE:
                click.echo(f"svcc: warning: {one.subject}: {one.state}\n  remedy: {one.remedy}", err=True)
    for alike, number in found.items():
        if number > _WHOLE:
            click.echo(f"svcc: warning: {number - _WHOLE} more like this: {alike}", err=True)
