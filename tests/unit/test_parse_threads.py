"""The library's loader, used by several threads at once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from svcc.compiler.load import load_text
from svcc.compiler.source import Source

_THREADS, _EACH, _SERVICES = 4, 6, 60


def _names(worker: int, number: int) -> list[str]:
    return [f"s{worker}-{number}-{service:02}" for service in range(_SERVICES)]


def test_every_program_has_all_its_services() -> None:
    ready = Barrier(_THREADS)

    def load(worker: int) -> list[tuple[list[str], list[str]]]:
        ready.wait()
        found = []
        for number in range(_EACH):
            names = _names(worker, number)
            text = "".join(
                f"service {name} {{ vip 198.19.0.{at}; port 80/tcp; endpoints {{ 100.64.0.{at} }} }}\n"
                for at, name in enumerate(names, 1)
            )
            loaded = load_text(Source("many.dsl", text))
            found.append((names, [one.name for one in loaded.program.services] if loaded.program else []))
        return found

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns in the midst of everything
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            for loaded in pool.map(load, range(_THREADS)):
                assert [got for _, got in loaded] == [wanted for wanted, _ in loaded]
    finally:
        sys.setswitchinterval(interval)
