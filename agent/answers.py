"""Ask an endpoint once: over TCP, HTTP, HTTPS, DNS or UDP. Whatever the endpoint answers, the result is an Answer.

Only a few words of an answer are kept. Bodies are not read, so that no server can send too much.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from functools import cached_property
from inspect import signature
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from svcc.agent.probe import Answer, Probe
from svcc.compiler import ir

#: How many characters of an answer's words are kept.
_WORDS = 200
#: How long a line of an answer's head may be, in bytes, and how many lines it may have; older releases of aiohttp count
#: none.
_LINE, _LINES = 65_536, 500
_LIMITS: dict[str, Any] = {"max_line_size": _LINE, "max_field_size": _LINE}
if "max_headers" in signature(aiohttp.ClientSession).parameters:
    _LIMITS["max_headers"] = _LINES
#: The value of SO_LINGER (socket(7)) with which a closed socket is reset, and leaves nothing behind in TIME_WAIT.
_RESET = struct.pack("ii", 1, 0)
#: The datagram that is sent to an endpoint. A check by udp expects an answer to any datagram.
_DATAGRAM_SENT = b"\n"
#: How many bytes of an answer's datagram are read.
_DATAGRAM_READ = 4096

_SOA, _IN = 6, 1  # RFC 1035, 3.2.2 and 3.2.4
_HEADER = struct.Struct("!HHHHHH")  # RFC 1035, 4.1.1
_RCODES = {1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}


#: Errors for what this machine has run out of: descriptors, memory, or source ports. No endpoint is at fault then.
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}
#: How much too late a time-out may come, as a share of it. Where it comes later, this machine was too busy to see an
#: answer.
_LATE = 0.25


#: How many descriptors are kept for files, tools and the kernel; and how many endpoints may be asked at once at least.
_KEPT, _LEAST = 128, 8


class NotAsked(Exception):
    """This machine cannot ask, or is too busy to see an answer; the message says why. The endpoint may be well."""


class Failed(Exception):
    """The endpoint's answer does not pass; the message says why."""


class _Head(aiohttp.ClientResponse):
    """An answer of which the head alone is read. Its connection ends then, whether the server closes it or not.

    Python waits 30 s for a server's word that a connection by TLS ends. aiohttp could end it sooner
    (``enable_cleanup_closed``), but with Python 3.11.2 that fails, and keeps each connection from then on.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head."""
        sock = None if connection.transport is None else connection.transport.get_extra_info("socket")
        try:
            return await super().start(connection)
        finally:
            if sock is not None:
                with suppress(OSError):  # it has ended already
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    sock.shutdown(socket.SHUT_RDWR)


class Asker:
    """A client that asks probes; at most as many at once as leave this process descriptors for everything else."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_room())
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        jar = aiohttp.DummyCookieJar()
        self._http = aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, auto_decompress=False, response_class=_Head, **_LIMITS
        )

    # Made for the first check by TLS, and most agents have none: each reads the certificates of the machine.
    @cached_property
    def _verified(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    @cached_property
    def _unverified(self) -> ssl.SSLContext:
        made = ssl.create_default_context()
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def ask(self, probe: Probe) -> Answer:
        """Return the answer to one check. Errors: NotAsked, and no other."""
        async with self._room:
            return await self._answer(probe)

    async def _answer(self, probe: Probe) -> Answer:
        began = time.monotonic()
        try:
            async with asyncio.timeout(probe.check.timeout):
                words = await self._asked(probe)
        except TimeoutError:
            took = time.monotonic() - began
            if took > probe.check.timeout * (1 + _LATE):
                raise NotAsked(
                    f"busy: {took:.1f} s passed before a timeout of {probe.check.timeout:g} s ended"
                ) from None
            return Answer(False, f"no answer within {probe.check.timeout:g} s", took)
        except (Failed, OSError, aiohttp.ClientError, ValueError, asyncio.IncompleteReadError) as error:
            if reason := _fault_of_ours(error):
                raise NotAsked(reason) from error
            return Answer(False, _words(error), time.monotonic() - began)
        return Answer(True, words, time.monotonic() - began)

    async def _asked(self, probe: Probe) -> str:
        match probe.check.kind:
            case ir.CheckKind.TCP:
                return await _tcp(probe)
            case ir.CheckKind.HTTP | ir.CheckKind.HTTPS:
                return await self._http_status(probe)
            case ir.CheckKind.DNS:
                return await _dns(probe)
            case ir.CheckKind.UDP:
                return f"{len(await _datagram(probe, _DATAGRAM_SENT))} bytes"

    async def _http_status(self, probe: Probe) -> str:
        check = probe.check
        secure = check.kind is ir.CheckKind.HTTPS
        where = f"[{probe.address}]" if probe.address.version == 6 else str(probe.address)
        url = URL(f"{check.kind.value}://{where}:{probe.port}{check.path}", encoded=True)
        headers = {"User-Agent": "svcc", "Host": _as_in_request(check.host)} if check.host else {"User-Agent": "svcc"}
        context = self._unverified if check.insecure else self._verified
        async with self._http.get(
            url,
            headers=headers,
            allow_redirects=False,
            ssl=context if secure else True,
            server_hostname=_without_port(check.host) if secure and check.host else None,
        ) as response:
            first, last = check.expect
            words = f"status {response.status}"
            if not first <= response.status <= last:
                raise Failed(f"{words}, not {first}" + (f"-{last}" if last != first else ""))
            return words


def _without_port(host: str) -> str:
    """Return the name or address that a certificate has to have; ``host``: as in a request, or an IPv6 address without
    brackets. Python asks no server for an address by SNI, which is for names alone (RFC 6066, 3)."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _as_in_request(host: str) -> str:
    """Return a host as requests have it: an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _room() -> int:
    """Return how many probes may be asked at once: each takes a descriptor."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(_LEAST, limit - max(_KEPT, limit // 4))


