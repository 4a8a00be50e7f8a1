"""SIGINT and SIGTERM, whatever svcc does: status 130 or 143, one line, and all of an apply or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.shell import A, B, Shell
from support.waiting import until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

#: Runs svcc, and sends itself a signal at its Nth call of a function; without an N, counts them.
_AT_A_CALL = """
import os, signal, sys
from svcc import signals
signals.install()
number, at, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
calls = 0
def called(frame, what, _):
    global calls
    if what == "call":
        calls += 1
        if calls == at:
            sys.setprofile(None)
            os.kill(os.getpid(), number)
sys.argv = ["svcc", *words]
sys.setprofile(called)
try:
    from svcc.__main__ import main
    main()
finally:
    sys.setprofile(None)
    if not at:
        print(calls)
"""
#: Points that are tried of each command.
_POINTS = int(os.environ.get("SVCC_TEST_SIGNALS", "6"))


def _run(shell: Shell, number: int, at: int, *words: str) -> subprocess.CompletedProcess[str]:
    with shell.namespace.entered():
        return subprocess.run(
            [sys.executable, "-P", "-c", _AT_A_CALL, str(int(number)), str(at), *words],
            cwd=shell.folder, env=shell.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "words",
    [
        ("apply", "b.dsl", "-t", "nft", "-q"),
        ("plan", "b.dsl", "-t", "nft"),
        ("status",),
        ("delete", "-q"),
        ("rollback", "-q"),
        ("compile", "b.dsl", "-t", "nft"),
    ],
    ids=lambda words: words[0],
)
def test_a_signal_at_any_call(shell: Shell, words: tuple[str, ...], number: signal.Signals) -> None:
    def settle() -> None:
        if shell.endpoints() != A:
            shell.svcc("apply", "a.dsl", "-t", "nft", "-q")

    shell.svcc("apply", "b.dsl", "-t", "nft", "-q")
    settle()
    calls = int(_run(shell, number, 0, *words).stdout.split()[-1])
    for point in range(_POINTS):
        settle()
        done = _run(shell, number, 1 + calls * (2 * point + 1) // (2 * _POINTS), *words)
        assert done.returncode == 128 + number, done
        *before, last = done.stderr.splitlines()
        assert all(line.startswith(("svcc: warning: ", "  remedy: ")) for line in before), done  # as a plan ends with
        assert last.startswith(f"svcc: interrupted by {number.name}"), done
        assert shell.endpoints() in (A, B, set())
        assert not (shell.folder / "state/custom/journal.json").exists()
        shell.svcc("status") if shell.endpoints() else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_tool_hangs(shell: Shell, number: signal.Signals) -> None:
    """The tool has some seconds; then it is ended, and what was under way is put back."""
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    held = shell.rules()
    ended = _interrupted(shell, number, 'case "$*" in *--test*) ;; *', "b.dsl")
    assert ended == (128 + number, f"svcc: interrupted by {number.name}: everything was put back as it was\n")
    assert shell.rules() == held


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGTERM, ["--dry-run"])]
)
def test_a_signal_while_it_checks_changes_nothing(shell: Shell, number: signal.Signals, options: list[str]) -> None:
    held = shell.rules()
    ended = _interrupted(shell, number, 'case "$*" in *--test*', "a.dsl", *options)
    end = "" if options else ": nothing was changed"  # a dry run never changes anything
    assert ended == (128 + number, f"svcc: interrupted by {number.name}{end}\n")
    assert shell.rules() == held
    assert not [*(shell.folder / "state").rglob("*.json")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("installation.Installation.record", "nothing was changed"),
        ("journal.Journal.write", "everything was put back as it was"),
    ],
)
def test_a_signal_while_it_records_changes_nothing(shell: Shell, number: signal.Signals, moment: str, end: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    module, kind, name = moment.split(".")
    script = (
        f"import os; from svcc.apply.{module} import {kind} as kind; real = kind.{name}\n"
        f"kind.{name} = lambda *given: (os.kill(os.getpid(), {int(number)}), real(*given))[1]\n"
        "from svcc.__main__ import main; main()"
    )
    with shell.namespace.entered():
        done = subprocess.run(
            [sys.executable, "-P", "-c", script, "apply", "b.dsl", "-t", "nft", "-q"], cwd=shell.folder, check=False,
            env=shell.environment(), capture_output=True, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        128 + number, f"svcc: interrupted by {number.name}: {end}\n",
    )  # fmt: skip
    assert shell.endpoints() == A
    assert "generation 2" not in shell.svcc("history").stdout
    assert not (shell.folder / "state/custom/journal.json").exists()


def _interrupted(shell: Shell, number: signal.Signals, hangs: str, *words: str) -> tuple[int, str]:
    """Send a signal to an apply while iptables-restore hangs; return its exit status and standard error. ``hangs``: as
    of :func:`_hanging`."""
    tools = _hanging(shell.folder, "iptables-restore", "iptables-nft-restore", hangs=hangs)
    with shell.namespace.entered():
        process = subprocess.Popen(
            shell.words("apply", *words, "-t", "iptables", "-q"), cwd=shell.folder, text=True,
            env={**shell.environment(), "PATH": f"{tools}:{os.environ['PATH']}"}, stderr=subprocess.PIPE,
        )  # fmt: skip
    until((shell.folder / "hangs").exists, "a tool hangs", process=process)
    process.send_signal(number)
    _, said = process.communicate()
    return process.returncode, said


def _hanging(folder: Path, *tools: str, hangs: str) -> Path:
    """Tools that hang at the first call that a pattern of the shell's ``case`` leaves over."""
    bin = folder / "bin"
    bin.mkdir()
    for tool in tools:
        (bin / tool).write_text(
            f"""#!/bin/sh
PATH=${{PATH#*:}}
{hangs}) if [ ! -e {folder}/hangs ]; then touch {folder}/hangs; sleep 1000; fi ;; esac
exec {tool} "$@"
"""
        )
        (bin / tool).chmod(0o755)
    return bin


