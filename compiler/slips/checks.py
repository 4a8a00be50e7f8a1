"""Slips in the statement `check`: its kind, port, path, times and statuses."""

from __future__ import annotations

from svcc.compiler.slips.check_statement import meant
from svcc.compiler.slips.slip import slips
from svcc.compiler.suggest import did_you_mean

#: Keywords that may follow ``check KIND``.
CHECK_OPTIONS = ("every", "timeout", "fall", "rise", "expect", "host", "insecure")

#: Whole statements whose pieces are all understood, so that the whole check can be proposed.
WHOLE = slips((r"^check\s+(?P<rest>\S.*)", meant))

#: What only statements have that begin with `check`.
SLIPS = slips(
    (
        r"\bhost\s+(?P<host>[\w.-]+:\d+|\[[\da-fA-F:]+\](?::\d+)?|\d[\w.-]*[a-z][\w.-]*)",
        'such a host is quoted: host "{host}"',
    ),
    (r"\bhost$", "write: host shop.example"),
    (r"\bevery\s+(?P<number>\d*\.\d+)s", lambda m: f"a time is a whole number: {round(float(m['number']) * 1000)}ms"),
    (r"\bexpect\s+(?P<class>[1-5])(?:[xX]{2}|\*{1,2}|00-$)", "a range is written with `-`: expect {class}00-{class}99"),
    (
        r"\bexpect\s+(?P<first>[1-5]\d\d)\s*,?\s*(?P<last>[1-5]\d\d)\b",
        "it is one status, or a range: expect {first}-{last}",
    ),
    (r"\b(?:every|timeout)\s+(?P<number>\d+)\s+(?:ms|milli)[a-z]*", "no blank before the unit: {number}ms"),
    (r"\b(?:every|timeout)\s+(?P<number>\d+)\s+(?P<unit>[smhd])[a-z]*", "no blank before the unit: {number}{unit}"),
    (r"\b(?:client-ip|every|timeout)\s+(?P<number>\d+)$", "a time has a unit, s, m, h or d: {number}s"),
    (r"^check\s.*,.*", "a check has no commas"),
    (r"^check\s+\w+\s+\d+\s+\d+$", "a check asks one port"),
    (r"^check\s.*\$.*", "a let holds addresses and networks, and no port or path"),
    (r"^check\s.*?://\S*", "a check has a kind, a port and a path, each by itself, and no URL"),
    (r"\bexpect\s+\S+", "a status is a number: expect 200, or expect 200-399"),
    (
        rf"^check\s+\w+(?:\s+\d+)?\s+(?P<word>(?!(?:{'|'.join(CHECK_OPTIONS)})\b)[A-Za-z_-]+)\s+\d\S*",
        lambda m: did_you_mean(m["word"], CHECK_OPTIONS) or f"`{m['word']}` is not an option of a check",
    ),
)
