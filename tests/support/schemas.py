"""The JSON Schemas of what commands print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from support.tools.project import ROOT

SCHEMAS = {path.name.removesuffix(".schema.json"): path for path in sorted((ROOT / "svcc").glob("*.schema.json"))}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def follows(name: str, text: str) -> Any:
    """Return what a command printed, after a check that it follows its schema."""
    document = json.loads(text)
    Draft202012Validator(read(SCHEMAS[name])).validate(document)
    return document
