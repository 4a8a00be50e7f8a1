"""Asking an API server over HTTP: who asks, how long it may take, and what each kind of trouble is called.

A name that has several addresses is tried at one after the other (RFC 8305), so that one server of several may be
away. Nothing is decompressed, so that no small answer becomes a large one.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from svcc.kubernetes_api.access import Access
from svcc.kubernetes_api.answers import parsed, refusal
from svcc.kubernetes_api.errors import BadAnswer, BadConfig, Refused, TooLarge, Unreachable, in_words
from svcc.kubernetes_api.files import read
from svcc.kubernetes_api.tls import Tls

#: Bytes of an error's answer that are read, and of a token.
_WORDS, _TOKEN = 65_536, 65_536
#: Seconds for which a server may ask to be left alone.
_LEFT_ALONE = 60.0
#: A peer that says nothing is asked for a sign of life by the kernel (tcp(7)): after so many seconds, so often, so
#: many times. A connection to a machine that is gone, or across a network that is cut, ends so within half a minute.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

_TROUBLE = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. ``connect``: for a connection with TLS; ``answer``: until a server answers, and until a page is there.

    ``watch``: how long a server is asked to let a watch go on, at random between these two; ``late``: how much longer
    it may be silent, before the connection counts as dead. ``again``: the pause after the first and after every later
    trouble; in between it doubles.
    """

    connect: float = 10.0
    answer: float = 60.0
    watch: tuple[int, int] = (240, 360)
    late: float = 20.0
    again: tuple[float, float] = (0.5, 30.0)


class Body:
    """What a server answers, piece by piece, until a point in time (of the loop's clock)."""

    def __init__(self, response: aiohttp.ClientResponse, what: str, until: float) -> None:
        self._content = response.content
        self._what = what
        self._until = until

    async def piece(self) -> bytes:
        """The next bytes; none at the end. Errors: Unreachable."""
        try:
            async with asyncio.timeout_at(self._until):
                return await self._content.readany()
        except TimeoutError:
            raise Unreachable(f"{self._what}: the server is silent") from None
        except _TROUBLE as error:
            raise Unreachable(f"{self._what}: the connection broke: {_words(error)}") from None

    async def whole(self, most: int) -> bytes:
        """Errors: Unreachable; TooLarge, for more than so many bytes."""
        found = bytearray()
        while piece := await self.piece():
            found += piece
            if len(found) > most:
                raise TooLarge(f"{self._what}: an answer has more than {most} bytes")
        return bytes(found)

    async def lines(self, most: int) -> AsyncGenerator[bytes, None]:
        """The lines, without their ends. Errors: Unreachable, also for an end within a line; TooLarge.

        No time-out is open while a line is with the caller.
        """
        rest = bytearray()
        while piece := await self.piece():
            *ended, last = piece.split(b"\n")
            for end in ended:
                yield bytes(rest + end)
                rest.clear()
            rest += last
            if len(rest) > most:
                raise TooLarge(f"{self._what}: a line has more than {most} bytes")
        if rest:
            raise Unreachable(f"{self._what}: the connection ended within a line")


class Client:
    """Asks one API. It is used in one loop, between ``async with`` and its end."""

    def __init__(self, access: Access, *, times: Times | None = None, name: str = "kubernetes-api") -> None:
        """``name``: what the server's audit log calls this client (User-Agent).

        Errors: BadConfig, where certificates or keys are of no use.
        """
        self.times = times or Times()
        self._access = access
        self._name = name
        self._tls = Tls(access)
        if access.server.startswith("https:"):
            self._tls.context()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver(), enable_cleanup_closed=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=self.times.connect, sock_connect=self.times.connect),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def get(self, path: str, query: Mapping[str, str], seconds: float) -> AsyncIterator[Body]:
        """A server's answer, with status 200. ``seconds``: until all of it is there.

        Errors: BadConfig, Unreachable, Refused, BadAnswer.
        """
        response = await self._response(path, query)
        try:
            until = asyncio.get_running_loop().time() + seconds
            if response.status != 200:
                raise await _refused(response, path, until)
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise BadAnswer(f"{path}: an answer is compressed, and was not to be")
            yield Body(response, path, until)
        finally:
            # Who did not answer well is asked over another connection, so perhaps another server.
            if response.status == 200 and response.content.at_eof():
                response.release()
            else:
                response.close()

    async def _response(self, path: str, query: Mapping[str, str]) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("a client is used between `async with` and its end")
        url = URL(self._access.server + path, encoded=True).with_query(query)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": self._name}
        if (token := self._token()) is not None:
            headers["Authorization"] = f"Bearer {token}"
        context: ssl.SSLContext | bool = self._tls.context() if url.scheme == "https" else True
        try:
            async with asyncio.timeout(self.times.connect + self.times.answer):
                response = await self._session.get(
                    url, headers=headers, allow_redirects=False, ssl=context, server_hostname=self._access.server_name
                )
        except TimeoutError:
            raise Unreachable(f"{path}: no answer from {self._access.server} in time") from None
        except _TROUBLE as error:
            raise Unreachable(f"{path}: no answer from {self._access.server}: {_words(error)}") from None
        _keep_alive(response)
        return response

    def _token(self) -> str | None:
        """Errors: BadConfig."""
        source = self._access.token
        if not isinstance(source, Path):
            return source
        try:
            token = read(source, _TOKEN).decode("ascii").strip()
        except ValueError:
            token = ""
        if not token or not token.isprintable():
            raise BadConfig(f"{source}: no token is in it")
        return token


class Backoff:
    """Pauses after trouble: longer each time, and at random, so that not all clients of a server come back at once."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = first, most
        self._next = first

    def pause(self) -> float:
        """Seconds."""
        now, self._next = self._next, min(2 * self._next, self._most)
        return random.uniform(now / 2, now)

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._next = self._first


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """Have the kernel ask a silent peer for a sign of life."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    made = None if transport is None else transport.get_extra_info("socket")
    if made is not None:
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE.items():
                made.setsockopt(socket.IPPROTO_TCP, option, value)


async def _refused(response: aiohttp.ClientResponse, path: str, until: float) -> Refused:
    """What a server says of a status that is not 200, where it can be understood."""
    value: Mapping[str, object] = {}
    with suppress(BadAnswer, Unreachable):
        value = parsed(await Body(response, path, until).whole(_WORDS))
    after = response.headers.get("Retry-After", "")
    wait = min(float(after[:6]), _LEFT_ALONE) if after.isascii() and after.isdigit() else 0.0
    return refusal(path, response.status, value, wait)


def _words(error: BaseException) -> str:
    """What aiohttp's errors are about."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return in_words(error.certificate_error)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return in_words(said) or type(cause).__name__
