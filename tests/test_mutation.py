"""No rule is idle: whatever is removed from a golden file or altered in it, the trace shows it, or it does not load.

A sample of all mutants is tried, always the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import neighbours
import pytest
from equivalence import FOREIGN_MARK, Case
from mutants import Mutant, mutants
from packets import every_port

from svcc.compiler.load import load as load_program
from svcc.targets import targets
from svcc.targets.interface import Artifact, Bundle, Target
from svcc.verify.packet import Packet, Refusal
from svcc.verify.trace import Kernel, TraceError, trace

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
TARGETS = [target for target in targets().values() if target.loads]
CASES = [(target, path) for target in TARGETS for path in sorted((ROOT / "examples").glob("*.dsl"))]


def case_of(target: Target, path: Path) -> Case:
    program = load_program(str(path)).program
    assert program is not None
    return Case(target, program, program.nodes[0] if program.nodes else None)


def bundle_of(case: Case, path: Path) -> Bundle:
    """The golden files of an example."""
    folder = GOLDEN / case.target.name / path.stem
    texts = [(part, folder / part.file) for part in case.target.parts]
    artifacts = tuple(Artifact(part, file.read_text() if file.exists() else "") for part, file in texts)
    return Bundle(case.target.name, case.node.name if case.node else None, artifacts)


def mutated(bundle: Bundle) -> Iterable[tuple[Mutant, Bundle]]:
    for index, artifact in enumerate(bundle.artifacts):
        for mutant in mutants(artifact.part.name, artifact.text):
            changed = Artifact(artifact.part, mutant.text)
            parts = (*bundle.artifacts[:index], changed, *bundle.artifacts[index + 1 :])
            yield mutant, Bundle(bundle.target, bundle.node, parts)


@dataclass(frozen=True)
class Probe:
    """A question about a node: does it treat a packet otherwise than it should?"""

    where: Callable[[Bundle], Kernel]
    differs: Callable[[Kernel], bool]


class Judge:
    """Tells mutants, asking first what last told one."""

    def __init__(self, case: Case, bundle: Bundle) -> None:
        self._case = case
        self._stale = neighbours.stale(bundle)
        self._packets = list(every_port(case.program, case.node))
        plain, vips, crowded = self._plain, self._with_vips, self._crowded
        signatures = crowded(bundle)
        expected = [(packet, _signature(signatures, packet)) for packet in self._packets[::2]]
        self._probes = [
            *(Probe(plain, lambda k, p=p: case.fares(k, p) is not None) for p in self._packets),
            *(Probe(plain, lambda k, p=p: case.goes_on(k, p) is not None) for p in self._packets[::3]),
            *(Probe(plain, lambda k, p=p: case.is_answered(k, p) is not None) for p in self._packets if case.by_ipvs),
            Probe(plain, lambda k: any(case.turns(k, self._packets))),
            Probe(plain, lambda k: any(case.strangers(k, self._packets[::5]))),
            *(Probe(vips, lambda k, p=p: case.fares_the_same(k, p) is not None) for p in self._packets[::2]),
            *(Probe(crowded, lambda k, p=p, s=s: _signature(k, p) != s) for p, s in expected),
        ]

    def _plain(self, bundle: Bundle) -> Kernel:
        return self._case.load(self._stale, bundle)

    def _with_vips(self, bundle: Bundle) -> Kernel:
        return self._case.load_with_vips(bundle)

    def _crowded(self, bundle: Bundle) -> Kernel:
        return self._case.load(*neighbours.around(bundle))

    def catches(self, bundle: Bundle) -> bool:
        """Whether a bundle does not load, or a probe tells it."""
        kernels: dict[Any, Kernel] = {}
        try:
            for index, probe in enumerate(self._probes):
                if probe.where not in kernels:
                    kernels[probe.where] = probe.where(bundle)
                if probe.differs(kernels[probe.where]):
                    self._probes.insert(0, self._probes.pop(index))
                    return True
        except TraceError:
            return True
        return False


def _signature(kernel: Kernel, packet: Packet) -> object:
    """What becomes of a packet among other people's rules."""
    ways = Counter[object]()
    for way in trace(kernel, packet, mark=FOREIGN_MARK).ways:
        gone = way.end.refusal in (Refusal.REJECT, Refusal.DROP)
        ways[way.end, None if gone else way.mark] += way.share  # type: ignore[assignment]
    return ways


#: One mutant in so many is tried.
EVERY = 7

#: The least share of mutants that is caught. What survives changes nothing (counters, comments, room in sets, a mark
#: that others do not look at), or only what no packet of this test shows.
SHARE = 0.7


@pytest.mark.slow
@pytest.mark.parametrize(("target", "path"), CASES, ids=[f"{t.name}-{path.stem}" for t, path in CASES])
def test_mutants_are_caught(target: Target, path: Path, record_property: Callable[[str, object], None]) -> None:
    case = case_of(target, path)
    bundle = bundle_of(case, path)
    judge = Judge(case, bundle)
    assert not judge.catches(bundle)
    tried = list(islice(mutated(bundle), 0, None, EVERY))
    survivors = [mutant for mutant, other in tried if not judge.catches(other)]
    share = 1 - len(survivors) / len(tried)
    record_property("mutants", f"{len(tried)} tried, {share:.0%} caught")
    assert share >= SHARE, f"{share:.0%} of {len(tried)} caught; these survive:\n" + "\n".join(map(str, survivors))
