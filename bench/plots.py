"""Draw bars as SVG: ``python bench/plots.py RESULTS.json DIRECTORY``.

A bar is as long as the median. A thin line goes from the lowest to the highest of all rounds. Where there are many
rounds (turns of connections) it goes from the first quartile to the third: the highest then shows the machine, and
would dwarf the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from xml.sax.saxutils import escape

from measure import Spread
from results import Part, Results

_WIDTH, _LABELS, _ROW, _TOP = 900, 380, 22, 40
_MANY = 20  # rounds
_RIGHT = 80  # pixels for the figure behind a bar
_COLOURS = {False: "#3b6ea5", True: "#b0b0b0"}  # svcc's, and what is compared with it


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    spread: Spread
    compared: bool  # whether it is not svcc's


def draw(results: Results, folder: Path) -> list[Path]:
    """Write a file for each plot whose part was measured; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (title, unit, lines) in _plots(results).items():
        if lines:
            files.append(folder / f"{name}.svg")
            files[-1].write_text(svg(title, unit, lines), encoding="utf-8")
    return files


def _plots(results: Results) -> Mapping[str, tuple[str, str, Sequence[Line]]]:
    found: dict[str, tuple[str, str, Sequence[Line]]] = {}
    for name, (title, unit, measure) in _SHOWN.items():
        part = results.parts.get(name)
        if part:
            lines = list(_lines(part, measure))
            file = name.replace(": ", "-")
            found[file] = (f"{title}, {part.program}", unit, lines)
            if measure == "p50":
                found[f"{file}-p99"] = (f"{title}, p99, {part.program}", unit, list(_lines(part, "p99")))
    return found


#: By part: title, unit and measure of its plot.
_SHOWN = {
    "compile": ("Text to rules", "cpu s", "cpu"),
    "load": ("Loading into the kernel", "cpu s", "cpu"),
    "mixed": ("Loading node ports and affinity", "cpu s", "cpu"),
    "changes": ("Nothing to do, and one endpoint", "cpu s", "cpu"),
    "growth": ("Twice the services", "cpu s", "cpu"),
    "latency": ("TCP connect through a node", "µs", "p50"),
    "ipvs: load": ("Loading ipvs", "s", "seconds"),
    "ipvs: changes": ("ipvs: nothing to do, and one endpoint", "s", "seconds"),
    "ipvs: latency": ("ipvs: TCP connect through a node", "µs", "p50"),
}
_OURS = ("svcc", "nft", "iptables", "ipvs", "compile", "load", "apply")


def _lines(part: Part, measure: str) -> Iterator[Line]:
    for case, rounds in part.cases.items():
        if measure in rounds[0]:
            compared = not case.startswith(_OURS) or "the tool" in case or "its tools" in case
            yield Line(case, _spread(part.values(case, measure)), compared)


def _spread(values: Sequence[float]) -> Spread:
    if len(values) < _MANY:
        return Spread.of(values)
    low, middle, high = quantiles(values, n=4)
    return Spread(middle, low, high)


def svg(title: str, unit: str, lines: Sequence[Line]) -> str:
    scale = (_WIDTH - _LABELS - _RIGHT) / max(line.spread.high for line in lines)
    height = _TOP + _ROW * len(lines) + 10
    rows = "".join(_row(line, _TOP + _ROW * i, scale) for i, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n'
        f'<text x="10" y="24" font-size="15">{escape(title)} ({escape(unit)})</text>\n{rows}</svg>\n'
    )


def _row(line: Line, top: int, scale: float) -> str:
    middle, low, high = (_LABELS + scale * value for value in (line.spread.middle, line.spread.low, line.spread.high))
    centre = top + _ROW / 2
    return (
        f'<text x="{_LABELS - 8}" y="{centre + 4}" text-anchor="end">{escape(line.label)}</text>\n'
        f'<rect x="{_LABELS}" y="{top + 3}" width="{middle - _LABELS:.1f}" height="{_ROW - 6}" '
        f'fill="{_COLOURS[line.compared]}"/>\n'
        f'<path d="M{low:.1f} {centre}H{high:.1f}" stroke="black"/>\n'
        f'<text x="{max(middle, high) + 6:.1f}" y="{centre + 4}">{line.spread.middle:.3g}</text>\n'
    )


if __name__ == "__main__":
    draw(Results.read(Path(sys.argv[1])), Path(sys.argv[2]))
