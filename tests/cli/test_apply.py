"""svcc apply, as a user calls it, on a node of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.shell import PROGRAM, A, B, Shell, apply_at_work
from support.waiting import LID

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_applying_twice_changes_nothing_and_says_so(shell: Shell, target: str) -> None:
    others = shell.world.others()
    first = shell.svcc("apply", "a.dsl", "-t", target)
    assert first.stdout.startswith("Generation 1 is in place: ")
    again = shell.svcc("apply", "a.dsl", "-t", target, "-q")
    assert (again.stdout, again.stderr) == ("Nothing to do: generation 1 is in place.\n", "")
    assert shell.world.others() == others


def test_a_compiled_bundle_is_applied_as_it_was_reviewed(shell: Shell) -> None:
    for target, file in (("nft", "a.json"), ("iptables", "a.bundle")):
        (shell.folder / file).write_text(shell.svcc("compile", "a.dsl", "-t", target).stdout)
        shell.svcc("apply", file, "-t", target)
        assert shell.svcc("plan", "a.dsl", "-t", target).stdout.startswith("Nothing to do")
    said = shell.svcc("plan", "a.json", "-t", "nft", status=1).stdout
    assert said.startswith("All services move from iptables to nft.\n")


def test_the_ir_is_applied_from_standard_input(shell: Shell) -> None:
    text = shell.svcc("compile", "a.dsl", "-t", "ir").stdout
    shell.svcc("apply", "-", "-t", "nft", given=text)
    assert shell.endpoints() == A


def test_what_is_not_in_the_file_any_more_goes(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert shell.endpoints() == B


def test_a_dry_run_checks_and_changes_nothing(shell: Shell) -> None:
    said = shell.svcc("apply", "a.dsl", "-t", "iptables", "--dry-run").stdout
    assert said.endswith("Every step that can be checked without taking it was checked; nothing was changed.\n")
    assert "CUSTOM-" not in shell.run("iptables-save").replace("CUSTOM services, but not ours", "")
    assert not (shell.folder / "state" / "custom").exists()


def test_a_dry_run_says_what_a_plan_says(shell: Shell) -> None:
    """Also where all is in place, another prefix serves the same, and an apply waits to be confirmed."""
    shell.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    text = (shell.folder / "a.dsl").read_text()
    for step in range(4):
        if step == 1:
            shell.svcc("apply", "-", "-t", "nft", given=text.replace("CUSTOM", "OTHER"))
        elif step == 2:
            shell.svcc("apply", "a.dsl", "-t", "nft")
        elif step == 3:
            shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "3600")
        planned = shell.svcc("plan", "a.dsl", "-t", "nft", status=0 if step == 2 else 1)
        tried = shell.svcc("apply", "a.dsl", "-t", "nft", "--dry-run")
        said, other = (re.sub(r"waits \d+ s", "waits", one.stderr) for one in (planned, tried))
        assert other == said
        assert "svcc: warning: IPv4 forwarding: off" in said
        assert ("prefix OTHER serves here as well" in said, "`svcc confirm" in said) == (step > 0, step == 3)
        assert tried.stdout.startswith(planned.stdout)
    assert "warning" not in shell.svcc("apply", "a.dsl", "-t", "nft", "--dry-run", "--quiet").stderr


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_an_apply_warns_of_what_makes_its_services_dead(shell: Shell, target: str) -> None:
    dead = (
        "svcc: warning: IPv4 forwarding: off\n  remedy: sysctl -w net.ipv4.ip_forward=1\n",
        "  remedy: iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n",
    )
    shell.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    shell.run("iptables", "-P", "FORWARD", "DROP")
    said = shell.svcc("apply", "a.dsl", "-t", target).stderr
    assert [one in said for one in dead] == [True, True]
    shell.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    shell.run("iptables", "-I", "FORWARD", "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")
    said = shell.svcc("apply", "b.dsl", "-t", target).stderr
    assert "FORWARD" not in said
    assert "forwarding" not in said


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_rule_whose_comment_holds_the_end_of_a_line_stays(shell: Shell, variant: str) -> None:
    tool = f"iptables-{variant}"
    theirs = ("INPUT", "-m", "comment", "--comment", "a\n-A INPUT -j CUSTOM-UNSERVED", "-j", "ACCEPT")
    shell.run(tool, "-A", *theirs)
    for target in ("iptables", "nft"):
        shell.svcc("apply", "a.dsl", "-t", target)
        shell.svcc("plan", "b.dsl", "-t", target, status=1)
        shell.svcc("apply", "b.dsl", "-t", target)
        assert "The kernel holds what was applied." in shell.svcc("status").stdout
        shell.svcc("delete", "--yes")
        assert "CUSTOM-SERVICES" not in shell.run(f"{tool}-save")
        shell.run(tool, "-C", *theirs)


def test_wrong_input_is_refused_before_anything_else(shell: Shell) -> None:
    (shell.folder / "a.dsl").write_text("service web { vip 198.19.10.1; prot 80/tcp }\n")
    assert "error[SVC002]" in shell.svcc("apply", "a.dsl", "-t", "nft", status=2).stderr
    assert not (shell.folder / "state" / "custom").exists()


#: Another user, who may read what only root may: svcc itself may be below a home directory.
_AS_ANOTHER = [
    *("setpriv", "--reuid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]


def test_only_root_may(shell: Shell) -> None:
    for words in (["plan", "-", "-t", "nft"], ["apply", "-", "-t", "nft"], ["delete"], ["status"], ["restore"]):
        with shell.namespace.entered():
            done = subprocess.run(
                [*_AS_ANOTHER, *shell.words(*words)],
                input=PROGRAM, env=shell.environment(), capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, ""), done
        assert done.stderr == "svcc: rules can be read and changed by root only\n"


def test_a_state_directory_of_root_is_no_matter_to_who_needs_none(shell: Shell) -> None:
    with tempfile.TemporaryDirectory() as of_root, shell.namespace.entered():
        done = subprocess.run(
            [*_AS_ANOTHER, *shell.words("doctor", "--target", "nft", "--state-dir", of_root)],
            env=shell.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout.partition("\n")[0]) == (3, "nft: lacks 1"), done


def test_a_container_without_the_capability_is_told_what_it_lacks(shell: Shell) -> None:
    """Its root is no more than another user there, and tools would name a part that the program does not even have."""
    for words in (["plan", "a.dsl", "-t", "nft"], ["apply", "a.dsl", "-t", "iptables"], ["delete"], ["status"]):
        with shell.namespace.entered():
            done = subprocess.run(
                ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *shell.words(*words)],
                cwd=shell.folder, env=shell.environment(), capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, ""), done
        assert done.stderr == (
            "svcc: rules can be read and changed with CAP_NET_ADMIN only, which this container or unit lacks "
            "(of a container: --cap-add NET_ADMIN)\n"
        )


def test_what_the_kernel_refuses_is_led_back_to_the_service(shell: Shell) -> None:
    """iptables cannot know a match that its machine lacks: here, a module's tool plug-in is hidden from it."""
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("port 53/udp", "affinity client-ip 5m; port 53/udp"))
    hidden = shell.folder / "xtables"
    hidden.mkdir()
    for plugin in Path("/usr/lib").glob("*/xtables/*.so"):
        if plugin.name != "libxt_recent.so":
            (hidden / plugin.name).symlink_to(plugin)
    before = shell.rules()
    os.environ["XTABLES_LIBDIR"] = str(hidden)
    try:
        said = shell.svcc("apply", "c.dsl", "-t", "iptables", status=4).stderr
    finally:
        del os.environ["XTABLES_LIBDIR"]
    assert "error[SVC070]: the kernel or its tools refuse part iptables of service dns" in said
    assert " --> c.dsl:8:" in said
    assert "recent" in said
    assert shell.rules() == before


