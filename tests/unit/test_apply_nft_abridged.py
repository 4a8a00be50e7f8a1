"""Documents without what they have in common: the same plan as of the whole ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.nft_programs import EVERYTHING, program
from support.nft_states import HERE, SCOPE, text
from support.strategies import programs_for
from svcc.apply.nft import DRIVER, affinity
from svcc.apply.nft.abridged import _KEYED, _PLAIN, abridged
from svcc.kernel.nft.delta import delta
from svcc.kernel.nft.state import NftState
from svcc.targets.nft import TARGET

_CASES = programs_for(TARGET)
_BLOCK = re.compile(r'(, \{"add": \{"element": \{[^\n]*"name": "([^"]*)"[^\n]*\n    )(.*?)(\n  \]\}\}\})', re.DOTALL)
_VALUES = ("100.64.0.77", "fd00:64::77")


def plan(old: NftState, new: NftState) -> dict[str, Any]:
    """All that comes of two states."""
    commands = [command.json() for command in delta(old, new)]
    left, come = DRIVER.gone_routes(old, new), DRIVER.gone_routes(new, old)
    served = {route.frontend for route in DRIVER.routes(old)}
    return {
        "changes": [*DRIVER.changes(old, new)],
        "commands": json.dumps(commands),
        "moves": affinity.moves(old, new),
        "steps": [(step.title, step.size) for step in DRIVER.steps(old, new, SCOPE, HERE)],
        "left": left,
        "come": {route.frontend for route in come} - served,
    }


def check(old: str, new: str) -> bool:
    """That the plan is the same; returns whether the documents were abridged."""
    pair = DRIVER.parse_differing(old, new, SCOPE)
    if pair is None:
        return False
    assert plan(*pair) == plan(DRIVER.parse(old, SCOPE), DRIVER.parse(new, SCOPE))
    return True


def whole(case: Any) -> str:
    return text(*case)


@st.composite
def edited(draw: st.DrawFn, document: str) -> str:
    """A document with one to three elements taken out, changed, or moved, each in a set that may be abridged."""
    sets = [found for found in _BLOCK.finditer(document) if _KEYED.fullmatch(found[2]) or found[2] in _PLAIN]
    changed = {found: choices for found in sets if (choices := [*_edits(found[3])])}
    assume(changed)
    for found in draw(st.lists(st.sampled_from([*changed]), min_size=1, max_size=3, unique=True)):
        document = document.replace(found[0], found[1] + draw(st.sampled_from(changed[found])) + found[4])
    return document


def _edits(block: str) -> Iterator[str]:
    """What becomes of a set's elements where one of them is edited."""
    lines = block.split("\n  , ")
    for at, line in enumerate(lines):
        for instead in ([], [_other(line)], [_other(line), line]):
            after = [*lines[:at], *instead, *lines[at + 1 :]]
            if after and after != lines and len(set(map(_key, after))) == len(after):
                yield "\n  , ".join(after)


def _key(line: str) -> str:
    element = json.loads(line)
    return json.dumps(element[0] if isinstance(element, list) else element)


def _other(line: str) -> str:
    """An element with another value, or of another key."""
    for address, value in ((r'"100\.64\.[\d.]+"', _VALUES[0]), (r'"fd00:64::\w+"', _VALUES[1])):
        line = re.sub(address + r"(?=\]$)", f'"{value}"', line)
    return re.sub(r'"comment": "[^"]*"', '"comment": "other"', line)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), _CASES)
def test_edited_elements_give_the_same_plan(data: st.DataObject, case: Any) -> None:
    document = whole(case)
    assert check(document, data.draw(edited(document)))


#: Of each service, the last part of its first endpoint's address; None: the service is not there.
_PROGRAMS = st.lists(
    st.sampled_from([None, 1, 2, 3]), max_size=3
)  # of more services, more elements differ than are told apart


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_PROGRAMS, _PROGRAMS)
def test_any_two_programs_of_the_same_shapes_give_the_same_plan(one: list[int | None], other: list[int | None]) -> None:
    assert check(_text([1, *one]), _text([1, *other]))


def _services(count: int, changed: Sequence[int] = (), more: str = "") -> str:
    return _text([2 if i in changed else 1 for i in range(count)], more)


def _text(hosts: Sequence[int | None], more: str = "") -> str:
    lines = [
        f"service s{i} {{ vip 198.19.{i}.1 fd00:19::{i + 1:x}; port 80/tcp nodeport {30000 + i}\n"
        f"  affinity client-ip 3h; endpoints {{ 100.64.{i}.{host}; 100.64.{i}.9; fd00:64::{i + 1:x} }} }}"
        for i, host in enumerate(hosts)
        if host is not None
    ]
    parsed = program("cluster { prefix LAB }\nnode n { address 10.0.0.4 fd00:10::4 }\n" + "\n".join([*lines, more]))
    return text(parsed, parsed.nodes[0])


@pytest.mark.parametrize("changed", [[0], [7], [3, 4], [19]])
def test_a_changed_endpoint_leaves_little(changed: list[int]) -> None:
    old, new = _services(20), _services(20, changed)
    pair = abridged(old, new)
    assert pair is not None
    assert all(len(short) < len(long) - 3000 for short, long in zip(pair, (old, new), strict=True))
    assert check(old, new)
    assert check(new, old)


def test_where_more_differs_nothing_is_left_out() -> None:
    old = _services(3)
    assert (
        abridged(old, _services(3, more="service r { vip 198.19.9.1; port 5-9/udp; endpoints { 100.64.9.9 } }")) is None
    )
    assert abridged(old, "") is None
    assert abridged(_services(70), _services(70, range(70))) is None
    assert abridged(old, old) is not None


def test_a_service_that_comes_or_goes_is_found() -> None:
    assert check(_services(20), _services(19))
    assert check(_services(19), _services(20))


@pytest.mark.slow
def test_everything_is_found_in_a_program_of_everything() -> None:
    parsed = program(EVERYTHING)
    document = text(parsed, parsed.nodes[0] if parsed.nodes else None)
    tried = 0
    for line in re.findall(r"\n(?:    |  , )(.*)", document):
        if _other(line) != line:
            assert check(document, document.replace(line, _other(line), 1))
            tried += 1
    assert tried > 20
