"""The ipvs target's sets and rules on this machine's own kernel, which need no IPVS: both variants of iptables."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from support.ipvs_kernel import EVERYTHING, TARGET, live_sets, loadable, part, render
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.kernel.ipset.sets import sets_text
from svcc.targets.interface import Bundle
from svcc.targets.ipvs.sets import Purpose, make_set
from svcc.verify.lab.netns import Namespace

pytestmark = pytest.mark.kernel

VARIANTS = ["legacy", "nft"]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace("ipvs")
    yield made
    made.close()


def run(namespace: Namespace, command: str, input: str | None = None) -> str:
    with namespace.entered():
        done = subprocess.run(command.split(), input=input, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stderr}"
    return done.stdout


def rules(text: str) -> list[str]:
    """Rules as iptables-save prints them: it knows no ``-I``."""
    return sorted(f"-A{line[2:]}" for line in text.splitlines() if line.startswith(("-A", "-I")))


@pytest.mark.parametrize("variant", VARIANTS)
def test_rules_and_sets_come_back_as_they_were_loaded(namespace: Namespace, variant: str) -> None:
    bundle = render(EVERYTHING)
    run(namespace, "ipset -exist restore", part(bundle, "ipset"))
    assert sorted(live_sets(run(namespace, "ipset save")).splitlines()) == sorted(part(bundle, "ipset").splitlines())
    for family in ("iptables", "ip6tables"):
        text = loadable(part(bundle, family))
        run(namespace, f"{family}-{variant}-restore --noflush", text)
        assert rules(run(namespace, f"{family}-{variant}-save")) == rules(text)


def test_sets_load_again(namespace: Namespace) -> None:
    text = part(render(EVERYTHING), "ipset")
    run(namespace, "ipset -exist restore", text)
    before = run(namespace, "ipset save")
    run(namespace, "ipset -exist restore", text)
    assert run(namespace, "ipset save") == before


@settings(max_examples=15)
@given(programs_for(TARGET))
def test_any_program_loads(made: tuple[ir.Program, ir.Node | None]) -> None:
    bundle = TARGET.render(*made)
    namespace = Namespace("ipvs")
    try:
        _load(namespace, bundle)
    finally:
        namespace.close()


def _load(namespace: Namespace, bundle: Bundle) -> None:
    text = part(bundle, "ipset")
    run(namespace, "ipset restore", text)
    assert sorted(live_sets(run(namespace, "ipset save")).splitlines()) == sorted(text.splitlines())
    for family in ("iptables", "ip6tables"):
        for variant in VARIANTS:
            run(namespace, f"{family}-{variant}-restore --noflush --test", loadable(part(bundle, family)))


def test_no_set_is_too_small_or_has_to_grow(namespace: Namespace) -> None:
    elements = tuple(f"100.{n >> 16}.{n >> 8 & 255}.{n & 255},tcp:80,100.0.0.1" for n in range(100_000))
    ipset = make_set(Purpose.LOOP_BACK, "T", 4, elements)
    run(namespace, "ipset restore", sets_text([ipset]))
    assert live_sets(run(namespace, "ipset save")).splitlines()[0] == ipset.create_line
