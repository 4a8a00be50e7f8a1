"""The xtables drivers on this machine's kernel: from any state of our chains to any other, and nothing else touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.files import GOLDEN
from support.ipvs_kernel import loadable
from support.strategies import programs_for
from support.xtables_machine import (
    DOWN,
    FAMILIES,
    TO_IPTABLES,
    TO_IPVS,
    VARIANTS,
    bring,
    converge,
    load,
    load_others,
    make_sets,
    must,
    namespace,
    others,
)
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.xtables import delta
from svcc.kernel.xtables.loading import TRANSLATING
from svcc.targets import targets

pytestmark = pytest.mark.kernel

FILES = [path.relative_to(GOLDEN) for path in sorted(GOLDEN.glob("ip*/*/ip*tables.rules"))]
TARGETS = ("iptables", "ipvs")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("path", FILES, ids=str)
def test_what_was_loaded_is_read_as_the_text_says(path: Path, variant: str) -> None:
    text, driver = loadable((GOLDEN / path).read_text()), FAMILIES[path.stem]
    scope = Scope(text.split("\n:", 1)[1].split("-")[0])
    with namespace():
        make_sets(driver.part, text)
        load(driver.part, variant, text)
        wanted = driver.parse(text, scope)
        live = driver.read(scope, wanted)
        assert (live, live.variant) == (wanted, variant)
        assert driver.load(json.loads(json.dumps(driver.dump(live)))) == live
        assert set(driver.routes(live)) == set(driver.routes(wanted))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_from_nothing_to_iptables_to_ipvs_and_back_to_nothing(family: str, variant: str) -> None:
    driver, scope = FAMILIES[family], Scope("SHOP")
    files = (GOLDEN / target / "dual-stack-shop" / f"{family}.rules" for target in TARGETS)
    iptables, ipvs = (loadable(file.read_text()) for file in files)
    with namespace():
        load_others(family, variant, "SHOP")
        make_sets(family, ipvs)
        load(family, variant, "*nat\n:SHOP-SERVICES - [0:0]\nCOMMIT\n")  # says which variant
        before = others(family, variant, "SHOP")
        for text, transition in ((iptables, TO_IPTABLES), (ipvs, TO_IPVS), (iptables, TO_IPTABLES), (ipvs, TO_IPVS)):
            converge(driver, text, scope, transition)
            assert others(family, variant, "SHOP") == before
        converge(driver, "", scope, DOWN)
        assert others(family, variant, "SHOP") == before


@st.composite
def texts(draw: st.DrawFn, family: str) -> str:
    """A part of either target, or nothing; always under one prefix."""
    target = targets()[draw(st.sampled_from(TARGETS))]
    program, node = draw(programs_for(target, min_services=0))
    cluster = ir.Cluster("LB", program.cluster.pods, program.cluster.nodeports)
    artifact = target.render(ir.Program(cluster, program.nodes, program.services), node).artifact(family)
    assert artifact is not None
    return loadable(artifact.text)


def damage(draw: Callable[[st.SearchStrategy[Any]], Any], family: str, variant: str, text: str) -> None:
    """Change by hand what a text made."""
    lines = draw(st.sampled_from([block.split("\n") for block in text.split("COMMIT\n")[:-1]]))
    rules = [line for line in lines if line.startswith("-A")]
    entries = [line for line in lines if line.startswith("-I")]
    chain = draw(st.sampled_from([line[1:].split()[0] for line in lines if line.startswith(":")]))
    entry = draw(st.sampled_from(entries))[3:].split()
    kinds = {
        "a rule is gone": [f"-D{draw(st.sampled_from(rules))[2:]}"] if rules else [],
        "a rule is new": [f"-A {chain} -p tcp -m tcp --dport 99 -j RETURN"],
        "a rule is new in front": [f"-I {chain} -j RETURN"],
        "a rule is there twice": [draw(st.sampled_from(rules))] if rules else [],
        "a chain is empty": [f"-F {chain}"],
        "a chain is new": [":LB-NEW - [0:0]", "-A LB-NEW -j ACCEPT", f"-A {chain} -j LB-NEW"],
        "an entry is gone": [f"-D{draw(st.sampled_from(entries))[2:]}"],
        "an entry is there twice": [f"-A{draw(st.sampled_from(entries))[2:]}"],
        "an entry is new": [f"-A {entry[0]} -p udp -g {entry[-1]}"],  # where the kernel takes it: it has one like it
        "all is gone": [f"-D{entry[2:]}" for entry in entries]
        + [f"-{verb} {line[1:].split()[0]}" for verb in "FX" for line in lines if line.startswith(":")],
    }
    commands = kinds[draw(st.sampled_from(sorted(kinds)))]
    load(family, variant, "\n".join((lines[0], *commands, "COMMIT", "")))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25)
@given(st.data())
def test_from_any_state_to_any_other(family: str, variant: str, data: st.DataObject) -> None:
    driver, scope = FAMILIES[family], Scope("LB")
    first, second = data.draw(texts(family)), data.draw(texts(family))
    with namespace():
        load_others(family, variant, "LB")
        make_sets(family, first, second)
        if first:
            load(family, variant, first)
        load_others(family, variant, "LB", in_front=True)
        before = others(family, variant, "LB")
        if first and data.draw(st.booleans()):
            damage(data.draw, family, variant, first)
        drifted = driver.read(scope, driver.parse("", scope))
        transition = TO_IPVS if "--match-set" in second else TO_IPTABLES
        converge(driver, second, scope, transition)
        assert others(family, variant, "LB") == before
        bring(driver, drifted, scope, transition)  # what was there, drift and all
        assert others(family, variant, "LB") == before


@pytest.mark.parametrize("variant", VARIANTS)
def test_entries_are_at_the_head_and_a_double_one_is_single_again(variant: str) -> None:
    text = (GOLDEN / "iptables" / "custom-cluster" / "iptables.rules").read_text()
    entry = next(line for line in text.split("\n") if line.startswith("-I PREROUTING"))[3:]
    driver, scope = FAMILIES["iptables"], Scope("CUSTOM")
    with namespace():
        load("iptables", variant, text)
        load("iptables", variant, f"*nat\n-A PREROUTING -p udp -j ACCEPT\n-A {entry}\nCOMMIT\n")
        converge(driver, text, scope, TO_IPTABLES)
        saved = must(f"iptables-{variant}-save -t nat").split("\n")
        assert [line for line in saved if line.startswith("-A PREROUTING")] == [
            f"-A {entry}",
            "-A PREROUTING -p udp -j ACCEPT",
        ]


def test_what_does_not_change_keeps_its_round_robin_on_the_nft_variant() -> None:
    """Handles are the nft variant's identity of a rule: unchanged ones are the same objects, counters and all."""
    text = (GOLDEN / "iptables" / "custom-cluster" / "iptables.rules").read_text()
    driver, scope = FAMILIES["iptables"], Scope("CUSTOM")
    with namespace():
        load("iptables", "nft", text)
        before = must("nft -a list chain ip nat CUSTOM-SVC-service-1")
        other = must("nft -a list chain ip nat CUSTOM-SVC-service-2")
        converge(driver, text.replace("100.64.0.20:8080", "100.64.0.21:8080"), scope, TO_IPTABLES)
        assert must("nft -a list chain ip nat CUSTOM-SVC-service-1") == before
        assert must("nft -a list chain ip nat CUSTOM-SVC-service-2") != other


@pytest.mark.parametrize("done", [0, 1, 3])
def test_chains_that_were_committed_ahead_of_an_apply_that_ended_are_no_hindrance(
    done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "AT_ONCE", 2)
    monkeypatch.setattr(delta, "AHEAD", 2)
    text = (GOLDEN / "iptables" / "custom-cluster" / "iptables.rules").read_text()
    driver, scope = FAMILIES["iptables"], Scope("CUSTOM")
    tables = driver.parse(text, scope).tables
    blocks = str(delta.delta({}, tables, TRANSLATING, ahead=True)).split("COMMIT\n")[:-1]
    assert len(blocks) > 3
    with namespace():
        load_others("iptables", "nft", "CUSTOM")
        load("iptables", "nft", "".join(f"{block}COMMIT\n" for block in blocks[:done]))
        before = others("iptables", "nft", "CUSTOM")
        converge(driver, text, scope, TO_IPTABLES)
        converge(driver, "", scope, DOWN)
        assert others("iptables", "nft", "CUSTOM") == before
