"""nft's own language: what it loads is what the JSON document loads, on every release."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from support.files import GOLDEN
from support.strategies import programs_for
from support.tools import nft
from svcc.compiler import ir
from svcc.kernel.nft.reading import read_listing
from svcc.kernel.nft.state import Table
from svcc.targets import targets

pytestmark = pytest.mark.kernel

TARGET = targets()["nft"]


def tables(listing: str) -> dict[str, Table]:
    """Our tables by family, as svcc reads a listing of each alone."""
    found: dict[str, list[Any]] = {}
    for entry in json.loads(listing)["nftables"]:
        ((kind, fields),) = entry.items()
        if kind != "metainfo":
            found.setdefault(fields["family"], []).append(entry)
    return {family: read_listing(json.dumps({"nftables": entries})) for family, entries in found.items()}


@pytest.mark.parametrize("release", nft.RELEASES)
@pytest.mark.parametrize("name", sorted(path.name for path in (GOLDEN / "nft").iterdir()))
def test_a_golden_file_loads_to_what_its_document_loads(name: str, release: str) -> None:
    document, text = ((GOLDEN / "nft" / name / file).read_text() for file in ("nft.json", "nft.nft"))
    loaded = nft.listing(release, document, json=True)
    assert tables(loaded) != {}
    assert tables(nft.listing(release, text, json=False)) == tables(loaded)


@settings(max_examples=20)
@given(programs_for(TARGET))
def test_any_program_loads_to_what_its_document_loads(case: tuple[ir.Program, ir.Node | None]) -> None:
    bundle = TARGET.render(*case)
    loaded = nft.listing("installed", bundle.parts["nft"], json=True)
    text = TARGET.in_syntax(bundle, "nft").parts["nft"]
    assert tables(nft.listing("installed", text, json=False)) == tables(loaded)
