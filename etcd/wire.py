"""etcd's messages as the gateway's JSON: requests are made from values, and answers are checked and taken apart.

The messages are those of etcd's ``rpc.proto`` and ``kv.proto``, in the JSON of protocol buffers: numbers of 64 bits are
strings, bytes are base64, and a field that is zero, false or empty is left out. An answer comes from outside: whatever
it holds, the result is a value of this package, or :class:`svcc.etcd.errors.Malformed`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from svcc.etcd.errors import Malformed
from svcc.etcd.values import Change, Compare, Delete, Entry, Field, Get, Lease, Operation, Put

_NUMBER = re.compile(r"-?[0-9]{1,20}")
#: A request, as an object for JSON.
Request = dict[str, object]


@dataclass(frozen=True)
class Message:
    """A JSON object that a member sent. Every method raises :class:`Malformed` where a field is not of its type."""

    member: str
    fields: dict[str, object]

    def number(self, name: str) -> int:
        """Return a number, 0 where it was left out."""
        value = self.fields.get(name, 0)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 64:
            return value
        raise self._wrong(name, "a number")

    def text(self, name: str) -> str:
        """Return a string, "" where it was left out."""
        value = self.fields.get(name, "")
        if isinstance(value, str):
            return value
        raise self._wrong(name, "a string")

    def flag(self, name: str) -> bool:
        """Return true or false, false where it was left out."""
        value = self.fields.get(name, False)
        if isinstance(value, bool):
            return value
        raise self._wrong(name, "true or false")

    def data(self, name: str) -> bytes:
        """Return bytes, empty where they were left out."""
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            raise self._wrong(name, "base64") from None

    def key(self, name: str) -> str:
        """Return a key. Bytes that are not UTF-8 become surrogates, and the same bytes again when they are sent."""
        return self.data(name).decode("utf-8", "surrogateescape")

    def has(self, name: str) -> bool:
        """Whether the message has this field."""
        return name in self.fields

    def child(self, name: str) -> Message:
        """Return an object within this one, empty where it was left out."""
        return self._message(name, self.fields.get(name, {}))

    def children(self, name: str) -> list[Message]:
        """Return a list of objects, empty where it was left out."""
        value = self.fields.get(name, [])
        if isinstance(value, list):
            return [self._message(name, one) for one in value]
        raise self._wrong(name, "a list")

    def _message(self, name: str, value: object) -> Message:
        if isinstance(value, dict):
            return Message(self.member, value)
        raise self._wrong(name, "an object")

    def _wrong(self, name: str, wanted: str) -> Malformed:
        return Malformed(f"answers {_short(self.fields.get(name))} where {name} should be {wanted}", member=self.member)


def decoded(member: str, text: bytes) -> Message:
    """Parse a member's JSON object. Raises :class:`Malformed` for any other text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(f"answers {_short(text)}, which is no JSON", member=member) from None
    if not isinstance(value, dict):
        raise Malformed(f"answers {_short(text)}, which is no JSON object", member=member)
    return Message(member, value)


def printed(request: Request) -> bytes:
    """Return a request as JSON."""
    return json.dumps(request, separators=(",", ":")).encode()


def _short(value: object) -> str:
    """Return the beginning of what a member sent, in one line."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value[:60] if isinstance(value, (bytes, str)) else value)
    return text if len(text) <= 80 else text[:77] + "..."


@dataclass(frozen=True)
class Header:
    """The cluster that answers, and the revision of its store (0 where the answer does not say it)."""

    cluster: int
    revision: int


def header(message: Message) -> Header:
    """Return the header that each answer of etcd has. Raises :class:`Malformed` where there is none."""
    found = message.child("header")
    cluster = found.number("cluster_id")
    if not cluster:
        raise Malformed("answers, but not as etcd does: no cluster_id", member=message.member)
    return Header(cluster, found.number("revision"))


def encoded(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode("ascii")


def key_bytes(key: str) -> bytes:
    """Return the bytes of a key."""
    return key.encode("utf-8", "surrogateescape")


def single_key(key: str) -> Request:
    """Return the range of a single key."""
    return {"key": encoded(key_bytes(key))}


def below(prefix: str) -> Request:
    """Return the range of all keys that begin with a prefix: it ends before the first key that sorts after them all."""
    start = key_bytes(prefix)
    stem = start.rstrip(b"\xff")
    end = stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\0"
    return {"key": encoded(start or b"\0"), "range_end": encoded(end)}


def entry(message: Message) -> Entry:
    """Read a key and its value (``mvccpb.KeyValue``)."""
    return Entry(
        key=message.key("key"),
        value=message.data("value"),
        create_revision=message.number("create_revision"),
        mod_revision=message.number("mod_revision"),
        version=message.number("version"),
        lease=message.number("lease"),
    )


def entries(message: Message) -> tuple[Entry, ...]:
    """Read the entries in the answer to a range request."""
    return tuple(entry(kv) for kv in message.children("kvs"))


def change(event: Message) -> Change:
    """Read a change of a key (``mvccpb.Event``)."""
    kind, kv = event.text("type"), event.child("kv")
    if kind not in ("", "PUT", "DELETE"):
        raise Malformed(f"tells of an event {kind!r}, which etcd does not have", member=event.member)
    new = None if kind == "DELETE" else entry(kv)
    return Change(kv.key("key"), new, kv.number("mod_revision"))


def lease(message: Message) -> Lease:
    """Read a lease that was granted."""
    found = Lease(message.number("ID"), message.number("TTL"))
    if found.id <= 0 or found.ttl <= 0:
        raise Malformed(f"grants a lease {found.id} of {found.ttl} s", member=message.member)
    return found


_OPERANDS = {
    Field.VALUE: "value",
    Field.VERSION: "version",
    Field.CREATED: "create_revision",
    Field.MODIFIED: "mod_revision",
    Field.LEASE: "lease",
}


def _comparison(compare: Compare) -> Request:
    operand = encoded(compare.operand) if isinstance(compare.operand, bytes) else str(compare.operand)
    return {
        **single_key(compare.key),
        "target": compare.field.value,
        "result": compare.relation.value,
        _OPERANDS[compare.field]: operand,
    }


def put(operation: Put) -> Request:
    """Return a put, for a request of its own or within a transaction."""
    attached: Request = {"lease": str(operation.lease.id)} if operation.lease else {}
    return {**single_key(operation.key), "value": encoded(operation.value), **attached}


def _operation(operation: Operation) -> Request:
    match operation:
        case Put():
            return {"request_put": put(operation)}
        case Delete(key, prefix):
            return {"request_delete_range": below(key) if prefix else single_key(key)}
        case Get(key, prefix):
            return {"request_range": below(key) if prefix else single_key(key)}


def transaction(compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation]) -> Request:
    """Return the request for a transaction."""
    return {
        "compare": [_comparison(compare) for compare in compares],
        "success": [_operation(operation) for operation in then],
        "failure": [_operation(operation) for operation in otherwise],
    }


def entries_found(message: Message, asked: Sequence[Operation]) -> tuple[tuple[Entry, ...], ...]:
    """Read the entries that each operation of a transaction found."""
    responses = message.children("responses")
    if len(responses) != len(asked):
        raise Malformed(f"answers {len(responses)} of {len(asked)} operations", member=message.member)
    return tuple(entries(response.child("response_range")) for response in responses)
