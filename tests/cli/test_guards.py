"""Questions and refusals before services are lost; going back; prefixes of which nothing is left."""

from __future__ import annotations

import json
import os
import pty
import socket

import pytest

from support.shell import PROGRAM, A, B, Shell
from support.waiting import until

pytestmark = pytest.mark.kernel

NONE = "cluster { prefix CUSTOM }\n"


@pytest.fixture
def shell(shell: Shell) -> Shell:
    (shell.folder / "none.dsl").write_text(NONE)
    return shell


def history(shell: Shell) -> list[int]:
    """The numbers of what was applied, the newest first."""
    return [one["number"] for one in json.loads(shell.svcc("history", "--json").stdout)["generations"]]


# ---- targets that no kernel loads


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("ir", "the program itself, as JSON, which no kernel loads (`svcc compile - --target TARGET` takes it)"),
        (
            "aws",
            (
                "the balancers, as a CloudFormation template, which no kernel loads "
                "(`aws cloudformation deploy --template-file aws.json --stack-name NAME` takes it)"
            ),
        ),
    ],
)
@pytest.mark.parametrize("command", ["apply", "plan", "verify", "trace"])
def test_what_no_kernel_loads_is_no_target_here(shell: Shell, command: str, target: str, what: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    said = shell.svcc(command, "a.dsl", "-t", target, status=2).stderr
    assert said.splitlines()[-1] == (
        f"Error: Invalid value for '-t' / '--target': `{target}` is {what}: choose iptables, ipvs or nft"
    )
    assert shell.endpoints() == A


# ---- inputs that lost their services

_LOST = (
    "svcc: nothing was changed: this would leave no service, and take away 2 services that are served here: dns, web\n"
    "  If that is meant: --allow-empty\n"
)


_FORMS = [(form, target) for form in ("text", "ir", "bundle", "standard input") for target in ("nft", "iptables")]


@pytest.mark.parametrize(("form", "target"), [*_FORMS, ("folder", "nft")])
def test_an_input_without_services_is_refused_where_some_are_served(shell: Shell, target: str, form: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    given = None
    file = {"text": "none.dsl", "standard input": "-"}.get(form, "none")
    if form == "standard input":
        given = NONE
    elif form == "folder":
        shell.svcc("compile", "none.dsl", "-t", target, "-o", "none")
    elif form != "text":
        compiled = shell.svcc("compile", "none.dsl", "-t", target if form == "bundle" else "ir").stdout
        (shell.folder / "none").write_text(compiled)
    assert shell.svcc("apply", file, "-t", target, status=2, given=given).stderr == _LOST
    assert shell.svcc("apply", file, "-t", target, "--dry-run", status=2, given=given).stderr == _LOST
    said = shell.svcc("plan", file, "-t", target, status=1, given=given).stderr
    assert said == (
        "svcc: this would leave no service, and take away 2 services that are served here: dns, web: "
        "`svcc apply` refuses that without --allow-empty\n"
    )
    assert (shell.endpoints(), history(shell)) == (A, [1])
    shell.svcc("apply", file, "-t", target, "--allow-empty", given=given)
    assert shell.endpoints() == set()
    assert shell.svcc("apply", file, "-t", target, given=given).stdout == "Nothing to do: generation 2 is in place.\n"


def test_no_input_at_all_is_refused_where_some_are_served(shell: Shell) -> None:
    text = (shell.folder / "a.dsl").read_text().replace("prefix CUSTOM; ", "")
    shell.svcc("apply", "-", "-t", "nft", given=text)
    assert shell.svcc("apply", "-", "-t", "nft", status=2, given="").stderr == _LOST
    assert "100.64.0.1" in shell.run("nft", "list", "table", "ip", "svcc")


def test_a_folder_without_a_file_of_the_target_is_no_input(shell: Shell) -> None:
    """An empty program of iptables writes none: it is the same as a wrong folder."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("compile", "none.dsl", "-t", "iptables", "-o", "none")
    assert (
        "no part of target iptables is in this folder" in shell.svcc("apply", "none", "-t", "iptables", status=2).stderr
    )
    assert (shell.endpoints(), history(shell)) == (A, [1])


def test_what_was_applied_from_a_bundle_is_guarded_too(shell: Shell) -> None:
    (shell.folder / "a.json").write_text(shell.svcc("compile", "a.dsl", "-t", "nft").stdout)
    shell.svcc("apply", "a.json", "-t", "nft")
    assert shell.svcc("apply", "none.dsl", "-t", "nft", status=2).stderr == (
        "svcc: nothing was changed: this would leave no service, and take away 3 frontends that are served here: "
        "198.19.10.1:80/tcp, 198.19.10.2:53/udp, node port 30080/tcp\n  If that is meant: --allow-empty\n"
    )
    assert shell.endpoints() == A


def test_what_the_kernel_lost_is_not_forgotten_for_an_empty_input(shell: Shell) -> None:
    """A firewall's reload flushed the rules, then a generator fails: the record is what brings the services back."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.run("nft", "flush", "ruleset")
    assert shell.svcc("apply", "none.dsl", "-t", "nft", status=2).stderr == _LOST
    shell.svcc("restore")
    assert shell.endpoints() == A


def test_where_nothing_is_served_an_empty_input_is_nothing_to_refuse(shell: Shell) -> None:
    assert shell.svcc("apply", "none.dsl", "-t", "nft").stdout == "Generation 1 is in place: it was there already.\n"


def test_one_service_less_is_not_asked_about_in_a_script(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "c.dsl").write_text(PROGRAM.partition("service dns")[0])
    shell.svcc("apply", "c.dsl", "-t", "nft")
    assert shell.endpoints() == A - {"100.64.0.3"}


def test_an_empty_generation_is_not_gone_back_to_unasked(shell: Shell) -> None:
    shell.svcc("apply", "none.dsl", "-t", "nft")
    shell.svcc("apply", "a.dsl", "-t", "nft")
    for words in ([], ["1"]):
        assert shell.svcc("rollback", *words, status=2).stderr == _LOST
    assert shell.endpoints() == A
    shell.svcc("rollback", "--allow-empty")
    assert shell.endpoints() == set()


def answer(shell: Shell, reply: str, *words: str) -> tuple[int, str]:
    """Run svcc at a terminal and type a reply; its status and all that the terminal showed."""
    with shell.namespace.entered():
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(shell.folder)
            command = shell.words(*words)
            os.execvpe(command[0], command, shell.environment())
    said = b""

    def shown() -> bool:
        nonlocal said
        try:
            said += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return True
        return b"[y/N]" in said

    until(shown, "it asks, or ends")
    os.write(terminal, f"{reply}\n".encode())
    while True:
        try:
            said += os.read(terminal, 65536)
        except OSError:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return status, said.decode().replace("\r\n", "\n")


def test_at_a_terminal_a_plan_that_removes_services_is_shown_and_asked_for(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "c.dsl").write_text(PROGRAM.partition("service dns")[0])
    status, said = answer(shell, "n", "apply", "c.dsl", "-t", "nft")
    assert status == 1
    assert said.startswith("- service dns (1 endpoint): 198.19.10.2:53/udp\n")
    assert said.endswith(
        "This removes 1 service that is served here: dns.\nGo on? [y/N]: n\nsvcc: nothing was changed\n"
    )
    assert (shell.endpoints(), history(shell)) == (A, [1])
    status, said = answer(shell, "y", "apply", "c.dsl", "-t", "nft")
    assert (status, shell.endpoints()) == (0, A - {"100.64.0.3"})
    status, said = answer(shell, "n", "delete")
    assert (status, shell.endpoints()) == (1, A - {"100.64.0.3"})
    assert "This removes all that prefix CUSTOM serves here.\n" in said
    status, said = answer(shell, "", "delete", "--yes")
    assert (status, shell.endpoints()) == (0, set())
    assert "Go on?" not in said


def test_what_another_prefix_serves_already_is_said(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "OTHER"))
    doubles = "svcc: prefix CUSTOM serves here as well: dns, web; `svcc delete --prefix CUSTOM` ends them there\n"
    assert shell.svcc("plan", "c.dsl", "-t", "nft", status=1).stderr.startswith(doubles)
    assert shell.svcc("apply", "c.dsl", "-t", "nft").stderr.startswith(doubles)
    shell.svcc("delete", "--prefix", "CUSTOM")
    assert "prefix CUSTOM" not in shell.svcc("apply", "c.dsl", "-t", "iptables").stderr


def test_a_prefix_that_serves_more_is_not_to_be_deleted(shell: Shell) -> None:
    """Some ports of a range are in both. The services have other names there."""
    more = "service x { vip 198.19.10.3; port 5000-5001/udp nodeport 30053-30054; endpoints { 100.64.0.4 } }\n"
    (shell.folder / "b.dsl").write_text(PROGRAM + more)
    shell.svcc("apply", "b.dsl", "-t", "nft")
    head = PROGRAM.partition("service")[0].replace("CUSTOM", "OTHER")
    own = "service y { vip 198.19.10.4; port 5000-5009/udp nodeport 30050-30059; endpoints { 100.64.0.4 } }\n"
    (shell.folder / "c.dsl").write_text(head + own)
    said = shell.svcc("plan", "c.dsl", "-t", "nft", status=1).stderr
    warning = (
        "svcc: prefix CUSTOM serves here as well: node port 30053-30054/udp; which of the two leads their clients "
        "depends on the order of the rules: leave them out of one program"
    )
    assert [line for line in said.splitlines() if "CUSTOM" in line] == [warning]


def test_a_port_that_the_machine_listens_on_itself_is_named(shell: Shell) -> None:
    """Before it is taken: its sshd may be what listens there."""
    for words in ("link add lan type veth peer name far", "address add 10.0.0.4/24 dev lan", "link set lo up"):
        shell.run("ip", *words.split())
    more = "service ssh { external-ip 10.0.0.4 shared; port 22/tcp; endpoints { 100.64.0.4 } }\n"
    (shell.folder / "c.dsl").write_text(PROGRAM + more)

    def named(said: str) -> list[str]:
        lines = [line for line in said.splitlines() if "listens there itself" in line]
        return [line.removeprefix("svcc: warning: ").partition(": ")[0] for line in lines]

    with shell.namespace.entered():
        for listens, places in (
            (("0.0.0.0", 30080), ["node port 30080/tcp"]),
            (("10.0.0.4", 22), ["10.0.0.4 22/tcp"]),
            (("127.0.0.1", 30080), []),
            (("0.0.0.0", 80), []),
        ):
            with socket.create_server(listens):
                assert named(shell.svcc("plan", "c.dsl", "-t", "nft", status=1).stderr) == places
        with socket.create_server(("10.0.0.4", 30080)):
            assert named(shell.svcc("apply", "c.dsl", "-t", "iptables").stderr) == ["node port 30080/tcp"]


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_is_in_place_is_warned_of_like_anything_else(shell: Shell, target: str) -> None:
    """The machine changes while no file does. What is known without a look at FILE is told as when FILE is compiled."""
    shell.svcc("apply", "a.dsl", "-t", target)
    for words in ("address add 198.19.10.2 dev lo", "link set lo up", "route add default dev lo"):
        shell.run("ip", *words.split())
    shell.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    shell.run("iptables", "-P", "FORWARD", "DROP")
    expected = """\
svcc: warning: 198.19.10.2 is on device lo of this machine, which listens there on 30080/tcp; \
to take only the declared ports, and leave the others to the machine, write `198.19.10.2 shared`
  The next change of rules will be refused for that.
svcc: warning: node port 30080/tcp: this machine listens there itself, and its clients are led to web instead
  remedy: another port for one of the two
svcc: warning: IPv4 forwarding: off
  remedy: sysctl -w net.ipv4.ip_forward=1
svcc: warning: iptables filter FORWARD: drops by default, and no rule there accepts what was translated
  remedy: iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT
"""
    with shell.namespace.entered(), socket.create_server(("0.0.0.0", 30080)):
        for _ in range(2):
            for command in ("plan", "apply"):
                done = shell.svcc(command, "a.dsl", "-t", target)
                assert done.stdout.startswith("Nothing to do")
                assert sorted(done.stderr.splitlines()) == sorted(expected.splitlines())
                assert shell.svcc(command, "a.dsl", "-t", target, "-q").stderr == ""
            (shell.folder / "a.dsl").write_text(f"{PROGRAM}# more\n")  # so that it is compiled
        (shell.folder / "a.dsl").write_text(PROGRAM)
        refused = shell.svcc("apply", "b.dsl", "-t", target, status=3).stderr
        assert "198.19.10.2 is on device lo of this machine" in refused


# ---- going back


def unconfirmed(shell: Shell, file: str) -> None:
    """Apply a file, and go back as when nobody confirms it in time."""
    shell.svcc("apply", file, "-t", "nft", "--confirm", "600")
    pending = shell.folder / "state/custom/confirm.json"
    altered = pending.with_name("altered")
    altered.write_text(json.dumps({**json.loads(pending.read_text()), "deadline": 0.0}))
    altered.rename(pending)
    until(lambda: not pending.exists(), "it is put back")


def test_what_was_not_confirmed_is_not_gone_back_to(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("100.64.0.1;", "100.64.0.5;"))
    shell.svcc("apply", "c.dsl", "-t", "nft")
    shell.svcc("apply", "a.dsl", "-t", "nft")
    unconfirmed(shell, "b.dsl")
    assert (shell.endpoints(), history(shell)) == (A, [4, 3, 2, 1])
    shell.svcc("rollback")
    assert shell.endpoints() == {"100.64.0.5", "100.64.0.2", "100.64.0.3"}
    assert shell.svcc("rollback", "3", status=2).stderr == (
        "svcc: generation 3 was never confirmed: apply its file again\n"
    )
    found = json.loads(shell.svcc("history", "--json").stdout)["generations"]
    assert [one["number"] for one in found if not one["confirmed"]] == [3]


def test_without_an_earlier_generation_nothing_is_gone_back_to(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    unconfirmed(shell, "b.dsl")
    said = shell.svcc("rollback", status=2).stderr
    assert said == "svcc: there is no earlier generation to go back to; svcc delete removes everything\n"
    assert shell.endpoints() == A


def test_what_waits_to_be_confirmed_is_never_gone_back_to_either(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    assert "waits for `svcc confirm`" in shell.svcc("rollback", "2", status=2).stderr
    shell.svcc("rollback", "1")
    assert shell.endpoints() == A
    assert "was never confirmed" in shell.svcc("rollback", "2", status=2).stderr


def test_a_rollback_always_changes_something(shell: Shell) -> None:
    """What was only mended is the same generation again, and no earlier one."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    shell.run("nft", "delete element ip custom endpoint-0 { 198.19.10.1 . tcp . 80 }")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    shell.run("nft", "flush", "ruleset")
    shell.svcc("restore")
    shell.svcc("rollback")
    assert shell.endpoints() == A
    assert shell.svcc("rollback").stdout.startswith("Generation 2 is in place again")
    assert shell.endpoints() == B


# ---- prefixes


@pytest.fixture
def two(shell: Shell) -> Shell:
    """Two prefixes that were applied, of which nothing is left of OLD."""
    (shell.folder / "old.dsl").write_text(PROGRAM.replace("CUSTOM", "OLD").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "old.dsl", "-t", "iptables")
    shell.svcc("delete")
    shell.svcc("apply", "a.dsl", "-t", "nft")
    return shell


def test_a_prefix_of_which_nothing_is_left_is_none_to_choose(two: Shell) -> None:
    assert two.svcc("status").stdout.startswith("CUSTOM: generation 1 (nft)")
    assert history(two) == [1]
    two.svcc("apply", "b.dsl", "-t", "nft")
    two.svcc("rollback")
    assert two.endpoints() == A
    assert two.svcc("delete").stdout.endswith("`svcc rollback --prefix CUSTOM 3` brings them back.\n")
    assert two.endpoints() == set()


def test_an_emptied_prefix_is_none_either(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "none.dsl").write_text(NONE.replace("CUSTOM", "OLD"))
    shell.svcc("apply", "none.dsl", "-t", "nft")
    assert history(shell) == [1]
    shell.svcc("status")


def test_its_history_is_there_for_who_names_it(two: Shell) -> None:
    two.svcc("rollback", "--prefix", "OLD", "1")
    assert "OLD-SERVICES" in two.run("iptables-save")
    assert two.svcc("status", status=2).stderr == (
        "svcc: several prefixes are applied here: choose one with --prefix: custom or old\n"
    )


def test_the_commands_that_are_proposed_work_where_several_prefixes_are_applied(two: Shell) -> None:
    waits = two.svcc("apply", "old.dsl", "-t", "iptables", "--confirm", "600").stdout
    assert waits.endswith("unless you confirm it: svcc confirm --prefix OLD\n")
    assert "unless you confirm it: svcc confirm --prefix OLD\n" in two.svcc("status", "--prefix", "OLD").stdout
    refused = two.svcc("apply", "old.dsl", "-t", "iptables", status=3).stderr
    assert "run `svcc confirm --prefix OLD` or `svcc rollback --prefix OLD` within" in refused
    assert "for `svcc confirm --prefix OLD`" in two.svcc("rollback", "--prefix", "OLD", "3", status=2).stderr
    two.svcc("confirm", "--prefix", "OLD")
    assert "`svcc rollback --prefix OLD 3` brings" in two.svcc("delete", "--prefix", "OLD").stdout
    two.svcc("rollback", "--prefix", "OLD", "3")
    assert "OLD-SERVICES" in two.run("iptables-save")


def test_one_prefix_and_all_of_them_are_two_things(two: Shell) -> None:
    rules = two.rules()
    for command in ("delete", "status", "history"):
        assert "--all and --prefix: choose one" in two.svcc(command, "--prefix", "OLD", "--all", status=2).stderr
    assert two.rules() == rules


def test_all_are_shown_and_deleted(two: Shell) -> None:
    rules = two.rules()
    two.svcc("rollback", "--prefix", "OLD", "1")
    assert list(json.loads(two.svcc("history", "--all", "--json").stdout)["prefixes"]) == ["custom", "old"]
    assert [line for line in two.svcc("history", "--all").stdout.splitlines() if " " not in line] == ["CUSTOM", "OLD"]
    removed = two.svcc("delete", "--all").stdout.splitlines()
    assert [line.partition(":")[0] for line in removed] == ["CUSTOM", "OLD"]
    assert two.rules() == rules
    assert two.endpoints() == set()
    assert two.svcc("delete", "--all").stdout == "Nothing to do: there is nothing of ours.\n"
    assert "choose one" in two.svcc("history", "--all", "--prefix", "OLD", status=2).stderr
