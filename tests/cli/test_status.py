"""What `svcc status` says of the kernel, also while another svcc is at work, and where its output goes."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.schemas import follows
from support.shell import PROGRAM, Shell, apply_at_work
from support.waiting import LID, until
from svcc.columns import fitting

pytestmark = pytest.mark.kernel


def rows(shell: Shell, *words: str, status: int) -> list[tuple[str, str, str]]:
    """Each endpoint with its frontend's label and what the kernel holds of it."""
    found = follows("status", shell.svcc("status", "--json", *words, status=status).stdout)
    return [
        (one["label"], endpoint["address"], endpoint["kernel"])
        for one in found["listeners"]
        for endpoint in one["endpoints"]
    ]


_WEB = [("web", "100.64.0.1"), ("web", "100.64.0.2")]


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_the_kernel_lost_is_said_at_each_row(shell: Shell, target: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", target)
    assert rows(shell, status=0) == [(*one, "as applied") for one in [("dns", "100.64.0.3"), *_WEB, *_WEB]]
    shell.run("nft", "flush", "ruleset")
    assert rows(shell, status=1) == [(*one, "missing") for one in [("dns", "100.64.0.3"), *_WEB, *_WEB]]
    lines = shell.svcc("status", status=1).stdout.splitlines()
    assert lines[2].split() == ["dns", "198.19.10.2:53/udp", "100.64.0.3:53", "1", "0", *["not", "in", "the", "kernel"]]


def test_an_endpoint_that_somebody_changed_is_said_with_the_one_in_its_stead(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    key = "198.19.10.1 . tcp . 80"
    shell.run("nft", f"delete element ip custom endpoint-1 {{ {key} }}")
    shell.run("nft", f"add element ip custom endpoint-1 {{ {key} : 100.64.0.7 }}")
    assert rows(shell, "web", status=1) == [
        ("web", "100.64.0.1", "as applied"),
        ("web", "100.64.0.2", "missing"),
        ("web", "100.64.0.7", "added"),
        ("web", "100.64.0.1", "as applied"),
        ("web", "100.64.0.2", "as applied"),
    ]
    assert rows(shell, "dns", status=0) == [("dns", "100.64.0.3", "as applied")]


def test_a_service_whose_only_endpoint_was_replaced_is_not_said_to_be_gone(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    element = "198.19.10.2 . udp . 53"
    shell.run("nft", "delete", "element", "ip", "custom", "endpoint-0", f"{{ {element} }}")
    shell.run("nft", "add", "element", "ip", "custom", "endpoint-0", f"{{ {element} : 100.64.0.7 }}")
    said = shell.svcc("status", status=1).stdout
    assert "  dns: 100.64.0.3:53 is not in the kernel\n  dns: 100.64.0.7:53 is only in the kernel\n" in said


def test_a_share_that_somebody_changed_is_said_where_all_endpoints_are_there(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    in_chain = [one for one in shell.rules() if one.startswith("-A CUSTOM-SVC-web ")]
    (number,) = [number for number, one in enumerate(in_chain, 1) if "statistic" in one]
    words = [{"0.50000000000": "0.75"}.get(word, word) for word in in_chain[number - 1].split()[2:]]
    shell.run("iptables", "-t", "nat", "-R", "CUSTOM-SVC-web", str(number), *words)
    assert rows(shell, "web", status=1) == [(*one, "changed") for one in _WEB * 2]
    assert shell.svcc("status", "web", status=1).stdout.count("changed in the kernel") == 4
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    assert rows(shell, "web", status=0) == [(*one, "as applied") for one in _WEB * 2]


def test_a_draining_endpoint_is_none_that_the_kernel_lacks(shell: Shell) -> None:
    (shell.folder / "a.dsl").write_text(PROGRAM.replace("100.64.0.2 }", "100.64.0.2 draining }"))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.run("nft", "delete element ip custom endpoint-0 { 198.19.10.2 . udp . 53 }")
    assert rows(shell, status=1) == [("dns", "100.64.0.3", "missing"), *[(*one, "as applied") for one in _WEB * 2]]


def test_who_gets_nothing_new_is_said_with_its_reason(shell: Shell) -> None:
    """A backup that was called draining might be taken out as soon as it has no connections."""
    ends = "100.64.0.2 backup; 100.64.0.5 draining }"
    (shell.folder / "a.dsl").write_text(PROGRAM.replace("100.64.0.2 }", ends))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    web = json.loads(shell.svcc("status", "web", "--json").stdout)["listeners"][0]["endpoints"]
    assert [(one["weight"], one["state"]) for one in web] == [(1, "serving"), (0, "backup"), (0, "draining")]
    lines = shell.svcc("status", "web").stdout.splitlines()
    assert [line.split()[-2] for line in lines[2:5]] == ["1", "backup", "draining"]


def test_only_the_services_that_are_asked_for_are_shown(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    lines = shell.svcc("status", "dns").stdout.splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == ["dns"]
    said = shell.svcc("status", "wob", status=2).stderr
    assert said == "svcc: there is no service wob in generation 1: did you mean `web`?\n"


def test_all_prefixes_are_shown(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "OTHER").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "c.dsl", "-t", "iptables")
    lines = shell.svcc("status", "--all").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines if " generation " in line] == ["CUSTOM", "OTHER"]
    for command in ("status", "history"):
        assert list(follows(command, shell.svcc(command, "--all", "--json").stdout)["prefixes"]) == ["custom", "other"]


def test_what_differs_is_said_by_service_and_its_objects_when_asked_for(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.run("nft", "delete element ip custom endpoint-1 { 198.19.10.1 . tcp . 80 }")
    differs = "The kernel differs from what was applied"
    line = "  web: 100.64.0.2:8080 is not in the kernel"
    said = shell.svcc("status", status=1).stdout.splitlines()
    assert said[-2:] == [f"{differs} (1 object; --objects shows them):", line]
    said = shell.svcc("status", "--objects", status=1).stdout.splitlines()
    assert (
        said[-5:]
        == [
            *(f"{differs}:", line, "", "To put that right:", "web"),
            "  + nft: element ip endpoint-1 198.19.10.1 . tcp . 80",
        ][-5:]
    )


def test_watching_goes_on_until_it_is_interrupted(shell: Shell) -> None:
    """With --json each line is a document; what is applied meanwhile is seen."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    words = shell.words("status", "web", "--watch", "--interval", "1", "--json")
    with shell.namespace.entered():
        watching = subprocess.Popen(
            words, cwd=shell.folder, env=shell.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    assert watching.stdout is not None
    assert _seen(watching.stdout.readline()) == {"100.64.0.1", "100.64.0.2"}
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert any(_seen(line) == {"100.64.0.1", "100.64.0.4"} for line in watching.stdout)
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=LID)
    assert (watching.returncode, said) == (130, "svcc: interrupted by SIGINT\n")


def test_what_is_no_time_between_two_looks(shell: Shell) -> None:
    assert "`nan` is no number" in shell.svcc("status", "--watch", "--interval", "nan", status=2).stderr


def _seen(line: str) -> set[str]:
    found = follows("status", line)
    return {endpoint["address"] for one in found["listeners"] for endpoint in one["endpoints"]}


@pytest.mark.parametrize("words", [["status"], ["plan", "b.dsl", "-t", "iptables"]], ids=["status", "plan"])
def test_who_looks_while_somebody_is_at_work_waits(shell: Shell, words: list[str]) -> None:
    """It opens the lock's file, and sees what there is when the other one is done."""
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    with apply_at_work(shell) as working:
        with shell.namespace.entered():
            looking = subprocess.Popen(
                shell.words(*words), cwd=shell.folder, env=shell.environment(), stdout=subprocess.PIPE, text=True
            )
        until(lambda: _has_open(looking.pid, shell.folder / "state/lock"), "it waits", process=looking)
    working.communicate(timeout=LID)
    said, _ = looking.communicate(timeout=LID)
    assert (working.returncode, looking.returncode) == (0, 0)
    assert said.splitlines()[-1].startswith(("The kernel holds what was applied.", "Nothing to do: "))


def _has_open(process: int, path: Path) -> bool:
    try:
        return any(link.resolve() == path for link in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


def test_a_pipe_gets_whole_rows_and_a_terminal_what_fits(shell: Shell) -> None:
    name = "a-service-with-a-name-of-" + "many-" * 20 + "words"
    (shell.folder / "a.dsl").write_text(PROGRAM.replace("service web", f"service {name}"))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    environment = {**shell.environment(), "COLUMNS": "60"}
    with shell.namespace.entered():
        piped = subprocess.run(
            shell.words("status"), cwd=shell.folder, env=environment, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    assert piped[2].split() == [name, "198.19.10.1:80/tcp", "100.64.0.1:8080", "1", "0"]
    with shell.namespace.entered():
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(shell.folder)
            words = shell.words("status")
            os.execvpe(words[0], words, {**shell.environment(), "COLUMNS": "80"})
    said = b""
    while True:
        try:
            said += os.read(terminal, 65536)
        except OSError:
            break
    os.waitpid(child, 0)
    os.close(terminal)
    table = said.decode().splitlines()[1:7]
    assert all(len(line) <= 80 for line in table)
    assert table[1].split()[1:] == ["198.19.10.1:80/tcp", "100.64.0.1:8080", "1", "0"]


@pytest.mark.parametrize(
    ("widths", "limit", "fits"),
    [
        ([5, 5], 12, [5, 5]),
        ([20, 5], 12, [8, 5]),
        ([20, 30, 4], 40, [16, 16, 4]),
        ([3, 200], 20, [3, 15]),
        ([9, 9], 2, [8, 8]),
        ([], 80, []),
    ],
)
def test_the_widest_columns_give_way(widths: list[int], limit: int, fits: list[int]) -> None:
    assert fitting(widths, limit) == fits


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_only_the_kernel_serves_is_shown_and_counted(shell: Shell, target: str) -> None:
    """An old rule set came back, or the record was lost: what goes with an apply is said."""
    gone = "198.19.10.2:53/udp"
    (shell.folder / "less.dsl").write_text(PROGRAM.partition("service dns")[0])
    shell.svcc("apply", "a.dsl", "-t", target)
    save = "iptables-nft-save" if target == "iptables" else None
    saved = shell.run(save) if save else f"flush ruleset\n{shell.run('nft', 'list', 'ruleset')}"
    shell.svcc("apply", "less.dsl", "-t", target)
    again = shell.folder / "saved"
    again.write_text(saved)
    shell.run(*(("iptables-nft-restore", str(again)) if save else ("nft", "-f", str(again))))
    rows = shell.svcc("status", status=1).stdout.splitlines()
    assert [row.split() for row in rows if gone in row] == [
        ["(none)", gone, "100.64.0.3:53", "?", "0", "only", "in", "the", "kernel"]
    ]
    found = json.loads(shell.svcc("status", "--json", status=1).stdout)["listeners"][-1]
    assert (found["service"], found["address"], found["ports"]) == ("", "198.19.10.2", [53, 53])
    last = shell.svcc("plan", "less.dsl", "-t", target, status=1).stdout.splitlines()[-1]
    assert last == f"No service changes. Taken away: 1 frontend ({gone})."

    shell.svcc("apply", "less.dsl", "-t", target)
    assert gone not in shell.svcc("status").stdout
    shell.svcc("apply", "a.dsl", "-t", target)
    (shell.folder / "state/custom").rename(shell.folder / "elsewhere")
    last = shell.svcc("plan", "less.dsl", "-t", target, status=1).stdout.splitlines()[-1]
    assert last == f"1 service added. Taken away: 1 frontend ({gone})."
    planned = shell.svcc("delete", "--prefix", "CUSTOM", "--dry-run").stdout.splitlines()[-1]
    assert planned == f"No service changes. Taken away: 3 frontends (node port 30080/tcp, 198.19.10.1:80/tcp, {gone})."
    (shell.folder / "none.dsl").write_text("cluster { prefix CUSTOM }\n")
    refused = shell.svcc("apply", "none.dsl", "-t", target, status=2).stderr
    assert (
        "and take away 3 frontends that are served here: 198.19.10.1:80/tcp, 198.19.10.2:53/udp, node port" in refused
    )


def test_a_record_that_is_older_than_the_kernel_is_told(shell: Shell) -> None:
    (shell.folder / "less.dsl").write_text(PROGRAM.partition("service dns")[0])
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shutil.copytree(shell.folder / "state/custom", shell.folder / "backup")
    shell.svcc("apply", "less.dsl", "-t", "nft")
    shutil.rmtree(shell.folder / "state/custom")
    (shell.folder / "backup").rename(shell.folder / "state/custom")
    assert shell.svcc("plan", "less.dsl", "-t", "nft", status=1).stdout == (
        "- service dns (1 endpoint): 198.19.10.2:53/udp\n"
        "\n"
        "The kernel holds what FILE says already, and the record does not: it is older than the kernel, or damaged. An "
        "apply only records it.\n"
        "1 service removed. Nothing is taken away.\n"
    )
