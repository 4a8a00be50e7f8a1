"""What the kernel holds after nft loaded a document of the nft target: all of it, wherever it should be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from support.nft_programs import EVERYTHING, Table, program, render, tables
from support.strategies import programs_for
from support.tools import nft
from svcc.compiler import ir
from svcc.targets.nft import TARGET
from svcc.targets.nft.limits import KEYWORDS

pytestmark = pytest.mark.kernel

_TEXT = render(program(EVERYTHING), "one")


def listed(release: str, *texts: str) -> dict[str, Any]:
    """``nft -j list ruleset`` after texts were loaded one after the other, in a namespace of their own."""
    words = nft.nft(release)
    script = 'for text; do printf "%s" "$text" | "${nft[@]}" -j -f - || exit 1; done; "${nft[@]}" -j list ruleset'
    quoted = " ".join(f"'{word}'" for word in words)
    command = ["unshare", "-n", "bash", "-c", f"nft=({quoted}); {script}", "bash", *texts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def held(ruleset: dict[str, Any]) -> dict[str, Table]:
    """A ruleset's tables by family."""
    found: dict[str, Table] = {}
    for entry in ruleset["nftables"]:
        ((kind, fields),) = entry.items()
        if kind == "table":
            assert fields["name"] == "lab"
            found[fields["family"]] = Table()
            continue
        if kind == "metainfo":
            continue
        table = found[fields["family"]]
        if kind == "chain":
            table.chains[fields["name"]] = {k: fields[k] for k in ("type", "hook", "prio", "policy") if k in fields}
        elif kind == "rule":
            table.rules.setdefault(fields["chain"], []).append(fields["expr"])
        else:
            table.sets[fields["name"]] = fields
            table.elements[fields["name"]] = fields.get("elem", [])
    return found


@pytest.mark.parametrize("release", nft.RELEASES)
def test_everything_is_held(release: str) -> None:
    rendered, kernel = tables(_TEXT), held(listed(release, _TEXT))
    assert kernel.keys() == rendered.keys()
    for family, wanted in rendered.items():
        got = kernel[family]
        assert got.chains == wanted.chains
        assert {c: len(r) for c, r in got.rules.items()} == {c: len(r) for c, r in wanted.rules.items()}
        assert {s: len(e) for s, e in got.elements.items() if e} == {s: len(e) for s, e in wanted.elements.items()}
        assert set(got.sets) == set(wanted.sets)
        for name, fields in wanted.sets.items():
            assert (got.sets[name]["type"], got.sets[name].get("map")) == (fields["type"], fields.get("map"))
            assert set(_listed(fields.get("flags"))) <= set(_listed(got.sets[name].get("flags")))


def _listed(flags: Any) -> list[str]:
    return flags if isinstance(flags, list) else [flags] if flags else []


@pytest.mark.parametrize("release", nft.RELEASES)
def test_every_base_chain_is_at_its_hook(release: str) -> None:
    base = {
        "nat-prerouting": ("nat", "prerouting", -100),
        "nat-output": ("nat", "output", -100),
        "nat-postrouting": ("nat", "postrouting", 100),
        "nat-input": ("nat", "input", 100),
        "filter-prerouting": ("filter", "prerouting", -90),
        "filter-output": ("filter", "output", -90),
    }
    found = {
        family: {chain: (at["type"], at["hook"], at["prio"]) for chain, at in table.chains.items() if at}
        for family, table in held(listed(release, _TEXT)).items()
    }
    assert found == {"ip": base, "ip6": base}


@pytest.mark.parametrize("release", nft.RELEASES)
def test_loading_twice_is_loading_once(release: str) -> None:
    assert _without_handles(listed(release, _TEXT, _TEXT)) == _without_handles(listed(release, _TEXT))


def test_a_document_replaces_all_of_another() -> None:
    other = render(
        program("cluster { prefix LAB }\nservice x { vip fd00:19::1; port 9/udp; endpoints { fd00:64::1 } }")
    )
    assert _without_handles(listed("installed", _TEXT, other)) == _without_handles(listed("installed", other))
    nothing = render(program("cluster { prefix LAB }"))
    assert held(listed("installed", _TEXT, nothing)) == {}


def _without_handles(ruleset: dict[str, Any]) -> list[str]:
    """A ruleset as sorted lines: elements come in the order of a hash with a new seed each time."""
    return sorted(json.dumps(part) for entry in ruleset["nftables"] for part in _plain(entry))


def _plain(entry: dict[str, Any]) -> Iterator[Any]:
    ((kind, fields),) = entry.items()
    fields.pop("handle", None)
    elements = fields.pop("elem", [])
    yield kind, fields
    yield from ((kind, fields.get("name"), element) for element in elements)


@given(programs_for(TARGET))
def test_every_program_loads(case: tuple[ir.Program, ir.Node | None]) -> None:
    assert nft.check_json(TARGET.render(*case).artifacts[0].text) == ""


def test_no_keyword_can_name_a_table() -> None:
    """What some release does not read as the name of a table; and a name that all of them do."""

    def taken(release: str, word: str) -> bool:
        return nft.run(release, "-c", "-f", "-", text=f"add table ip {word}\n").returncode == 0

    assert [word for word in sorted(KEYWORDS) if taken("sid", word) and taken("installed", word)] == []
    assert all(taken(release, "svcc") for release in nft.RELEASES)
