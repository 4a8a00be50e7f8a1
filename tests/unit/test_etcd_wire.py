"""The JSON of etcd's gateway: requests in its form, and answers with any contents."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.etcd import wire
from svcc.etcd.errors import EtcdError, Malformed
from svcc.etcd.refusals import by_answer, by_reason, refusal
from svcc.etcd.values import Change, Delete, Entry, Get, Lease, Put, absent, has_value, leased
from svcc.etcd.wire import Message, decoded

_KEY = st.binary(max_size=8).map(lambda key: key.decode("utf-8", "surrogateescape"))
#: Names of fields that answers have, so that what is drawn goes as deep as it can.
_NAMES: tuple[str, ...] = (
    "header",
    "cluster_id",
    "revision",
    "kvs",
    "key",
    "value",
    "mod_revision",
    "version",
    "lease",
    "events",
    "kv",
)
_NAMES += ("type", "ID", "TTL", "responses", "response_range", "error", "code", "grpc_code", "message", "canceled")
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["1", "-1", "9" * 20, "9" * 21, "x", "YQ==", "YQ", "DELETE", "PUT", "\u0661"])
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=20,
)
_READERS: list[Callable[[Message], object]] = [
    wire.header,
    wire.entry,
    wire.entries,
    wire.change,
    wire.lease,
    lambda message: wire.entries_found(message, [Get("k")]),
]


@given(_JSON)
def test_any_json_is_read_or_malformed(value: object) -> None:
    errors: list[EtcdError] = []
    for read in _READERS:
        try:
            read(decoded("m", json.dumps(value).encode()))
        except Malformed as error:
            errors.append(error)
    assert all(str(error).startswith("etcd at m: ") and len(str(error)) < 200 for error in errors)
    if isinstance(value, dict):
        with suppress(Malformed):
            assert len(str(by_answer(Message("m", value), 400))) < 700


@given(st.binary(max_size=50))
def test_any_bytes_are_an_object_or_malformed(text: bytes) -> None:
    with suppress(Malformed):
        assert decoded("m", text).fields == json.loads(text)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"9" * 5000, b"\xff", b"", b"[]", b"{} {}", b'{"a":1,}'])
def test_what_is_no_object_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        decoded("m", text)


@given(st.integers(-20, 40), st.text(max_size=30))
def test_every_refusal_is_an_error_of_this_package(code: int, words: str) -> None:
    for error in (
        refusal("m", code, words),
        by_reason("m", words),
        by_reason("m", f"rpc error: code = X desc = {words}"),
    ):
        assert error.member == "m"


@given(_KEY, _KEY)
def test_a_range_has_the_keys_that_begin_with_its_prefix(prefix: str, key: str) -> None:
    """As etcd compares: from ``key`` to before ``range_end``, where a single zero byte stands for no end."""
    asked = wire.below(prefix)
    start, end = (base64.b64decode(str(asked[name])) for name in ("key", "range_end"))
    data = wire.key_bytes(key)
    if data:  # etcd has no empty key
        assert (start <= data and (end == b"\0" or data < end)) == data.startswith(wire.key_bytes(prefix))


@given(_KEY, st.binary(), st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_what_etcd_keeps_is_read_as_it_is(key: str, value: bytes, number: int, lease: int) -> None:
    """With zeros left out, as the gateway does."""
    fields = {"key": wire.encoded(wire.key_bytes(key)), "value": wire.encoded(value), "lease": str(lease)}
    fields |= dict.fromkeys(("create_revision", "mod_revision", "version"), str(number))
    sent = {name: text for name, text in fields.items() if text not in ("", "0")}
    entry = Entry(key, value, number, number, number, lease)
    assert wire.entry(Message("m", dict(sent))) == entry
    assert wire.change(Message("m", {"kv": sent})) == Change(key, entry, number)
    gone = {"type": "DELETE", "kv": {"key": sent.get("key", ""), "mod_revision": str(number)}}
    assert wire.change(Message("m", dict(gone))) == Change(key, None, number)


def test_a_transaction_in_etcds_form() -> None:
    lease = Lease(5, 60)
    then = [Put("b", b"x", lease), Put("b", b"")]
    conditions = [absent("a"), has_value("a", b"v"), leased("a", lease)]
    request = wire.transaction(conditions, then, [Delete("b"), Get("b", True)])
    assert json.loads(wire.printed(request)) == {
        "compare": [
            {"key": "YQ==", "target": "VERSION", "result": "EQUAL", "version": "0"},
            {"key": "YQ==", "target": "VALUE", "result": "EQUAL", "value": "dg=="},
            {"key": "YQ==", "target": "LEASE", "result": "EQUAL", "lease": "5"},
        ],
        "success": [
            {"request_put": {"key": "Yg==", "value": "eA==", "lease": "5"}},
            {"request_put": {"key": "Yg==", "value": ""}},
        ],
        "failure": [
            {"request_delete_range": {"key": "Yg=="}},
            {"request_range": {"key": "Yg==", "range_end": "Yw=="}},
        ],
    }
