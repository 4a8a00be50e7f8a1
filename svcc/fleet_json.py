"""JSON that several commands of a fleet print."""

from __future__ import annotations

from typing import Any

from svcc.fleet.rollout import Rollout


def rollout_json(rollout: Rollout) -> dict[str, Any]:
    """Return a rollout and where it stands. Times are in seconds; stages count from 1."""
    return {
        "release": rollout.release,
        "phase": rollout.phase.value,
        "stage": rollout.stage + 1,
        "stages": [[*nodes] for nodes in rollout.stages],
        "moved": sorted(rollout.moved),
        "soak": rollout.soak,
        "patience": rollout.patience,
        "max_failed": rollout.most,
        "words": rollout.words,
    }
