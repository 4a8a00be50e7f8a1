"""What a shell completes besides commands and options: names that are in a file, in svcc's records, or in a lab.

click asks while a line is typed. So an answer may be empty, but never fails. An answer can use what stands earlier on
the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

import click

from svcc.compiler.errors import SvccError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from svcc.apply.installation import Installation

#: Words to offer, each with a short explanation, or "".
_Words: TypeAlias = Iterable[tuple[str, str]]
_Answer: TypeAlias = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def beginning(incomplete: str, words: Mapping[str, str]) -> list[CompletionItem]:
    """Return the words that begin with what is typed, each with its explanation."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, help=about or None) for word, about in words.items() if word.startswith(incomplete)]


def _offered(words: Callable[[click.Context], _Words]) -> _Answer:
    """Make a completion for click from a function that yields words. It offers those that begin with what is typed, and
    are not on the line yet."""

    @wraps(words)
    def answer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        given = ctx.params.get(param.name or "")
        typed = set(given) if isinstance(given, tuple) else set()
        try:
            found = dict(words(ctx))
        except (OSError, SvccError):
            return []
        return beginning(incomplete, {word: about for word, about in found.items() if word not in typed})

    return answer


@_offered
def nodes(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The nodes of the program on the line, and their first addresses."""
    from svcc.compiler.load import load

    file = ctx.params.get("file") or next(iter(ctx.args), None)  # click stops reading at an option without its value
    program = load(file).program if file and file != "-" else None
    for node in program.nodes if program is not None else ():
        yield node.name, str(node.addresses[0]) if node.addresses else ""


@_offered
def parts(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The parts of the target on the line; of all targets where none is there."""
    from svcc.targets import targets

    chosen = ctx.params.get("target")
    for target in (chosen,) if chosen is not None else targets().values():
        for part in target.parts:
            yield part.name, f"{part.tool} reads it"


@_offered
def prefixes(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The prefixes that are applied on this machine, each with its generation."""
    for one in ctx.params["store"].installations():
        current = one.current
        yield one.name, f"generation {current.number}" if current else "never applied whole"


def _chosen(ctx: click.Context) -> Iterator[Installation]:
    """The installation of the prefix on the line; all of them where none is there."""
    return (one for one in ctx.params["store"].installations() if ctx.params.get("prefix") in (None, one.name))


@_offered
def generations(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The generations that are kept, of the prefix on the line; of all prefixes where none is there."""
    for one in _chosen(ctx):
        for made in one.generations():
            yield str(made.number), f"{made.time} by {made.who}, {made.note or made.source}"


@_offered
def services(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The services that are in place, of the prefix on the line; of all prefixes where none is there."""
    from svcc.apply.served import generation_side

    for one in _chosen(ctx):
        if one.current is not None:
            for service in generation_side(one, one.current).as_program().services:
                yield service.name, " ".join(map(str, service.addresses))


@_offered
def labs(_ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The labs that are up, and their files."""
    from svcc.verify.lab.keeper import kept_labs

    for kept in kept_labs():
        yield kept.name, kept.file


@_offered
def lab_hosts(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The hosts of the lab on the line, and their addresses."""
    from svcc.verify.lab.keeper import find

    kept = find(ctx.params.get("name") or "lab")
    for host, (_, addresses) in kept.hosts.items() if kept is not None else ():
        yield host, " ".join(addresses)
