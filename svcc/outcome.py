"""What a command did to an installation, for machines. Each such command has a JSON Schema, beside this module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from svcc.apply.installation import Installation
from svcc.apply.state_files import StoreError
from svcc.output import put, put_json


def number_before(installation: Installation) -> int | None:
    """The number of the generation in place, for :func:`outcome`; None also where its file is damaged."""
    try:
        return installation.number
    except StoreError:
        return None


def outcome(installation: Installation, before: int | None, **more: Any) -> dict[str, Any]:
    """Which generation was in place and which is now. ``more``: what this command says besides."""
    current = installation.current
    prefix = installation.name.upper() if current is None else current.prefix
    number = None if current is None else current.number
    return {"version": 1, "prefix": prefix, "changed": number != before, "before": before, "generation": number, **more}


class ReportDone(Protocol):
    """Says that one more installation is done."""

    def __call__(self, name: str, words: str, document: dict[str, Any]) -> None:
        """One more installation is done: its name, and what was done, for people and for machines."""


@contextmanager
def each_said(*, as_json: bool, alone: bool = False) -> Iterator[ReportDone]:
    """For commands that go from installation to installation. People are told at once; JSON is one document, at the
    end, also where the next one fails: what was done by then is done. ``alone``: it is of a single installation.
    """
    documents: dict[str, dict[str, Any]] = {}

    def done(name: str, words: str, document: dict[str, Any]) -> None:
        documents[name] = document
        if not as_json:
            put(f"{words}\n")

    failed = True
    try:
        yield done
        failed = False
    finally:
        if as_json and (documents or not failed):
            put_json(next(iter(documents.values())) if alone else {"version": 1, "prefixes": documents})
