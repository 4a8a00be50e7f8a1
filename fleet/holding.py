"""Announced addresses in a fleet: for each, one of the machines that can answer for it does, by a key with a lease in
etcd.

Two aims are at odds: never shall two machines answer for an address, and everything shall stay as it is where etcd is
down. A holder that cannot reach etcd does not know whether etcd is down or the machine is cut off from it. So it goes
on answering, and a guard (:mod:`svcc.fleet.guard`) listens. Another machine takes an address only with a quorum of etcd
and after the end of the holder's lease, and then tells the network; the guard that hears this has its machine stop.
Where the network itself is split, each side has one machine that answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from svcc.agent.log import Log
from svcc.apply.driver import balances
from svcc.compiler import ir
from svcc.etcd.client import Client
from svcc.etcd.errors import EtcdError
from svcc.etcd.leases import Held
from svcc.fleet.guard import Orders
from svcc.fleet.guarding import Guarding
from svcc.fleet.holders import Holders
from svcc.fleet.keys import Keys
from svcc.fleet.probing import Probing
from svcc.kernel.link.announcing import announce
from svcc.kernel.link.links import Link
from svcc.kernel.link.moving import changes, drained
from svcc.kernel.link.reading import links, read_devices
from svcc.kernel.link.silencing import silence
from svcc.kernel.link.taking import take
from svcc.kernel.steps import StepError
from svcc.targets.vip_device import alias, is_ours

#: Seconds after which another machine takes the addresses of one that died, by default. etcd makes no lease shorter
#: than one and a half of its election time-out, in whole seconds: 2 s for its default time-out of 1 s.
LEASE = 3
#: The parts of the lease after which a member of etcd that reports nothing of holders is asked whether it is alive, and
#: after which another member is asked beside one that does not answer.
_SILENCE, _PATIENCE = 1 / 3, 1 / 12
#: How many addresses are taken together.
_AT_ONCE = 50
#: Seconds between two decisions, and between two readings of the links, where no change was reported.
_GLANCE, _LINKS = 0.5, 10.0
#: How often an address is announced again, and the seconds between (RFC 4861, section 10: three times, a second apart).
_MORE, _BETWEEN = 2, 1.0


class Holding:
    """The announced addresses for which one node answers. ``lease``: the lease of its agent, to which its keys are
    bound; None while there is none."""

    def __init__(
        self, client: Callable[[], Client], keys: Keys, name: str, root: Path, log: Log, seconds: int = LEASE
    ) -> None:
        """``seconds``: how long the lease lasts to which announced addresses are bound."""
        self._client, self._keys, self._log, self._seconds = client, keys, log, seconds
        self.lease: Held | None = None
        self.able: frozenset[str] = frozenset()  # for which this machine can answer
        self.changed: Callable[[], None] = lambda: None  # called when the machine is to answer for other addresses
        self.between = _at_once  # runs work on the kernel while nothing else changes it
        self._guarding = Guarding(root, log, lambda address: self._cease([address], "another machine answers for it"))
        self._announced: frozenset[str] | None = None  # by the program in the kernel; None before the first
        self._in_kernel: frozenset[str] = frozenset()  # for which the kernel answers
        self._wanted: frozenset[str] | None = None  # for which it is to answer; None before the first program
        self._probing = Probing(log)
        self._device, self._prefix, self._keep = "", "", False
        self._joined: tuple[ir.Program, frozenset[str], ir.Program] | None = None
        self._known_links: list[Link] = []  # the machine's links, as they were read last
        self._news, self._links, self._ceased = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._holders = Holders(client, keys, name, log, self._news.set)
        self._repeats: set[asyncio.Task[None]] = set()
        self._leaving = False

    @property
    def seconds(self) -> int | None:
        """How long the lease lasts that announced addresses need; None where nothing is announced."""
        return self._seconds if self._announced else None

    @property
    def fault(self) -> str:
        """Which addresses a host outside the fleet has, or claims; "" where there are none. The former are not
        taken."""
        return "; ".join(filter(None, (self._probing.refused, self._guarding.disputed)))

    # ---- the agent's programs

    def joined(self, program: ir.Program, target: str) -> ir.Program:
        """Return the program, marked with the addresses for which other machines answer; the same object while nothing
        changes."""
        if not any(service.announce for service in program.services):
            return program
        self._device, self._prefix = program.cluster.vip_device or "", program.cluster.prefix
        self._keep = balances(target)
        if self._wanted is None:
            self._wanted = _answered_now(program)
        answering, last = self._wanted, self._joined
        if last is not None and last[0] is program and last[1] == answering:
            return last[2]
        services = tuple(_elsewhere(service, answering) for service in program.services)
        made = replace(program, services=services)
        self._joined = program, answering, made
        return made

    def note_taken(self, program: ir.Program) -> None:
        """Take note that a program is in the kernel as :meth:`joined` made it."""
        here = frozenset(str(one) for service in program.services for one in service.announced)
        new, self._in_kernel = here - self._in_kernel, here
        self._announced = frozenset(str(a) for one in program.services if one.announce for a in one.addresses)
        self._announce_again_later(new)
        self._links.set()
        self._ceased.set()  # addresses may have been given up since the program was made

    def _announce_again_later(self, new: frozenset[str]) -> None:
        """Have addresses that this machine has just announced announced again."""
        if new:
            task = asyncio.create_task(self._announce_again(new), name="tell again")
            self._repeats.add(task)
            task.add_done_callback(self._repeats.discard)

    async def _announce_again(self, addresses: frozenset[str]) -> None:
        """Announce addresses again: a packet of the first time may have been lost."""
        for _ in range(_MORE):
            await asyncio.sleep(_BETWEEN)
            if still := [ip_address(one) for one in addresses & self._in_kernel & (self._wanted or frozenset())]:
                try:
                    await asyncio.to_thread(_announce, still)
                except StepError as error:
                    self._log.warning("addresses cannot be announced", reason=str(error))

    # ---- its life beside the agent

    async def run(self) -> None:
        """Hold the addresses that are this machine's to hold, without end. Without announced addresses it only
        waits."""
        while self._announced is None or not self._announced:
            self._links.clear()
            await self._links.wait()
        silence = self._seconds * _SILENCE
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._guarding.run(), name="guard")
            tasks.create_task(self._command(), name="command")
            tasks.create_task(self._watch_links(), name="links")
            tasks.create_task(self._holders.follow_lives(), name="lives")
            tasks.create_task(self._holders.follow_holders(silence), name="holders")
            tasks.create_task(self._hold(), name="hold")
            tasks.create_task(self._keep_silent(), name="keep silent")

    async def leave(self) -> None:
        """Stop answering, so that others can take over at once. Where etcd is down nobody could, so the machine goes
        on."""
        self._leaving = True
        if self.lease is not None and not self.lease.lost:
            await self._guarding.cease()

    async def _command(self) -> None:
        while not self._leaving:
            self._tell_guard()
            await asyncio.sleep(_GLANCE / 2)

    def _tell_guard(self) -> None:
        until = self.lease.until if self.lease is not None and not self.lease.lost else 0.0
        self._guarding.tell(Orders(self._device, tuple(sorted(self._wanted or ())), until, self._keep))

    async def _watch_links(self) -> None:
        """Keep up to date for which addresses this machine can answer: those that it serves, and whose network is on a
        working link."""
        loop = asyncio.get_running_loop()
        with changes() as told:
            loop.add_reader(told, self._links_moved, told)
            try:
                while True:
                    self._links.clear()
                    found = await asyncio.to_thread(_links)
                    if found is not None:
                        self._known_links = found
                        self.able = frozenset(one for one in self._announced or () if _faced(one, found))
                        answering = self._wanted or frozenset()
                        self._cease(answering - self.able, "this machine cannot answer for it")
                        self._news.set()
                    try:
                        async with asyncio.timeout(_LINKS):
                            await self._links.wait()
                    except TimeoutError:
                        continue
            finally:
                loop.remove_reader(told)

    def _links_moved(self, told: object) -> None:
        drained(told)  # type: ignore[arg-type]
        self._links.set()

    # ---- holding

    async def _hold(self) -> None:
        while True:
            try:
                async with self._client() as etcd:
                    while True:
                        self._news.clear()
                        await self._decide(etcd)
                        try:
                            async with asyncio.timeout(_GLANCE):
                                await self._news.wait()
                        except TimeoutError:
                            continue
            except (EtcdError, OSError) as error:
                self._log.warning("addresses cannot be held or let go of", reason=str(error))
            await asyncio.sleep(_GLANCE)

    async def _decide(self, etcd: Client) -> None:
        """Do what is due for every address, as far as etcd's state is known."""
        if self._leaving or not self._holders.known:
            return
        lease = self.lease
        certain = lease is not None and not lease.lost
        if not certain and self._wanted:
            await self._holders.ask(etcd)  # the watch takes longer to come back
        mine, held = self._holders.mine, self._holders.held
        self._cease((self._wanted or frozenset()) & (held.keys() - mine), "another machine holds it")
        if lease is None or not certain:
            return  # another machine of the same name may hold what this name holds
        for address in sorted(mine - self.able - self._in_kernel):
            await self._holders.let_go(etcd, address)
        kept = [address for address in sorted(mine & self.able) if held[address].lease == lease.lease.id]
        await self._answer(kept)
        due = self._holders.due(self.able)
        # An address that had a holder is taken without asking the network: a holder cut off from etcd may still answer.
        strange = [one for one in due if not self._holders.was_held(one) and one not in (self._wanted or ())]
        known = {*due}.difference(strange) | (mine & self.able).difference(kept)
        await self._hold_all(etcd, sorted(known), lease)
        self._probing.forget(strange)
        if strange:
            free = await self._probing.free(strange, self._known_links, held)
            await self._hold_all(etcd, sorted(free), lease)

    async def _hold_all(self, etcd: Client, addresses: list[str], lease: Held) -> None:
        if addresses:  # find a member that hangs first, by a request that may be sent twice
            await etcd.get(self._keys.holder(addresses[0]), patience=self._seconds * _PATIENCE)
        for some in (addresses[at : at + _AT_ONCE] for at in range(0, len(addresses), _AT_ONCE)):
            if lease.lost or self._leaving:
                return
            done = await asyncio.gather(*(self._holders.take(etcd, one, lease) for one in some))
            await self._answer([one for one, ours in zip(some, done, strict=True) if ours])

    async def _answer(self, addresses: Iterable[str]) -> None:
        """Answer for addresses from now on: at once, before the agent compares and records what the kernel has."""
        answering = self._wanted or frozenset()
        new = frozenset(addresses) - answering
        if not new or self._leaving:
            return
        self._wanted = answering | new
        for address in sorted(new):
            self._log.info("holds an address", address=address)
        self._tell_guard()
        try:
            await self.between(partial(self._take, new))
            self._announce_again_later(new & self._in_kernel)
        except StepError as error:
            self._log.warning("the kernel cannot answer for new addresses yet", reason=str(error))
        self.changed()

    async def _keep_silent(self) -> None:
        """Stop the kernel from answering for addresses that were given up, before the agent compares and records what
        it has."""
        while True:
            self._ceased.clear()
            if self._in_kernel - (self._wanted or frozenset()):
                try:
                    await self.between(self._silence)
                except StepError as error:
                    self._log.warning("the kernel still answers for addresses that were given up", reason=str(error))
                self._news.set()
            await self._ceased.wait()

    def _silence(self) -> None:
        """Stop the kernel from answering for addresses that were given up: the last program may have brought them back.

        Called in a thread, while nothing else changes the kernel.
        """
        if going := self._in_kernel - (self._wanted or frozenset()):
            silence(self._device, [ip_address(one) for one in sorted(going)], keep=self._keep)
            self._in_kernel -= going

    def _take(self, addresses: frozenset[str]) -> None:
        """Have the kernel answer for addresses. On ipvs the machine has them already, and did not answer.

        Called in a thread, while nothing else changes the kernel.
        """
        still = addresses & self._holders.mine & (self._wanted or frozenset()) & (self._announced or frozenset())
        if self._device and not self._leaving:
            some = [ip_address(one) for one in sorted(still)]
            done = take(self._device, alias(self._prefix), some, self._known_links, silent=self._keep)
            self._in_kernel |= frozenset(map(str, done))

    def _cease(self, addresses: Iterable[str], why: str) -> None:
        going = (self._wanted or frozenset()) & {*addresses}
        if going and not self._leaving:
            self._wanted = (self._wanted or frozenset()) - going
            for address in sorted(going):
                self._log.info("ceases to answer for an address", address=address, reason=why)
            self._ceased.set()
            self.changed()


