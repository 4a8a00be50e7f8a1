"""Slips in what a file declares: blocks and their names, `include` and `svcc`."""

from __future__ import annotations

import re
from collections.abc import Callable

from svcc.compiler.names import written
from svcc.compiler.slips.slip import KEYWORDS, slips


def _naming(hint: str) -> Callable[[re.Match[str]], str]:
    """Return a hint with the group ``name`` in the quotes that it needs."""
    return lambda found: hint.format_map(found.groupdict() | {"name": written(found["name"].strip("\"'"))})


#: Statements that begin with such a word, or name something without one.
SLIPS = slips(
    (r"^(?P<block>cluster|defaults)\s+[\w.-]+$", "the block has no name: {block} {{ … }}"),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+(?P<one>[A-Za-z][\w-]*)\s+(?P<two>[A-Za-z][\w-]*)$",
        "a name is one word: {block} {one}-{two} {{ … }}",
    ),
    (r"^svcc\s+v?(?P<number>\d+)(?:\.\S*)?$", "write: svcc {number}"),
    (r"^include\s+<(?P<path>[^>\n]+)>?", 'write the path in quotes: include "{path}"'),
    (
        r'^include\s+"(?P<first>[^"]*)"\s*,?\s*"(?P<second>[^"]*)"',
        'one statement for each file: include "{first}"; include "{second}"',
    ),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+(?P<name>[^\s\[{{=]+)\s*(?:=|\[)\s*$",
        _naming("a block stands in braces: {block} {name} {{ … }}"),
    ),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+name\s*[=:]?\s*[\"']?(?P<name>[\w-]+)",
        _naming("the name stands alone before the `{{`: {block} {name} {{ … }}"),
    ),
    (r"^(?P<block>service|node|balancer)$", "the name stands before the `{{`: {block} web {{ … }}"),
    (
        rf"^(?!(?i:{KEYWORDS})\b)\$?(?P<name>[A-Za-z]\w*)\s*:?=\s*(?P<rest>[\[(\"' ]*(?:[\d$]|[\da-fA-F]*:).*)",
        "names for addresses are given by `let`: let {name} = {rest}",
    ),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+(?P<one>[\w./-]+)\s*,\s*(?P<two>[\w./-]+).*",
        "one block for each: {block} {one} {{ … }}, and {block} {two} {{ … }}",
    ),
    (
        r"^node\s+(?P<name>[^\s:=]+)\s*[:=]?\s+(?P<rest>[\d:a-fA-F.]+.*)$",
        _naming("write: node {name} {{ address {rest} }}"),
    ),
    (r"^include\s+['“”‘’]?(?P<path>[^\s\"'“”‘’;]+)['“”‘’]?", 'write the path in quotes: include "{path}"'),
)


def hint_for_path(path: str) -> str | None:
    """Return what to say about the path of an include that only a shell or a browser would follow.

    Return None for any other.
    """
    if "://" in path:
        return "svcc fetches nothing: a file of this machine is included"
    if path.startswith("~") or "$" in path:
        return "a path stands for itself: `~` and `$` have no meaning in it"
    return None
