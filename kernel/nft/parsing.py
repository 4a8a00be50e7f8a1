"""From JSON to the expressions and statements that svcc's rules are made of, and to no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from svcc.kernel.nft import expressions as ex
from svcc.kernel.nft import statements as st


class NotRead(Exception):
    """Not what is printed of an object of ours; the message says what is wrong."""


def same(one: Any, other: Any) -> bool:
    """The same JSON value, whatever the order of keys; `true` is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def expression(value: Any) -> ex.Expression:
    """What is printed as ``value``. Errors: NotRead."""
    if isinstance(value, str):
        return ex.Named(value[1:]) if value.startswith("@") else ex.Word(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ex.Word(value)
    kind, fields = _only(value)
    made: ex.Expression = _checked(_EXPRESSIONS, kind, fields, value)
    return made


def statement(value: Any) -> st.Statement:
    """What is printed as ``value``. Errors: NotRead."""
    kind, fields = _only(value)
    made: st.Statement = _checked(_STATEMENTS, kind, fields, value)
    return made


def _only(value: Any) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        raise NotRead("one key comes here, with its value")
    return next(iter(value.items()))


def _checked(readers: dict[str, Callable[[Any], Any]], kind: str, fields: Any, value: Any) -> Any:
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


def _named(value: Any) -> ex.Named:
    found = expression(value)
    if not isinstance(found, ex.Named):
        raise NotRead("the name of a set comes here")
    return found


def _range(fields: Any) -> ex.Expression:
    first, last = fields
    return ex.numbers(first, last)


def _conntrack(fields: Any) -> ex.Expression:
    return ex.Original(fields["key"]) if "dir" in fields else ex.Conntrack(fields["key"])


def _snat(fields: Any) -> st.Snat:
    address = fields["addr"]
    return st.Snat(address, address) if isinstance(address, str) else st.Snat(*address["range"])


def _verdicts(fields: Any) -> st.VerdictMap:
    key, data = expression(fields["key"]), fields["data"]
    if isinstance(data, str):
        return st.VerdictMap(key, _named(data))
    return st.VerdictMap(key, tuple((expression(value), statement(verdict)) for value, verdict in data["set"]))


def _remember(fields: Any) -> st.Remember:
    element = fields["elem"]["elem"]
    return st.Remember(expression(element["val"]), _named(fields["set"]), element["timeout"])


_EXPRESSIONS: dict[str, Callable[[Any], ex.Expression]] = {
    "prefix": lambda f: ex.network(ip_network((f["addr"], f["len"]))),
    "range": _range,
    "set": lambda f: ex.OneOf(tuple(map(expression, f))),
    "payload": lambda f: ex.Payload(f["protocol"], f["field"]),
    "meta": lambda f: ex.Meta(f["key"]),
    "ct": _conntrack,
    "fib": lambda _: ex.DestinationType(),
    "concat": lambda f: ex.Concat(tuple(map(expression, f))),
    "&": lambda f: ex.And(*map(expression, f)),
    "|": lambda f: ex.Or(*map(expression, f)),
    "numgen": lambda f: ex.Numgen(f["mode"], f["mod"]),
    "jhash": lambda f: ex.Jhash(expression(f["expr"]), f["mod"], f["seed"]),
    "map": lambda f: ex.Lookup(expression(f["key"]), _named(f["data"])),
}
_STATEMENTS: dict[str, Callable[[Any], st.Statement]] = {
    "match": lambda f: st.Match(expression(f["left"]), expression(f["right"]), f["op"]),
    "goto": lambda f: st.Goto(f["target"]),
    "jump": lambda f: st.Jump(f["target"]),
    "drop": lambda _: st.Drop(),
    "vmap": _verdicts,
    "mangle": lambda f: st.SetMark(expression(f["value"])),
    "set": _remember,
    "dnat": lambda f: st.Dnat(expression(f["addr"]), expression(f["port"]) if "port" in f else None),
    "masquerade": lambda _: st.Masquerade(),
    "snat": _snat,
    "reject": lambda f: st.Reject(f["type"], f.get("expr")),
}
