"""Slips in `let`: its name, its sign and its list of values."""

from __future__ import annotations

import re

from svcc.compiler.slips.slip import KEYWORDS, slips


def _list(found: re.Match[str]) -> str:
    values = ", ".join(re.split(r"[, ]+", f"{found['first']}, {found['rest']}"))
    return f"values stand in square brackets: let {found['name']} = [{values}]"


def _declared(found: re.Match[str]) -> str:
    """Return the let with a sign that it has, and with its bracket where the list goes on in other lines."""
    rest = found["rest"] if found["rest"].count("[") <= found["rest"].count("]") else "[ … ]"
    return f"let {found['name']} = {rest}"


#: Statements that begin with `let`.
SLIPS = slips(
    (r"^let\s+(?P<name>[\w.-]+)\s*=?$", "write: let {name} = [10.0.0.0/8]"),
    (
        r"^let\s+(?P<one>\w+)\s*,\s*(?P<two>\w+)\b.*",
        "one statement for each name: let {one} = [10.0.0.0/8]; let {two} = [192.168.0.0/16]",
    ),
    (r"^let\s*=\s*(?P<rest>\S.*)", "the name stands before the `=`: let office = {rest}"),
    (
        r"^let\s+(?P<name>[\w.-]+)\s*=\s*(?P<first>[\w.:/$]+)\s*[, ]\s*(?P<rest>[\w.:/$, ]+)$",
        _list,
    ),
    (
        r'^let\s+[\w.-]+\s*=\s*(?:\[[^\]]*?)?(?:(?<![\w.:/])\d+(?:/\w+)?(?![\d.:/])|"[^".:\n]*").*',
        "a let holds addresses and networks: let office = [10.0.0.0/8]",
    ),
    (
        r"^let\s+(?P<name>[\w.-]+?)\s*\+=\s*(?P<rest>\S.*)",
        lambda m: f"a let is declared once, with all that it holds: {_declared(m)}",
    ),
    (
        r"^let\s+(?P<name>[\w.-]+?)\s*(?:=[=>:]+|[:?|&*.<-]+=|[-<]>|<-|:)\s*(?P<rest>\S.*)",
        lambda m: f"a let has a `=`: {_declared(m)}",
    ),
    (
        r"^let\s+\$(?P<name>[\w.-]+)\s*=\s*(?P<rest>\S.*)",
        lambda m: f"the `$` stands where the name is used: {_declared(m)}",
    ),
    (r"^let\s+(?P<name>[\w.-]+)\s*=\s*\((?P<rest>[^()]*)\)?", "values stand in square brackets: let {name} = [{rest}]"),
    (r"^let\s+(?P<name>[\w.-]+)\s+(?P<rest>[^\s=].*)", lambda m: f"a let has a `=`: {_declared(m)}"),
)

_BEGUN = re.compile(r"(?P<let>let\s+[^\s=]+\s*=)\s*(?P<list>\[)?")
_COMMENT = re.compile(r"#[^\n]*")
_VALUE = re.compile(r"[$\[]|[\da-fA-F]*[.:]")


def hint_for_list(before: str, word: str) -> str | None:
    """Return what to say about a word in the list of a let. Return None elsewhere, and where the list is not what is
    wrong.

    ``before``: the statement's text in front of the word.
    """
    begun = _BEGUN.match(before)
    if begun is None or begun["list"] is None:
        return f"values stand in square brackets: {begun['let']} [ … ]" if begun and word == "{" else None
    code = _COMMENT.sub("", before).rstrip()
    last = code.rstrip("; \t\r\n")[-1]
    if word.startswith(",") and last not in "[,":
        return "a comma stands right behind a value, also at the end of a line"
    if word.startswith(",") or (word == "]" and last == ","):
        return "one comma too many"
    if word == "]":
        return "a let holds at least one address or network: [10.0.0.0/8]"
    if word in KEYWORDS.split("|"):
        return "a `]` is missing before it"
    return "only commas stand between the values of a let" if _VALUE.match(word) and code[-1] not in "[," else None
