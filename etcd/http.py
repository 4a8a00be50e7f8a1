"""HTTP with one member: a request and its answer, or a stream of answers. The size of what is read is limited."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from errno import EINVAL

import aiohttp

from svcc.etcd.errors import EtcdError, Malformed, NotAuthenticated, TooLarge, Unreachable
from svcc.etcd.refusals import by_answer, gateway_off, refusal
from svcc.etcd.values import Tls
from svcc.etcd.wire import Message, Request, decoded, printed

#: How many bytes an answer, or one message of a stream, may have: enough for several of the largest values, in base64.
LARGEST_ANSWER = 16 << 20
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


def context(tls: Tls) -> ssl.SSLContext:
    """Return a context for TLS from these files. Raises :class:`OSError`, which names the file, where one cannot be
    used."""
    try:
        made = ssl.create_default_context(cafile=tls.ca)
    except ssl.SSLError:
        raise OSError(EINVAL, "it has no certificate in PEM", str(tls.ca)) from None
    if tls.certificate is not None:
        try:
            made.load_cert_chain(tls.certificate, tls.key, password="")  # else OpenSSL would ask a person for it
        except ssl.SSLError:
            key = (
                "it has no key without a password"
                if tls.key is None
                else f"{tls.key} is not its key, or has a password"
            )
            words = f"it has no certificate in PEM, or {key}"
            raise OSError(EINVAL, words, str(tls.certificate)) from None
    return made


def session(tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Return an HTTP session that takes no proxy from the environment, keeps no cookies, and decompresses nothing."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls if tls is not None else True),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers=_HEADERS,
    )


async def ask(
    http: aiohttp.ClientSession, member: str, path: str, request: Request, *, token: str, limit: float
) -> Message:
    """Return the answer to a request, within ``limit`` seconds. Where a stream of one message answers (a lease's),
    return its result."""
    limits = aiohttp.ClientTimeout(total=limit)
    with _errors(member):
        async with _posted(http, member, path, request, _authorized(token), limits) as response:
            message = decoded(member, await _body(response, member))
    return _result(message) if message.has("result") or message.has("error") else message


@asynccontextmanager
async def stream(
    http: aiohttp.ClientSession, member: str, path: str, request: Request, *, token: str, limit: float
) -> AsyncIterator[AsyncGenerator[Message, None]]:
    """Yield the messages of a stream; an error of etcd within it is raised. ``limit``: seconds within which it has to
    begin."""
    # Without this header, a member that lost its leader keeps the stream open, and sends nothing.
    headers = {**_authorized(token), "Grpc-Metadata-hasleader": "true"}
    limits = aiohttp.ClientTimeout(total=None, sock_connect=limit)
    with _errors(member):
        beginning = asyncio.timeout(limit)
        async with beginning, _posted(http, member, path, request, headers, limits) as response:
            beginning.reschedule(None)
            messages = _messages(response, member)
            try:
                yield messages
            finally:
                await messages.aclose()


def _authorized(token: str) -> dict[str, str]:
    return {"Authorization": token} if token else {}


@asynccontextmanager
async def _posted(
    http: aiohttp.ClientSession,
    member: str,
    path: str,
    request: Request,
    headers: dict[str, str],
    limits: aiohttp.ClientTimeout,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a request, and yield the answer. A status other than 200 is raised as the error that it means."""
    async with http.post(
        f"{member}/v3/{path}", data=io.BytesIO(printed(request)), headers=headers, timeout=limits, allow_redirects=False
    ) as response:
        if response.status != 200:
            text = await _body(response, member)
            etcds = text.startswith(b"{")
            raise by_answer(decoded(member, text), response.status) if etcds else _other(member, response.status, text)
        yield response


@contextmanager
def _errors(member: str) -> Iterator[None]:
    """Turn errors of HTTP and the network into errors of this package."""
    try:
        yield
    except aiohttp.ClientSSLError as error:
        raise _not_trusted(member, error) from error
    except aiohttp.ClientConnectorError as error:
        why = error.strerror or "it ends the connection; is it asked by http what takes https, or the other way round?"
        raise Unreachable(f"cannot be connected to: {why}", member=member, untouched=True) from error
    except TimeoutError as error:
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
        raise Unreachable("does not answer in time", member=member, untouched=connecting) from error
    except aiohttp.ServerDisconnectedError as error:
        raise Unreachable("ends the connection", member=member) from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
        if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            raise _not_trusted(member, error) from error
        raise Unreachable(_words(error), member=member) from error
    except aiohttp.ClientError as error:
        raise Malformed(f"does not speak HTTP: {_words(error)}", member=member) from error


def _other(member: str, status: int, text: bytes) -> EtcdError:
    """Return the error for an answer that is not etcd's JSON."""
    if status == 400 and b"CommonName" in text:  # the gateway says this before it reads the request
        return refusal(member, 0, text.decode(errors="replace"))
    if status == 404:
        return gateway_off(member)
    if status >= 500:
        return Unreachable(f"answers HTTP {status}", member=member)
    return Malformed(f"answers HTTP {status} and {text[:60]!r}, which is no JSON", member=member)


def _not_trusted(member: str, error: Exception) -> NotAuthenticated:
    why = next((one for one in (error.__cause__, error) if isinstance(one, ssl.SSLError)), None)
    if (untrusted := getattr(why, "verify_message", None)) is not None:
        words = f"its certificate is not trusted: {untrusted}"
    elif why is not None and "ALERT" in (why.reason or ""):
        words = (
            f"it does not take the certificate that it is shown, or wants one: {why.reason.lower().replace('_', ' ')}"
        )
    else:
        words = _words(error)
    return NotAuthenticated(f"TLS fails: {words}", member=member)


def _words(error: Exception) -> str:
    return str(error)[:300] or type(error).__name__


async def _body(response: aiohttp.ClientResponse, member: str) -> bytes:
    text = bytearray()
    async for chunk in response.content.iter_any():
        text += chunk
        if len(text) > LARGEST_ANSWER:
            raise TooLarge(f"answers more than {LARGEST_ANSWER >> 20} MiB at once", member=member)
    return bytes(text)


async def _messages(response: aiohttp.ClientResponse, member: str) -> AsyncGenerator[Message, None]:
    """Yield the messages of a stream, one on each line."""
    with _errors(member):
        async for line in _lines(response, member):
            yield _result(decoded(member, line))


async def _lines(response: aiohttp.ClientResponse, member: str) -> AsyncGenerator[bytes, None]:
    buffer = bytearray()
    async for chunk in response.content.iter_any():
        searched = len(buffer)
        buffer += chunk
        while (end := buffer.find(b"\n", searched)) >= 0:
            line, searched = bytes(buffer[:end]), 0
            del buffer[: end + 1]
            if line.strip():
                yield line
        if len(buffer) > LARGEST_ANSWER:
            raise TooLarge(f"sends a message of more than {LARGEST_ANSWER >> 20} MiB", member=member)
    if buffer.strip():
        yield bytes(buffer)


def _result(message: Message) -> Message:
    """Return the result in a message of a stream; raise the error that it may hold instead."""
    if message.has("error"):
        raise by_answer(message, 200)
    return message.child("result")
