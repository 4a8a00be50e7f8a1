"""Load a bundle where it does no harm: in a network namespace that is thrown away afterwards.

The real tools put the real files into the real kernel, so what fails here would fail on the machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from svcc.kernel import tools
from svcc.kernel.modules.loading import missing
from svcc.kernel.modules.names import PART
from svcc.kernel.namespaces import Namespace
from svcc.targets.interface import Artifact, Bundle


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A part that its tool or the kernel refused, with the tool's own words."""

    part: str
    tool: str
    words: str


def rehearse(bundle: Bundle) -> list[RefusedPart]:
    """Load every part of a bundle in order, each with its own tool; needs root. Return the parts that were refused; an
    empty list says that this machine takes the bundle.

    After the first failure the parts that follow are not tried, because they build on it. Errors: NamespaceError where
    this process may make no namespace to try them in.
    """
    namespace = Namespace("rehearsal")
    try:
        return load_bundle(bundle, namespace)
    finally:
        namespace.close()


def load_bundle(bundle: Bundle, namespace: Namespace, *, again: bool = False) -> list[RefusedPart]:
    """Load every part of a bundle into a namespace, up to the first that is refused. Return what was refused.

    ``again``: whether the namespace has the bundle already; then only parts that can be loaded twice are loaded.
    """
    for artifact in bundle.artifacts:
        if again and not artifact.part.repeatable:
            continue
        failures = list(_load(artifact, namespace))
        if failures:
            return failures
    return []


def _load(artifact: Artifact, namespace: Namespace) -> Iterator[RefusedPart]:
    if not artifact.text:
        return
    if artifact.part.name == PART:  # modules are the whole machine's: only look for them
        for module in missing(artifact.text.split()):
            yield RefusedPart(PART, "modprobe", f"this kernel has no module {module}")
        return
    argv = shlex.split(artifact.part.tool)
    try:
        with namespace.entered():
            done = tools.run(argv, artifact.text)
    except FileNotFoundError:
        yield RefusedPart(artifact.part.name, argv[0], f"{argv[0]} is not installed")
        return
    if done.returncode:
        yield RefusedPart(artifact.part.name, argv[0], done.words)