async def _at_once(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


def _elsewhere(service: ir.Service, answering: Collection[str]) -> ir.Service:
    if not service.announce:
        return service
    return replace(service, elsewhere=tuple(one for one in service.addresses if str(one) not in answering))


def _answered_now(program: ir.Program) -> frozenset[str]:
    """Return for which of the program's addresses the kernel answers, as an earlier agent left it; none where it cannot
    be read."""
    own = {str(address) for service in program.services if service.announce for address in service.addresses}
    try:
        devices = read_devices(lambda link: is_ours(link, program.cluster.prefix), own)
    except StepError:
        return frozenset()
    found = {address.partition("/")[0] for device in devices.values() for address in device.announced()}
    return frozenset(found & own)


def _announce(addresses: Collection[ir.Address]) -> None:
    announce(addresses, links())


def _links() -> list[Link] | None:
    """Return the machine's links; None where they cannot be read now."""
    try:
        return links()
    except StepError:
        return None


def _faced(address: str, links_here: Iterable[Link]) -> bool:
    """Whether the network of an address is on a working link, on which neighbours ask for it."""
    one = ip_address(address)
    working = (link for link in links_here if link.has_neighbours and "LOWER_UP" in link.flags and link.kind != "dummy")
    return any(link.faces(one) for link in working)
