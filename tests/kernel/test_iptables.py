"""The iptables target's scripts in this machine's kernel, by both variants of iptables-restore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from support.iptables_kernel import FAMILIES, TARGET, VARIANTS, bundle, load, rules, scripts
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.targets.interface import Bundle
from svcc.verify.lab.netns import Namespace

pytestmark = pytest.mark.kernel

#: More addresses and ports than stand in one chain, in both families.
MANY = "cluster { prefix MANY; pods 100.64.0.0/16 fd00:64::/64 }\n" + "".join(
    f"service s/{n} {{ vip 198.19.{n % 7}.{n} fd00:19::{n:x}:{n * n:x}; port 80/tcp -> 8080 nodeport {30000 + n}\n"
    f"endpoints {{ 100.64.1.{n}; fd00:64::{n + 1:x}; 100.64.2.{n} }} }}\n"
    for n in range(1, 120)
)
LONG = """
cluster { prefix SIXTEEN--LETTERS; pods 100.64.0.0/16 }
service shop/web-frontend-of-the-shop {
  vip 198.19.255.255 fd00:19::1; external-ip 203.0.113.7
  port http 80/tcp nodeport 30000
  port media 5000-5003/udp nodeport 30010-30013
  affinity client-ip; allow-from 10.0.0.0/8
  endpoints { 100.64.0.9; fd00:64::9:ffff:ffff:ffff:ffff }
}
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace("iptables")
    yield made
    made.close()


def check(namespace: Namespace, made: Bundle) -> None:
    """Both variants take both parts, and say of them just what they say."""
    for family, text in scripts(made):
        for variant in VARIANTS:
            tool = f"{family}-{variant}"
            load(namespace, f"{tool}-restore --noflush --test", text)
            load(namespace, f"{tool}-restore --noflush", text)
            assert rules(load(namespace, f"{tool}-save")) == rules(text)


@settings(max_examples=15)
@given(programs_for(TARGET))
def test_any_program_comes_back_as_it_was_loaded(case: tuple[ir.Program, ir.Node | None]) -> None:
    namespace = Namespace("iptables")
    try:
        check(namespace, TARGET.render(*case))
    finally:
        namespace.close()


def test_a_large_program_comes_back_as_it_was_loaded(namespace: Namespace) -> None:
    check(namespace, bundle(MANY))


@pytest.mark.parametrize("variant", VARIANTS)
def test_loading_again_repeats_the_jumps_from_the_built_in_chains_only(namespace: Namespace, variant: str) -> None:
    for family, text in scripts(bundle(MANY)):
        tool = f"{family}-{variant}"
        load(namespace, f"{tool}-restore --noflush", text)
        load(namespace, f"{tool}-restore --noflush", text)
        twice = Counter(rules(load(namespace, f"{tool}-save"))) - Counter(rules(text))
        assert sorted(twice) == rules("".join(f"{x}\n" for x in text.splitlines() if x.startswith("-I")))


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_others_have_stays(namespace: Namespace, variant: str) -> None:
    others = "*nat\n:OTHER - [0:0]\n-A PREROUTING -j OTHER\n-A OTHER -d 10.9.9.9/32 -j ACCEPT\nCOMMIT\n"
    for version, family in FAMILIES.items():
        text = others if version == 4 else others.replace("10.9.9.9/32", "fd09::9/128")
        load(namespace, f"{family}-{variant}-restore", text)
        load(namespace, f"{family}-{variant}-restore --noflush", dict(scripts(bundle(MANY)))[family])
        saved = rules(load(namespace, f"{family}-{variant}-save"))
        assert [line for line in saved if "OTHER" in line] == rules(text)


def test_the_longest_names_load(namespace: Namespace) -> None:
    check(namespace, bundle(LONG))