async def _tcp(probe: Probe) -> str:
    with _socket(probe, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        await _connect(sock, probe)
    return "connected"


async def _connect(sock: socket.socket, probe: Probe) -> None:
    """Connect a socket to what a probe asks. Errors: Failed where it found itself.

    For an endpoint on this machine, the kernel may choose the very port that is asked as the source, and a socket that
    is connected to itself answers whatever it is asked (RFC 9293, 3.5: simultaneous open).
    """
    await asyncio.get_running_loop().sock_connect(sock, (str(probe.address), probe.port))
    address, port, *_ = sock.getsockname()
    if port == probe.port and ip_address(address.partition("%")[0]) == probe.address:
        raise Failed("nobody answers there: the check reached itself")


async def _datagram(probe: Probe, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with _socket(probe, socket.SOCK_DGRAM) as sock:
        await _connect(sock, probe)
        await loop.sock_sendall(sock, question)
        return await loop.sock_recv(sock, _DATAGRAM_READ)


def _socket(probe: Probe, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if probe.address.version == 6 else socket.AF_INET, kind)
    sock.setblocking(False)
    return sock


async def _dns(probe: Probe) -> str:
    """Ask for the SOA record of a name (RFC 1035, 4.1). Errors: Failed."""
    number = int.from_bytes(os.urandom(2))
    labels = [label.encode("idna") for label in probe.check.name.strip(".").split(".") if label]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    query = _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", _SOA, _IN)
    answer = await _datagram(probe, query)
    if len(answer) < _HEADER.size:
        raise Failed(f"{len(answer)} bytes are no answer of DNS")
    said, flags, *_ = _HEADER.unpack_from(answer)
    if said != number or not flags & 0x8000:
        raise Failed("the datagram does not answer the query")
    if code := flags & 0xF:
        raise Failed(_RCODES.get(code, f"response code {code}"))
    return "answered"


def _fault_of_ours(error: BaseException) -> str:
    """Return why this machine could not ask; "" where the endpoint is at fault.

    (A caller that held the cause in a variable would be held by it in turn. Only the garbage collector frees such
    cycles.)
    """
    cause = _cause(error)
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno in _OURS else ""


def _cause(error: BaseException) -> BaseException:
    """Return the error behind an error of aiohttp's in connecting; any other error itself."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _said(error: BaseException) -> str:
    """Return an error's own words. Those of aiohttp's parser begin with a status 400 that no server sent."""
    if isinstance(error, aiohttp.ClientResponseError):
        if error.message.startswith("Got more than"):  # and then as much of the line as there is room for
            return f"a line of the answer's head is longer than {_LINE} bytes"
        return f"the answer is no HTTP that svcc reads: {error.message.rstrip(' ^')}"
    return "Server disconnected" if isinstance(error, aiohttp.ServerDisconnectedError) else str(error)


def _words(error: BaseException) -> str:
    """Return what went wrong, in one short printable line."""
    cause = _cause(error)
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else _said(cause)
    line = " ".join(said.split()) or type(error).__name__
    return "".join(sign if sign.isprintable() else "?" for sign in line[:_WORDS])
