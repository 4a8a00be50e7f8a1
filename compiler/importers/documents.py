"""Reads YAML and JSON texts as values with their places.

YAML's scalars mean what they mean to kubectl (go-yaml: the words for true and false are those of YAML 1.1, the numbers
those of 1.2), so that ``1e3`` or ``on`` without quotes are no texts here either. A key that stands twice is an error:
kubectl takes the last one, and a reader sees the first. So are tags of programs, and merge keys. The size of a text is
limited: see :data:`VALUES` and :data:`DEPTH`. Values that an alias repeats count again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from svcc.compiler.importers.interface import broken
from svcc.compiler.source import Source, Span

if TYPE_CHECKING:
    from yaml import Mark, ScalarEvent
    from yaml._yaml import Mark as CMark

Path: TypeAlias = tuple[str | int, ...]

#: The most values that a text may hold. Python takes some hundred bytes for each.
VALUES = 4_000_000
#: The most levels that values may be nested. No object needs as many.
DEPTH = 100
#: This field says who wrote which field. It is half of what an API server answers, and nothing here needs it.
_SKIPPED = "managedFields"


class Marks(NamedTuple):
    """The place of a value with its key, and the marks of the values in it, by key or index."""

    start: int
    end: int
    inner: Mapping[str | int, Marks] = {}


@dataclass(frozen=True, slots=True)
class Document:
    """One of a text's documents, made of JSON's own types."""

    source: Source
    value: object
    marks: Marks

    def span(self, path: Path = ()) -> Span:
        """Return the place of the value at a path, or of the nearest value around it."""
        marks = self.marks
        for part in path:
            inner = marks.inner.get(part)
            if inner is None:
                break
            marks = inner
        text = self.source.text[marks.start : marks.end]
        return Span(self.source, marks.start, marks.start + max(len(text.rstrip()), 1))


def documents(source: Source) -> Iterator[Document]:
    """Return the documents of a text that are not empty. Errors: Broken, with the place."""
    as_json = source.text.lstrip("\ufeff \t\r\n").startswith(("{", "["))
    events = _json_events(source) if as_json else _yaml_events(source)
    builder = _Builder(source, events)
    for event in events:
        value, marks = builder.value(event, 0)
        if value is not None:
            yield Document(source, value, marks)
        builder.anchors.clear()


# -- events -----------------------------------------------------------------------------------------------------------

_SCALAR, _LIST, _MAP, _END, _ALIAS = range(5)


class _Event(NamedTuple):
    kind: int
    start: int
    end: int
    value: object = None  # of a scalar
    text: str = ""  # of a scalar, as it is written; of an alias, its name
    anchor: str | None = None


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[^\s\[\]{}",:]+')


def _json_events(source: Source) -> Iterator[_Event]:
    text = source.text.removeprefix("\ufeff")
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise broken(f"not JSON: {error.msg}", _place(source, error.pos)) from None
    except (ValueError, RecursionError) as error:
        raise broken(f"not JSON that svcc can read: {error}", _place(source, 0)) from None
    for token in _TOKEN.finditer(source.text, len(source.text) - len(text)):
        found, start, end = token.group(), token.start(), token.end()
        if found in "[{":
            yield _Event(_LIST if found == "[" else _MAP, start, end)
        elif found in "]}":
            yield _Event(_END, start, end)
        else:
            value = json.loads(found)
            if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
                raise broken("half of a pair of surrogates is no character", Span(source, start, end))
            yield _Event(_SCALAR, start, end, value, value if isinstance(value, str) else found)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _yaml_events(source: Source) -> Iterator[_Event]:
    import yaml  # takes 0.05 s to import, and only YAML needs it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = source.text.removeprefix("\ufeff")
    ahead = len(source.text) - len(text)
    try:
        for event in yaml.parse(text, Loader=loader):
            start, end = ahead + _offset(event.start_mark), ahead + _offset(event.end_mark)
            anchor = getattr(event, "anchor", None)
            match event:
                case yaml.ScalarEvent():
                    value = _scalar(event, Span(source, start, max(end, start + 1)))
                    yield _Event(_SCALAR, start, end, value, event.value, anchor)
                case yaml.SequenceStartEvent():
                    _check_tag(event.tag, Span(source, start, max(end, start + 1)))
                    yield _Event(_LIST, start, end, anchor=anchor)
                case yaml.MappingStartEvent():
                    _check_tag(event.tag, Span(source, start, max(end, start + 1)))
                    yield _Event(_MAP, start, end, anchor=anchor)
                case yaml.AliasEvent():
                    yield _Event(_ALIAS, start, end, text=anchor or "")
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    yield _Event(_END, start, end)
    except yaml.reader.ReaderError as error:
        raise broken(f"not YAML: {error.reason}", _place(source, ahead + error.position)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(filter(None, (error.context, error.problem)))
        raise broken(f"not YAML: {said}", _place(source, ahead + _offset(mark))) from None


def _offset(mark: Mark | CMark | None) -> int:
    return 0 if mark is None else mark.index


def _place(source: Source, at: int) -> Span:
    at = max(0, min(at, len(source.text) - 1))
    return Span(source, at, at + 1)


_TRUE = re.compile(r"y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE")
_FALSE = re.compile(r"n|N|no|No|NO|off|Off|OFF|false|False|FALSE")
_NULL = re.compile(r"|~|null|Null|NULL")
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_OCTAL = re.compile(r"([-+]?)0([0-7]+)")  # of YAML 1.1
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# JSON has no such numbers, and kubectl turns YAML into JSON
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
#: The most characters of an integer that both Python and kubectl read.
_DIGITS = 40
_TEXT = ("tag:yaml.org,2002:str", "!")
_OTHERS = tuple(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "seq", "map"))


def _scalar(event: ScalarEvent, span: Span) -> object:
    text, tag = event.value, event.tag
    if tag in _TEXT or (tag is None and not event.implicit[0]):
        return text
    _check_tag(tag, span)
    return _resolved(text)


def _check_tag(tag: str | None, span: Span) -> None:
    if tag is not None and tag not in _OTHERS:
        raise broken(f"svcc reads no values with the tag {tag}", span, "leave the tag out")


def _resolved(text: str) -> object:
    """Return the value that a text without quotes means.

    >>> [_resolved(text) for text in ("on", "80", "0x50", "1e3", "1.20", "10.0.0.1", "~", "8080-tcp")]
    [True, 80, 80, 1000.0, 1.2, '10.0.0.1', None, '8080-tcp']
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return _TRUE.fullmatch(text) is not None
    if _INTEGER.fullmatch(text) and len(text) < _DIGITS:
        return _integer(text)
    if _NO_NUMBER.fullmatch(text):
        return math.nan
    return float(text) if _FLOAT.fullmatch(text) else text


