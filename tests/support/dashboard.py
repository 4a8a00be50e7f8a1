"""The queries of a dashboard for Prometheus, compared with the metrics that an agent serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

#: Labels that Prometheus adds to each metric that it fetches.
_ADDED = frozenset({"instance", "job"})
#: A metric of svcc's with its selectors, as in ``svcc_endpoints{state="down"}``.
_SELECTED = re.compile(r"\b(svcc_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_VALUES = re.compile(r"label_values\((svcc_\w+), (\w+)\)")


def queries(dashboard: Path) -> list[str]:
    """Return all queries, including those of variables."""
    document = json.loads(dashboard.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in document["panels"] for target in panel["targets"]]
    return asked + [one["definition"] for one in document["templating"]["list"] if one["type"] == "query"]


def lacking(query: str, metrics: str) -> list[str]:
    """Return the names, labels and values of labels in a query that the metrics do not have."""
    return [*_lacking(query, _served(metrics))]


def _served(metrics: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def _lacking(query: str, served: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    labels = set(_ADDED)
    for name, selectors in _SELECTED.findall(query):
        samples = served.get(name, [])
        if not samples:
            yield name
        own = {label for sample in samples for label in sample} | _ADDED
        labels |= own
        for label, how, value in _MATCHER.findall(selectors):
            if label not in own:
                yield f"{name}{{{label}}}"
            elif how == "=" and all(sample.get(label) != value for sample in samples):
                yield f'{name}{{{label}="{value}"}}'
    wanted = [label for group in _GROUPED.findall(query) for label in group.split(", ")]
    wanted += [label for _, label in _VALUES.findall(query)]
    yield from (f"by {label}" for label in wanted if label not in labels)
