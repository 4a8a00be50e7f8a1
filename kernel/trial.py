"""A network namespace in which a part is tried and thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from svcc.kernel.namespaces import Namespace, NamespaceError
from svcc.kernel.steps import StepError


@contextmanager
def trial(part: str) -> Iterator[bool]:
    """Be in a new namespace, with its loopback up: without it the kernel takes no address for a unicast one
    (inet_addr_type), and IPVS takes no real server. Gives whether that is so. Errors: StepError.

    A process that may make no namespaces tries nothing. Then the kernel meets the step itself, and what it refuses is
    put back.
    """
    try:
        namespace = Namespace("trial")
    except NamespaceError:
        yield False
        return
    try:
        try:
            namespace.bring_loopback_up()
        except NamespaceError as error:
            raise StepError(part, str(error)) from None
        with namespace.entered():
            yield True
    finally:
        namespace.close()
