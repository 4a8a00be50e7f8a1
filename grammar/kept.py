"""Stores the parser as data, because lark takes longer to make one than a small program takes to compile.

``parser.json`` holds the parser that lark makes from the grammar, in lark's own form of serialization. It is used where
it was made from this very grammar, and this release of lark is known to make the same; else lark makes the parser anew.
``pytest tests/golden/test_parser.py --update-golden`` rewrites it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, TypeAlias

import lark
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

#: Releases of lark that were tried: all make the same parser from the grammar. Another release may have another form.
RELEASES = frozenset({"1.1.8", "1.1.9", "1.2.2", "1.3.0", "1.3.1"})

#: By state: what the parser does at which token. States and tokens are numbers; see lark.parsers.lalr_analysis.
_States: TypeAlias = Mapping[int, Mapping[int, tuple[int, Any]]]
_SHIFT = 0  # the first part of such a pair; the second is the next state
#: The width of an expression without an end. Python's own number for it depends on the release; this is the smallest.
_ENDLESS = 2**32 - 1

#: Options that are not part of the data: they are given to :func:`load`, or some release lacks them.
_OTHER_OPTIONS = {"postlex", "transformer", "lexer_callbacks", "tree_class", "_plugins", "cache_grammar"}


def kept_parser(grammar: str, **options: Any) -> Lark | None:
    """Return the parser of ``parser.json``. Return None where lark has to make it. ``options``: as for :func:`load`."""
    if lark.__version__ not in RELEASES:
        return None
    kept = json.loads(files(__package__).joinpath("parser.json").read_text(encoding="utf-8"))
    return load(kept, **options) if kept["grammar"] == _digest(grammar) else None


def load(kept: Mapping[str, Any], **options: Any) -> Lark:
    """Return the parser from the data of :func:`serialized`.

    ``options``: those of :class:`lark.Lark` that are not in the data.
    """
    states, shared = ({int(n): one for n, one in kept[name].items()} for name in ("states", "shared"))
    data = kept["data"]
    data["parser"]["parser"]["states"] = states
    # This is what lark.tools.standalone does; Lark.load takes no options.
    parser: Lark = Lark._load_from_dict(data, shared, **options)  # type: ignore[no-untyped-call]
    return parser


def serialized(grammar: str, parser: Lark) -> str:
    """Return lark's parser of the grammar as JSON: always the same text, with a line for each state and rule."""
    data, shared = parser.memo_serialize([TerminalDef, Rule])
    data["options"] = {name: value for name, value in data["options"].items() if name not in _OTHER_OPTIONS}
    table = data["parser"]["parser"]
    table["tokens"], states, numbers = _in_order(table["tokens"], table.pop("states"), table["start_states"])
    for name in ("start_states", "end_states"):
        table[name] = {start: numbers[state] for start, state in table[name].items()}
    for one in shared.values():
        if "_width" in (pattern := one.get("pattern", {})):
            pattern["_width"] = [min(width, _ENDLESS) for width in pattern["_width"]]
    parts = f'"data":{_dense(data)}', f'"shared":{_lines(shared)}', f'"states":{_lines(states)}'
    return ",\n".join((f'{{"grammar":"{_digest(grammar)}"', *parts)) + "}\n"


def _in_order(
    names: Mapping[int, str], states: _States, starts: Mapping[str, int]
) -> tuple[Mapping[int, str], _States, Mapping[int, int]]:
    """Return tokens and states with numbers that follow from the grammar alone (lark's do not), and the new number of
    each start state. States are counted from the start on, along the tokens of each state, which are sorted by name.
    """
    tokens = {name: number for number, name in enumerate(sorted(names.values()))}
    numbers: dict[int, int] = {}
    found: dict[int, list[tuple[str, int, Any]]] = {}
    ahead = [*starts.values()]
    for state in ahead:
        if state not in numbers:
            numbers[state] = len(numbers)
            actions = ((names[token], *action) for token, action in states[state].items())
            found[state] = sorted(actions, key=lambda action: action[0])
            ahead += [to for _, kind, to in found[state] if kind == _SHIFT]
    ordered = {
        numbers[state]: {tokens[name]: (kind, numbers[to] if kind == _SHIFT else to) for name, kind, to in actions}
        for state, actions in found.items()
    }
    return {number: name for name, number in tokens.items()}, ordered, numbers


def _lines(part: Mapping[int, object]) -> str:
    return "{\n" + ",\n".join(f'"{number}":{_dense(one)}' for number, one in part.items()) + "}"


def _dense(part: object) -> str:
    return json.dumps(part, separators=(",", ":"))


def _digest(grammar: str) -> str:
    return sha256(grammar.encode()).hexdigest()
