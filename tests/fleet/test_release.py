"""From a program to a release and back: a node accepts what was published, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.strategies import programs_for
from svcc import InputError, Program
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import has_errors
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.fleet import release
from svcc.fleet.documents import Compiled, Release
from svcc.fleet.errors import BadProgram
from svcc.fleet.keys import fault
from svcc.targets import targets
from svcc.targets.capability import check_nodes
from svcc.targets.interface import Target

_LOADED = [target for target in targets().values() if target.loads]
_NFT = targets()["nft"]
NO_OTHERS: Mapping[str, Target] = MappingProxyType({})
_TEXT = """\
node node-a { address 10.0.0.4 }
node node-b { address 10.0.0.5 }
service web {
  vip 198.19.10.1
  port 80/tcp -> 8080
  traffic internal local
  endpoints { 100.64.0.1 on node-a; 100.64.0.2 on node-b }
}
"""
_POOL = _TEXT.replace("endpoints {", 'endpoints "p/q" {') + 'endpoints "p/q" { registered 100.64.0.0/24 }'


def _program(text: str = _TEXT) -> Program:
    program = load_text(Source("shop.dsl", text)).program
    assert program is not None
    return program


def _draft(text: str = _TEXT, others: Mapping[str, Target] = NO_OTHERS) -> release.ReleaseDraft:
    return release.draft(_program(text), _NFT, others, "shop.dsl")


def _numbered(draft: release.ReleaseDraft, number: int = 1) -> Release:
    return draft.numbered("shop", number, "ann", "", "")


@pytest.mark.parametrize("target", _LOADED, ids=lambda target: target.name)
@settings(max_examples=20)
@given(data=st.data())
def test_each_node_takes_what_was_published(target: Target, data: st.DataObject) -> None:
    program, _ = data.draw(programs_for(target))
    pools = (one.pool for service in program.services for one in service.registered)
    assume(all(fault(name) is None for name in (*(node.name for node in program.nodes), *pools)))
    assume(not has_errors([*check(program)]))
    assume(not check_nodes(program, target, program.nodes))
    draft = release.draft(program, target, {})
    published = Release.read("key", _numbered(draft).text)
    assert [*published.nodes] == sorted(node.name for node in program.nodes)
    for node in published.nodes:
        taken = release.take(published, [*draft.blob.pieces], node)
        assert taken.target is target
        assert taken.program == draft.program
        assert taken.published == published.nodes[node]


def test_the_order_of_statements_changes_no_release() -> None:
    lines = _program()
    turned = replace(lines, services=lines.services[::-1], nodes=lines.nodes[::-1])
    assert release.draft(turned, _NFT, {}).blob == _draft().blob


def test_nodes_have_targets_of_their_own() -> None:
    found = _draft(_TEXT.replace("-> 8080", ""), {"node-b": targets()["iptables"]})
    assert {name: one.target for name, one in found.nodes.items()} == {"node-a": "nft", "node-b": "iptables"}


def test_a_fleet_of_many_nodes_gets_what_each_would_get_alone() -> None:
    nodes = "".join(
        f"node n{number} {{ address 10.0.0.{number + 4}; zone {'east' if number % 2 else 'west'} }}\n"
        for number in range(8)
    )
    near = "endpoints { 100.64.0.1 on n1; 100.64.0.2 on n2; 100.64.0.3 on n3; 100.64.0.4 }"
    services = "".join(
        f"service {traffic} {{ vip 198.19.10.{number}; external-ip 10.0.0.5 shared; port {80 + number}/tcp\n"
        f"traffic internal {traffic}; {near} }}\n"
        for number, traffic in enumerate(("cluster", "local", "prefer-local", "prefer-zone"), 1)
    )
    program = _program(nodes + services)
    draft = release.draft(program, _NFT, {"n5": targets()["iptables"], "n6": targets()["iptables"]})
    kinds = {name: targets()[one.target] for name, one in draft.nodes.items()}
    alone = {name: release.compiled(release.compile_for(draft.program, kinds[name], name).bundle) for name in kinds}
    assert {**draft.nodes} == alone
    assert [*draft.nodes] == [node.name for node in program.nodes]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("service web { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.1 } }", "a fleet needs nodes"),
        (_TEXT.replace("node-b", '"eu/b"'), "no node of a fleet can be called `eu/b`"),
        (_POOL, "nobody can register in pool `p/q`: it is at most 63 letters"),
        (_POOL.replace("p/q", "p" * 64), "nobody can register in pool `pppp"),
        (_TEXT.replace("endpoints {", "forward direct\n  endpoints {").replace("-> 8080", ""), "cannot express"),
    ],
)
def test_what_cannot_be_published_is_a_finding(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        _draft(text)


def test_a_target_of_no_node_is_a_finding() -> None:
    with pytest.raises(InputError, match="there is no node `node-c`"):
        _draft(_TEXT, {"node-c": _NFT})


def test_a_node_takes_nothing_else() -> None:
    draft = _draft()
    published, pieces = _numbered(draft), [*draft.blob.pieces]
    other = release.draft(replace(_program(), cluster=ir.Cluster(prefix="OTHER")), _NFT, {})
    wrong = {**published.nodes, "node-a": Compiled("nft", "0" * 64)}
    absent = {**published.nodes, "node-a": Compiled("ir", "0" * 64)}
    for altered, given_, words in (
        (published, [*other.blob.pieces], "another hash"),
        (replace(published, program=other.blob.hash), [*other.blob.pieces], "compiles release 1 to other rules"),
        (replace(published, nodes=wrong), pieces, "compiles release 1 to other rules"),
        (replace(published, nodes=absent), pieces, "which this svcc cannot load"),
        (replace(published, nodes={}), pieces, "nothing for node node-a"),
    ):
        with pytest.raises(BadProgram, match=words):
            release.take(altered, given_, "node-a")
