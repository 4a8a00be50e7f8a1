"""Prints verdicts for machines: as JSON, and as JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from svcc.verify.judge import Verdict
from svcc.verify.packet import Forwarded


def as_json(verdicts: Sequence[Verdict], target: str) -> dict[str, Any]:
    """Return the document of ``svcc verify --format json``, as ``verify.schema.json`` describes it."""
    return {
        "target": target,
        "passed": sum(verdict.passed for verdict in verdicts),
        "failed": sum(not verdict.passed for verdict in verdicts),
        "cases": [_case_to_json(verdict) for verdict in verdicts],
    }


def _case_to_json(verdict: Verdict) -> dict[str, Any]:
    case, expected = verdict.case, verdict.case.expected
    return {
        "frontend": case.frontend,
        "from": case.where,
        "vantage": case.vantage,
        "expected": [
            {
                "endpoint": str(c.address),
                "port": c.port,
                "share": float(c.share),
                "masquerade": c.masquerade,
                "sources": [*map(str, c.sources)],
            }
            for c in expected.choices
        ]
        if isinstance(expected, Forwarded)
        else expected.value,
        "affinity": expected.affinity if isinstance(expected, Forwarded) else None,
        "seen": verdict.counts,
        "p": verdict.p,
        "deviation": verdict.deviation or None,
    }


def as_junit(verdicts: Sequence[Verdict], suite: str) -> str:
    """Return the XML that CI systems read: a test case for each verdict."""
    failures = sum(not verdict.passed for verdict in verdicts)
    root = ET.Element("testsuite", name=suite, tests=str(len(verdicts)), failures=str(failures))
    for verdict in verdicts:
        name = f"{verdict.case.frontend} from {verdict.case.vantage} ({verdict.case.where})"
        case = ET.SubElement(root, "testcase", classname=suite, name=name)
        if not verdict.passed:
            seen = ", ".join(f"{who} {number}" for who, number in verdict.counts.items())
            ET.SubElement(case, "failure", message=verdict.deviation).text = f"seen: {seen}"
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
