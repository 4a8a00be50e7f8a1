"""Whatever the input is, the front end answers: a program, or errors at places in the text."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.dsl_printer import program_text, spellings
from support.files import ERRORS
from support.soundness import assert_inside, assert_sound, assert_text
from support.strategies import programs
from support.tools.project import ROOT
from svcc.compiler.diagnostic import has_errors
from svcc.compiler.load import Loaded, load, load_text
from svcc.compiler.source import Source
from svcc.compiler.syntax_error import STATEMENTS

TEXTS = [path.read_text(encoding="utf-8") for path in sorted([*ROOT.glob("examples/**/*.dsl"), *ERRORS.glob("*.dsl")])]


def _times(factor: int) -> settings:
    """So many times the cases of other tests: 100 usually, 2,000 in the thorough profile."""
    return settings(max_examples=factor * settings().max_examples, suppress_health_check=list(HealthCheck))


_TOKEN = re.compile(r"\s+|[\w.:/$-]+|.", re.DOTALL)
_GARBAGE = (
    *("{", "}", "[", "]", '"', "#", ";", "\n", "\r", ",", "=", "->", "$", "$x", "/", "-", "{}", "[]", '""', "\\"),
    *("\0", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "é", "漢", "٣", "\U0001f600", "\xa0", "\v"),
    *("0", "-1", "00080", "65536", "9" * 30, "9" * 5000, "0x", "0xf", "1e9", "1.5", "1-", "9-1", "1-65535", "80/"),
    *("80/tcp", "80/TCP", "80/٣", "1-65535/udp", "65535-1/tcp", "0/tcp", "3h", "99d", "9" * 30 + "s", "1w"),
    *("10.0.0.1", "10.0.0.1:", "10.0.0.1:80", "10.0.0.1:ab", "10.0.0.1:80/24", "10.0.0.1/24", "10.0.0.0/8", "1.2.3"),
    *(
        "10.0.0.1-10.0.0.3",
        "10.0.0.3-10.0.0.1",
        "10.0.0.0-10.9.0.0",
        "::-1.2.3.4",
        "::-ffff::",
        "fd00::1-fd00::3",
        "1.-2:",
    ),
    *("010.0.0.1", "0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "10.0.0.0/99", "10.0.0.0/" + "9" * 5000),
    *("::", "::1", ":", ".", ":.", "fd00::1", "FD00::1", "fe80::1", "fe80::1%eth0", "::ffff:10.0.0.1", "ff02::1"),
    *("[fd00::1]", "[fd00::1]:80", "[]", "[]:1", "[fd00::1]:", "[10.0.0.1]:1", "fd00::/129", "1:2:3", "a:b", "::/0"),
    *('"x"', 'include "."', 'include "*"', 'include ""', 'include "["', 'include "a\0b"', 'include "**"', "svcc 2"),
    *("let x = $x", "let a = [$b]; let b = [$a]", "let x = []", "let = 1", "{" * 300, "[" * 300, "service a {" * 50),
    *(word for words in STATEMENTS.values() for word in words),
    *("weight", "on", "draining", "nodeport", "tcp", "local", "external", "client-ip", "always", "rr", "wrrr"),
    *("a:b", '"a":"b"', "80/http", "default", "503", "application", "vpc-0b50", "i-0123abcd", "/a/*"),
    *("backup", "prefer-local", "prefer-zone", "every", "5s", "expect", "200-299", "/healthz", "/", "insecure", "none"),
)


def load_bytes(data: bytes, name: str = "fuzzed.dsl") -> Loaded:
    """As a file, alone in its folder, so that an include reaches nothing else."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return load(str(path))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Texts of programs: ours, right and wrong ones, or a drawn one as it may be written."""
    kind = draw(st.sampled_from(("ours", "plain", "spelled")))
    if kind == "ours":
        return draw(st.sampled_from(TEXTS))
    program = draw(programs(max_services=2))
    return program_text(program) if kind == "plain" else "".join(draw(spellings(program)).values())


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A text with up to four things wrong: words or characters gone, doubled, swapped, cut off, or from elsewhere."""
    text = draw(texts())
    for _ in range(draw(st.integers(1, 4))):
        pattern = draw(st.sampled_from((_TOKEN, re.compile(".", re.DOTALL), re.compile(r"[^\n]*\n|.+"))))
        pieces = pattern.findall(text) or [""]
        at = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(("drop", "insert", "replace", "double", "swap", "cut", "behead", "text"))):
            case "drop":
                del pieces[at]
            case "insert":
                pieces.insert(at, draw(st.sampled_from(_GARBAGE)))
            case "replace":
                pieces[at] = draw(st.sampled_from(_GARBAGE))
            case "double":
                pieces.insert(at, pieces[at])
            case "swap":
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "cut":
                del pieces[at:]
            case "behead":
                del pieces[:at]
            case "text":
                pieces.insert(at, draw(st.text(max_size=5)))
        text = "".join(pieces)
    return text


@_times(6)
@given(mutated())
def test_a_mutated_text_is_answered(text: str) -> None:
    assert_sound(load_bytes(text.encode("utf-8", "surrogatepass")))


@_times(4)
@given(st.lists(st.sampled_from(_GARBAGE) | st.text(max_size=3), max_size=30), st.sampled_from((" ", "\n", "")))
def test_words_at_random_are_answered(words: list[str], gap: str) -> None:
    assert_sound(load_bytes(gap.join(words).encode("utf-8", "surrogatepass")))


@_times(3)
@given(st.binary(max_size=40), st.sampled_from(TEXTS), st.floats(0, 1), st.booleans())
def test_bytes_at_random_are_answered(data: bytes, text: str, where: float, alone: bool) -> None:
    whole = text.encode()
    at = int(where * len(whole))
    assert_sound(load_bytes(data if alone else whole[:at] + data + whole[at:]))


_SLOTS = (
    *(
        "{}",
        "{} 1",
        "svcc {}",
        "include {}",
        "let {} = 10.0.0.1",
        "let x = {}",
        "let x = [{}]",
        "let x = [10.0.0.1, {}]",
    ),
    *("cluster {}", "cluster {{ {} }}", "cluster {{ prefix {} }}", "cluster {{ pods {} }}", "cluster {{ mark {} }}"),
    *("cluster {{ nodeports {} }}", "cluster {{ vip-device {} }}", "cluster {{ nodeport-addresses 10.0.0.0/8 {} }}"),
    *("node {} {{ address 10.0.0.4 }}", "node n {{ address {} }}", "node n {{ zone {} }}", "defaults {{ {} }}"),
    *(
        "service {} {{ }}",
        "service a {} {{ }}",
        "service a {{ {} }}",
        "service a {{ vip {} }}",
        "service a {{ vip $x {} }}",
    ),
    *("service a {{ external-ip {} }}", "service a {{ allow-from {} }}", "service a {{ port {} }}"),
    *(
        "service a {{ port {} 80/tcp }}",
        "service a {{ port 80/tcp -> {} }}",
        "service a {{ port 80-81/tcp nodeport {} }}",
    ),
    *("service a {{ scheduler {} }}", "service a {{ affinity {} }}", "service a {{ affinity client-ip {} }}"),
    *("service a {{ traffic {} local }}", "service a {{ traffic external {} }}", "service a {{ masquerade {} }}"),
    *("service a {{ check {} }}", "service a {{ check http {} }}", "service a {{ check http 1 / {} }}"),
    *("service a {{ check tcp every {} }}", "service a {{ check dns fall {} }}", "defaults {{ when-failed {} }}"),
    *("service a {{ check http expect {} }}", "service a {{ check https 1 host {} }}", "service a {{ check dns {} }}"),
    *("service a {{ forward {} }}", "service a {{ when-empty {} }}", "service a {{ endpoints {} }}"),
    *("service a {{ endpoints {{ {} }} }}", "service a {{ endpoints p {} {{ }} }}", "endpoints {} {{ }}"),
    *("balancer {} {{ }}", "balancer b {{ {} }}", "balancer b {{ listen {} }}", "balancer b {{ listen 80/http {} }}"),
    *("balancer b {{ route {} }}", "balancer b {{ route / -> {} }}", "balancer b {{ route {} -> a:b }}"),
    *("balancer b {{ network {} }}", "balancer b {{ kind {} }}", 'balancer b {{ route / -> "a"{} }}'),
    *("node n {{ instance {} }}", "balancer b {{ listen 80/http default {} }}"),
    *("endpoints p {{ {} }}", "endpoints p {{ 10.0.0.1 {} }}", "endpoints p {{ 10.0.0.1 weight {} }}"),
    *("endpoints p {{ 10.0.0.1 on {} }}", "endpoints p {{ $x {} weight 1 }}", "endpoints p {{ 10.0.0.1 }} {}"),
)


@pytest.mark.parametrize("slot", _SLOTS)
def test_anything_in_the_place_of_a_word_is_answered(slot: str) -> None:
    """Without the rest of a program, so that every word in every place is tried."""
    for word in _GARBAGE:
        source = Source("slot.dsl", slot.format(word))
        loaded = load_text(source, Path("/nowhere/slot.dsl"))
        assert loaded.diagnostics or loaded.program is not None
        for diagnostic in loaded.diagnostics:
            assert diagnostic.span is not None
            assert_inside(diagnostic.span)
        assert_text(loaded.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{" * 100_000, id="braces"),
        pytest.param("[" * 100_000, id="brackets"),
        pytest.param("let x = [" * 5_000, id="lists"),
        pytest.param("service a {\n" * 5_000, id="blocks"),
        pytest.param("}" * 100_000, id="ends"),
        pytest.param('"' * 99_999, id="quotes"),
        pytest.param("a" * 100_000, id="a-long-word"),
        pytest.param("svcc 1 " + ";" * 100_000, id="semicolons"),
        pytest.param("#" + ";#" * 50_000, id="a-long-comment"),
        pytest.param(" " * 100_000, id="blanks"),
        pytest.param(" \t" * 50_000 + "x", id="blanks-then-a-word"),
        pytest.param("\n" * 100_000 + "x", id="lines-then-a-word"),
        pytest.param("svcc 1\n" * 2_000, id="versions"),
        pytest.param("nonsense\n" * 20_000, id="errors"),
        pytest.param(f"cluster {{ mark {'9' * 100_000} }}", id="a-long-number"),
        pytest.param(f"cluster {{ mark 0x{'f' * 100_000} }}", id="a-long-hexadecimal-number"),
        pytest.param(f"cluster {{ pods 10.0.0.0/{'9' * 100_000} }}", id="a-long-prefix"),
        pytest.param(f"cluster {{ pods {'1.' * 50_000} }}", id="a-long-address"),
        pytest.param(f"cluster {{ pods {'f:' * 50_000} }}", id="a-long-v6-address"),
        pytest.param(f"service a {{ affinity client-ip {'9' * 100_000}h; }}", id="a-long-time"),
        pytest.param(f"service {'a' * 100_000} {{ schedler rr }}", id="a-long-name"),
        pytest.param("let a = [" + "10.0.0.1, " * 2_000 + "]\ncluster { pods $a }", id="a-long-list"),
    ],
)
def test_a_monster_is_refused_in_no_time(text: str) -> None:
    """Seconds, not minutes: the suite's own time limit tells."""
    loaded = load_bytes(text.encode())
    assert has_errors(loaded.diagnostics) == (text.strip(" ;#") not in ("", "svcc 1"))
    assert_sound(loaded)


