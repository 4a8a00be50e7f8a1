"""A network namespace in which a part is tried and thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from svcc.kernel import tools
from svcc.kernel.namespaces import Namespace, NamespaceError
from svcc.kernel.steps import StepError


@contextmanager
def trial(part: str) -> Iterator[None]:
    """Be in a new namespace, with its loopback up: without it the kernel takes no address for a unicast one
    (inet_addr_type), and IPVS takes no real server. Errors: StepError."""
    try:
        namespace = Namespace("trial")
    except NamespaceError as error:
        raise StepError(part, str(error)) from error
    try:
        with namespace.entered():
            up = tools.attempt(part, ["ip", "link", "set", "lo", "up"])
            if up.returncode:
                raise up.error(part)
            yield
    finally:
        namespace.close()
