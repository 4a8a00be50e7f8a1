"""What a fleet's commands print as JSON of things that several of them have."""

from __future__ import annotations

from typing import Any

from svcc.fleet.rollout import Rollout


def rollout_json(rollout: Rollout) -> dict[str, Any]:
    """Where a rollout stands."""
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
