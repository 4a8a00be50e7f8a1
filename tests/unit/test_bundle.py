"""The bundle format: what is printed is read back, and nothing else is accepted as a bundle."""

from __future__ import annotations

import shutil
from dataclasses import replace
from math import gcd
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.bundles import accepted
from support.files import GOLDEN
from support.strategies import programs_for, widely_weighted_for
from svcc.compiler import ir
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import bundle_text, is_bundle, printed, read_bundle, split_bundle
from svcc.targets.folder import given_folder
from svcc.targets.interface import Artifact, Bundle, Target
from svcc.targets.nft.choice import Choice
from svcc.targets.nft.read_cascade import are_turns
from svcc.targets.reading import RefusedText

_IPVS = targets()["ipvs"]
_NFT = targets()["nft"]
_each_target = pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
_BIG = settings(suppress_health_check=list(HealthCheck))

_LINES = st.lists(st.text("ab #:\"{}\\'\t", max_size=6).filter(lambda line: not line.startswith("#: ")), max_size=4)
_TEXTS = _LINES.map(lambda lines: "".join(f"{line}\n" for line in lines))


@st.composite
def _bundles(draw: st.DrawFn) -> Bundle:
    """Any texts as the parts of any target."""
    target = draw(st.sampled_from([*targets().values()]))
    node = draw(st.sampled_from((None, "node-a", "x.y_z")))
    return Bundle(target.name, node, tuple(Artifact(part, draw(_TEXTS)) for part in target.parts))


@_BIG
@given(_bundles())
def test_what_is_printed_is_read_back(bundle: Bundle) -> None:
    assert read_bundle(bundle_text(bundle)) == bundle


@_each_target
def test_no_file_of_another_program_has_the_form_of_a_part_with_a_prefix(target: Target) -> None:
    texts = {
        path: path.read_text(errors="surrogateescape") for path in (GOLDEN / "imports").rglob("*") if path.is_file()
    }
    forms = [part.form for part in (*target.parts, *target.syntaxes.values()) if part.form and not part.common]
    assert forms
    assert [path for path, text in texts.items() if any(form.match(text) for form in forms)] == []


@_each_target
def test_what_a_target_renders_is_read_back(target: Target) -> None:
    @settings(_BIG, max_examples=20)
    @given(programs_for(target))
    def check(case: tuple[object, object]) -> None:
        bundle = target.render(*case)  # type: ignore[arg-type]
        for syntax in target.syntaxes or [""]:
            for made in target.in_syntax(bundle, syntax).artifacts:
                assert made.part.form is not None
                assert not made.text or made.part.form.match(made.text)
        text = bundle_text(bundle)
        assert read_bundle(text) == split_bundle(Source("x", text), target).bundle() == bundle
        if not is_bundle(printed(target, bundle)):
            alone = split_bundle(Source("x", printed(target, bundle)), target).bundle()
            assert alone == Bundle(target.name, None, bundle.artifacts)

    check()


@pytest.mark.parametrize("name", sorted(t.name for t in targets().values() if t.loads))
def test_what_a_target_renders_is_accepted_and_printed_again(name: str) -> None:
    target = targets()[name]

    @settings(_BIG)
    @given(programs_for(target) | widely_weighted_for(target))
    def check(case: tuple[ir.Program, ir.Node | None]) -> None:
        bundle = target.render(*case)
        found = accepted(bundle)
        assert found.artifacts == bundle.artifacts
        if any(artifact.text for artifact in bundle.artifacts):
            assert found.prefix is not None
            assert found.prefix.lower() == case[0].cluster.prefix.lower()

    check()


