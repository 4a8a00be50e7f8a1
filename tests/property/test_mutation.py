"""No rule is idle: whatever is removed from an artifact or altered in it, a packet shows it, or it does not load.

The mutants are those of every golden file, and of a program with the features that the examples lack. What may survive
is in a table of reasons (``harmless``), each of which is needed. Of artifacts with many mutants some are tried, evenly
spread. A mutant with a reason passes whether it is caught or not, and takes longest, because every packet is followed
in vain: it is left out here, and ``test_every_reason_is_needed`` tries as many of these as it takes. With
``SVCC_MUTANTS=all`` in the environment all are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import pytest

from support.equivalence import Case, has_vip_device
from support.files import EXAMPLES, GOLDEN, PROGRAMS, WHOLE_SERVICE
from support.harmless import REASONS, reasons
from support.judge import Judge
from support.mutants import Mutant, mutants, one_line_each
from svcc.compiler.features import Feature
from svcc.compiler.load import load
from svcc.targets import targets
from svcc.targets.interface import Artifact, Bundle, Target

#: Programs without golden files: their artifacts are what svcc prints now.
ALL_TARGETS = [
    Path(__file__).with_name(name) for name in ("mutation.dsl", "mutation-clients.dsl", "mutation-sources.dsl")
]
IPVS_ALONE, MARKS = PROGRAMS / "ipvs-schedulers.dsl", Path(__file__).with_name("mutation-marks.dsl")
BY_PORT = PROGRAMS / "by-port.dsl"
TARGETS = [target for target in targets().values() if target.loads]
CASES = [
    *((target, path) for target in TARGETS for path in (*EXAMPLES, *ALL_TARGETS)),
    *((target, WHOLE_SERVICE) for target in TARGETS if target.translates),
    *((target, BY_PORT) for target in TARGETS if Feature.SCHEDULER_SH_BY_PORT in target.features),
    *((target, path) for target in TARGETS if has_vip_device(target) for path in (IPVS_ALONE, MARKS)),
]

ALL = os.environ.get("SVCC_MUTANTS") == "all"
#: Of more mutants than this some are left out otherwise.
ENOUGH = 350


@dataclass(frozen=True, slots=True)
class Tried:
    """The mutants of a program's artifacts that were tried."""

    total: int
    excused: int  # there is a reason for so many more, which were not tried
    survivors: tuple[Mutant, ...]


def case_of(target: Target, path: Path) -> Case:
    program = load(str(path)).program
    assert program is not None
    return Case(target, program, program.nodes[0] if program.nodes else None)


def bundle_of(case: Case, path: Path) -> Bundle:
    """The golden files of an example, or the program as it is rendered; each JSON command on a line of its own."""
    folder = GOLDEN / case.target.name / path.stem
    artifacts = case.render().artifacts
    if path in EXAMPLES:
        files = ((part, folder / part.file) for part in case.target.parts)
        artifacts = tuple(Artifact(part, file.read_text() if file.exists() else "") for part, file in files)
    lined = (Artifact(a.part, one_line_each(a.text) if a.part.name == "nft" else a.text) for a in artifacts)
    return Bundle(case.target.name, case.node.name if case.node else None, tuple(lined))


def mutated(bundle: Bundle) -> Iterator[Made]:
    for index, artifact in enumerate(bundle.artifacts):
        for mutant in mutants(artifact.part.name, artifact.text):
            changed = Artifact(artifact.part, mutant.text)
            parts = (*bundle.artifacts[:index], changed, *bundle.artifacts[index + 1 :])
            yield mutant, Bundle(bundle.target, bundle.node, parts)


#: More shares of the work than workers: some take longer.
_SHARES = 16
#: A mutant, and the bundle that it makes.
Made: TypeAlias = tuple[Mutant, Bundle]


def _survivors(judge: Judge, made: Sequence[Made], share: int) -> list[int]:
    """The positions of the survivors among one share of the mutants."""
    return [index for index in range(share, len(made), _SHARES) if not judge.catches(*made[index])]


_AT_WORK: list[Callable[[int], list[int]]] = []


def _work(share: int) -> list[int]:
    return _AT_WORK[-1](share)


@cache
def tried(target: Target, path: Path) -> Tried:
    """Try every mutant, on every processor."""
    case = case_of(target, path)
    bundle = bundle_of(case, path)
    judge = Judge(case, bundle)
    assert judge.complaints == []
    step = 1 if ALL else -(-sum(1 for _ in mutated(bundle)) // ENOUGH)
    some = list(islice(mutated(bundle), 0, None, step))
    made = some if ALL else [one for one in some if not any(reasons(one[0]))]
    _AT_WORK.append(partial(_survivors, judge, made))
    with get_context("fork").Pool(os.cpu_count()) as pool:  # the workers have the judge and the mutants from here
        found = {index for share in pool.map(_work, range(_SHARES), chunksize=1) for index in share}
    _AT_WORK.pop()
    survivors = tuple(mutant for index, (mutant, _) in enumerate(made) if index in found)
    return Tried(len(made), len(some) - len(made), survivors)


class Summary:
    """Says at the end of a test run how many mutants were tried."""

    def __init__(self) -> None:
        self.found: dict[str, list[Tried]] = {}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, found in self.found.items():
            total, survivors = sum(f.total for f in found), sum(len(f.survivors) for f in found)
            excused = sum(f.excused for f in found)
            told = f"{total:,} tried, {100 * (total - survivors) / total:.1f} % caught, {survivors:,} survive"
            terminalreporter.line(f"mutants: {name} {told}, {excused:,} with a reason were left out")


@pytest.fixture(scope="module")
def summary(request: pytest.FixtureRequest) -> Summary:
    plugin = Summary()
    request.config.pluginmanager.register(plugin)
    return plugin


@pytest.mark.slow
@pytest.mark.parametrize(("target", "path"), CASES, ids=[f"{t.name}-{path.stem}" for t, path in CASES])
def test_every_mutant_is_caught_or_explained(
    target: Target, path: Path, record_property: Callable[[str, object], None], summary: Summary
) -> None:
    found = tried(target, path)
    summary.found.setdefault(target.name, []).append(found)
    unexplained = [mutant for mutant in found.survivors if not any(reasons(mutant))]
    caught = f"{1 - len(found.survivors) / found.total:.1%} of {found.total} mutants caught"
    record_property("mutants", f"{caught}, {len(found.survivors)} survive")
    assert not unexplained, f"{caught}; for these survivors there is no reason:\n" + "\n".join(map(str, unexplained))


@pytest.mark.slow
def test_every_reason_is_needed() -> None:
    """Each is the reason of a mutant that survives; of all mutants those are tried that a reason is looked for in."""
    idle = {pattern for some in REASONS.values() for pattern in some}
    for case in CASES:
        bundle = bundle_of(case_of(*case), case[1])
        judge: Judge | None = None  # most programs have nothing that the ones before have not shown
        for mutant, other in mutated(bundle):
            given = {*reasons(mutant, idle)}
            if given:
                judge = judge or Judge(case_of(*case), bundle)
                idle -= set() if judge.catches(mutant, other) else given
    assert [(why, pattern) for why, some in REASONS.items() for pattern in some if pattern in idle] == []
