"""Calls of tools by drivers: what they say when they fail is a StepError."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from svcc.apply import tools
from svcc.apply.netns import Namespace, NamespaceError
from svcc.apply.steps import StepError


def attempt(part: str, argv: Sequence[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool to its own end, good or bad. Errors: StepError where there is no such tool, or it was killed."""
    try:
        done = tools.run(argv, text)
    except FileNotFoundError:
        raise StepError(part, f"{argv[0]} is not installed") from None
    if done.returncode < 0:
        raise StepError(part, f"{argv[0]} was {tools.last_words(done)}")
    return done


def call(part: str, argv: Sequence[str], text: str | None = None) -> str:
    """What a tool prints. Errors: StepError, also where it fails."""
    done = attempt(part, argv, text)
    if done.returncode:
        raise StepError(part, tools.last_words(done))
    return done.stdout


@contextmanager
def trial(part: str) -> Iterator[None]:
    """Be in a namespace that is thrown away, with its loopback up: before that the kernel takes no address for a
    unicast one (inet_addr_type), and IPVS no real server. Errors: StepError."""
    try:
        namespace = Namespace("trial")
    except NamespaceError as error:
        raise StepError(part, str(error)) from error
    try:
        with namespace.entered():
            call(part, ["ip", "link", "set", "lo", "up"])
            yield
    finally:
        namespace.close()


def counted(number: int, noun: str) -> str:
    """ "1 element", "2 elements", "2 addresses"."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
