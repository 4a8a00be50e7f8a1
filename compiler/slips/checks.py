"""Slips in the statement `check`: its kind, port, path, times and statuses."""

from __future__ import annotations

import re

from svcc.compiler.slips.slip import slips
from svcc.compiler.suggest import did_you_mean

#: Keywords that may follow ``check KIND``.
CHECK_OPTIONS = ("every", "timeout", "fall", "rise", "expect", "host", "insecure")

#: Statements that begin with `check`, and what only these have.
SLIPS = slips(
    (
        r"^check\s+(?P<kind>https?)\s+(?P<path>/\S*)\s+(?P<port>80|443|\d{4,5})$",
        "the port comes first: check {kind} {port} {path}",
    ),
    (
        r"\bhost\s+(?P<host>[\w.-]+:\d+|\[[\da-fA-F:]+\](?::\d+)?|\d[\w.-]*[a-z][\w.-]*)",
        'such a host is quoted: host "{host}"',
    ),
    (r"\bhost$", "write: host shop.example"),
    (r"^check\s+dns\s+(?:\d+\s+)?(?P<name>\d[\w.-]*[a-z][\w.-]*)", 'such a name is quoted: check dns "{name}"'),
    (r"\bevery\s+(?P<number>\d*\.\d+)s", lambda m: f"a time is a whole number: {round(float(m['number']) * 1000)}ms"),
    (r"\bexpect\s+(?P<class>[1-5])(?:[xX]{2}|\*{1,2}|00-$)", "a range is written with `-`: expect {class}00-{class}99"),
    (
        r"\bexpect\s+(?P<first>[1-5]\d\d)\s*,?\s*(?P<last>[1-5]\d\d)\b",
        "it is one status, or a range: expect {first}-{last}",
    ),
    (
        r"^check\s+https?://[^/\s]*?(?::(?P<port>\d+))?(?P<path>/\S*)?$",
        lambda m: f"endpoints are asked each: check http {m['port'] or 80} {m['path'] or '/'}",
    ),
    (r"^check\s+(?P<path>/\S*)", "write how it is asked: check http {path}"),
    (r"^check\s+(?P<port>\d+)$", "write how it is asked: check tcp {port}"),
    (r"^check\s+every\s+(?P<time>\S+)", "write how it is asked: check tcp every {time}"),
    (r"^check\s+(?P<kind>https?)\s+:(?P<port>\d+)(?P<path>/\S*)", "write: check {kind} {port} {path}"),
    (r"^check\s+(?P<kind>\w+)\s+:(?P<port>\d+)", "write: check {kind} {port}"),
    (r"^check\s+(?P<kind>https?)\s+(?P<port>\d+)(?P<path>/\S*)", "write: check {kind} {port} {path}"),
    (r"^check\s+(?P<kind>\w+)\s+port\s+(?P<port>\d+)(?P<rest>.*)", "write: check {kind} {port}{rest}"),
    (r"^check\s+(?P<kind>https?)\s+(?:\d+\s+)?(?:path|url|uri)\s+(?P<path>/\S*)", "write: check {kind} {path}"),
    (r"^check\s.*/\S*\s+(?:(?:status|code)\s+)?(?P<status>[1-5]\d\d)$", "the word is `expect`: expect {status}"),
    (
        r"^check\s+(?P<kind>\w+)\s+(?:\d+\s+)?(?P<time>\d+(?:ms|s|m))\b",
        "the word is `every`: check {kind} every {time}",
    ),
    (r"\b(?:every|timeout)\s+(?P<number>\d+)\s+(?P<unit>[smhd])[a-z]*", "no blank before the unit: {number}{unit}"),
    (r"\b(?:client-ip|every|timeout)\s+(?P<number>\d+)$", "a time has a unit, s, m, h or d: {number}s"),
    (
        r"^check\s+(?P<kind>\w+)\s+(?:\d+\s+)?(?:inter|interval)\s+(?P<time>\S+)",
        "the word is `every`: check {kind} every {time}",
    ),
    (
        r"^check\s+(?P<kind>https?)\s+(?:GET|HEAD|OPTIONS)\s+(?P<path>\S+)",
        "a check asks by GET alone: check {kind} {path}",
    ),
    (r"^check\s.*,.*", lambda m: f"without commas: {re.sub(r' *, *', ' ', m.string)}"),
    (r"\bexpect\s+\S+", "a status is a number: expect 200, or expect 200-399"),
    (
        rf"^check\s+\w+(?:\s+\d+)?\s+(?P<word>(?!(?:{'|'.join(CHECK_OPTIONS)})\b)[A-Za-z_-]+)\s+\d\S*",
        lambda m: did_you_mean(m["word"], CHECK_OPTIONS) or f"`{m['word']}` is not an option of a check",
    ),
)
