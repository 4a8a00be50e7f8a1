"""What a text means: the program that it was printed from, however it is written."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from support.dsl_printer import Files, program_text, spellings, write_files
from support.soundness import assert_sound
from support.strategies import programs, programs_for
from svcc.compiler import ir
from svcc.compiler.diagnostic import Severity
from svcc.compiler.features import Feature, uses
from svcc.compiler.load import Loaded, load, load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.interface import Target

_BIG = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)


def program_of(loaded: Loaded) -> ir.Program:
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program


def load_files(files: Files) -> Loaded:
    with TemporaryDirectory() as folder:
        return load(str(write_files(files, Path(folder))))


@st.composite
def spelled_programs(draw: st.DrawFn) -> tuple[ir.Program, Files]:
    program = draw(programs())
    return program, draw(spellings(program))


@_BIG
@given(programs())
def test_a_plain_text_means_the_program_that_it_was_printed_from(program: ir.Program) -> None:
    text = program_text(program)
    assert program_of(load_text(Source("main.dsl", text))) == program, text


@_BIG
@given(programs(min_services=1))
def test_every_target_takes_a_program_or_says_why_not(program: ir.Program) -> None:
    """For every node, and for none."""
    assert_sound(load_text(Source("main.dsl", program_text(program))))


@_BIG
@given(spelled_programs())
def test_however_it_is_written_it_means_the_same(case: tuple[ir.Program, Files]) -> None:
    program, files = case
    loaded = load_files(files)
    assert program_of(loaded) == program
    unused = [d for d in loaded.diagnostics if d.severity is Severity.ERROR or "never used" in d.message]
    assert unused == []


@_BIG
@given(programs(min_services=2), st.randoms(use_true_random=False))
def test_neither_order_nor_file_of_a_service_matters(program: ir.Program, random: object) -> None:
    """The same statements in any order and in any file: the same program, so the same output to the last byte."""
    whole = program_text(program)
    assert program_of(load_text(Source("main.dsl", whole))) == program
    items = _items(whole)
    random.shuffle(items)  # type: ignore[attr-defined]
    assert program_of(load_text(Source("main.dsl", "".join(items)))) == program
    half = len(items) // 2
    files = {"main.dsl": 'include "more.dsl"\n' + "".join(items[:half]), "more.dsl": "".join(items[half:])}
    assert program_of(load_files(files)) == program


def _items(text: str) -> list[str]:
    """A plain text's blocks: each ends with a brace at the beginning of a line."""
    return [f"{block}\n}}\n" for block in text.split("\n}\n") if block]


# ---- the strategies themselves


@_BIG
@given(st.data(), st.sets(st.sampled_from(Feature)))
def test_programs_use_no_feature_but_those_asked_for(data: st.DataObject, features: set[Feature]) -> None:
    allowed = features | {Feature.VIP}
    program = data.draw(programs(allowed))
    assert {use.feature for use in uses(program)} <= allowed


@pytest.mark.parametrize("feature", Feature, ids=lambda feature: feature.name)
def test_every_feature_is_drawn(feature: Feature) -> None:
    needed = {Feature.SCHEDULER_SH_BY_PORT: Feature.SCHEDULER_SH, Feature.SCHEDULER_MH_BY_PORT: Feature.SCHEDULER_MH}
    others = {Feature.VIP, Feature.NODE_PORT, Feature.PORT_RANGE, needed.get(feature, Feature.AFFINITY)}
    few = programs({*others, feature})
    quick = settings(
        max_examples=300,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    find(few, lambda program: any(use.feature is feature for use in uses(program)), settings=quick)


@pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
def test_programs_are_drawn_that_a_target_takes(target: Target) -> None:
    """Few enough are thrown away that hypothesis does not complain."""

    @settings(max_examples=50)
    @given(programs_for(target))
    def check(case: tuple[ir.Program, ir.Node | None]) -> None:
        program, node = case
        target.render(program, node)

    check()
