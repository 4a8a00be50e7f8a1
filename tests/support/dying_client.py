"""A client of etcd that dies at one of its changes, as a process that is killed."""

from __future__ import annotations

from collections.abc import Sequence

from svcc.etcd.client import Client
from svcc.etcd.values import Compare, Get, Operation, Outcome


class Died(BaseException):
    """The client died. Nothing in svcc catches this."""


class Dying(Client):
    """A client that dies. ``died``: whether it has."""

    def __init__(self, members: Sequence[str], at: int, *, told: bool) -> None:
        """``at``: the change at which it dies, counted from 0; ``told``: whether etcd still receives that change."""
        super().__init__(members)
        self._left, self._told = at, told
        self.died = False

    async def transact(
        self, compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Outcome:
        if all(isinstance(one, Get) for one in then):
            return await super().transact(compares, then, otherwise)
        self.died = self.died or self._left == 0
        if self.died and not self._told:
            raise Died
        found = await super().transact(compares, then, otherwise)
        if self.died:
            raise Died
        self._left -= 1
        return found