def test_two_prefixes_stand_side_by_side(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "OTHER").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "c.dsl", "-t", "iptables")
    assert shell.svcc("plan", "a.dsl", "-t", "nft").returncode == 0
    said = shell.svcc("status", status=2).stderr
    assert "choose one with --prefix" in said
    shell.svcc("delete", "--prefix", "OTHER")
    assert shell.endpoints() == A


def test_a_prefix_that_would_take_anothers_chains_is_refused(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "CUSTOM-B").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    assert "cannot be told apart" in shell.svcc("apply", "c.dsl", "-t", "iptables", status=3).stderr


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_a_mark_that_would_take_a_services_source_is_refused(shell: Shell, target: str) -> None:
    """Whichever rules come first rewrite the sources of all that is marked, to the machine's own address."""
    (shell.folder / "b.dsl").write_text(PROGRAM.replace("vip 198.19.10.1", "snat 10.0.0.9; vip 198.19.10.1"))
    other = PROGRAM.replace("CUSTOM", "OTHER").replace("198.19.10", "198.19.20").replace("30080", "30081")
    (shell.folder / "c.dsl").write_text(other)
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "c.dsl", "-t", target)
    why = (
        "svcc: nothing was changed:\n  mark 0x4000 is that of prefix OTHER, which is applied here, as well: where "
        "services have `snat`, each prefix needs a bit of its own; write `cluster { mark 0x8000 }` for one of them\n"
    )
    for command in ("plan", "apply"):
        assert shell.svcc(command, "b.dsl", "-t", "nft", status=3).stderr.startswith(why)
    (shell.folder / "c.dsl").write_text(other.replace("OTHER", "OTHER; mark 0x8000"))
    shell.svcc("apply", "c.dsl", "-t", target)
    shell.svcc("apply", "b.dsl", "-t", "nft")
    (shell.folder / "c.dsl").write_text(other)
    assert "mark 0x4000 is that of prefix CUSTOM" in shell.svcc("apply", "c.dsl", "-t", target, status=3).stderr
    (shell.folder / "c.dsl").write_text(other.replace("OTHER", "OTHER; mark 0x8000"))
    assert shell.svcc("apply", "c.dsl", "-t", target).stdout.startswith("Nothing to do")


