"""Which machine holds which announced address, by keys in etcd: following them, whose turn it is, taking and
giving up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from svcc.agent.log import Log
from svcc.etcd.client import Client
from svcc.etcd.errors import EtcdError
from svcc.etcd.leases import Held
from svcc.etcd.values import Changes, Compare, Delete, Entry, Field, Listing, Put, Relation, absent
from svcc.fleet.documents import holder_text, read_able, read_holder
from svcc.fleet.election import successors
from svcc.fleet.errors import BadDocument
from svcc.fleet.keys import Keys, address_in, last_part

#: Seconds after which the next machine in the order takes an address that the one before it did not take.
_TURN = 2.0
#: Seconds until etcd is asked again where it did not answer.
_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The machine that holds an address, the lease of its key, and the revision at which the key was written."""

    node: str
    lease: int
    revision: int


@dataclass(frozen=True, slots=True)
class Life:
    """A machine that lives: the addresses for which it can answer, and the lease of the key that shows its life."""

    able: frozenset[str]
    lease: int


class Holders:
    """The machines that live, and the holders of all addresses, as etcd reported them last."""

    def __init__(self, client: Callable[[], Client], keys: Keys, name: str, log: Log, news: Callable[[], None]) -> None:
        """``name``: this machine's; ``news`` is called when etcd reported something."""
        self._client, self._keys, self._name, self._log, self._news = client, keys, name, log, news
        self.held: dict[str, Holder] = {}  # by address
        self._lives: dict[str, Life] = {}  # by machine
        self._last: dict[str, Holder] = {}  # the last holder of each address
        self._free: dict[str, float] = {}  # since when each address without a holder has had none
        self._known = 0  # how many of the two, lives and holders, etcd has listed

    @property
    def known(self) -> bool:
        """Whether etcd has listed both, the machines and the holders."""
        return self._known == 2

    @property
    def mine(self) -> set[str]:
        """The addresses that this machine holds."""
        return {address for address, one in [*self.held.items()] if one.node == self._name}

    def was_held(self, address: str) -> bool:
        """Whether any machine of the fleet is known to have held this address."""
        return address in self._last

    async def follow_lives(self) -> None:
        """Follow which machines live, without end."""
        await self._follow(self._keys.lives, self.hear_lives)

    async def follow_holders(self, patience: float) -> None:
        """Follow the holders, without end.

        ``patience``: seconds after which a member of etcd that reports nothing is asked whether it is alive.
        """
        await self._follow(self._keys.holders, self.hear_holders, patience)

    async def ask(self, etcd: Client) -> None:
        """Ask etcd who holds which address now. Errors: EtcdError, OSError."""
        self.hear_holders(await etcd.list(self._keys.holders))

    async def _follow(
        self, beginning: str, hear: Callable[[Listing | Changes], None], patience: float | None = None
    ) -> None:
        first = True
        while True:
            try:
                async with self._client() as etcd, aclosing(etcd.follow(beginning, patience=patience)) as told:
                    async for news in told:
                        hear(news)
                        self._known += first
                        first = False
                        self._news()
            except (EtcdError, OSError) as error:
                self._log.warning("the holders of addresses cannot be followed in etcd", reason=str(error))
            await asyncio.sleep(_AGAIN)

    def hear_lives(self, news: Listing | Changes) -> None:
        """Enter which machines live, and for which addresses they can answer."""
        if isinstance(news, Listing):
            self._lives = {}
        for key, entry in _entries(news).items():
            node = last_part(self._keys.lives, key)
            if node is not None and entry is not None:
                try:
                    self._lives[node] = Life(read_able(key, entry.value), entry.lease)
                except BadDocument as error:
                    self._lives.pop(node, None)
                    self._log.error("the addresses that a machine can hold cannot be read", reason=str(error))
            elif node is not None:
                self._lives.pop(node, None)

    def hear_holders(self, news: Listing | Changes) -> None:
        """Enter which machine holds which address."""
        if isinstance(news, Listing):
            self.held.clear()
        for key, entry in _entries(news).items():
            address = address_in(self._keys.holders, key)
            if address is None:
                continue
            self.held.pop(address, None)
            if entry is not None:
                try:
                    self.held[address] = Holder(read_holder(key, entry.value), entry.lease, entry.mod_revision)
                except BadDocument as error:
                    self._log.error("who holds an address cannot be read", reason=str(error))
                    self.held[address] = Holder("", entry.lease, entry.mod_revision)
        self._last.update(self.held)

    def due(self, able_here: frozenset[str]) -> list[str]:
        """Return the addresses that it is this machine's turn to take. ``able_here``: those for which it can answer."""
        now = asyncio.get_running_loop().time()
        able = {**{node: self._able_still(life) for node, life in self._lives.items()}, self._name: able_here}
        turns = successors(able, {address: one.node for address, one in self.held.items()})
        self._free = {address: self._free.get(address, now) for address in turns}
        found = []
        for address, machines in turns.items():
            last = self._last[address].node if address in self._last else ""
            order = [*({last} & {*machines}), *(one for one in machines if one != last)]  # the last may still answer
            if self._name in order and now - self._free[address] >= _TURN * order.index(self._name):
                found.append(address)
        return found

    def _able_still(self, life: Life) -> frozenset[str]:
        """Return for which addresses a machine can answer, without those that it held by its present lease and lost.

        When one key of a lease is gone, the lease has ended, and its other keys go as well.
        """
        ended = {one for one, last in self._last.items() if one not in self.held and last.lease == life.lease}
        return life.able - ended

    async def take(self, etcd: Client, address: str, lease: Held) -> bool:
        """Hold an address from now on. Return False where another machine was quicker. Errors: EtcdError, OSError."""
        key, known = self._keys.holder(address), self.held.get(address)
        if known is not None and known.node != self._name:  # etcd reported this after the decision
            return False
        as_known = absent(key) if known is None else _unchanged(key, known)
        done = await etcd.transact([as_known], [Put(key, holder_text(self._name).encode(), lease.lease)])
        if done.succeeded:
            self.held[address] = Holder(self._name, lease.lease.id, done.revision)
        return done.succeeded

    async def let_go(self, etcd: Client, address: str) -> None:
        """Give an address up, so that another machine takes it. Errors: EtcdError, OSError."""
        key, known = self._keys.holder(address), self.held[address]
        if (await etcd.transact([_unchanged(key, known)], [Delete(key)])).succeeded:
            self.held.pop(address, None)
            self._last.pop(address, None)
            self._log.info("let go of an address", address=address)


def _entries(news: Listing | Changes) -> Mapping[str, Entry | None]:
    return news.by_key() if isinstance(news, Listing) else {one.key: one.entry for one in news.changes}


def _unchanged(key: str, known: Holder) -> Compare:
    return Compare(key, Field.MODIFIED, Relation.EQUAL, known.revision)
