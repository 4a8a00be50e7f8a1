"""The check of a member that registers itself: how it is written, and when it passes."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.etcd import run
from svcc.agent.probe import Answer
from svcc.fleet.passing import Passing, probe
from svcc.fleet.registering import MemberEndpoint

_FORM = "it is what stands behind `check` in a service: http 8081 /healthz every 5s fall 3 rise 2"
_KINDS = "`tcp`, `http`, `https`, `dns`, `udp` or `none`"


@pytest.mark.parametrize(
    ("endpoint", "words", "asked"),
    [
        ("100.64.0.9:8080", "http /healthz every 2s timeout 1s", "http 100.64.0.9:8080"),
        ("100.64.0.9:8080", "tcp 9000", "tcp 100.64.0.9:9000"),
        ("100.64.0.9", "dns 53", "dns 100.64.0.9:53"),
        ("[fd00::1]:80", "tcp", "tcp [fd00::1]:80"),
        ("198.18.0.1:80", "udp", "udp 198.18.0.1:80"),
        ("2001:db8::1", "tcp 80", "tcp [2001:db8::1]:80"),
        ("fd00::1:80", "tcp 8080", "tcp [fd00::1:80]:8080"),
        ("100.64.0.9", "none", "None"),
        ("100.64.0.9:8080", " none ", "None"),
    ],
)
def test_what_is_asked(endpoint: str, words: str, asked: str) -> None:
    assert str(probe(MemberEndpoint.parse(endpoint), words)) == asked


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("tcp", "it needs a port, as 100.64.0.9 has none: tcp 8080"),
        ("  tcp", "it needs a port, as 100.64.0.9 has none: tcp 8080"),
        ("htp 80", f"`htp` is no check: did you mean `http`? (it is {_KINDS})"),
        ("tcp 80; vip 198.18.0.7", _FORM),
        ("tcp 80 every 1s", "a check every 1s cannot wait 2s for an answer: let `timeout` be at most `every`"),
        ("none every 5s", "`check none` has no options"),
        ("", f"expected a name, but the statement ends: `check` is {_KINDS}"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(words: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        probe(MemberEndpoint.parse("100.64.0.9"), words)


@given(answers=st.lists(st.booleans(), min_size=1, max_size=30), fall=st.integers(1, 4), rise=st.integers(1, 4))
def test_it_falls_and_rises_as_endpoints_do(answers: list[bool], fall: int, rise: int) -> None:
    async def test() -> None:
        said: list[str] = []
        asked = probe(MemberEndpoint.parse("100.64.0.9:80"), f"tcp fall {fall} rise {rise}")
        assert asked is not None
        passing, seen = Passing(asked, said.append), [False]
        for number, passed in enumerate(answers):
            passing.hear(asked, Answer(passed, "words", 0.0))
            async with asyncio.timeout(60):
                up = (
                    seen[-1] if _last(answers[: number + 1], not seen[-1]) < _needed(seen, fall, rise) else not seen[-1]
                )
                await passing.until(up=up)
            seen.append(up)
        changes = sum(one != other for one, other in pairwise(seen))
        assert len(said) == changes + (not answers[0])

    run(test())


def _needed(seen: list[bool], fall: int, rise: int) -> int:
    """So many answers in a row change how it stands; the first that passes is enough."""
    return fall if seen[-1] else rise if True in seen else 1


def _last(answers: list[bool], wanted: bool) -> int:
    """How many of the last answers are these."""
    return next((n for n, one in enumerate(reversed(answers)) if one is not wanted), len(answers))
