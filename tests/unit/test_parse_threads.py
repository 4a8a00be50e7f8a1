"""The library's loader and targets, used by several threads at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest

from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.interface import Bundle

T = TypeVar("T")

_THREADS, _EACH, _SERVICES = 4, 6, 60


def _names(worker: int, number: int) -> list[str]:
    return [f"s{worker}-{number}-{service:02}" for service in range(_SERVICES)]


def _text(names: list[str]) -> str:
    return "".join(
        f"service {name} {{ vip 198.19.0.{at}; port 80/tcp; endpoints {{ 100.64.0.{at} }} }}\n"
        for at, name in enumerate(names, 1)
    )


def _in_threads(work: Callable[[int], list[T]]) -> list[list[T]]:
    """Return what all threads give, each of which begins when all are there, and is interrupted all the time."""
    ready = Barrier(_THREADS)

    def begin(worker: int) -> list[T]:
        ready.wait()
        return work(worker)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns in the midst of everything
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(begin, range(_THREADS)))
    finally:
        sys.setswitchinterval(interval)


def test_every_program_has_all_its_services() -> None:
    def load(worker: int) -> list[tuple[list[str], list[str]]]:
        found = []
        for number in range(_EACH):
            names = _names(worker, number)
            loaded = load_text(Source("many.dsl", _text(names)))
            found.append((names, [one.name for one in loaded.program.services] if loaded.program else []))
        return found

    for loaded in _in_threads(load):
        assert [got for _, got in loaded] == [wanted for wanted, _ in loaded]


def test_every_text_has_its_own_errors() -> None:
    def load(worker: int) -> list[list[str]]:
        return [
            [d.message for d in load_text(Source("wrong.dsl", f"{_text(_names(worker, number))}{what}\n")).diagnostics]
            for number in range(_EACH)
            for what in (f"word{worker}-{number}", f"service s{worker}-{number} {{")
        ]

    for worker, found in enumerate(_in_threads(load)):
        assert found == [
            [message]
            for number in range(_EACH)
            for message in (
                f"no statement `word{worker}-{number}` in a file",
                f"the block of `service s{worker}-{number}` is never closed",
            )
        ]


@pytest.mark.parametrize("name", [name for name, target in targets().items() if target.loads])
def test_every_program_gets_its_own_rules(name: str) -> None:
    programs = [[load_text(Source("a.dsl", _text(_names(worker, 0)))).program] for worker in range(_THREADS)]
    target = targets()[name]

    def compile(worker: int) -> list[Bundle]:
        return [target.render(one, None) for one in programs[worker] * _EACH if one is not None]

    alone = [compile(worker)[0] for worker in range(_THREADS)]
    assert _in_threads(compile) == [[bundle] * _EACH for bundle in alone]
