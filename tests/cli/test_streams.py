"""The installed program with all kinds of standard streams, as of shells, pipelines and services: never a traceback."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command_line import PROGRAM, environment, program, svcc
from support.waiting import LID, until

BROKEN = b"service a { vpi 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n"
_LARGE = "".join(
    f"service s{i} {{ vip 198.19.{i // 250}.{i % 250 + 1}; port 80/tcp; endpoints {{ 100.64.0.1 }} }}\n"
    for i in range(1500)
)

_UNBUFFERED = pytest.mark.parametrize("buffering", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("large.dsl").write_text(_LARGE)
    Path("broken.dsl").write_bytes(BROKEN)


def shell(command: str, **changes: str) -> tuple[int, str, str]:
    """Status of the first command of a pipeline (``svcc`` is the program), and the shell's outputs."""
    script = f'svcc() {{ {str(PROGRAM)!r} "$@"; }}\n{command}\nexit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, check=False, timeout=LID, env=environment(**changes)
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@_UNBUFFERED
@pytest.mark.parametrize(
    "command",
    [
        "svcc compile large.dsl -t ir --check nowhere >&9",
        "svcc check broken.dsl --format json >&9",
        "svcc check broken.dsl >&9 2>&9",
        "svcc complie >&9 2>&9",
        "svcc --help >&9",
        "svcc --version >&9",
        "svcc compile large.dsl -t ir | head -n 1",
    ],
)
def test_a_reader_that_goes_away_ends_it_quietly(command: str, buffering: dict[str, str]) -> None:
    """With the status that a shell gives programs which SIGPIPE ends: not done, and no word about differences."""
    gone = "exec 9> >(true); wait $!"  # a pipe that nobody reads any more
    status, _, error = shell(f"{gone}; {command}", **buffering)
    assert (status, error) == (141, "")


@_UNBUFFERED
@pytest.mark.parametrize(
    ("command", "status", "error"),
    [
        ("svcc compile large.dsl -t ir >/dev/full", 3, "svcc: standard output: No space left on device\n"),
        ("svcc check broken.dsl --format json >/dev/full", 3, "svcc: standard output: No space left on device\n"),
        ("svcc --version >/dev/full", 3, "svcc: standard output: No space left on device\n"),
        ("svcc check broken.dsl 2>/dev/full", 3, ""),
        ("svcc compile large.dsl -t ir >&-", 3, "svcc: standard output is closed\n"),
        ("svcc check broken.dsl 2>&-", 2, ""),
        ("svcc check - <&-", 2, "error[SVC005]: cannot read -: standard input is closed\n --> -\n"),
        ("svcc check large.dsl --quiet <&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(command: str, status: int, error: str, buffering: dict[str, str]) -> None:
    assert shell(command, **buffering) == (status, "", error)


@_UNBUFFERED
def test_a_slow_reader_gets_all(buffering: dict[str, str]) -> None:
    status, out, error = shell("svcc compile large.dsl -t ir | { sleep 0.5; cat; }", **buffering)
    assert (status, error) == (0, "")
    assert out == svcc("compile", "large.dsl", "-t", "ir").text


# ---- colours


def on_a_terminal(*arguments: str, **changes: str) -> str:
    """What a terminal is sent, standard output and standard error together."""
    main, side = pty.openpty()
    env = environment(**({"TERM": "xterm-256color"} | changes))
    process = subprocess.Popen([PROGRAM, *arguments], stdin=side, stdout=side, stderr=side, env=env)
    os.close(side)
    received = b""
    try:
        while chunk := os.read(main, 4096):
            received += chunk
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(main)
        process.wait(LID)
    return received.decode().replace("\r\n", "\n")


#: What a person is told besides.
_READ_ON = "\nsvcc explain SVC002 says more.\n"


def test_a_terminal_is_sent_colours_unless_it_is_asked_not_to() -> None:
    plain = svcc("check", "broken.dsl").err
    coloured = on_a_terminal("check", "broken.dsl")
    assert coloured.startswith("\x1b[1;31merror[SVC002]\x1b[0m: no statement `vpi`")
    plain += _READ_ON
    assert on_a_terminal("check", "broken.dsl", NO_COLOR="1") == plain
    assert on_a_terminal("check", "broken.dsl", TERM="dumb") == plain


def test_a_pipe_is_sent_no_escape_codes() -> None:
    done = program("check", "broken.dsl", env=environment(TERM="xterm-256color"))
    assert (done.status, done.text, done.err) == (2, "", svcc("check", "broken.dsl").err)


@pytest.mark.parametrize("width", ["20", "80", "400"])
def test_the_width_of_a_terminal_wraps_nothing(width: str) -> None:
    said = on_a_terminal("check", "broken.dsl", NO_COLOR="1", COLUMNS=width)
    assert said == svcc("check", "broken.dsl").err + _READ_ON


# ---- encodings


_LOCALES = pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "utf-16"},
        {"LC_ALL": "C.UTF-8"},
    ],
    ids=lambda locale: "-".join(locale.values()),
)


@_LOCALES
def test_results_are_utf_8_in_every_locale(locale: dict[str, str]) -> None:
    Path("e.dsl").write_text("service é { }\n", encoding="utf-8")
    done = program("check", "e.dsl", "--format", "github", env=environment(**locale))
    assert (done.status, done.err) == (2, "")
    assert "found `é`" in done.text
    done = program("compile", "large.dsl", "-t", "nft", env=environment(**locale))
    assert (done.status, done.out, done.err) == (0, svcc("compile", "large.dsl", "-t", "nft").out, "")


@_LOCALES
@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_a_name_that_is_no_text_can_be_told(form: str, locale: dict[str, str]) -> None:
    name = os.fsdecode(b"\xff\x1b.dsl")
    Path(name).write_bytes(BROKEN)
    done = program("check", name, "missing-" + name, "--format", form, env=environment(**locale))
    assert done.status == 2
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err
    assert b"\x1b" not in done.out


# ---- signals


def test_an_interrupt_is_status_130() -> None:
    with subprocess.Popen(
        [PROGRAM, "check", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        _wait_until_it_reads(process)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=LID)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in error


def _wait_until_it_reads(process: subprocess.Popen[Any]) -> None:
    """Until the kernel says that it waits for its standard input."""
    reads = ("pipe_read", "anon_pipe_read")
    until(lambda: Path(f"/proc/{process.pid}/wchan").read_text() in reads, "it waits for its input", process=process)
