"""JSON to commands, and from their fields to the expressions and statements that this target prints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any, NoReturn

from svcc.compiler.codes import Code
from svcc.targets.nft import expressions as ex
from svcc.targets.nft import statements as st
from svcc.targets.reading import Text

_START = re.compile(r'\s*\{\s*"nftables"\s*:\s*\[\s*')
_BETWEEN = re.compile(r"\s*(,)?\s*")
_END = re.compile(r"\s*\]\s*\}\s*")
#: Values of a document, at most: Python takes some hundred bytes for each.
_VALUES = 4_000_000
#: Digits of a number, at most: more than any mark, port or weight has.
_DIGITS = 10


class NotRead(Exception):
    """Not what the target prints; the message says what is wrong."""


def commands(text: Text) -> Iterator[tuple[int, int, Any]]:
    """The start and the end of every command in the part, and its value. Errors: Refused."""
    document = text.text
    if max(document.count(","), document.count("[") + document.count("{")) > _VALUES:
        raise text.refused(f"more than {_VALUES} values", 0, 1, Code.BUNDLE)
    start = _START.match(document)
    if start is None:
        raise text.refused('a document begins with `{"nftables": [`', 0, min(1, len(document)), Code.BUNDLE)
    at = start.end()
    while document[at : at + 1] not in ("]", ""):
        value, end = _value(text, document, at)
        yield at, end, value
        comma = _BETWEEN.match(document, end)
        assert comma is not None
        at = comma.end()
        if bool(comma[1]) == (document[at : at + 1] in ("]", "")):
            raise text.refused("`,` or `]` comes here", at - 1, at, Code.BUNDLE)
    last = _END.fullmatch(document, at)
    if last is None:
        raise text.refused("the document does not end here, or ends too early", max(0, at - 1), at, Code.BUNDLE)


def _value(text: Text, document: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(document, at)
    except json.JSONDecodeError as error:
        raise text.refused(f"not JSON: {error.msg}", error.pos, error.pos + 1, Code.BUNDLE) from None
    except NotRead as error:
        raise text.refused(str(error), at, at + 1) from None
    except RecursionError:
        raise text.refused("it nests too deep", at, at + 1) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotRead("a key stands twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise NotRead(f"a number of {len(digits)} digits")
    return int(digits)


def _never(what: str) -> NoReturn:
    raise NotRead(f"the target prints no number such as {what[:20]}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_never, parse_constant=_never, strict=True
)


def same(one: Any, other: Any) -> bool:
    """The same JSON value, whatever the order of keys; `true` is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


# -- expressions and statements ---------------------------------------------------------------------------------------


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


def _range(fields: Any) -> ex.Range:
    first, last = fields
    return ex.Range(first, last)


def _verdicts(fields: Any) -> st.VerdictMap:
    key, data = expression(fields["key"]), fields["data"]
    if isinstance(data, str):
        return st.VerdictMap(key, _named(data))
    return st.VerdictMap(key, tuple((expression(value), statement(verdict)) for value, verdict in data["set"]))


def _remember(fields: Any) -> st.Remember:
    element = fields["elem"]["elem"]
    return st.Remember(expression(element["val"]), _named(fields["set"]), element["timeout"])


_EXPRESSIONS: dict[str, Callable[[Any], ex.Expression]] = {
    "prefix": lambda f: ex.Network(ip_network((f["addr"], f["len"]))),
    "range": _range,
    "set": lambda f: ex.OneOf(tuple(map(expression, f))),
    "payload": lambda f: ex.Payload(f["protocol"], f["field"]),
    "meta": lambda f: ex.Meta(f["key"]),
    "ct": lambda f: ex.Conntrack(f["key"]),
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
    "reject": lambda f: st.Reject(f["type"], f.get("expr")),
}