@given(st.lists(st.integers(0, 65_535) | st.integers(0, 9), min_size=2, max_size=8).filter(any))
def test_the_turns_of_any_weights_are_read_as_such(weights: list[int]) -> None:
    divisor = gcd(*weights)
    lowest = tuple(weight // divisor for weight in weights)
    turns = [(n, at, f"to-{slot}") for n, at, slot in Choice(ir.Scheduler.WRR, lowest, (None,)).turns()]
    last = turns.pop()[2]
    assert are_turns(turns, last)
    for place, (n, at, chain) in enumerate(turns):
        assert not are_turns([*turns[:place], (n, at + 1, chain), *turns[place + 1 :]], last)


@pytest.mark.parametrize(
    "folder",
    sorted(path for t in targets().values() if t.loads for path in (GOLDEN / t.name).iterdir()),
    ids=lambda p: f"{p.parent.name}-{p.name}",
)
def test_golden_folders_are_accepted(folder: Path, tmp_path: Path) -> None:
    """In each language that the target has: what is read in it is what the target's own files say."""
    target = targets()[folder.parent.name]
    files = [part.file for part in target.syntaxes.values()] or [target.parts[0].file]
    read = [target.accept(given_folder(_copied(folder, tmp_path, files, file), target).texts) for file in files]
    own = {path.name: path.read_text() for path in folder.iterdir()}
    for accepted_ in read:
        assert {a.part.file: a.text for a in accepted_.artifacts if a.text} == {
            name: text for name, text in own.items() if name not in files[1:]
        }


def _copied(folder: Path, to: Path, files: list[str], file: str) -> Path:
    """A copy of a folder with one of the files, which are the same in several languages."""
    copy = to / file
    copy.mkdir()
    for path in folder.iterdir():
        if path.name == file or path.name not in files:
            shutil.copy(path, copy)
    return copy


@_BIG
@given(st.text("#: svcbundle1targ=node-\nip" + "x", max_size=60))
def test_anything_else_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(RefusedText, match=r"\Aline \d+: "):
        read_bundle(text)


_HEAD = "#: svcc bundle 1 target=ipvs node=-\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: a bundle begins with `#: svcc bundle 1 target=NAME node=NAME`"),
        ("*nat\n", "line 1: a bundle begins with `#: svcc bundle 1 target=NAME node=NAME`"),
        (
            "#: svcc bundle 1 target=nft node=-\r\n",
            "line 1: its lines end with CR and LF, those of a bundle with LF alone",
        ),
        (_HEAD.replace(" 1 ", " 2 "), "line 1: a bundle of version 2, and this svcc reads version 1"),
        (_HEAD.replace("ipvs", "ebpf"), "line 1: there is no target ebpf"),
        (_HEAD + "x\n", "line 2: expected `#: part NAME`"),
        (_HEAD + "#: part nft\n", "line 2: target ipvs has no part nft"),
        (_HEAD + "#: part ip\nx\n#: part ip\n", "line 4: part ip is here twice, or behind one that is loaded after it"),
        (
            _HEAD + "#: part ip\nx\n#: part sysctl\n",
            "line 4: part sysctl is here twice, or behind one that is loaded after it",
        ),
        (_HEAD + "#: part ip\nx", "line 3: the end is missing: the last line is not ended"),
        (_HEAD + "#: part ip\nx\n#: part", "line 4: expected `#: part NAME`"),
        (_HEAD + "#: part ip\n#: part", "line 2: part ip is empty: the target leaves it out then"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(RefusedText) as refused:
        read_bundle(text)
    assert str(refused.value) == message


def test_a_bundle_for_another_target_is_refused() -> None:
    with pytest.raises(RefusedText, match="line 1: it is a bundle for ipvs, not for nft"):
        split_bundle(Source("x", _HEAD), _NFT)


def test_a_part_is_bare_only_where_the_target_says_so_and_all_others_are_empty() -> None:
    assert not is_bundle("{}\n")
    bare, *others = _NFT.parts
    alone = Bundle("nft", None, (Artifact(bare, "{}\n"), *(Artifact(part, "") for part in others)))
    assert split_bundle(Source("x", "{}\n"), _NFT).bundle() == alone
    assert printed(_NFT, alone) == "{}\n"
    announcing = replace(alone, artifacts=(*alone.artifacts[:-1], Artifact(others[-1], "x\n")))
    assert printed(_NFT, announcing) == bundle_text(announcing)
    with pytest.raises(RefusedText):
        split_bundle(Source("x", "{}\n"), _IPVS)
