"""``svcc compile``: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import svcc
from support.compiled import BROKEN, PLAIN, UNSUPPORTED, UNUSED, V4, rendered
from support.files import EXAMPLES
from svcc.compiler.report import FORMATS
from svcc.targets import Target, targets

_TARGETS = pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
_EXAMPLES = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
_FORMATS = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("svc.dsl").write_text(V4)


# ---- standard output


@_EXAMPLES
@_TARGETS
def test_all_parts_are_printed_in_load_order(example: Path, target: Target) -> None:
    done = svcc("compile", example, "--target", target.name)
    bundle = rendered(example, target)
    texts = [artifact.text for artifact in bundle.artifacts]
    if [a.part for a in bundle.artifacts if a.text] != [target.alone]:
        texts = [f"#: part {a.part.name}\n{a.text}" if a.text else "" for a in bundle.artifacts]
        texts.insert(0, f"#: svcc bundle 1 target={target.name} node={bundle.node or '-'}\n")
    assert (done.status, done.text, done.err) == (0, "".join(texts), "")


@_TARGETS
def test_a_part_is_printed_alone(target: Target) -> None:
    for artifact in rendered("svc.dsl", target).artifacts:
        done = svcc("compile", "svc.dsl", "-t", target.name, "--part", artifact.part.name)
        assert (done.status, done.text, done.err) == (0, artifact.text, "")


def test_a_part_that_the_program_leaves_empty_prints_nothing() -> None:
    done = svcc("compile", "svc.dsl", "-t", "ipvs", "-p", "ip6tables")
    assert (done.status, done.out, done.err) == (0, b"", "")


@_EXAMPLES
@_TARGETS
def test_the_ir_is_taken_in_place_of_the_text(example: Path, target: Target) -> None:
    Path("ir.json").write_bytes(svcc("compile", example, "-t", "ir").out)
    assert svcc("compile", "ir.json", "-t", target.name) == svcc("compile", example, "-t", target.name)


def test_standard_input_is_taken_as_text_or_json() -> None:
    expected = svcc("compile", "svc.dsl", "-t", "nft")
    assert svcc("compile", "-", "-t", "nft", stdin=V4) == expected
    assert svcc("compile", "-", "-t", "nft", stdin=svcc("compile", "svc.dsl", "-t", "ir").out) == expected


def test_standard_input_includes_from_the_working_directory() -> None:
    Path("more.dsl").write_text(PLAIN)
    assert svcc("compile", "-", "-t", "nft", stdin='include "more.dsl"') == svcc("compile", "more.dsl", "-t", "nft")


# ---- nodes


TWO_NODES = "node right { address 10.0.0.5 }\n" + V4.replace("node n ", "node left ")


def test_the_only_node_is_taken() -> None:
    assert svcc("compile", "svc.dsl", "-t", "ipvs", "--node", "n") == svcc("compile", "svc.dsl", "-t", "ipvs")


def test_of_several_nodes_the_named_one_is_taken() -> None:
    left, right = (svcc("compile", "-", "-t", "ipvs", "-n", name, stdin=TWO_NODES).text for name in ("left", "right"))
    assert left.replace("10.0.0.4", "10.0.0.5").replace("node=left", "node=right") == right != left


def test_a_node_that_is_needed_and_not_named_is_an_error() -> None:
    done = svcc("compile", "-", "-t", "ipvs", stdin=TWO_NODES)
    assert (done.status, done.out) == (2, b"")
    assert "error[SVC061]" in done.err


def test_an_unknown_node_is_an_error() -> None:
    done = svcc("compile", "svc.dsl", "-t", "nft", "--node", "nn")
    assert (done.status, done.out) == (2, b"")
    assert done.err == "error[SVC011]: there is no node `nn`\n --> svc.dsl\n  = hint: did you mean `n`?\n"
    done = svcc("compile", "-", "-t", "nft", "--node", "x", stdin=PLAIN)
    assert done.err == "error[SVC011]: there is no node `x`\n --> -\n  = hint: declare it: node x { … }\n"


# ---- wrong input


@_FORMATS
@pytest.mark.parametrize("text", [BROKEN, UNSUPPORTED], ids=["broken", "unsupported"])
def test_with_an_error_nothing_is_printed(form: str, text: str) -> None:
    done = svcc("compile", "-", "-t", "nft", "--format", form, stdin=text)
    assert (done.status, done.out) == (2, b"")
    assert "SVC0" in done.err
    if form in ("json", "sarif"):
        json.loads(done.err)


@_FORMATS
def test_a_warning_does_not_stand_in_the_way(form: str) -> None:
    done = svcc("compile", "-", "-t", "nft", "--format", form, stdin=UNUSED)
    assert (done.status, done.out) == (0, svcc("compile", "-", "-t", "nft", stdin=PLAIN).out)
    assert "SVC012" in done.err
    quiet = svcc("compile", "-", "-t", "nft", "--format", form, "--quiet", stdin=UNUSED)
    assert quiet.out == done.out
    assert quiet.err.count("SVC012") == (form == "sarif"), "SARIF lists its rules"


def test_warnings_and_refusals_are_one_document() -> None:
    done = svcc("compile", "-", "-t", "nft", "--format", "json", stdin=UNSUPPORTED)
    assert [d["code"] for d in json.loads(done.err)["diagnostics"]] == ["SVC012", "SVC060"]
    quiet = svcc("compile", "-", "-t", "nft", "--format", "json", "-q", stdin=UNSUPPORTED)
    assert [d["code"] for d in json.loads(quiet.err)["diagnostics"]] == ["SVC060"]


def test_what_a_target_cannot_express_names_those_that_can() -> None:
    done = svcc("compile", "-", "-t", "nft", "-q", stdin=UNSUPPORTED)
    assert done.status == 2
    assert "target nft cannot express `forward direct` (service a): rules translate" in done.err
    assert "= hint: `ipvs` can" in done.err


@pytest.mark.parametrize("name", ["missing.dsl", "folder", "binary.dsl", "nul\n.dsl", "broken.json"])
def test_an_unreadable_file_is_an_error(name: str) -> None:
    Path("folder").mkdir()
    Path("binary.dsl").write_bytes(b"\x7fELF\x02\x01\x01\0\xff\xfe")
    Path("broken.json").write_bytes(b"{")
    done = svcc("compile", name, "-t", "nft")
    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith("error[SVC0")
    assert "Traceback" not in done.err


# ---- the command line itself is wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["svc.dsl"], "Missing option '-t' / '--target'. It is aws, iptables, ipvs, ir or nft."),
        (["svc.dsl", "-t", "nftt"], "no target `nftt`: did you mean `nft`?"),
        (["svc.dsl", "-t", "nftables"], "no target `nftables`: did you mean `nft`?"),
        (["svc.dsl", "-t", "ipvsadm"], "no target `ipvsadm`: did you mean `ipvs`?"),
        (["svc.dsl", "-t", "zzz"], f"no target `zzz`: it is {', '.join([*targets()][:-1])} or {[*targets()][-1]}"),
        (["svc.dsl", "-t", "nft", "--part", "nope"], "target nft has no part `nope`: it has nft"),
        (["svc.dsl", "-t", "nft", "-o", "a", "--check", "b"], "give one of --part, --output and --check"),
        (["svc.dsl", "-t", "nft", "-o", "a", "-p", "nft"], "give one of --part, --output and --check"),
        (["svc.dsl", "-t", "nft", "-o", "svc.dsl"], "'svc.dsl' is a file, and no folder"),
        (["svc.dsl", "-t", "nft", "--format", "xml"], "'xml' is not one of 'text', 'json', 'sarif', 'github'."),
        (["svc.dsl", "-t", "nft", "--prat", "x"], "--part"),
        (["svc.dsl", "more.dsl", "-t", "nft"], "Got unexpected extra argument (more.dsl)"),
        ([], "Missing argument 'FILE'."),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: list[str], message: str) -> None:
    done = svcc("compile", *arguments)
    assert (done.status, done.out) == (2, b"")
    assert message in done.err


def test_programs_without_services_are_compiled() -> None:
    """Nothing is left: what loads them takes away what was there."""
    for target in targets():
        done = svcc("compile", "-", "-t", target, stdin="")
        assert (done.status, done.err) == (0, "")
    assert json.loads(svcc("compile", "-", "-t", "ir", stdin="").out) == {"svcc": 1, "services": []}