def _integer(text: str) -> object:
    digits = text.replace("_", "")
    try:
        if (octal := _OCTAL.fullmatch(digits)) is not None:
            return int(octal[1] + octal[2], 8)
        return int(digits) if digits.lstrip("+-").isdecimal() else int(digits, 0)
    except ValueError:
        return text


# -- values -----------------------------------------------------------------------------------------------------------


class _Built(NamedTuple):
    value: object
    marks: Marks


class _Anchored(NamedTuple):
    built: _Built
    size: int  # how many values it holds
    height: int  # how many levels they have


@dataclass(slots=True)
class _Builder:
    """Builds values from a sequence of events."""

    source: Source
    events: Iterator[_Event]
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    _count: int = 0
    _deepest: int = 0  # the deepest level that was read since this was last set back

    def value(self, event: _Event, depth: int) -> _Built:
        """Build the value that begins with an event, and consume its events."""
        span = Span(self.source, event.start, max(event.end, event.start + 1))
        if event.kind == _ALIAS:
            return self._alias(event, span, depth)
        self._enter(1, depth, span)
        if event.anchor is None:
            return self._plain(event, depth)
        count, deepest, self._deepest = self._count, self._deepest, depth
        built = self._plain(event, depth)
        self.anchors[event.anchor] = _Anchored(built, self._count - count + 1, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return built

    def _enter(self, values: int, depth: int, span: Span) -> None:
        self._count += values
        self._deepest = max(self._deepest, depth)
        if self._count > VALUES:
            raise broken(f"more than {VALUES} values, with all that anchors repeat", span)
        if depth > DEPTH:
            raise broken(f"it nests more than {DEPTH} deep", span)

    def _alias(self, event: _Event, span: Span, depth: int) -> _Built:
        known = self.anchors.get(event.text)
        if known is None:
            raise broken(f"no value before this has the anchor `{event.text}`", span)
        self._enter(known.size, depth + known.height, span)
        return known.built

    def _plain(self, event: _Event, depth: int) -> _Built:
        if event.kind == _SCALAR:
            return _Built(event.value, Marks(event.start, event.end))
        return self._list(event, depth) if event.kind == _LIST else self._map(event, depth)

    def _list(self, opening: _Event, depth: int) -> _Built:
        values: list[object] = []
        marks: dict[str | int, Marks] = {}
        for event in self.events:
            if event.kind == _END:
                return _Built(values, Marks(opening.start, event.end, marks))
            value, marks[len(values)] = self.value(event, depth + 1)
            values.append(value)
        raise AssertionError("events of a list end with its end")

    def _map(self, opening: _Event, depth: int) -> _Built:
        values: dict[str, object] = {}
        marks: dict[str | int, Marks] = {}
        for key in self.events:
            if key.kind == _END:
                return _Built(values, Marks(opening.start, key.end, marks))
            self._check_key(key, values)
            event = next(self.events)
            if key.text == _SKIPPED:
                self._skip(event)
                continue
            values[key.text], found = self.value(event, depth + 1)
            marks[key.text] = Marks(key.start, max(event.end, found.end if event.kind != _ALIAS else 0), found.inner)
        raise AssertionError("events of a map end with its end")

    def _check_key(self, key: _Event, known: Mapping[str, object]) -> None:
        span = Span(self.source, key.start, max(key.end, key.start + 1))
        if key.kind != _SCALAR:
            raise broken("a key has to be a text", span)
        if key.text == "<<" and self.source.text.startswith("<<", key.end - 2):  # in quotes it is a key like others
            hint = "have the objects printed by kubectl: kubectl create --dry-run=client -o yaml -f FILE"
            raise broken("svcc reads no merge keys", span, hint)
        if key.text in known:
            raise broken(f"the key `{key.text}` stands twice in one object", span)

    def _skip(self, event: _Event) -> None:
        depth = int(event.kind in (_LIST, _MAP))
        while depth:
            kind = next(self.events).kind
            depth += 1 if kind in (_LIST, _MAP) else -1 if kind == _END else 0
