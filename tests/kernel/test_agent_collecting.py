"""When events reach the kernel: one after a quiet time at once, and many in few transactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.agent_clock import Clocked
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft.tool import Listing

pytestmark = pytest.mark.kernel


def _write(file: Path, host: int) -> None:
    file.write_text(f"service web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.{host} }} }}\n")


def _changes(agent: Clocked) -> list[float]:
    """When the kernel was changed."""
    return [when for when, _, event, _ in agent.events if event == "in the kernel"]


def test_a_single_event_waits_for_nobody_and_many_are_taken_together(tmp_path: Path) -> None:
    namespace, file = Namespace("collecting"), tmp_path / "web.dsl"
    try:
        _write(file, 1)
        agent = Clocked(namespace, file, "nft", tmp_path / "state")
        with agent.running():
            agent.advance(0.5)
            (first,) = _changes(agent)
            assert first < 0.02
            _write(file, 2)
            agent.reload()
            agent.advance(0.02)
            _, alone = _changes(agent)
            assert 0.5 <= alone < 0.52
            for host in range(3, 9):
                _write(file, host)
                agent.reload()
                agent.advance(0.01)
            assert len(_changes(agent)) == 2
            agent.advance(0.5)
            *_, together = _changes(agent)
            assert len(_changes(agent)) == 3
            assert together == pytest.approx(alone + 0.1)
            with namespace.entered():
                assert "100.64.0.8" in (Listing("table", "ip", "svcc").text() or "")
    finally:
        namespace.close()