def test_a_prefix_can_be_renamed_where_a_service_has_snat(shell: Shell) -> None:
    """Whichever rules come first rewrite the sources to the same addresses."""
    (shell.folder / "b.dsl").write_text(PROGRAM.replace("vip 198.19.10.1", "snat 10.0.0.9; vip 198.19.10.1"))
    shell.svcc("apply", "b.dsl", "-t", "nft")
    (shell.folder / "b.dsl").write_text((shell.folder / "b.dsl").read_text().replace("CUSTOM", "OTHER"))
    assert "`svcc delete --prefix CUSTOM` ends them there" in shell.svcc("apply", "b.dsl", "-t", "nft").stderr


def test_interrupted_between_two_steps_everything_is_put_back(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    held = shell.rules()
    with apply_at_work(shell) as process:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LID)
    assert process.returncode == 130, said
    assert said.endswith("svcc: interrupted by SIGINT: everything was put back as it was\n")
    assert shell.rules() == held


def test_what_whoever_started_it_ignores_does_not_interrupt(shell: Shell) -> None:
    """As nohup(1) ignores SIGHUP, and a script SIGINT for what it starts with ``&``."""
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    with apply_at_work(shell, "sh", "-c", 'trap "" HUP INT; exec "$@"', "sh") as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=LID)
    assert process.returncode == 0
    assert shell.svcc("plan", "b.dsl", "-t", "iptables").stdout.startswith("Nothing to do")


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_an_address_of_the_machine_s_own_is_refused_by_plan_and_apply(shell: Shell, target: str) -> None:
    with shell.namespace.entered():
        subprocess.run(["ip", "address", "add", "198.19.10.2/32", "dev", "lo"], check=True)
    reason = (
        "  198.19.10.2 is on device lo of this machine; to take only the declared ports, "
        "and leave the others to the machine, write `198.19.10.2 shared`\n\n"
    )
    planned = shell.svcc("plan", "a.dsl", "-t", target, status=3)
    assert planned.stderr == f"svcc: `svcc apply` would be refused:\n{reason}"
    assert shell.svcc("apply", "a.dsl", "-t", target, "-q", status=3).stderr == f"svcc: nothing was changed:\n{reason}"
    assert shell.svcc("plan", "a.dsl", "-t", target, status=3).stdout == planned.stdout


def test_a_bundle_in_nft_s_own_language_is_taken(shell: Shell) -> None:
    text = shell.svcc("compile", "a.dsl", "-t", "nft", "--syntax", "nft").stdout
    shell.svcc("compile", "a.dsl", "-t", "nft", "--syntax", "nft", "-o", "out")
    (shell.folder / "a.nft").write_text(text)
    shell.svcc("apply", "a.nft", "-t", "nft")
    assert shell.endpoints() == A
    for file in ("a.dsl", "a.nft", "out"):
        shell.svcc("plan", file, "-t", "nft")
    shell.svcc("compile", "b.dsl", "-t", "nft", "-o", "other")
    (shell.folder / "other" / "nft.nft").write_text(text)
    said = shell.svcc("apply", "other", "-t", "nft", status=2).stderr
    assert "part nft is here twice: as nft.json and nft.nft" in said
    (shell.folder / "a.nft").write_text(text.replace(" : 100.64.0.1,", " : 100.64.0.1 ,"))
    assert "error[SVC066]" in shell.svcc("apply", "a.nft", "-t", "nft", status=2).stderr
    assert shell.endpoints() == A


@pytest.mark.parametrize("variant", ["legacy", "nft"])
def test_rules_stay_in_the_variant_that_has_them(shell: Shell, variant: str) -> None:
    """Also where the machine's own ``iptables`` is the other one, and however often they are changed."""
    rules = shell.folder / "rules"
    rules.write_text(shell.svcc("compile", "a.dsl", "-t", "iptables", "--part", "iptables").stdout)
    shell.run(f"iptables-{variant}-restore", "--noflush", str(rules))
    for file in ("a.dsl", "b.dsl", "a.dsl", "b.dsl"):
        shell.svcc("apply", file, "-t", "iptables")
        shell.svcc("status")
    assert "100.64.0.4" in shell.run(f"iptables-{variant}-save")
    other = {"legacy": "nft", "nft": "legacy"}[variant]
    assert ":CUSTOM-" not in shell.run(f"iptables-{other}-save")
