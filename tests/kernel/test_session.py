"""Sessions: one holder of a prefix, from plan to kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_address

import pytest

import svcc
from support.broken_tools import broken_tools
from support.shell import PROGRAM, A, B, Shell
from support.waiting import until
from svcc.apply import confirm
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.steps import ToolEnd

pytestmark = pytest.mark.kernel


def read(text: str = PROGRAM) -> ir.Program:
    program = load_text(Source("svc.dsl", text)).program
    assert program is not None
    return program


def session(shell: Shell, target: str = "nft", what: str = "a test") -> svcc.Session:
    return svcc.Session(target, state_dir=shell.folder / "state", what=what)


def served(shell: Shell, target: str = "nft") -> set[str]:
    if target == "nft":
        return shell.endpoints()
    rules = " ".join(shell.rules()) + " "
    return {one for one in A | B if re.search(rf"--to-destination {re.escape(one)}[: ]", rules)}


@pytest.mark.parametrize("target", ["iptables", "nft"])
def test_from_plan_to_kernel(shell: Shell, target: str) -> None:
    with shell.namespace.entered(), session(shell, target) as kept:
        plan = kept.plan(read(), "svc.dsl")
        assert (plan.empty, plan.generation, served(shell, target)) == (False, None, set())
        first = kept.apply(plan)
        assert (first.number, first.source, served(shell, target)) == (1, "svc.dsl", A)
        assert kept.plan(read()).empty
        assert kept.apply(kept.plan(read())).number == 1
        second = kept.apply(kept.plan(svcc.compile(read((shell.folder / "b.dsl").read_text()), target)))
        assert (second.number, served(shell, target)) == (2, B)
    named = shell.svcc("apply", "b.dsl", "-t", target).stdout  # a program over the bundle of the same rules
    assert named == "Generation 3 is in place: it was there already.\n"
    assert "Nothing to do" in shell.svcc("apply", "b.dsl", "-t", target).stdout


def test_services_are_put_in_and_taken_away(shell: Shell) -> None:
    program = read()
    dns, web = program.services
    more = replace(web, endpoints=(*web.endpoints, replace(web.endpoints[0], address=ip_address("100.64.0.4"))))
    new = replace(dns, name="new", vips=(ip_address("198.19.10.9"),))
    with shell.namespace.entered(), session(shell) as kept:
        with pytest.raises(ValueError, match="applied no program yet"):
            kept.update({"web": more})
        kept.apply(kept.plan(program))
        assert kept.update({"web": more, "dns": None, "new": new}).number == 2
        assert kept.program is not None
        assert kept.program.services == (new, more)
        assert kept.plan(replace(program, services=(new, more))).empty
        assert served(shell) == A | B
        with pytest.raises(ValueError, match="the service for web is called dns"):
            kept.update({"web": dns})
        with pytest.raises(ValueError, match="no service old to remove"):
            kept.update({"old": None})
        clash = replace(new, name="clash")
        with pytest.raises(svcc.InputError, match="new"):
            kept.update({"clash": clash})
        assert kept.plan(replace(program, services=(new, more))).empty


def test_a_plan_is_applied_later_where_the_machine_is_still_the_same(shell: Shell) -> None:
    with shell.namespace.entered():
        with session(shell) as kept:
            kept.apply(kept.plan(read()))
            saved = json.dumps(kept.plan(read((shell.folder / "b.dsl").read_text()), "b.dsl").to_json())
        with session(shell) as kept:
            plan = svcc.Plan.from_json(json.loads(saved))
            assert kept.apply(plan).number == 2
            assert served(shell) == B
            with pytest.raises(svcc.Outdated, match="generation 1 was in place, and generation 2 is in place"):
                kept.apply(plan)
            again = kept.plan(read())
            shell.run("nft", "flush", "chain", "ip", "custom", "dispatch")
            with pytest.raises(svcc.Outdated, match="rules of generation 2 were changed since"):
                kept.apply(again)
            assert kept.apply(kept.plan(read())).number == 3
            assert served(shell) == A


def test_nobody_else_changes_what_a_session_keeps(shell: Shell) -> None:
    with shell.namespace.entered(), session(shell, what="the test's session") as kept:
        kept.apply(kept.plan(read()))
        for words in (["apply", "b.dsl", "-t", "nft"], ["rollback"], ["delete"], ["restore"]):
            said = shell.svcc(*words, status=3).stderr
            assert "prefix CUSTOM is kept by process " in said
            assert "the test's session" in said
        assert shell.svcc("status").stdout
        shell.svcc("plan", "b.dsl", "-t", "nft", status=1)
        with pytest.raises(svcc.Kept, match="the test's session"), session(shell) as other:
            other.plan(read())
        assert served(shell) == A
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert served(shell) == B


def test_an_apply_that_is_not_confirmed_goes(shell: Shell) -> None:
    with shell.namespace.entered(), session(shell) as kept:
        kept.apply(kept.plan(read()))
        kept.apply(kept.plan(read((shell.folder / "b.dsl").read_text())), confirm_within=600)
        with pytest.raises(svcc.Unconfirmed, match="generation 2 still waits"):
            kept.apply(kept.plan(read()))
        assert kept.confirm()
        assert not kept.confirm()
        assert kept.apply(kept.plan(read()), confirm_within=0.1).number == 3
        until(lambda: served(shell) == B, "the rules of before are back")
        assert not kept.confirm()
        with pytest.raises(svcc.Refused, match="went back from generation 3"):
            kept.update({})
        with pytest.raises(svcc.Refused, match="went back from generation 3"):
            kept.adjust(read())
        assert served(shell) == B
        kept.apply(kept.plan(read()))
        assert kept.update({"dns": None}).number == 6


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 0, -1, 86_401, "10"])
def test_an_apply_has_a_time_to_be_confirmed_in(shell: Shell, seconds: float) -> None:
    with shell.namespace.entered(), session(shell) as kept:
        plan = kept.plan(read())
        with pytest.raises(ValueError, match="confirm_within is "):
            kept.apply(plan, confirm_within=seconds)
        assert served(shell) == set()


def test_a_closed_session_keeps_and_changes_nothing(shell: Shell) -> None:
    with shell.namespace.entered(), session(shell) as kept:
        kept.apply(kept.plan(read()))
    shell.svcc("apply", "b.dsl", "-t", "nft")
    uses: list[Callable[[], object]] = [lambda: kept.plan(read()), lambda: kept.update({}), kept.drift]
    for use in uses:
        with shell.namespace.entered(), pytest.raises(ValueError, match=r"closed|no program|no prefix"):
            use()
    assert served(shell) == B
    shell.svcc("apply", "a.dsl", "-t", "nft")


def test_values_that_no_file_may_hold_are_refused(shell: Shell) -> None:
    program = read()
    service = next(one for one in program.services if one.name == "web")
    wrong = replace(service, endpoints=(replace(service.endpoints[0], weight=70_000),))
    with shell.namespace.entered(), session(shell) as kept:
        kept.apply(kept.plan(program))
        with pytest.raises(svcc.InputError, match="70000"):
            kept.update({"web": wrong})
        with pytest.raises(svcc.InputError, match="70000"):
            kept.plan(replace(program, services=(wrong,)))
        with pytest.raises(ValueError, match="is no program"):
            kept.plan("a.dsl")  # type: ignore[arg-type]
        assert served(shell) == A


def test_all_services_are_not_taken_away_by_mistake(shell: Shell) -> None:
    empty = replace(read(), services=())
    with shell.namespace.entered(), session(shell) as kept:
        kept.apply(kept.plan(read()))
        with pytest.raises(svcc.Refused, match="no service would be left; served now: 2"):
            kept.apply(kept.plan(empty))
        assert served(shell) == A
        kept.apply(kept.plan(empty), allow_empty=True)
        assert served(shell) == set()


def test_a_tool_that_fails(shell: Shell) -> None:
    with (
        broken_tools(shell.folder, "iptables-save", "iptables-nft-save"),
        shell.namespace.entered(),
        session(shell, "iptables") as kept,
        pytest.raises(svcc.ToolFailed, match="it is broken") as caught,
    ):
        kept.plan(read())
    assert (caught.value.part, caught.value.end) == ("iptables", ToolEnd.REFUSED)


@pytest.mark.parametrize(
    ("target", "node", "wrong"),
    [
        ("iptables", None, "for target iptables, and the rules are for nft"),
        ("nft", "m", "for node m, and the rules are for n"),
    ],
)
def test_rules_for_another_target_or_machine_are_another_session_s(
    shell: Shell, target: str, node: str | None, wrong: str
) -> None:
    """The next update would move all services to the session's own."""
    with shell.namespace.entered():
        with session(shell) as kept:
            plan = kept.plan(read())
        with svcc.Session(target, node=node, state_dir=shell.folder / "state") as other:
            for refused in (lambda: other.plan(plan.wanted.bundle), lambda: other.apply(plan)):
                with pytest.raises(svcc.StoreError, match=f"this session is {wrong}"):
                    refused()
        assert served(shell) == set()


