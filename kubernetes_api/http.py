"""HTTP with an API server: the client's credentials, limits of time, and an error for each kind of trouble.

A name with several addresses is tried at one after the other (RFC 8305), so that one of several servers may be down.
Nothing is decompressed, so that no small answer becomes a large one.
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

#: How many bytes are read of an error's answer, and of a token.
_WORDS, _TOKEN = 65_536, 65_536
#: The most seconds for which a server's Retry-After is obeyed.
_LEFT_ALONE = 60.0
#: When the kernel probes a silent peer (tcp(7)): after how many seconds, at which interval, how many times. So a
#: connection to a machine that died, or across a network that is cut, ends within half a minute.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

_TROUBLE = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Times:
    """Limits of time, in seconds.

    ``connect``: for a connection with TLS; ``answer``: until a server answers, and until a page is there. ``watch``:
    the least and the most of how long a server is asked to keep a watch open, chosen at random; ``late``: how much
    longer it may be silent before the connection counts as dead. ``again``: the pause after the first trouble, and the
    longest one; it doubles each time.
    """

    connect: float = 10.0
    answer: float = 60.0
    watch: tuple[int, int] = (240, 360)
    late: float = 20.0
    again: tuple[float, float] = (0.5, 30.0)


class Body:
    """The body of an answer, read piece by piece until a point in time (of the loop's clock)."""

    def __init__(self, response: aiohttp.ClientResponse, what: str, until: float) -> None:
        self._content = response.content
        self._what = what
        self._until = until

    async def piece(self) -> bytes:
        """Return the next bytes; none at the end. Errors: Unreachable."""
        try:
            async with asyncio.timeout_at(self._until):
                return await self._content.readany()
        except TimeoutError:
            raise Unreachable(f"{self._what}: the server is silent") from None
        except _TROUBLE as error:
            raise Unreachable(f"{self._what}: the connection broke: {_words(error)}") from None

    async def whole(self, most: int) -> bytes:
        """Return the whole body. Errors: Unreachable; TooLarge for more than ``most`` bytes."""
        found = bytearray()
        while piece := await self.piece():
            found += piece
            if len(found) > most:
                raise TooLarge(f"{self._what}: an answer has more than {most} bytes")
        return bytes(found)

    async def lines(self, most: int) -> AsyncGenerator[bytes, None]:
        """Yield the lines, without their ends. Errors: Unreachable, also for an end within a line; TooLarge for a line
        of more than ``most`` bytes.

        No time-out runs while the caller has a line.
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
    """A client of one API server, for use in one loop inside ``async with``."""

    def __init__(self, access: Access, *, times: Times | None = None, name: str = "kubernetes-api") -> None:
        """``name``: the client's name in the server's audit log (User-Agent).

        Errors: BadConfig where certificates or keys cannot be used.
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
        """Yield the body of a server's answer with status 200. ``seconds``: until the whole body is there.

        Errors: BadConfig, Unreachable, Refused, BadAnswer.
        """
        response = await self._response(path, query)
        try:
            until = asyncio.get_running_loop().time() + seconds
            if response.status != 200:
                raise await _refused(response, path, until)
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise BadAnswer(f"{path}: an answer is compressed, which svcc did not ask for")
            yield Body(response, path, until)
        finally:
            # After a bad answer the next request gets a new connection, so perhaps another server.
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
        """Return the token; None where the access has none. Errors: BadConfig."""
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
    """Pauses after trouble: each longer than the last, and random, so that not all clients of a server come back at
    once."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = first, most
        self._next = first

    def pause(self) -> float:
        """Return the seconds to wait."""
        now, self._next = self._next, min(2 * self._next, self._most)
        return random.uniform(now / 2, now)

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._next = self._first


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """Have the kernel probe a silent peer."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    made = None if transport is None else transport.get_extra_info("socket")
    if made is not None:
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE.items():
                made.setsockopt(socket.IPPROTO_TCP, option, value)


async def _refused(response: aiohttp.ClientResponse, path: str, until: float) -> Refused:
    """Return the error for a status that is not 200, with the server's words where they can be understood."""
    value: Mapping[str, object] = {}
    with suppress(BadAnswer, Unreachable):
        value = parsed(await Body(response, path, until).whole(_WORDS))
    after = response.headers.get("Retry-After", "")
    wait = min(float(after[:6]), _LEFT_ALONE) if after.isascii() and after.isdigit() else 0.0
    return refusal(path, response.status, value, wait)


def _words(error: BaseException) -> str:
    """Return the cause of an error of aiohttp's in words."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return in_words(error.certificate_error)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return in_words(said) or type(cause).__name__
