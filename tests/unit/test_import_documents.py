"""YAML and JSON as values with their places: what is read, as which value, and what is refused."""

from __future__ import annotations

import json
import math
import re

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from svcc.compiler.importers import documents as reading
from svcc.compiler.importers.documents import DEPTH, Path, documents
from svcc.compiler.importers.interface import Broken
from svcc.compiler.source import Source

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
_KEYS = st.text(st.characters(codec="ascii")).filter(lambda key: key != "managedFields")  # which nobody reads
#: What PyYAML writes without the quotes that it needs: go-yaml's short booleans, and NEL, which is an end of line.
_UNQUOTED = re.compile(r"(?:^| )[yYnN](?::|$)|\x85", re.MULTILINE)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
).filter(lambda value: isinstance(value, (dict, list)))


def values(text: str) -> list[object]:
    return [document.value for document in documents(Source("x", text))]


def shown(text: str, *path: str | int) -> str:
    """What stands at a path."""
    (document,) = documents(Source("x", text))
    span = document.span(path)
    return text[span.start : span.end]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("on", True), ("Yes", True), ("y", True), ("off", False), ("NO", False), ("null", None), ("~", None)),
        *(("80", 80), ("0x50", 80), ("0o120", 80), ("0120", 80), ("8_080", 8080), ("-1", -1), ("089", 89.0)),
        *(("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("1.2.3", "1.2.3"), ("10.0.0.1", "10.0.0.1")),
        *(("fd00::1", "fd00::1"), ("22:22", "22:22"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("8080-tcp", "8080-tcp")),
        *(("2026-11-26", "2026-11-26"), ("=", "="), ("'on'", "on"), ('"80"', "80"), ("!!str 80", "80"), ("! 80", "80")),
        *(("!!int '80'", 80), ("|\n  on", "on"), (">-\n  a\n  b", "a b"), ("9" * 60, float("9" * 60))),
    ],
)
def test_a_scalar_is_what_kubectl_takes_it_for(written: str, value: object) -> None:
    assert values(f"a: {written}") == [{"a": value}]


def test_what_is_no_number_of_json_is_none_of_yaml() -> None:
    for written in (".nan", ".inf", "-.INF"):
        (found,) = values(f"a: {written}")
        assert isinstance(found, dict)
        assert math.isnan(found["a"])


def test_documents_that_are_empty_are_left_out() -> None:
    assert values("# a comment\n---\na: 1\n---\n# another\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert values("") == values("---\n") == values("# nothing") == []


def test_anchors_hold_for_their_document() -> None:
    assert values("a: &x [1, {b: 2}]\nc: *x\n") == [{"a": [1, {"b": 2}], "c": [1, {"b": 2}]}]
    with pytest.raises(Broken):
        values("a: &x 1\n---\nb: *x\n")
    with pytest.raises(Broken):
        values("a: &x [*x]\n")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("metadata",), 'metadata: {name: "wéb", labels: &l {a: b}}'),
        (("metadata", "name"), 'name: "wéb"'),
        (("ports", 1), "port: 81"),
        (("ports", 1, "port"), "port: 81"),
        (("ports", 1, "nodePort"), "port: 81"),
        (("copy",), "copy: *l"),
        (("note",), "note: |\n  two\n  lines"),
    ],
)
def test_a_value_has_its_place(path: Path, text: str) -> None:
    """With its key; of what is not there, that of the nearest around it."""
    whole = (
        '\ufeffmetadata: {name: "wéb", labels: &l {a: b}}\r\nports:\r\n- port: 80\r\n- port: 81\r\ncopy: *l\r\n'
        "note: |\n  two\n  lines\n\nlast: 1\n"
    )
    assert shown(whole, *path) == text


def test_places_in_json() -> None:
    text = '\ufeff{"a": [1, {"b" : "\\u00e9\\"x"}],\n "c":{}}'
    assert values(text) == [{"a": [1, {"b": 'é"x'}], "c": {}}]
    assert shown(text, "a", 1, "b") == '"b" : "\\u00e9\\"x"'
    assert shown(text, "c") == '"c":{}'


def test_who_wrote_which_field_is_not_read() -> None:
    deep = "[" * 90 + "]" * 90
    assert values(f"a: {{managedFields: {deep}, b: 1}}") == [{"a": {"b": 1}}]
    assert values(f'{{"a": {{"managedFields": {deep}, "b": 1}}}}') == [{"a": {"b": 1}}]


def test_depth_is_counted_through_anchors() -> None:
    assert values("a: " + "[" * (DEPTH - 1) + "]" * (DEPTH - 1))
    chain = "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, DEPTH + 5))
    with pytest.raises(Broken, match="nests"):
        values(f"a0: &a0 1\n{chain}")


def test_values_are_counted_through_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "VALUES", 100)
    assert values("a: &a [1, 2, 3]\n" + "".join(f"b{i}: *a\n" for i in range(20)))
    with pytest.raises(Broken, match="more than 100 values"):
        values("a: &a [1, 2, 3]\n" + "".join(f"b{i}: *a\n" for i in range(25)))


@given(_VALUES)
def test_json_is_read_as_json(value: object) -> None:
    assert values(json.dumps(value)) == [value]
    assert values(json.dumps(value, indent=2, ensure_ascii=False)) == [value]


@given(_VALUES)
@example({"<<": None})
def test_yaml_is_read_as_it_was_written(value: object) -> None:
    """PyYAML quotes more than it has to for go-yaml, with few exceptions."""
    text = yaml.safe_dump(value, allow_unicode=True)
    assume(not _UNQUOTED.search(text))
    assert values(text) == [value]


@given(_TEXTS | st.text("[]{}:,-&*!|>'\"#%@`? \n\tab1"))
def test_with_and_without_libyaml(text: str) -> None:
    """PyYAML is also to be had without the C library. What they say of broken texts differs, and which are broken."""
    with pytest.MonkeyPatch.context() as patch:
        fast = answer(text)
        patch.delattr(yaml, "CSafeLoader", raising=False)
        slow = answer(text)
    if fast is not None and slow is not None:
        assert fast == slow


def answer(text: str) -> list[tuple[object, object]] | None:
    try:
        return [(repr(document.value), document.marks) for document in documents(Source("x", text))]
    except Broken:
        return None
