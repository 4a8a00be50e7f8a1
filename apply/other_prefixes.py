"""The other installations of a state directory, as far as they carry on what one of them ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property

from svcc.apply.installation import Installation
from svcc.apply.machine import Machine
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.summary import Summary
from svcc.kernel.routes import Routes
from svcc.kernel.steps import FrontendAddress


class OtherPrefixes:
    """The installations beside one. Their records are read when they are first asked for, and only once; one that is
    damaged counts as serving nothing, and commands for its prefix report it."""

    def __init__(self, installation: Installation | None = None, gone: Collection[str] = ()) -> None:
        """``installation``: the one that they are beside; None: there are none. ``gone``: the names of those that are
        taken away before."""
        self._installation = installation
        self._gone = frozenset(gone)

    def lasting(self, routes: Routes) -> Routes:
        """Return those of some routes whose UDP flows may go on, as another prefix declares the endpoint for the
        frontend."""
        flows = routes.over("udp")
        found = Routes()
        for one in self._summaries if flows else ():
            found |= one.lasting(flows)
        return found

    def lead(self, frontend: FrontendAddress, version: int) -> bool:
        """Whether another prefix leads clients of a frontend to an endpoint of an IP version."""
        ends = (end for one in self._summaries for served in one.at(frontend) for end in served.endpoints)
        return any(weight and (":" in address) == (version == 6) for address, _, weight in ends)

    @cached_property
    def tracked(self) -> frozenset[int]:
        """The IP versions of which their rules have the kernel track and translate connections
        (:meth:`Driver.tracks`)."""
        return frozenset(version for one in self._all for version in _tracked(one))

    @cached_property
    def _summaries(self) -> list[Summary]:
        return [found for one in self._all if (found := _summary(one)) is not None]

    @cached_property
    def _all(self) -> list[Installation]:
        found = () if self._installation is None else installations_beside(self._installation)
        return [one for one in found if one.name not in self._gone]


def installations_beside(installation: Installation) -> Iterator[Installation]:
    """Yield the other installations of its state directory that may have objects in the kernel. Errors: StoreError."""
    for one in Store(installation.path.parent).installations():
        if one.name != installation.name and one.may_have_objects:
            yield one


def _summary(one: Installation) -> Summary | None:
    from svcc.apply.served import summary_of  # this imports all that compares programs

    with suppress(StoreError, ValueError):
        return summary_of(one, one.current)
    return None


def _tracked(one: Installation) -> set[int]:
    with suppress(StoreError, ValueError):
        if (current := one.current) is not None:
            machine = Machine(one.scope(current))
            states = machine.parse(one.bundle(current))
            return {version for driver in machine.drivers for version in driver.tracks(states.of(driver))}
    return set()
