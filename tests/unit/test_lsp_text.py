"""Places as editors count them, compared with a count that splits the text into lines and characters into units."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from svcc.lsp.text import Place, Text

_TEXTS = st.text(alphabet="ab\n\r\u00e9\u20ac\U0001f600\ud800\x0c\u2028", max_size=30)
_ENCODINGS = st.sampled_from(["utf-8", "utf-16", "utf-32"])
_SIZES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def _units(text: str, encoding: str) -> int:
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"
    return sum(len(c.encode(codec, "surrogatepass")) // _SIZES[encoding] for c in text)


@given(_TEXTS, _ENCODINGS, st.data())
def test_a_place_is_its_line_and_the_units_before(content: str, encoding: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(content)))
    lines = re.split(r"\r\n|\n|\r", content[:offset])
    if content[offset - 1 : offset + 1] == "\r\n":  # between the two the line has not ended
        lines = [*lines[:-2], lines[-2] + "\r"]
    text = Text(content, encoding)
    assert text.place(offset) == Place(len(lines) - 1, _units(lines[-1], encoding))
    if content[offset - 1 : offset + 1] != "\r\n":
        assert text.offset(text.place(offset)) == offset


@given(_TEXTS, _ENCODINGS, st.integers(0, 9), st.integers(0, 9))
def test_every_place_is_somewhere(content: str, encoding: str, line: int, unit: int) -> None:
    text = Text(content, encoding)
    offset = text.offset(Place(line, unit))
    assert 0 <= offset <= len(content)
    if line < len(text.content.splitlines()):
        assert text.place(offset) <= Place(line, unit)


@given(_TEXTS, _TEXTS, st.data())
def test_an_edit_replaces_what_is_between(content: str, new: str, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(content)))
    last = data.draw(st.integers(first, len(content)))
    text = Text(content, "utf-32")
    start, end = text.place(first), text.place(last)
    expected = content[: text.offset(start)] + new + content[text.offset(end) :]
    assert text.edited(start, end, new).content == text.edited(end, start, new).content == expected