def test_a_tool_that_hangs_in_a_step_has_everything_put_back(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    held = shell.rules()
    tools = _hanging(shell.folder, "iptables-restore", "iptables-nft-restore", hangs='case "$*" in *--test*) ;; *')
    done = _with_limit(shell, tools, 5.0, "apply", "b.dsl", "-t", "iptables", "-q")
    assert done.returncode == 4, done
    assert "did not end within 5 s, and was ended" in done.stderr
    assert done.stderr.endswith("Everything was put back as it was.\n")
    assert shell.rules() == held


@pytest.mark.parametrize("tool", ["nft", "iptables-save"])
def test_a_tool_that_hangs_is_no_reason_to_hang(shell: Shell, tool: str) -> None:
    """Where nothing was begun: nothing was changed, status 3, and the lock is free again."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.run("nft", "add", "table", "ip", "others")  # since when nobody knows that there is nothing of iptables
    tools = _hanging(shell.folder, tool, "iptables-nft-save", hangs="case $# in")
    (tools / tool).write_text("#!/bin/sh\nsleep 1000\n")
    (tools / "iptables-nft-save").write_text("#!/bin/sh\nsleep 1000\n")
    done = _with_limit(shell, tools, 1.0, "apply", "b.dsl", "-t", "nft")
    assert done.returncode == 3, done
    assert "did not end within 1 s, and was ended" in done.stderr
    assert done.stderr.endswith("Nothing was changed.\n")
    assert shell.endpoints() == A
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert shell.endpoints() == B


def _with_limit(shell: Shell, tools: Path, seconds: float, *words: str) -> subprocess.CompletedProcess[str]:
    """Run svcc with a time limit for tools, and these tools."""
    script = f"from svcc.kernel import tools; tools.LIMIT = {seconds}; from svcc.__main__ import main; main()"
    with shell.namespace.entered():
        return subprocess.run(
            [sys.executable, "-P", "-c", script, *words], cwd=shell.folder, check=False,
            env={**shell.environment(), "PATH": f"{tools}:{os.environ['PATH']}"}, capture_output=True, text=True,
        )  # fmt: skip
