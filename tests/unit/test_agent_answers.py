"""Checks of real servers on this machine's loopback: what passes, and the words for each kind of trouble."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import resource
import socket
import ssl
import threading
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
import trustme

from support.waiting import LID
from svcc.agent import answers
from svcc.agent.answers import Asker, NotAsked
from svcc.agent.probe import Answer, Probe
from svcc.compiler import ir

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def probe(port: int, kind: ir.CheckKind, address: str = "127.0.0.1", **more: object) -> Probe:
    # time enough on a busy machine, where an answer is to pass
    check = ir.Check(kind, **{"timeout": 60, "every": 60, **more})  # type: ignore[arg-type]
    return Probe(ip_address(address), port, check)


async def heard(asker: Asker, probe: Probe) -> Answer:
    """An answer, however often a busy machine is too late to hear it."""
    while True:
        with suppress(NotAsked):
            return await asker.ask(probe)


def ask(*probes: Probe) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        async with Asker() as asker:
            return await asyncio.gather(*(heard(asker, one) for one in probes))

    return asyncio.run(all_of_them())


@asynccontextmanager
async def served(serve: Serve, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def answered(made: Callable[[int], Probe], serve: Serve, context: ssl.SSLContext | None = None) -> Answer:
    host = str(made(1).address)
    async with served(serve, context, host) as port, Asker() as asker:
        return await heard(asker, made(port))


def saying(data: bytes, *, wait: bool = True) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if wait:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return serve


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def unused_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """A port that nobody answers at, and that nobody else can take meanwhile: it is bound, without a listener."""
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_DGRAM:
            held.connect(("127.0.0.1", 1))  # what comes from elsewhere is refused
        yield held.getsockname()[1]


# -- tcp --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_connection_is_accepted(address: str) -> None:
    answer = asyncio.run(answered(lambda port: probe(port, ir.CheckKind.TCP, address), saying(b"", wait=False)))
    assert (answer.passed, answer.words) == (True, "connected")


def test_a_connection_is_refused() -> None:
    kinds = (ir.CheckKind.TCP, ir.CheckKind.HTTP, ir.CheckKind.HTTPS)
    with unused_port() as port:
        answers = ask(*(probe(port, kind) for kind in kinds))
    for answer in answers:
        assert not answer.passed
        assert "refused" in answer.words.lower() or "Connect call failed" in answer.words


@pytest.mark.parametrize("kind", [ir.CheckKind.TCP, ir.CheckKind.UDP, ir.CheckKind.DNS])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_check_that_reaches_itself_has_reached_nobody(
    kind: ir.CheckKind, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ports = answers._socket, itertools.count(20_000)

    def bound(probe: Probe, kind: socket.SocketKind) -> socket.socket:
        """A socket whose source is what it is to ask."""
        made = real(probe, kind)
        made.bind((str(probe.address), probe.port))
        return made

    monkeypatch.setattr(answers, "_socket", bound)
    for port in ports:
        (answer,) = ask(probe(port, kind, address))
        assert not answer.passed
        if "in use" not in answer.words:  # else somebody else has the port
            break
    assert answer.words == "nobody answers there: the check reached itself"


# -- what is no endpoint's fault -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ir.CheckKind.TCP, ir.CheckKind.HTTP, ir.CheckKind.UDP, ir.CheckKind.DNS])
def test_without_descriptors_nobody_is_asked(kind: ir.CheckKind) -> None:
    async def asked() -> None:
        async with Asker() as asker, served(saying(OK)) as port:
            with ExitStack() as stack:
                limits = resource.getrlimit(resource.RLIMIT_NOFILE)
                stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
                resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
                with pytest.raises(NotAsked, match=r"^Too many open files$"):
                    await asker.ask(probe(port, kind))

    asyncio.run(asked())


def test_all_are_asked_however_few_descriptors_there_are() -> None:
    """Many more than there may be open at once, of a server that answers nobody before all that fit in have asked."""
    waiting = 0
    enough = asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting >= 8:
            enough.set()
        await enough.wait()
        await saying(OK)(reader, writer)

    async def asked() -> list[Answer]:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
        try:
            async with Asker() as asker, served(patient) as port:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)  # the server is in this process, too
                return await asyncio.gather(*(heard(asker, probe(port, ir.CheckKind.HTTP)) for _ in range(200)))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert all(answer.passed for answer in asyncio.run(asked()))


def test_who_is_too_busy_to_hear_an_answer_says_nothing_of_it() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def asked() -> None:
        async with Asker() as asker, served(silent) as port:
            asyncio.get_running_loop().call_later(0.01, time.sleep, 1)  # as long as this nobody hears anything
            with pytest.raises(NotAsked, match=r"^busy: \d+\.\d s passed before a timeout of 0\.2 s ended$"):
                await asker.ask(probe(port, ir.CheckKind.HTTP, timeout=0.2))

    asyncio.run(asked())


# -- http -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_status_is_what_is_expected(address: str) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    made = lambda port: probe(port, ir.CheckKind.HTTP, address, path="/health%2Fz?a=b", host="shop.example:81")  # noqa: E731
    answer = asyncio.run(answered(made, serve))
    assert (answer.passed, answer.words) == (True, "status 200")
    (request,) = heard
    assert request.startswith(b"GET /health%2Fz?a=b HTTP/1.1\r\n")
    assert b"\r\nHost: shop.example:81\r\n" in request


def test_a_long_head_passes() -> None:
    heads = (b"X: " + b"y" * 60_000 + b"\r\n", b"X: y\r\n" * 400, b"Set-Cookie: " + b"z=\x80; " * 2000 + b"\r\n")
    for head in heads:
        said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + head + b"\r\nok"
        answer = asyncio.run(answered(lambda port: probe(port, ir.CheckKind.HTTP), saying(said)))
        assert (answer.passed, answer.words) == (True, "status 200")


_TOO_LONG = "a line of the answer's head is longer than 65536 bytes"


@pytest.mark.parametrize(
    ("said", "expect", "words"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", (200, 399), "status 503, not 200-399"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
            (200, 200),
            "status 302, not 200",
        ),
        (b"220 mail ESMTP\r\n", (200, 399), None),
        (b"\x16\x03\x01\x00\x05hello", (200, 399), None),
        (b"", (200, 399), "Server disconnected"),
        (b"HTTP/1.1 200 OK\r\nX", (200, 399), "Server disconnected"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", (200, 399), _TOO_LONG),
        (b"HTTP/1.1 200 " + b"y" * 70_000 + b"\r\n\r\n", (200, 399), _TOO_LONG),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n", (200, 399), _TOO_LONG),
    ],
)
def test_what_does_not_pass(said: bytes, expect: tuple[int, int], words: str | None) -> None:
    answer = asyncio.run(answered(lambda port: probe(port, ir.CheckKind.HTTP, expect=expect), saying(said)))
    assert not answer.passed
    assert words is None or answer.words == words
    assert words is not None or answer.words.startswith("the answer is no HTTP that svcc reads: ")
    assert 0 < len(answer.words) <= 200
    assert answer.words.isprintable()


def test_a_body_without_end_is_not_read() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 1 << 30:
            writer.write(b"x" * 65_536)
            sent += 65_536
            await writer.drain()

    answer = asyncio.run(answered(lambda port: probe(port, ir.CheckKind.HTTP), serve))
    assert (answer.passed, answer.words) == (True, "status 200")
    assert sent < 1 << 28


@pytest.mark.parametrize("kind", list(ir.CheckKind))
def test_who_says_nothing_is_late(kind: ir.CheckKind) -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def ask_in_vain() -> Answer:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 0))
            async with served(silent) as port, Asker() as asker:
                of_udp = kind in (ir.CheckKind.DNS, ir.CheckKind.UDP)
                return await heard(asker, probe(deaf.getsockname()[1] if of_udp else port, kind, timeout=0.2))

    answer = asyncio.run(ask_in_vain())
    if kind is ir.CheckKind.TCP:
        assert answer.passed
    else:
        assert (answer.passed, answer.words) == (False, "no answer within 0.2 s")


# -- https ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _context(authority: trustme.CA, name: str, **more: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **more).configure_cert(context)  # type: ignore[arg-type]
    return context


@pytest.mark.parametrize(
    ("host", "insecure", "trusted", "passes"),
    [
        ("shop.example", False, True, True),
        ("other.example", False, True, False),
        (None, False, True, False),
        ("shop.example", False, False, False),
        ("other.example", True, False, True),
        (None, True, False, True),
    ],
)
def test_certificates(
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    host: str | None,
    insecure: bool,
    trusted: bool,
    passes: bool,
) -> None:
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    made = lambda port: probe(port, ir.CheckKind.HTTPS, host=host, insecure=insecure)  # noqa: E731
    answer = asyncio.run(answered(made, saying(OK), _context(authority, "shop.example")))
    assert answer.passed == passes, answer
    assert passes or "certificate" in answer.words.lower()


@pytest.mark.parametrize(
    ("host", "named", "sent"),
    [
        ("shop.example:8443", "shop.example", "shop.example:8443"),
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7:8443", None, "192.0.2.7:8443"),
        ("[fd00:64::11]", None, "[fd00:64::11]"),
        ("[fd00:64::11]:7100", None, "[fd00:64::11]:7100"),
        ("fd00:64::11", None, "[fd00:64::11]"),
    ],
)
@pytest.mark.parametrize("valid", [True, False])
def test_the_host_is_whom_the_certificate_is_for_and_a_name_alone_is_sent_by_sni(
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    host: str,
    named: str | None,
    sent: str,
    valid: bool,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    names, hosts = list[str | None](), list[str]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        hosts.extend(line.removeprefix("Host: ") for line in lines if line.startswith("Host: "))
        writer.write(OK)

    valid_for = ("shop.example", "192.0.2.7", "fd00:64::11") if valid else ("other.example", "192.0.2.8", "fd00:64::12")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*valid_for).configure_cert(context)
    context.sni_callback = lambda _object, name, _context: names.append(name)
    answer = asyncio.run(answered(lambda port: probe(port, ir.CheckKind.HTTPS, host=host), serve, context))
    assert (answer.passed, names, hosts) == (valid, [named], [sent] if valid else [])
    assert valid or "certificate" in answer.words.lower()


@pytest.mark.parametrize("insecure", [False, True])
def test_a_certificate_that_expired(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, insecure: bool
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    expired = _context(authority, "shop.example", not_after=datetime.now(UTC) - timedelta(minutes=1))
    made = lambda port: probe(port, ir.CheckKind.HTTPS, host="shop.example", insecure=insecure)  # noqa: E731
    answer = asyncio.run(answered(made, saying(OK), expired))
    assert answer.passed == insecure, answer
    assert insecure or "certificate has expired" in answer.words


def test_nothing_is_kept_of_connections_by_tls(authority: trustme.CA) -> None:
    """Else an agent's memory grows with each check."""

    async def ask_often() -> None:
        async with served(saying(OK), _context(authority, "shop.example")) as port, Asker() as asker:
            for _ in range(3):
                assert (await heard(asker, probe(port, ir.CheckKind.HTTPS, insecure=True))).passed
            while any(type(one) is SSLProtocol for one in gc.get_objects()):
                await asyncio.sleep(0.1)
                gc.collect()

    asyncio.run(ask_often())


