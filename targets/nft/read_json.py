"""Reads the commands of a JSON document, each with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from svcc.compiler.codes import Code
from svcc.compiler.source import Source
from svcc.compiler.strict_json import once_each, whole_number
from svcc.kernel.json_values import Json, members, string
from svcc.targets.reading import Text

_START = re.compile(r'\s*\{\s*"nftables"\s*:\s*\[\s*')
_BETWEEN = re.compile(r"\s*(,)?\s*")
_END = re.compile(r"\s*\]\s*\}\s*")
#: The most values of a document. Python takes some hundred bytes for each.
_VALUES = 4_000_000


def commands(text: Text) -> Iterator[tuple[int, int, Json]]:
    """Yield the start and the end of every command in the part, and its value. Errors: RefusedText."""
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
            raise text.refused("expected `,` or `]`", at - 1, at, Code.BUNDLE)
    last = _END.fullmatch(document, at)
    if last is None:
        raise text.refused("the document does not end here, or ends too early", max(0, at - 1), at, Code.BUNDLE)


def name_of_tables(document: str) -> str:
    """Return the name of a document's tables, from its first command. A program without services has no table."""
    _, _, first = next(commands(Text(Source("", document), 0, len(document))))
    return string(members(members(members(first)["add"])["table"])["name"])


def _value(text: Text, document: str, at: int) -> tuple[Json, int]:
    try:
        return _DECODER.raw_decode(document, at)
    except json.JSONDecodeError as error:
        raise text.refused(f"not JSON: {error.msg}", error.pos, error.pos + 1, Code.BUNDLE) from None
    except ValueError as error:
        raise text.refused(str(error), at, at + 1) from None
    except RecursionError:
        raise text.refused("it nests too deep", at, at + 1) from None


def _never(what: str) -> NoReturn:
    raise ValueError(f"the target prints no number such as {what[:20]}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=once_each, parse_int=whole_number, parse_float=_never, parse_constant=_never, strict=True
)
