"""The quick difference of two texts: difflib and patch could have made it as well."""

from __future__ import annotations

import re
from difflib import unified_diff
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

from svcc.line_diff import line_diff

TEXTS = st.lists(st.sampled_from(("a\n", " a\n", "b\n", "c  d\n", "c d\n", "}\n", "\n", "\r\n")), max_size=12).map(
    "".join
)
ANY = st.tuples(TEXTS, st.sampled_from(("", "end"))).map("".join)


@given(ANY, ANY)
def test_what_it_says_makes_the_second_text_of_the_first(before: str, after: str) -> None:
    diff = line_diff(before, after, "x", "y")
    assert (diff == "") == (before == after)
    assert patched(before, diff) == after


def test_what_differs_everywhere_is_not_compared_line_with_line() -> None:
    """Seconds, not hours: the suite's own time limit tells."""
    before = "".join(f"service s{i} {{\n  vip  10.0.0.1\n}}\n" for i in range(20_000))
    after = before.replace("  ", " ")
    assert patched(before, line_diff(before, after, "x", "y")) == after


def test_it_is_difflibs_where_one_line_changes() -> None:
    before = "".join(f"{i}\n" for i in range(30))
    after = before.replace("15\n", "15 # new\n")
    expected = unified_diff(list(StringIO(before)), list(StringIO(after)), "x", "y")
    assert line_diff(before, after, "x", "y") == "".join(expected)


def patched(text: str, diff: str) -> str:
    """What patch makes of a text."""
    lines, made, at = list(StringIO(text, "\n")), [], 0
    diff = diff.replace("\n\\ No newline at end of file\n", "\0")
    for line in re.findall(r"[^\n\0]*[\n\0]", diff)[2:]:
        sign, rest = line[0], line[1:].replace("\0", "")
        if head := re.fullmatch(r"@@ -(\d+)(,0)?.* @@\n", line):
            start = int(head[1]) - (head[2] is None)
            made += lines[at:start]
            at = start
            continue
        if sign in " -":
            assert lines[at] == rest
            at += 1
        if sign in " +":
            made.append(rest)
    return "".join(made + lines[at:])