@pytest.mark.parametrize("said", [OK, b"HTTP/1.1 200 OK\r\n\r\nwithout end", b"220 mail ESMTP\r\n"])
def test_no_connection_stays_to_a_server_that_never_closes_its_own(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(asyncio.constants, "SSL_SHUTDOWN_TIMEOUT", 3600.0)
    context, held = _context(authority, "shop.example"), list[ssl.SSLSocket]()

    def serve(listener: socket.socket) -> None:
        for _ in range(3):
            made = context.wrap_socket(listener.accept()[0], server_side=True)
            held.append(made)
            made.recv(4096)
            made.sendall(said)

    async def ask_often(port: int) -> None:
        async with Asker() as asker:
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(3):
                await heard(asker, probe(port, ir.CheckKind.HTTPS, insecure=True))
            while True:
                if len(os.listdir("/proc/self/fd")) <= before + len(held):
                    return
                await asyncio.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        asyncio.run(asyncio.wait_for(ask_often(listener.getsockname()[1]), LID))
        server.join()
    for one in held:
        one.close()


# -- dns and udp ------------------------------------------------------------------------------------------------------


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes], bytes | None]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        said = self._reply(data)
        if said is not None:
            self._transport.sendto(said, addr)


def asked(kind: ir.CheckKind, reply: Callable[[bytes], bytes | None], name: str = ".") -> Answer:
    async def run() -> Answer:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(reply), ("127.0.0.1", 0))
        try:
            async with Asker() as asker:
                return await heard(asker, probe(transport.get_extra_info("sockname")[1], kind, name=name))
        finally:
            transport.close()

    return asyncio.run(run())


