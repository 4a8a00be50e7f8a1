"""The members of a cluster: ask any of them, and another one where that fails; keep a token; and see that it is one
cluster."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from svcc.etcd import http
from svcc.etcd.errors import AnotherCluster, EtcdError, GatewayOff, Malformed, NotAuthenticated, Uncertain, Unreachable
from svcc.etcd.refusals import AuthOff, StaleToken
from svcc.etcd.values import Credentials, Tls
from svcc.etcd.wire import Header, Message, Request, header

_ROUNDS, _LEAST_TRIES = 2, 3
_LONGEST_PAUSE = 1.0
#: An IPv6 address, or a name whose parts are as long as DNS has them (RFC 1035, section 2.3.4).
_HOST = re.compile(r"[0-9A-Fa-f:.]*:[^/]*|(?=.{1,253}\Z)[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


def pause(tries: int, longest: float = _LONGEST_PAUSE) -> float:
    """Return the seconds to wait before the next try. They are random, so that not all clients come back at once."""
    return random.uniform(0, min(longest, 0.05 * 2 ** min(tries, 16)))


class Members:
    """The addresses of a cluster's members, and what is known of them."""

    def __init__(self, addresses: Sequence[str], credentials: Credentials | None, tls: Tls | None, timeout: float):
        self._addresses = [_checked(address) for address in addresses]
        if not self._addresses:
            raise ValueError("no address of a member of etcd")
        secure = any(address.startswith("https:") for address in self._addresses)
        self._tls = http.context(tls or Tls()) if secure else None
        self._credentials = credentials
        self.timeout = timeout
        self._token: str | None = None  # None: none yet; "": etcd has no users
        self._renewals: dict[str, asyncio.Lock] = {}
        self._http: aiohttp.ClientSession | None = None
        self._cluster = 0

    def open(self) -> None:
        """Open an HTTP session. Called in the loop that will use it."""
        self._http = http.session(self._tls)
        self._renewals = {address: asyncio.Lock() for address in self._addresses}

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("the client is not open: async with Client(…)")
        return self._http

    @property
    def preferred(self) -> str:
        """The member that is asked first: the last one that answered, or one that was not asked yet."""
        return self._addresses[0]

    def pass_over(self, member: str) -> None:
        """Ask this member last from now on."""
        if member in self._addresses:
            self._addresses.remove(member)
            self._addresses.append(member)

    async def ask(self, path: str, request: Request, *, once: bool = False) -> Message:
        """Return an answer of any member. Each is asked several times where that may help, for ``timeout`` seconds at
        least.

        ``once``: the request must not be made twice. So :class:`Uncertain` is raised where a member may have received
        it.
        """
        failures: dict[str, EtcdError] = {}
        tries, enough = 0, max(_LEAST_TRIES, _ROUNDS * len(self._addresses))
        until = asyncio.get_running_loop().time() + self.timeout
        while tries < enough or asyncio.get_running_loop().time() < until:
            member = next((one for one in self._addresses if one not in failures), self._addresses[0])
            try:
                return await self.ask_member(member, path, request)
            except EtcdError as error:
                if not _another_may_do(error):
                    raise
                if once and isinstance(error, Unreachable) and not error.untouched:
                    raise Uncertain(f"{error}: whether it was done is not known") from error
                failures[member] = error
                self.pass_over(member)
            if len(failures) == len(self._addresses) and not _later_may_do(failures):
                break
            tries += 1
            await asyncio.sleep(pause(tries // len(self._addresses)))
        raise _all_failed(list(failures.values()))

    async def ask_soon(self, path: str, request: Request, patience: float) -> Message:
        """Return the first answer of any member: where one takes longer than ``patience`` seconds, the next is asked as
        well.

        This is for a request that may be made twice, and must be answered even while a member hangs. While one hangs,
        those that refuse are asked again, for ``timeout`` seconds: if the hanging one was the leader, they refuse until
        they have elected another.
        """
        waiting: dict[asyncio.Task[Message], str] = {}
        failures: dict[str, EtcdError] = {}
        due, until = [*self._addresses], asyncio.get_running_loop().time() + self.timeout
        try:
            while due or waiting:
                if due:
                    member = due.pop(0)
                    waiting[asyncio.create_task(self.ask_member(member, path, request))] = member
                limit = patience if due else None
                done, _ = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if (answer := _first_answer(done, waiting, failures)) is not None:
                    return answer
                if waiting and not due and asyncio.get_running_loop().time() < until:
                    await asyncio.sleep(pause(len(failures)))
                    due = [one for one in failures if one not in waiting.values()]
        finally:
            for one in waiting:
                one.cancel()
            for other in (*failures, *waiting.values()):
                self.pass_over(other)
            await asyncio.gather(*waiting, return_exceptions=True)
        raise _all_failed([*failures.values()])

    async def ask_member(self, member: str, path: str, request: Request) -> Message:
        """Return this member's answer. A token that is not valid any more is renewed, once."""
        token = await self._current_token(member)
        try:
            return await self._answer(member, path, request, token)
        except NotAuthenticated as error:
            if not self._may_renew(error):
                raise
        except Unreachable as error:
            # A member waits until its store reaches the token's revision: for ever where a backup is older than that.
            if not error.untouched and self._token == token:
                self._token = None
            raise
        return await self._answer(member, path, request, await self._renewed(member, token))

    async def _answer(self, member: str, path: str, request: Request, token: str) -> Message:
        answer = await http.ask(self._session(), member, path, request, token=token, limit=self.timeout)
        self.known(answer)
        return answer

    def known(self, message: Message) -> Header:
        """Return the header of an answer.

        Raises :class:`AnotherCluster`, once, where the cluster is not the one of earlier answers.
        """
        said = header(message)
        before, self._cluster = self._cluster, said.cluster
        if before not in (0, said.cluster):
            text = f"belongs to cluster {said.cluster:x}, and the one that answered before to {before:x}"
            raise AnotherCluster(text, member=message.member)
        return said

    @asynccontextmanager
    async def stream(
        self, member: str, path: str, request: Request, limit: float
    ) -> AsyncIterator[AsyncGenerator[Message, None]]:
        """Yield a stream of this member's messages, which begins within ``limit`` seconds."""
        token = await self._current_token(member)
        async with http.stream(self._session(), member, path, request, token=token, limit=limit) as messages:
            yield messages

    async def renew(self, member: str, error: EtcdError) -> bool:
        """Get another token, if the error asks for one. Return whether there is one now."""
        if not self._may_renew(error):
            return False
        await self._renewed(member, self._token)
        return True

    def _may_renew(self, error: EtcdError) -> bool:
        """Whether another token may help: the last one is not valid any more, or there was none as etcd had no
        users."""
        if self._credentials is None or not isinstance(error, NotAuthenticated):
            return False
        return isinstance(error, StaleToken) or (not self._token and error.code != 0)

    async def _current_token(self, member: str) -> str:
        if self._credentials is not None and self._token is None:
            return await self._renewed(member, None)
        return self._token or ""

    async def _renewed(self, member: str, stale: str | None) -> str:
        """Return a token other than the stale one, or "" where etcd has no users. Only one task at a time asks a member
        for it."""
        assert self._credentials is not None
        async with self._renewals[member]:
            if (self._token or None) == (stale or None):
                request: Request = {"name": self._credentials.user, "password": self._credentials.password}
                try:
                    self._token = _token(await self._answer(member, "auth/authenticate", request, ""))
                except AuthOff:
                    self._token = ""
            return self._token or ""


def _checked(address: str) -> str:
    """Return an address with its port, which is 2379 where none is given. Raises :class:`ValueError`."""
    try:
        url = URL(address)
        good = url.scheme in ("http", "https") and url.host and url.path in ("", "/") and not url.user
        if good and _HOST.fullmatch(url.raw_host or "") and not url.query_string and not url.fragment:
            return str((url if url.explicit_port else url.with_port(2379)).origin())
    except ValueError:
        pass
    shown = re.sub("//.*@", "//…@", address)  # a user may have a password with it, and messages get into logs
    raise ValueError(f"{shown!r} is no address of a member of etcd, such as http://127.0.0.1:2379")


def _token(answer: Message) -> str:
    token = answer.text("token")
    if not token or not token.isprintable() or not token.isascii():
        raise Malformed("answers no token", member=answer.member)
    return token


def _another_may_do(error: EtcdError) -> bool:
    """Whether another member may succeed: the error concerns this member alone."""
    tls = isinstance(error, NotAuthenticated) and error.code == 0
    return tls or isinstance(error, (Unreachable, GatewayOff, Malformed))


def _later_may_do(failures: dict[str, EtcdError]) -> bool:
    return any(isinstance(error, Unreachable) for error in failures.values())


def _first_answer(
    done: set[asyncio.Task[Message]], waiting: dict[asyncio.Task[Message], str], failures: dict[str, EtcdError]
) -> Message | None:
    """Return an answer among the requests that are done, and drop these from ``waiting``. Raises an error that any
    member would give."""
    for task in done:
        member = waiting.pop(task)
        try:
            answer = task.result()
        except EtcdError as error:
            if not _another_may_do(error):
                raise
            failures[member] = error
        else:
            failures.pop(member, None)
            return answer
    return None


def _all_failed(failures: list[EtcdError]) -> EtcdError:
    """Return one error for the errors of all members: the only one, or the most serious kind with the words of all."""
    if len(failures) == 1:
        return failures[0]
    untouched = all(isinstance(error, Unreachable) and error.untouched for error in failures)
    words = "; ".join(str(error) for error in failures)
    if any(isinstance(error, Unreachable) for error in failures):
        return Unreachable(f"no member answers: {words}", untouched=untouched)
    first = failures[0]
    return GatewayOff(words) if isinstance(first, GatewayOff) else type(first)(words)