def test_another_prefix_is_another_session_s(shell: Shell) -> None:
    with shell.namespace.entered(), session(shell) as kept:
        kept.plan(read())
        with pytest.raises(svcc.StoreError, match="keeps prefix custom, and other is another"):
            kept.plan(read(PROGRAM.replace("CUSTOM", "OTHER")))
    with pytest.raises(ValueError, match="ir is no target that a kernel loads"):
        svcc.Session("ir")


def test_threads_share_a_session(shell: Shell) -> None:
    """Each of them changes another service; all changes are there in the end."""
    base = read().services[0]
    numbers = range(2, 10)
    services = {
        f"s{n}": replace(base, name=f"s{n}", vips=(ip_address(f"198.19.11.{n}"),), ports=(_port(base, n),))
        for n in numbers
    }
    with session(shell) as kept:
        with shell.namespace.entered():
            kept.apply(kept.plan(read()))

        def change(name: str) -> int:
            with shell.namespace.entered():
                return kept.update({name: services[name]}).number

        with ThreadPoolExecutor(len(services)) as pool:
            assert sorted(pool.map(change, services)) == [*range(2, 2 + len(services))]
        assert kept.program is not None
        assert {one.name for one in kept.program.services} == {"web", "dns", *services}
        with shell.namespace.entered():
            assert kept.plan(kept.program).empty


def _port(service: ir.Service, number: int) -> ir.Port:
    return replace(service.ports[0], nodeport=ir.PortRange(30100 + number, 30100 + number))


def test_a_holder_that_is_killed_keeps_nothing(shell: Shell) -> None:
    script = (
        "import svcc, sys, time\n"
        "with svcc.Session('nft', state_dir=sys.argv[1]) as kept:\n"
        "    kept.plan(svcc.load(sys.argv[2])); print('kept', flush=True); time.sleep(600)\n"
    )
    with shell.python(script, str(shell.folder / "state"), str(shell.folder / "a.dsl")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        assert "is kept by" in shell.svcc("apply", "a.dsl", "-t", "nft", status=3).stderr
        process.kill()
        process.wait()
    shell.svcc("apply", "a.dsl", "-t", "nft")
    assert confirm.Pending.read(shell.world.store.installation("custom")) is None
