"""A further target needs one module: everything else finds it by itself, and applies what it prints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import svcc
from support.shell import A, Shell
from svcc import targets
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

_TEXT = """\
cluster { prefix CUSTOM }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.2 } }
service dns { vip 198.19.10.2; port 53/udp; endpoints { 100.64.0.3 } }
"""
_MODULE = Path(__file__).parents[1] / "support" / "first_endpoint_target.py"


@pytest.fixture
def further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module is in a folder of the package svcc.targets, as any target's is."""
    (tmp_path / "targets").mkdir()
    shutil.copy(_MODULE, tmp_path / "targets" / "first.py")
    monkeypatch.setattr(targets, "__path__", [*targets.__path__, str(tmp_path / "targets")])
    known = (targets.targets, targets.find)
    for one in known:
        one.cache_clear()
    yield
    for one in known:
        one.cache_clear()


@pytest.mark.usefixtures("further")
def test_it_is_applied_repaired_and_replaced(tmp_path: Path) -> None:
    namespace = Namespace("further")
    try:
        shell = Shell(namespace, tmp_path)
        (tmp_path / "shop.dsl").write_text(_TEXT)
        program = svcc.load(tmp_path / "shop.dsl")
        with namespace.entered():
            _keep("first", shell, program)
            with svcc.Session("nft", state_dir=tmp_path / "state") as kept:  # every target can take over
                kept.apply(kept.plan(program))
            assert not any("-FIRST" in rule for rule in shell.rules())
            assert shell.endpoints() == A
    finally:
        namespace.close()


def _keep(target: str, shell: Shell, program: svcc.Program) -> None:
    bundle = svcc.compile(program, target)
    with svcc.Session(target, state_dir=shell.folder / "state") as kept:
        plan = kept.plan(program)
        assert {change.part for change in plan.changes} == {"iptables"}
        assert kept.apply(plan).number == 1
        wanted = [line for line in bundle.parts["iptables"].splitlines() if line.startswith("-A")]
        rules = [rule for rule in shell.rules() if rule.startswith("-A CUSTOM-FIRST")]
        assert (len(rules), rules) == (2, wanted)
        assert kept.plan(program).empty
        shell.run("iptables", "-t", "nat", "-D", *rules[0].split()[1:])
        assert [change.subject for change in kept.drift()] == [f"nat {rules[0]}"]
        kept.repair()
        assert kept.drift() == ()
