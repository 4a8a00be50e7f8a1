"""``import svcc``: programs, bundles and plans as data."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import svcc
from support.files import EXAMPLES
from support.tools.project import ROOT
from svcc.apply import wanted
from svcc.apply.plan import Plan, basis_of
from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.steps import Change, FrontendAddress, Verb
from svcc.targets import targets

TEXT = "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1; 100.64.0.2 } }\n"


@pytest.fixture
def program(tmp_path: Path) -> ir.Program:
    (tmp_path / "svc.dsl").write_text(TEXT)
    return svcc.load(tmp_path / "svc.dsl")


def test_every_public_name_is_there() -> None:
    assert [name for name in svcc.__all__ if not hasattr(svcc, name)] == []
    assert set(svcc.__all__) <= set(dir(svcc))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = svcc.lod  # type: ignore[attr-defined]


def test_errors_are_of_one_tree() -> None:
    raised = ("Broken", "InputError", "InvalidPlan", "Kept", "Locked", "Outdated", "Refused", "Restored", "StoreError")
    assert [name for name in (*raised, "ToolFailed") if not issubclass(getattr(svcc, name), svcc.SvccError)] == []


def test_the_name_alone_imports_next_to_nothing() -> None:
    script = "import sys, svcc; print([name for name in sys.modules if name.startswith('svcc.')])"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_program_that_is_wrong_says_where(tmp_path: Path) -> None:
    file = tmp_path / "svc.dsl"
    file.write_text(TEXT.replace("vip", "vipp"))
    with pytest.raises(svcc.InputError) as caught:
        svcc.load(str(file))
    (found,) = [one for one in caught.value.diagnostics if one.code is Code.UNKNOWN_STATEMENT]
    assert found.span is not None
    assert found.span.source.position(found.span.start) == (1, 15)
    with pytest.raises(svcc.InputError, match="cannot read"):
        svcc.load(tmp_path / "none.dsl")


@pytest.mark.parametrize("target", sorted(targets()))
def test_a_bundle_is_what_the_command_prints(target: str) -> None:
    file = next(path for path in EXAMPLES if path.name == "custom-cluster.dsl")
    program = svcc.load(file)
    bundle = svcc.compile(program, target, program.nodes[0].name)
    words = ["compile", str(file), "-t", target, "-n", program.nodes[0].name]
    done = subprocess.run([sys.executable, "-P", "-m", "svcc", *words], capture_output=True, text=True, check=True)
    assert str(bundle) == done.stdout
    assert all(text and done.stdout.count(text) == 1 for text in bundle.parts.values())


def test_a_program_that_a_target_cannot_express(program: ir.Program) -> None:
    with pytest.raises(svcc.InputError) as caught:
        svcc.compile(program, "nft", node="elsewhere")
    assert [one.code for one in caught.value.diagnostics] == [Code.UNDEFINED]
    with pytest.raises(ValueError, match="there is no target nftables; there are"):
        svcc.compile(program, "nftables")


# -- plans ------------------------------------------------------------------------------------------------------------

CHANGES = (
    Change(
        Verb.ADD,
        "nft",
        "element",
        "endpoint-0 {198.19.0.1 . tcp . 80}",
        frontend=FrontendAddress("198.19.0.1", "tcp", 80),
    ),
    Change(Verb.CHANGE, "sysctl", "key", "net.ipv4.ip_forward", "0", "1", label="web"),
    Change(Verb.REMOVE, "nft", "chain", "x", frontend=FrontendAddress(None, "udp", 53)),
)


def _plan(program: ir.Program, *, bundle: bool = False) -> Plan:
    found = wanted.from_program(program, targets()["nft"], None, "svc.dsl")
    found = wanted.from_bundle(found.bundle, "rules") if bundle else found
    return Plan(found, 7, CHANGES, basis_of(7, CHANGES))


@pytest.mark.parametrize("bundle", [False, True])
def test_a_saved_plan_is_the_same_plan(program: ir.Program, bundle: bool) -> None:
    plan = _plan(program, bundle=bundle)
    document = json.loads(json.dumps(plan.to_json()))
    again = Plan.from_json(document)
    assert again.to_json() == plan.to_json()
    assert (again.changes, again.basis, again.wanted.bundle) == (plan.changes, plan.basis, plan.wanted.bundle)
    schema = json.loads((ROOT / "apply" / "saved_plan.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert [*Draft202012Validator(schema).iter_errors(document)] == []


def test_the_basis_tells_states_apart() -> None:
    found = {basis_of(7, CHANGES), basis_of(None, CHANGES), basis_of(7, CHANGES[:2]), basis_of(7, ())}
    assert len(found) == 4


@cache
def _saved(bundle: bool) -> dict[str, Any]:
    program = load_text(Source("svc.dsl", TEXT)).program
    assert program is not None
    found: dict[str, Any] = json.loads(json.dumps(_plan(program, bundle=bundle).to_json()))
    return found


def _members(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(one for key, value in inner for one in _members(value, (*path, key)))]


def test_a_number_that_json_writes_with_a_point_is_whole_to_a_plan_also() -> None:
    document = _saved(bundle=False) | {"generation": 7.0}
    first, *others = document["changes"]
    first = first | {"place": {"address": "198.19.10.1", "protocol": "tcp", "port": 80.0}}
    found = Plan.from_json(document | {"changes": [first, *others]})
    assert repr((found.generation, found.changes[0].frontend)) == repr((7, FrontendAddress("198.19.10.1", "tcp", 80)))
    with pytest.raises(svcc.InvalidPlan, match="generation"):
        Plan.from_json(document | {"generation": 7.5})


def test_a_plan_that_shows_other_changes_than_it_makes_is_refused() -> None:
    document = _saved(bundle=False)
    planned: list[object] = document["changes"]
    for changes in (planned[:0], planned[1:], planned * 2):
        with pytest.raises(svcc.InvalidPlan, match="its changes are others"):
            Plan.from_json(document | {"changes": changes})


@given(st.data(), st.booleans())
def test_a_plan_that_somebody_altered_is_refused_or_a_plan(data: st.DataObject, bundle: bool) -> None:
    """Whatever it holds, it is a plan of svcc's own rules, or an error of svcc's own tree."""
    document = _saved(bundle)
    changed = copy.deepcopy(document)
    *way, last = data.draw(st.sampled_from(_members(document)[1:]))
    holder = changed
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just([]) | st.just({}) | st.floats()
    )
    try:
        found = Plan.from_json(changed)
    except svcc.SvccError:
        return
    target = targets()[found.wanted.bundle.target]
    assert wanted.from_bundle(found.wanted.bundle).bundle.artifacts == found.wanted.bundle.artifacts
    assert target.loads
    assert found.basis == basis_of(found.generation, found.changes)
