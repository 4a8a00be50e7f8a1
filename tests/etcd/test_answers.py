"""Answers that etcd does not give, and those that get lost: every one has a clear error, and none takes much memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from support.etcd import Cluster, Follower, ask, compact, run, text
from support.gateway import lines, server
from svcc.etcd.client import Client
from svcc.etcd.errors import EtcdError, Malformed, TooLarge, Uncertain, Unreachable
from svcc.etcd.values import Lease, Listing, Put, absent

_HEADER = {"header": {"cluster_id": "1", "revision": "5"}}
#: Answers of HTTP, and the error that each is.
_ANSWERS: dict[str, tuple[int, bytes, type[EtcdError], str]] = {
    "a page": (200, b"<html>hello</html>", Malformed, "b'<html>hello</html>', which is no JSON"),
    "nothing": (200, b"", Malformed, "b'', which is no JSON"),
    "a list": (200, b"[]", Malformed, "b'\\[\\]', which is no JSON object"),
    "an empty object": (200, b"{}", Malformed, "not as etcd does: no cluster_id"),
    "nested without end": (200, b"[" * 100_000, Malformed, "no JSON"),
    "a number of many digits": (200, b'{"header":' + b"9" * 5000 + b"}", Malformed, "no JSON"),
    "a text for keys": (200, json.dumps({**_HEADER, "kvs": "x"}).encode(), Malformed, "kvs should be a list"),
    "no base64": (200, json.dumps({**_HEADER, "kvs": [{"key": "?"}]}).encode(), Malformed, "key should be base64"),
    "a proxy's error": (502, b"<html>bad gateway</html>", Unreachable, "answers HTTP 502"),
    "a proxy's error in JSON": (503, b'{"reason": "no"}', Unreachable, "answers HTTP 503"),
    "a redirection": (302, b"", Malformed, "answers HTTP 302"),
    "an error of another form": (400, b'{"code": "x"}', Malformed, "code should be a number"),
}


#: What may be asked; the first two read keys, and the last is a stream.
_ASKED: list[Callable[[Client], Awaitable[object]]] = [
    lambda etcd: etcd.get("/k"),
    lambda etcd: etcd.list("/k"),
    lambda etcd: etcd.put("/k", b""),
    lambda etcd: etcd.transact((), [Put("/k", b"")]),
    lambda etcd: etcd.grant(5),
    lambda etcd: etcd.keep_alive(Lease(7, 5)),
    lambda etcd: anext(etcd.follow("/k")),
    lambda etcd: anext(etcd.watch("/k", 1)),
]


@pytest.mark.parametrize("name", _ANSWERS)
def test_whatever_answers_there_is_told(name: str) -> None:
    status, body, kind, words = _ANSWERS[name]
    asked = _ASKED[:2] if b'"kvs"' in body else _ASKED if body or status != 200 else _ASKED[:-1]

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={"Location": "/"} if status == 302 else {})

    async def asking() -> None:
        until_given_up = 0.2 if kind is Unreachable else 60  # it is asked again for so long
        async with server(answer) as url, Client([url], timeout=until_given_up) as etcd:
            for one in asked:
                with pytest.raises((kind, Uncertain), match=words) as raised:
                    await one(etcd)
                assert url in str(raised.value)

    run(asking())


def test_an_answer_without_end_is_not_read_to_it() -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = await lines(request)
        while True:
            await response.write(b" " * (1 << 20))
            sent += 1

    async def asking() -> None:
        nonlocal sent
        async with server(answer) as url, Client([url], timeout=60) as etcd:
            for one in (_ASKED[0], _ASKED[1], _ASKED[-1]):
                sent = 0
                with pytest.raises(TooLarge, match="more than 16 MiB"):
                    await one(etcd)
                assert sent < 200  # `list` asks some times, for fewer keys each time

    run(asking())


def _page(*keys: str, more: bool = False) -> bytes:
    kvs = [{"key": text(key), "mod_revision": "3", "version": "1", "create_revision": "3"} for key in keys]
    return json.dumps({**_HEADER, "kvs": kvs, "more": more}).encode()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (_page("/k/1", more=True), "a key '/k/1' that was not asked for"),  # the same page, again and again
        (_page(more=True), "more keys below /k/, and gives none"),
        (_page("/k/2", "/k/1"), "a key '/k/1' that was not asked for"),
        (_page("/x"), "a key '/x' that was not asked for"),
    ],
)
def test_a_listing_ends(page: bytes, words: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=page)

    async def asking() -> None:
        async with server(answer) as url, Client([url]) as etcd:
            with pytest.raises(Malformed, match=words):
                await etcd.list("/k/")

    run(asking())


_CREATED = json.dumps({"result": {**_HEADER, "created": True}}).encode()


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        ((b'{"result": {}}',), Malformed, "no cluster_id"),
        ((json.dumps({"result": _HEADER}).encode(),), Malformed, "without saying that it did"),
        ((_CREATED, b"x"), Malformed, "no JSON"),
        ((_CREATED, json.dumps({"result": {**_HEADER, "events": [{"type": "MOVE"}]}}).encode()), Malformed, "'MOVE'"),
        ((_CREATED, json.dumps({"result": {**_HEADER, "events": [{}]}}).encode()), Malformed, "not asked for"),
        ((_CREATED, b'{"result": {"canceled": true}}'), EtcdError, "says no reason"),
        ((_CREATED,), Unreachable, "ends the watch"),
        ((), Unreachable, "ends the watch"),
    ],
)
def test_a_watch_that_is_none_is_told(sent: tuple[bytes, ...], kind: type[EtcdError], words: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = request.path.endswith("/watch")
        return await lines(request, *(sent if asked else [json.dumps(_HEADER).encode()]))

    async def asking() -> None:
        async with server(answer) as url, Client([url]) as etcd:
            with pytest.raises(kind, match=words):
                await anext(etcd.watch("/k", 6))

    run(asking())


def test_a_transaction_whose_answer_is_lost_is_uncertain(shared: Cluster, prefix: str) -> None:
    """It took place; a put, which may be made twice, is made again."""
    lost: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse | None:
        if request.path in lost:
            return None
        lost.append(request.path)
        ask(shared.urls[0], request.path.removeprefix("/v3/"), json.loads(await request.read()))
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def asking() -> None:
        async with server(answer, shared.urls[0]) as url, Client([url]) as etcd:
            with pytest.raises(Uncertain, match="whether it was done is not known"):
                await etcd.transact([absent(prefix)], [Put(prefix, b"1")])
            entry = await etcd.get(prefix)
            assert entry is not None
            assert entry.value == b"1"
            await etcd.put(prefix, b"2")
            entry = await etcd.get(prefix)
            assert entry is not None
            assert (entry.value, entry.version) == (b"2", 3)

    run(asking())


def test_members_that_do_not_answer_are_all_named(shared: Cluster, prefix: str) -> None:
    async def asking() -> None:
        gone = ["http://127.0.0.1:1", "http://127.0.0.1:2"]
        async with Client([*gone, *shared.urls]) as etcd:
            await etcd.put(prefix, b"")
        async with Client(gone, timeout=0.2) as etcd:
            with pytest.raises(
                Unreachable, match=r"no member answers: .*127.0.0.1:1: .*; etcd at http://127.0.0.1:2: "
            ):
                await etcd.transact((), [Put(prefix, b"")])

    run(asking())


@pytest.mark.parametrize(
    "address",
    [
        *("", "127.0.0.1:2379", "ftp://etcd", "http://", "http://u:p@etcd", "http://a:b", "http://a/v3"),
        *("http://a b", "http://a..b", f"http://{'x' * 64}", "http://" + ".".join(["x" * 60] * 5)),
    ],
)
def test_what_is_no_address_is_told_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="is no address of a member of etcd") as raised:
        Client([address])
    assert "u:p" not in str(raised.value)


@pytest.mark.parametrize(
    "address", ["http://etcd", "https://etcd-1.example.:2379", "http://[::1]:1", "http://é.example"]
)
def test_what_is_an_address(address: str) -> None:
    Client([address])


def test_a_silent_watch_is_made_up_for(shared: Cluster, prefix: str) -> None:
    """A watch that tells nothing, as after an event got lost: all keys are read again from time to time."""

    async def answer(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/watch"):
            return None
        header = {"cluster_id": cluster_id, "revision": str(1 << 40)}
        response = await lines(request, json.dumps({"result": {"header": header, "created": True}}).encode())
        await asyncio.Event().wait()
        return response

    cluster_id = ask(shared.urls[0], "maintenance/status")["header"]["cluster_id"]

    async def following() -> None:
        async with server(answer, shared.urls[0]) as url, Client([url], timeout=60) as etcd:
            follower = Follower(etcd, prefix, reread=0.05)
            await etcd.put(prefix, b"1")
            await follower.until_told({prefix: b"1"})
            await etcd.put(prefix, b"2")
            await follower.until_told({prefix: b"2"})
            assert all(isinstance(one, Listing) for one in follower.news)
            assert follower.troubles == []
            await follower.close()

    run(following())


def test_deletions_that_a_compacted_watch_leaves_out_are_told(shared: Cluster, prefix: str) -> None:
    """A key is deleted, and the history compacted, between the listing and the watch: etcd tells nothing of it."""
    between = True

    async def answer(request: web.Request) -> web.StreamResponse | None:
        nonlocal between
        if request.path.endswith("/watch") and between:
            between = False
            ask(shared.urls[0], "kv/deleterange", {"key": text(f"{prefix}1")})
            compact(shared.urls[0])
        return None

    async def following() -> None:
        async with server(answer, shared.urls[0]) as url, Client([url], timeout=60) as etcd:
            await etcd.put(f"{prefix}1", b"1")
            await etcd.put(f"{prefix}2", b"2")
            follower = Follower(etcd, prefix)
            await follower.until_told({f"{prefix}2": b"2"})
            assert not between
            assert follower.troubles == []
            await follower.close()

    run(following())
