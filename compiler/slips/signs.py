"""Slips in signs and numbers of any statement: quotes, arrows, comments, times, digits."""

from __future__ import annotations

import re

from svcc.compiler.slips.slip import KEYWORDS, slips


def _without_equals(found: re.Match[str]) -> str | None:
    """Return a hint without the `=`.

    Return None where the word before it stands first in the statement, and is no keyword of svcc's.
    """
    if found.start() == 0:
        keyword = found["word"].lower()
        return f"without `=`: {keyword} {found['value']}".rstrip() if keyword in KEYWORDS.split("|") else None
    return f"without `=`: {found['word']} {found['value']}".rstrip()


def _whole_time(found: re.Match[str]) -> str:
    """Return a hint with a fractional time as a whole number of a smaller unit: 90m for 1.5h."""
    times, unit = {"m": (60, "s"), "h": (60, "m"), "d": (24, "h")}[found["unit"]]
    return f"a time is a whole number: {round(float(found['number']) * times)}{unit}"


def _one_unit(found: re.Match[str]) -> str:
    """Return a hint with a time of two units in the smaller unit: 210m for 3h30m."""
    seconds = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    whole = int(found["many"]) * seconds[found["large"]] + int(found["few"]) * seconds[found["small"]]
    return f"a time has one unit: {whole // seconds[found['small']]}{found['small']}"


#: What is wrong in whatever statement it stands, so that it is looked for before the slips of single statements.
BEFORE_STATEMENTS = slips(
    (r"^\* ?.*", "a list has no `*`: each value stands for itself"),
    (r"(?<!\S)(?P<many>\d+)(?P<large>[dhm])(?P<few>\d+)(?P<small>[hms])(?!\S)", _one_unit),
    (r"^={7}$", "a merge that was not finished: keep what is right, and remove its marks"),
    (r"\$(?:$|(?=[({]))", "a let is written $name; svcc knows no variables of a shell"),
    (r"(?<![\w.:])(?P<number>\d{1,4}\.\d{1,4})(?P<unit>[mhd])(?!\S)", _whole_time),
    (r"[０-９]+", "digits are ASCII: 0 to 9"),
    (rf",\s*(?:{KEYWORDS})\b", "a statement ends with its line or with `;`"),
)

#: What may be a part of a slip of a single statement, so that it is looked for after these.
AFTER_STATEMENTS = slips(
    (r"(?://|/\*|\*/|--|!).*", "a comment begins with `#`"),
    (r"^- ?.*", "a list has no `-`: each value stands for itself"),
    (
        r"(?:\*|0\.0\.0\.0):\d+",
        "svcc serves addresses, not sockets: write the address, and the port in a `port` statement",
    ),
    (r"(?P<host>[A-Za-z_][\w-]*(?:\.[\w-]+)*\.?):\d+", "svcc looks up no host names: write the address of {host}"),
    (r"(?P<word>[A-Za-z][\w-]*):(?:\s|$)", "without the colon: {word}"),
    (r"(?<!let )\b(?P<word>[\w-]+)\s*=\s*[\"']?(?P<value>[\w./:-]*)", _without_equals),
    (r"[“”‘’'](?P<word>[^“”‘’']*)[“”‘’']?", "quotes are straight and double, and only around names and paths: {word}"),
    (r"\S*[→⇒➜]\S*", "write the arrow as `->`"),
    (r"\S*[–—−]\S*", "write a plain `-`"),
)
