"""Give a network namespace in which the steps of a part are tried, and which is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from svcc.kernel.namespaces import Namespace, NamespaceError
from svcc.kernel.steps import StepError


@contextmanager
def trial(part: str) -> Iterator[bool]:
    """Enter a new namespace for the ``with`` block, with its loopback up: else the kernel takes no address for a
    unicast one (inet_addr_type), and IPVS takes no real server. Give whether there is a namespace. Errors: StepError.

    A process that may make no namespaces gets False, and tries nothing. The step is then taken untried, and undone
    where the kernel refuses it.
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
