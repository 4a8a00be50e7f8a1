"""Bundles with one line altered: what the target would not print for any program is refused.

What is accepted although a line was altered is what the target prints for another program: an endpoint less, another
weight. A test cannot ask for all programs, so it holds what has to be true of every such text: it is printed again as
it is, and each object in it is under the bundle's own prefix.

``SVCC_TEST_MUTANTS=200000`` tries as many; each has its seconds and its memory.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.bundles import refusal
from support.files import EXAMPLES
from support.memory import ONE_INPUT, at_most
from svcc.command_line import svcc
from svcc.compiler.load import load, load_data
from svcc.exits import Exit
from svcc.targets import targets
from svcc.targets.bundle import printed as printed_text
from svcc.targets.capability import check_target

TRIED = int(os.environ.get("SVCC_TEST_MUTANTS", "1500"))
KERNEL = sorted(target.name for target in targets().values() if target.loads)
#: What is altered: the bundles of a target, in its own language or in another one.
FORMS = [pytest.param(name, None, id=name) for name in KERNEL] + [
    pytest.param(name, syntax, id=f"{name} as {syntax}")
    for name in KERNEL
    for syntax in [*targets()[name].syntaxes][1:]
]
#: What a bundle that is refused must not come to: a plan, or what is to be applied.
_SEAMS = (
    "svcc.commands.apply.draft_of",
    "svcc.commands.apply.make_plan",
    "svcc.commands.plan.make_plan",
    "svcc.in_place.make_plan",
    "svcc.apply.planning.make_plan",
)
#: Seconds that one input may take.
SECONDS = 5

#: Lines of somebody else's, none of which any target prints.
FOREIGN = (
    "-A INPUT -s 6.6.6.6/32 -j ACCEPT",
    "-I INPUT -j ACCEPT",
    "-F",
    ":INPUT DROP [0:0]",
    "*raw",
    "flush ruleset",
    "add foreign 6.6.6.6",
    "create foreign hash:ip family inet hashsize 1024 maxelem 65536",
    "link add eth0 type dummy",
    "address replace 192.0.2.1/32 dev eth0",
    "kernel.core_pattern = |/tmp/x",
    "-C",
    "-A -t 192.0.2.1:22 -s rr",
    "evil",
    '{"flush": {"ruleset": null}}',
    ', {"add": {"table": {"family": "inet", "name": "theirs"}}}',
    "#: part evil",
    "#: svcc bundle 1 target=nft node=-",
    "\0",
    "",
    "# a comment",
)


def printed(name: str, syntax: str | None) -> list[str]:
    """What a target prints of the examples."""
    target, found = targets()[name], []
    for path in EXAMPLES:
        program = load(str(path)).program
        assert program is not None
        node = program.nodes[0] if program.nodes else None
        if not check_target(program, target, node):
            bundle = target.render(program, node)
            found.append(printed_text(target, target.in_syntax(bundle, syntax) if syntax else bundle))
    return found


def _foreign(lines: list[str], draw: random.Random) -> None:
    lines.insert(draw.randrange(len(lines) + 1), draw.choice(FOREIGN))


def _delete(lines: list[str], draw: random.Random) -> None:
    del lines[draw.randrange(len(lines))]


def _twice(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    lines.insert(at, lines[at])


def _move(lines: list[str], draw: random.Random) -> None:
    line = lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randrange(len(lines) + 1), line)


def _alter(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    line = lines[at]
    where = draw.randrange(len(line) + 1)
    sign = draw.choice("\0\t\"'\\ -/.:,{}[]0a9~é\r")
    lines[at] = line[:where] + sign + line[where + draw.randrange(2) :]


def _swap_words(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    words = lines[at].split(" ")
    other = draw.choice(lines).split(" ")
    words[draw.randrange(len(words))] = draw.choice(other)
    lines[at] = " ".join(words)


MUTATIONS: tuple[Callable[[list[str], random.Random], None], ...] = (
    _foreign,
    _delete,
    _twice,
    _move,
    _alter,
    _swap_words,
)


def mutants(name: str, syntax: str | None, number: int) -> Iterator[tuple[str, str, str]]:
    """The kind of a mutation, what was printed, and what it became; the same ones each time."""
    draw, texts = random.Random(f"{name} {syntax} {number}"), printed(name, syntax)
    for _ in range(number):
        text, mutation = draw.choice(texts), draw.choice(MUTATIONS)
        lines = text.split("\n")[:-1]
        mutation(lines, draw)
        yield mutation.__name__, text, "".join(f"{line}\n" for line in lines)


def _layout(text: str) -> list[object]:
    """What a bundle says, however its JSON is laid out: its heads, and of each part the document, or else the text."""
    return [_document(part) for part in re.split(r"^(#: .*)\n", text, flags=re.MULTILINE)]


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _objects(name: str, text: str) -> list[str]:
    """The names of all that an artifact's commands are about, found without the target's own reader."""
    if name == "nft":
        forms = (r'"table": "([^"]*)"', r'"table": \{[^}]*"name": "([^"]*)"', r"^(?:add |delete )?table ip6? (\S+)")
        return [found for form in forms for found in re.findall(form, text, re.MULTILINE)]
    chains = re.findall(r"^(?::|-A )([^-\s]\S*)", text, re.MULTILINE) + re.findall(r" -[jg] (\S+)", text)
    sets = re.findall(r"^(?:create|add) (\S+)", text, re.MULTILINE) + re.findall(r"--match-set (\S+)", text)
    verdicts = {"ACCEPT", "DROP", "RETURN", "MARK", "MASQUERADE", "REJECT", "DNAT"}
    return [one for one in (*chains, *sets) if one not in verdicts]


@pytest.mark.parametrize(("name", "syntax"), FORMS)
def test_altered_bundles_are_refused_or_another_program_s(name: str, syntax: str | None) -> None:
    target, accepted, tried = targets()[name], Counter[str](), Counter[str]()
    for kind, before, text in mutants(name, syntax, TRIED // len(FORMS)):
        if text == before or (name == "nft" and _layout(text) == _layout(before)):
            continue
        began = time.thread_time()
        with at_most(ONE_INPUT):
            message = refusal(text, target)
        assert time.thread_time() - began < SECONDS
        tried[kind] += 1
        if message is not None:
            assert re.match(r"error\[SVC0(04|65|66|67)\]: .+\n +--> bundle:\d+:\d+\n", message), message
            continue
        accepted[kind] += 1
        prefixes = {one.partition("-")[0] if name != "nft" else one for one in _objects(name, before)}
        strange = [one for one in _objects(name, text) if not one.startswith(tuple(prefixes))]
        assert strange == [], text
    assert set(tried) == {mutation.__name__ for mutation in MUTATIONS}
    assert accepted["_foreign"] == accepted["_twice"] == 0, accepted
    assert sum(accepted.values()) < sum(tried.values()) / 10, accepted


@pytest.mark.parametrize(("name", "syntax"), FORMS)
def test_no_altered_bundle_reaches_a_tool(
    name: str, syntax: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a refused bundle reached the machine")

    for seam in _SEAMS:
        importlib.import_module(seam.rpartition(".")[0])  # what is imported behind a patched seam would keep the patch
    for seam in _SEAMS:
        monkeypatch.setattr(seam, reached)
    monkeypatch.setattr("subprocess.Popen", reached)
    for number, (_, _, text) in enumerate(mutants(name, syntax, 40)):
        if refusal(text, targets()[name]) is None:
            continue
        file = tmp_path / f"{number}.rules"
        file.write_text(text, newline="")
        for command in ("plan", "apply"):
            result = CliRunner().invoke(svcc, [command, str(file), "-t", name, "--state-dir", str(tmp_path / "state")])
            assert result.exit_code == Exit.INPUT, result.output
            assert result.output.startswith("error[SVC0")
    assert not (tmp_path / "state").exists()


def test_altered_programs_are_programs_or_diagnostics() -> None:
    """The same of the language and of the IR's JSON, includes among them."""
    draw = random.Random(f"programs {TRIED}")
    texts = [path.read_text() for path in EXAMPLES] + ['include "*.dsl"\ninclude "**/x"\nlet a = [10.0.0.1]\n']
    for _ in range(TRIED // 10):
        lines = draw.choice(texts).split("\n")
        for _ in range(draw.randrange(1, 4)):
            draw.choice(MUTATIONS)(lines, draw)
            lines = lines or [""]
        began = time.thread_time()
        with at_most(ONE_INPUT):
            loaded = load_data("-", "\n".join(lines).encode("utf-8", "surrogatepass"))
        assert (loaded.program is None) == any(d.severity == "error" for d in loaded.diagnostics)
        assert time.thread_time() - began < SECONDS
