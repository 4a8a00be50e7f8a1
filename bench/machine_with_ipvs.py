"""Measure what needs IPVS on a throw-away kernel, as few machines have a kernel with IPVS.

The benchmark runs there once more, for the ipvs target alone. System calls cost some ten times as much on such a
kernel. So there is only a tenth of the services, and only ratios carry over.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from agents import keepalived
from measure import Failed
from results import Part, Results
from task import Task

_HERE = Path(__file__).parent
_PATIENCE = 1800.0  # seconds


def with_ipvs(task: Task, names: tuple[str, ...]) -> dict[str, Part]:
    """Return the parts ``ipvs: NAME``. Errors: Failed."""
    sys.path.insert(0, str(_HERE.parent / "tests"))
    from support.vm.guest import NoKernelError
    from support.vm.machine import FILE, started

    if "agent" in names:
        keepalived({})  # fetch it here, as the throw-away kernel has no network

    size = replace(task.size, services=max(1, task.size.services // 10))
    words = [sys.executable, str(_HERE / "run.py"), "--target", "ipvs", "--json", *size.options()]
    words += ["--rounds", str(task.rounds), "--turns", str(task.turns)]
    words += [word for name in names for word in ("--only", name)]
    command = ["sh", "-c", f'"$@" > "${FILE}"', "sh", *words]
    try:
        with started(command) as running:
            outcome = running.wait(_PATIENCE)
            text = (running.control / "file").read_text()
    except NoKernelError as error:
        raise Failed(f"no kernel with IPVS: {error}") from error
    if outcome.status:
        raise Failed(f"on a kernel with IPVS: {outcome.trouble}{outcome.output}")
    return {f"ipvs: {name}": part for name, part in Results.of_json(json.loads(text)).parts.items()}
