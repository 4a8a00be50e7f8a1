"""Parse JSON into the expressions and statements that svcc's rules are made of, and into no others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Protocol, TypeVar

from svcc.kernel.json_values import Json, integer, items, members, optional, string
from svcc.kernel.nft import expressions as ex
from svcc.kernel.nft import statements as st


class NotRead(Exception):
    """The input is not what svcc prints for an object; the message says what is wrong."""


class _Printed(Protocol):
    def json(self) -> Json: ...


_Made = TypeVar("_Made", bound=_Printed)


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same, whatever the order of their keys; ``true`` is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def expression(value: Json) -> ex.Expression:
    """Return the expression that is printed as ``value``. Errors: NotRead."""
    if isinstance(value, str):
        return ex.Named(value[1:]) if value.startswith("@") else ex.Word(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ex.Word(value)
    return _checked(_EXPRESSIONS, value)


def statement(value: Json) -> st.Statement:
    """Return the statement that is printed as ``value``. Errors: NotRead."""
    return _checked(_STATEMENTS, value)


def _checked(readers: Mapping[str, Callable[[Json], _Made]], value: Json) -> _Made:
    if not isinstance(value, dict) or len(value) != 1:
        raise NotRead("expected an object with one key")
    ((kind, fields),) = value.items()
    reader = readers.get(kind)
    if reader is None:
        raise NotRead(f"no rule of the target has `{kind[:40]}`")
    try:
        made = reader(fields)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotRead(f"the target writes `{kind}` in another way") from None
    if not same(made.json(), value):
        raise NotRead(f"the target writes `{kind}` in another way")
    return made


def _word(fields: Json, name: str) -> str:
    return string(members(fields)[name])


def _number(fields: Json, name: str) -> int:
    return integer(members(fields)[name])


def _inner(fields: Json, name: str) -> ex.Expression:
    return expression(members(fields)[name])


def _named(fields: Json, name: str) -> ex.Named:
    found = _inner(fields, name)
    if not isinstance(found, ex.Named):
        raise NotRead("expected the name of a set")
    return found


def _each(listed: Json) -> tuple[ex.Expression, ...]:
    return tuple(map(expression, items(listed)))


def _network(fields: Json) -> ex.Expression:
    return ex.network(ip_network((_word(fields, "addr"), _number(fields, "len"))))


def _range(fields: Json) -> ex.Expression:
    first, last = items(fields)
    return ex.numbers(integer(first), integer(last))


def _conntrack(fields: Json) -> ex.Expression:
    key = _word(fields, "key")
    return ex.Original(key) if "dir" in members(fields) else ex.Conntrack(key)


def _dnat(fields: Json) -> st.Dnat:
    return st.Dnat(_inner(fields, "addr"), _inner(fields, "port") if "port" in members(fields) else None)


def _snat(fields: Json) -> st.Snat:
    address = members(fields)["addr"]
    first, last = (address, address) if isinstance(address, str) else items(members(address)["range"])
    return st.Snat(string(first), string(last))


def _reject(fields: Json) -> st.Reject:
    return st.Reject(_word(fields, "type"), optional(string, members(fields).get("expr")))


def _verdicts(fields: Json) -> st.VerdictMap:
    key, data = _inner(fields, "key"), members(fields)["data"]
    if isinstance(data, str):
        return st.VerdictMap(key, _named(fields, "data"))
    pairs = map(items, items(members(data)["set"]))
    return st.VerdictMap(key, tuple((expression(value), statement(verdict)) for value, verdict in pairs))


def _remember(fields: Json) -> st.Remember:
    element = members(members(fields)["elem"])["elem"]
    return st.Remember(_inner(element, "val"), _named(fields, "set"), _number(element, "timeout"))


_EXPRESSIONS: Mapping[str, Callable[[Json], ex.Expression]] = {
    "prefix": _network,
    "range": _range,
    "set": lambda f: ex.OneOf(_each(f)),
    "payload": lambda f: ex.Payload(_word(f, "protocol"), _word(f, "field")),
    "meta": lambda f: ex.Meta(_word(f, "key")),
    "ct": _conntrack,
    "fib": lambda _: ex.DestinationType(),
    "concat": lambda f: ex.Concat(_each(f)),
    "&": lambda f: ex.And(*_each(f)),
    "|": lambda f: ex.Or(*_each(f)),
    "numgen": lambda f: ex.Numgen(_word(f, "mode"), _number(f, "mod")),
    "jhash": lambda f: ex.Jhash(_inner(f, "expr"), _number(f, "mod"), _number(f, "seed")),
    "map": lambda f: ex.Lookup(_inner(f, "key"), _named(f, "data")),
}
_STATEMENTS: Mapping[str, Callable[[Json], st.Statement]] = {
    "match": lambda f: st.Match(_inner(f, "left"), _inner(f, "right"), _word(f, "op")),
    "goto": lambda f: st.Goto(_word(f, "target")),
    "jump": lambda f: st.Jump(_word(f, "target")),
    "drop": lambda _: st.Drop(),
    "vmap": _verdicts,
    "mangle": lambda f: st.SetMark(_inner(f, "value")),
    "set": _remember,
    "dnat": _dnat,
    "masquerade": lambda _: st.Masquerade(),
    "snat": _snat,
    "reject": _reject,
}
