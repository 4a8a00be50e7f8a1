"""The result of a command for an installation, as JSON. Each such command has a JSON Schema, beside this module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click

from svcc.apply.installation import Installation
from svcc.apply.state_files import StoreError
from svcc.output import put, put_json


def number_before(installation: Installation) -> int | None:
    """Return the number of the generation in place, for :func:`outcome`; None where there is none, or its file is
    damaged."""
    try:
        return installation.number
    except StoreError:
        return None


def outcome(installation: Installation, before: int | None, **more: Any) -> dict[str, Any]:
    """Return which generation was in place and which is now; null where its file is damaged.

    ``more``: further members of this command's JSON.
    """
    try:
        current = installation.current
    except StoreError:
        current = None
    prefix = installation.name.upper() if current is None else current.prefix
    number = None if current is None else current.number
    return {"version": 1, "prefix": prefix, "changed": number != before, "before": before, "generation": number, **more}


def put_done(words: str, document: dict[str, Any], *, as_json: bool) -> None:
    """Print what was done. Where it cannot be written, say it on standard error: it was done. Errors: OSError."""
    try:
        if as_json:
            put_json(document)
        elif words:
            put(f"{words}\n")
    except BrokenPipeError:
        raise
    except OSError:
        click.echo(words, err=True)
        raise


class ReportDone(Protocol):
    """A function that reports an installation with which a command is done."""

    def __call__(self, name: str, words: str, document: dict[str, Any]) -> None:
        """Report an installation: its name, and what was done, in words and as JSON."""


@contextmanager
def each_said(*, as_json: bool, alone: bool = False) -> Iterator[ReportDone]:
    """Yield a function that reports each installation, for commands that work on several.

    Text is printed at once. JSON is one document at the end, also where a later installation fails: what was done by
    then is done. ``alone``: there is only one installation.
    """
    documents: dict[str, dict[str, Any]] = {}
    said: list[str] = []

    def done(name: str, words: str, document: dict[str, Any]) -> None:
        documents[name] = document
        said.append(words)
        if not as_json:
            put_done(words, document, as_json=False)

    failed = True
    try:
        yield done
        failed = False
    finally:
        if as_json and (documents or not failed):
            document = next(iter(documents.values())) if alone else {"version": 1, "prefixes": documents}
            put_done("\n".join(said), document, as_json=True)
