"""The kernel's own copy of legacy tables: it is the same as long as what iptables-save prints is, but for counters."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.xtables_machine import load, load_others, make_sets, must, namespace
from svcc.kernel.xtables import kernels_copy
from svcc.kernel.xtables.kernels_copy import look

pytestmark = pytest.mark.kernel

_FAMILIES = pytest.mark.parametrize("family", ["iptables", "ip6tables"])
_RULES = (
    "-j RETURN",
    "-j DROP",
    "-j B",
    "-g B",
    "-o lo -j ACCEPT",
    "-p tcp -m tcp --dport 80 -j RETURN",
    "-p tcp -m tcp --dport 81 -j RETURN",
    "-m comment --comment one",
    "-m statistic --mode nth --every 3 --packet 0 -j RETURN",
    "-m statistic --mode random --probability 0.5 -j RETURN",
    "-m limit --limit 1/sec -j RETURN",
    "-m recent --set --name ONE",
    "-m hashlimit --hashlimit-upto 5/sec --hashlimit-name one -j RETURN",
    "-m conntrack --ctstate NEW -j RETURN",
    '-m bpf --bytecode "1,6 0 0 65535" -j RETURN',
)
_TABLES = st.tuples(
    st.sampled_from(["ACCEPT", "DROP"]),
    *[st.lists(st.sampled_from(_RULES), max_size=3)] * 2,
    st.sampled_from(["filter", "raw"]),
)


def _listed(family: str) -> str:
    saved = must(f"{family}-legacy-save")
    return re.sub(r" \[\d+:\d+\]$|^#.*\n", "", saved, flags=re.MULTILINE)


def _script(policy: str, input_rules: Sequence[str], rules: Sequence[str], table: str) -> str:
    lines = [f"*{table}", f":OUTPUT {policy} [0:0]", ":A - [0:0]", ":B - [0:0]"]
    lines += [f"-A OUTPUT {rule}" for rule in input_rules] + [f"-A A {rule}" for rule in rules]
    return "\n".join([*lines, "COMMIT", ""])


@_FAMILIES
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripts=st.lists(_TABLES, min_size=2, max_size=4))
def test_it_changes_exactly_when_the_listing_does(family: str, scripts: list[tuple[Any, ...]]) -> None:
    with namespace():
        seen: list[tuple[str, str]] = []
        for script in scripts:
            must(f"{family}-legacy-restore -w", _script(*script))  # without --noflush: it writes a table anew
            seen.append((_listed(family), look(family)))
    assert all(copy for _, copy in seen)
    assert all((one[0] == other[0]) == (one[1] == other[1]) for one in seen for other in seen)


@_FAMILIES
def test_other_programs_rules_are_seen_and_counters_are_not(family: str) -> None:
    with namespace() as made:
        assert look(family) == look(family)
        load_others(family, "legacy", "CUSTOM")
        load(family, "legacy", "*filter\n-A OUTPUT -m statistic --mode nth --every 3 --packet 0\nCOMMIT\n")
        before, counted = look(family), must(f"{family}-legacy-save -c")
        made.bring_loopback_up()
        kind, address = (socket.AF_INET, "127.0.0.1") if family == "iptables" else (socket.AF_INET6, "::1")
        with socket.socket(kind, socket.SOCK_DGRAM) as client:
            client.sendto(b"counted", (address, 9))
        assert must(f"{family}-legacy-save -c") != counted
        assert before == look(family) != ""
        load_others(family, "legacy", "CUSTOM", in_front=True)
        assert before != look(family) != ""


@_FAMILIES
def test_nothing_is_told_where_rules_have_sets_by_their_numbers(family: str) -> None:
    text = "*filter\n-A INPUT -m set --match-set one src -j DROP\nCOMMIT\n"
    with namespace():
        make_sets(family, text)
        load(family, "legacy", text)
        assert look(family) == ""


def test_nothing_is_told_to_somebody_who_may_not_see_rules() -> None:
    with namespace():
        load("iptables", "legacy", "*filter\nCOMMIT\n")
        try:
            os.seteuid(65534)
            assert look("iptables") == ""
        finally:
            os.seteuid(0)
        assert look("iptables") != ""


_Alter: TypeAlias = Callable[[Any], int]
_FIRST = 40 + 90  # where next_offset of the first entry is


def _short(_data: Any) -> int:
    return 8


def _without_end(data: Any) -> int:
    data[len(data) - 300 : len(data)] = bytes(300)
    return 0


def _beyond_the_end(data: Any) -> int:
    data[_FIRST : _FIRST + 2] = b"\xff\xff"
    return 0


def _two_in_one(data: Any) -> int:
    (first,) = struct.unpack_from("=H", data, _FIRST)
    (second,) = struct.unpack_from("=H", data, _FIRST + first)
    data[_FIRST : _FIRST + 2] = struct.pack("=H", first + second)
    return 0


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[_Alter], None]:
    """Have the kernel's entries altered, by a function that gives the bytes by which the answer is shorter."""
    real = ctypes.CDLL(None, use_errno=True)

    class _Altered:
        def __init__(self, alter: _Alter) -> None:
            self._alter = alter

        def getsockopt(self, handle: int, level: int, option: int, data: Any, length: Any) -> int:
            done = int(real.getsockopt(handle, level, option, data, length))
            if option == kernels_copy._GET_ENTRIES and not done:
                length._obj.value -= self._alter(data)
            return done

    return lambda alter: monkeypatch.setattr(kernels_copy, "_libc", _Altered(alter))


@pytest.mark.parametrize("alter", [_short, _without_end, _beyond_the_end, _two_in_one])
def test_an_answer_that_cannot_be_is_none(alter: _Alter, answer: Callable[[_Alter], None]) -> None:
    with namespace():
        load("iptables", "legacy", "*filter\n-A INPUT -j DROP\n-A INPUT -j ACCEPT\nCOMMIT\n")
        assert look("iptables") != ""
        answer(alter)
        assert look("iptables") == ""
