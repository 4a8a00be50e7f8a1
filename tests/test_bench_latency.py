"""The latency benchmark runs: with few services and connections, so that it does not rot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.project import ROOT


@pytest.mark.kernel
def test_connections_are_timed_with_and_without_rules(tmp_path: Path) -> None:
    peer = tmp_path / "peer.nft"
    peer.write_text(
        "add table ip peer\n"
        "add chain ip peer nat { type nat hook prerouting priority -100 ; }\n"
        "add rule ip peer nat ip daddr 198.19.0.0/16 tcp dport 8080 dnat to 100.64.0.1\n"
    )
    command = [sys.executable, str(ROOT / "bench" / "latency.py"), "--services", "3", "--connections", "20", "--json"]
    done = subprocess.run(
        [*command, "--target", "nft", "--peer", f"other={peer}:nft -f -"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cases = [f"{name}, 3 services{traffic}" for name in ("nft", "other (nft)") for traffic in ("", ", unrelated")]
    microseconds = json.loads(done.stdout)["microseconds"]
    assert list(microseconds) == ["no rules", *cases]
    assert all(0 < values["p50"] <= values["p90"] <= values["p99"] for values in microseconds.values())