def test_lets_that_double_again_and_again_are_refused() -> None:
    doubling = "".join(f"let a{i} = [$a{i + 1}, $a{i + 1}]\n" for i in range(60))
    loaded = load_bytes(f"{doubling}let a60 = 10.0.0.0/8\ncluster {{ pods $a0 }}".encode())
    assert has_errors(loaded.diagnostics)
    assert_sound(loaded)


def test_a_long_chain_of_lets_is_followed() -> None:
    chain = "".join(f"let a{i} = $a{i + 1}\n" for i in range(5000))
    loaded = load_bytes(f"{chain}let a5000 = 10.0.0.0/8\ncluster {{ pods $a0 }}".encode())
    assert loaded.program is not None
    assert list(map(str, loaded.program.cluster.pods)) == ["10.0.0.0/8"]


def test_includes_without_end_are_refused(tmp_path: Path) -> None:
    for i in range(200):
        (tmp_path / f"{i}.dsl").write_text(f'include "{i + 1}.dsl"\n')
    (tmp_path / "200.dsl").write_text("cluster { }\n")
    loaded = load(str(tmp_path / "0.dsl"))
    assert has_errors(loaded.diagnostics)
    assert_sound(loaded)


_NAMES = ("a.dsl", "b.dsl", "lib/c.dsl", "lib/deep/d.dsl")
_PATTERNS = (
    *(
        "a.dsl",
        "*.dsl",
        "**/*.dsl",
        "lib/*",
        "lib",
        "../a.dsl",
        "deep/*",
        ".",
        "..",
        "/",
        "",
        "*",
        "**",
        "[",
        "{a,b}.dsl",
    ),
    *(
        "loop",
        "fifo",
        "up/*.dsl",
        "lib/up/lib/c.dsl",
        "nowhere",
        "~/a",
        "a\\b",
        "lib//c.dsl",
        "./lib/../a.dsl",
        "é/*",
        "?",
    ),
)


@settings(suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(_NAMES),
            st.lists(st.sampled_from(_PATTERNS), max_size=4),
            st.sampled_from((*_GARBAGE, "let a = 10.0.0.0/8")),
        ),
        max_size=4,
    )
)
def test_files_that_include_anything_are_answered(files: list[tuple[str, list[str], str]]) -> None:
    """Each other, themselves, folders, links that lead round, and what is no file to read."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "in"  # so that what is beside it is nobody's
        (folder / "lib/deep").mkdir(parents=True)
        (folder / "loop").symlink_to("loop")
        (folder / "up").symlink_to(".")
        (folder / "lib/up").symlink_to("..")
        os.mkfifo(folder / "fifo")
        for file, patterns, text in files:
            includes = "".join(f'include "{pattern}"\n' for pattern in patterns)
            (folder / file).write_text(includes + text, encoding="utf-8", errors="surrogatepass")
        (folder / "a.dsl").touch()
        loaded = load(str(folder / "a.dsl"))
    assert_sound(loaded)
