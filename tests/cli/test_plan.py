"""What a plan says, and that it changes nothing."""

from __future__ import annotations

import pytest

from support.schemas import follows
from support.shell import CHANGED, Shell, blocks

pytestmark = pytest.mark.kernel


def test_a_plan_says_what_changes_by_service_and_changes_nothing(shell: Shell) -> None:
    before = shell.world.others()
    said = shell.svcc("plan", "a.dsl", "-t", "nft", status=1).stdout
    assert said.splitlines()[:2] == [
        "+ service dns (1 endpoint): 198.19.10.2:53/udp",
        "+ service web (2 endpoints): 198.19.10.1:80/tcp, node port 30080/tcp",
    ]
    assert said.splitlines()[-2].endswith("in 1 step: all at once.")
    assert said.splitlines()[-1] == "2 services added. Nothing is taken away."
    assert shell.endpoints() == set()
    assert shell.world.others() == before
    assert not (shell.folder / "state" / "custom").exists()


def test_a_plan_after_an_apply_is_empty(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    assert shell.svcc("plan", "a.dsl", "-t", "nft").stdout == "Nothing to do: the kernel holds what it should.\n"


def test_a_small_change_is_a_small_plan(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    above, below = (
        """\
web: ~ 100.64.0.2:8080 -> 100.64.0.4:8080
""",
        """\

Steps
  1. nft: 3 elements added, 2 removed (at once)
  2. nft: 1 element removed (at once)

1 object to add, 2 to change, 1 to remove, in 2 steps: each step undone if a later one fails.
1 service changed. Taken away: 1 endpoint.
""",
    )
    objects = """\

web
  ~ nft: element ip endpoint-1 198.19.10.1 . tcp . 80: 100.64.0.2 -> 100.64.0.4
  ~ nft: element ip nodeport-endpoint-1 tcp . 30080: 100.64.0.2 -> 100.64.0.4
(rules and settings that all services share)
  + nft: element ip hairpin 100.64.0.4 . 100.64.0.4
  - nft: element ip hairpin 100.64.0.2 . 100.64.0.2
"""
    assert shell.svcc("plan", "b.dsl", "-t", "nft", status=1).stdout == above + below
    assert shell.svcc("plan", "b.dsl", "-t", "nft", "--objects", status=1).stdout == above + objects + below


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_what_was_changed_by_hand_is_told_apart_from_what_a_file_changes(shell: Shell, target: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", target)
    assert blocks(shell.svcc("plan", "b.dsl", "-t", target, status=1).stdout)[:2] == [CHANGED, "Steps"]
    shell.run("nft", "flush ruleset")
    said = blocks(shell.svcc("plan", "b.dsl", "-t", target, status=1).stdout)
    lost = """\
Changed by hand since generation 1 was applied, and put right by this:
  2 services (dns, web): nothing of it is in the kernel"""
    assert said[0] == CHANGED
    assert said[1].startswith(lost)
    same = blocks(shell.svcc("plan", "a.dsl", "-t", target, status=1).stdout)
    assert same[0].startswith(lost)
    assert same[-1].endswith("No service changes. Nothing is taken away.\n")
    plan = follows("plan", shell.svcc("plan", "a.dsl", "-t", target, "--json", status=1).stdout)
    assert plan["services"] == []
    assert {one["service"] for one in plan["drift"]} == {"web", "dns", None}
    assert plan["drift"] == plan["objects"]


def test_one_element_that_somebody_changed_is_said_by_its_endpoint(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    key = "198.19.10.1 . tcp . 80"
    shell.run("nft", f"delete element ip custom endpoint-1 {{ {key} }}")
    shell.run("nft", f"add element ip custom endpoint-1 {{ {key} : 100.64.0.7 }}")
    said = blocks(shell.svcc("plan", "b.dsl", "-t", "nft", status=1).stdout)
    assert said[0] == CHANGED
    assert said[1].splitlines()[1:] == [
        "  web: 100.64.0.2:8080 is not in the kernel",
        "  web: 100.64.0.7:8080 is only in the kernel",
    ]


def test_another_target_for_the_same_services_is_no_change_of_them(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    said = shell.svcc("plan", "a.dsl", "-t", "iptables", status=1).stdout
    assert said.startswith("All services move from nft to iptables.\n\nSteps\n")
    assert (
        "\n\nConnections\n  from nft to iptables: new connections go the new way at once, those that are open " in said
    )
    assert said.endswith("No service changes. Nothing is taken away.\n")


def test_a_plan_of_a_bundle_is_by_what_its_rules_serve(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    (shell.folder / "b.json").write_text(shell.svcc("compile", "b.dsl", "-t", "nft").stdout)
    said = blocks(shell.svcc("plan", "b.json", "-t", "nft", status=1).stdout)[0].splitlines()
    assert said[:2] == ["web", "  - 100.64.0.2:8080"] or said[0] == CHANGED
    shell.svcc("apply", "b.json", "-t", "nft")
    assert "Only rules are known of one side" in shell.svcc("plan", "a.dsl", "-t", "nft", status=1).stdout


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_a_plan_as_json_follows_its_schema(shell: Shell, target: str) -> None:
    for prepare, status in (([], 1), (["apply", "b.dsl", "-t", "nft"], 1), (["apply", "a.dsl", "-t", target], 0)):
        if prepare:
            shell.svcc(*prepare)
        plan = follows("plan", shell.svcc("plan", "a.dsl", "-t", target, "--json", status=status).stdout)
        assert bool(plan["objects"]) == bool(status)
        services = {change["service"] for change in plan["objects"]}
        assert services <= {"web", "dns", None}


def test_warnings_that_differ_in_an_address_alone_are_counted(shell: Shell) -> None:
    endpoints = "; ".join(f"100.64.{number}.1" for number in range(9))
    text = f"cluster {{ prefix CUSTOM }}\nservice web {{ vip 198.19.10.1; port 80/tcp; endpoints {{ {endpoints} }} }}\n"
    (shell.folder / "many.dsl").write_text(text)
    said = [
        line for line in shell.svcc("plan", "many.dsl", "-t", "nft", status=1).stderr.splitlines() if "endpoint" in line
    ]
    assert said == [
        *(f"svcc: warning: route to endpoint 100.64.{number}.1: none" for number in range(3)),
        "svcc: warning: 6 more like this: route to endpoint …: none",
    ]