_OTHER = "the datagram does not answer the query"


def test_a_name_is_looked_up() -> None:
    heard: list[bytes] = []

    def reply(query: bytes) -> bytes:
        heard.append(query[12:])
        return query[:2] + b"\x81\x80" + query[4:]

    assert asked(ir.CheckKind.DNS, reply, name="shop.example.").words == "answered"
    assert asked(ir.CheckKind.DNS, reply).passed
    assert heard == [b"\x04shop\x07example\x00\x00\x06\x00\x01", b"\x00\x00\x06\x00\x01"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda query: query[:2] + b"\x81\x82" + query[4:], "server failure"),
        (lambda query: query[:2] + b"\x81\x85" + query[4:], "refused"),
        (lambda query: query[:2] + b"\x81\x8b" + query[4:], "response code 11"),
        (
            lambda query: bytes([query[0] ^ 1]) + query[1:2] + b"\x81\x80" + query[4:],
            "the datagram does not answer the query",
        ),
        (lambda query: query, "the datagram does not answer the query"),
        (lambda _: b"?", "1 bytes are no answer of DNS"),
    ],
)
def test_answers_of_dns_that_do_not_pass(reply: Callable[[bytes], bytes], words: str) -> None:
    answer = asked(ir.CheckKind.DNS, reply)
    assert (answer.passed, answer.words) == (False, words)


def test_a_datagram_is_answered() -> None:
    answer = asked(ir.CheckKind.UDP, lambda data: data * 3)
    assert (answer.passed, answer.words) == (True, "3 bytes")


def test_nobody_is_at_a_port_of_udp() -> None:
    with unused_port(socket.SOCK_DGRAM) as port:
        (answer,) = ask(probe(port, ir.CheckKind.UDP))
    assert (answer.passed, answer.words) == (False, "Connection refused")


def test_a_check_that_fails_leaves_nothing_that_only_a_search_for_cycles_frees() -> None:
    async def left() -> int:
        async with Asker() as asker:
            refused = probe(1, ir.CheckKind.TCP)
            await heard(asker, refused)
            gc.collect()
            for _ in range(50):
                await heard(asker, refused)
            return gc.collect()

    gc.disable()
    try:
        assert asyncio.run(left()) < 50
    finally:
        gc.enable()
