"""What the tests of the nft target share: a program that uses everything, and its artifact as objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets.capability import check_target
from svcc.targets.nft import TARGET

EVERYTHING = """
cluster {
  prefix     LAB
  pods       100.64.0.0/24 fd00:64::/64
  nodeports  30000-32767
}
node one { address 10.0.0.4 fd00:10::4 }
node two { address 10.0.0.5 }

service plain {                       # the default: random, kept from pods, masqueraded from outside
  vip 198.19.10.0 fd00:19::10
  external-ip 203.0.113.7
  port http 80/tcp -> 8080 nodeport 30080
  port dns  53/udp -> 5353 nodeport 30053
  endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 }
}
service fair      { vip 198.19.10.1; scheduler rr;  port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.29 } }
service fairer    { vip 198.19.10.2; scheduler rr;  port 80/tcp -> 8080 nodeport 30082; endpoints { 100.64.0.9; 100.64.0.19 } }
service weighted  { vip 198.19.10.3; scheduler wrr; port 80/tcp -> 8080; endpoints { 100.64.0.9 weight 3; 100.64.0.19 weight 6; 100.64.0.29 draining; 100.64.0.39 weight 3 } }
service heavy     { vip 198.19.10.4; port 80/tcp -> 8080; endpoints { 100.64.0.9 weight 65535; 100.64.0.19 } }
service hashed    { vip 198.19.10.5; scheduler sh;  port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 weight 2 } }
service sticky    { vip 198.19.10.6; affinity client-ip 4s; port 80/tcp -> 8080 nodeport 30086; endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.29 } }
service always    { vip 198.19.10.7; masquerade always; port 80/tcp -> 8080; endpoints { 100.64.0.9 } }
service never     { vip 198.19.10.8; external-ip 203.0.113.8; masquerade never; port 80/tcp -> 8080 nodeport 30088; endpoints { 100.64.0.9 } }
service local     { external-ip 203.0.113.9; vip 198.19.10.9; scheduler rr; traffic external local; port 80/tcp -> 8080 nodeport 30089; endpoints { 100.64.0.9 on one; 100.64.0.19 on two; 100.64.0.29 on one } }
service gone      { vip 198.19.10.10; port 80/tcp nodeport 30090; endpoints { } }
service silent    { vip 198.19.10.11; when-empty drop; port 80/tcp nodeport 30091; endpoints { } }
service media     { vip 198.19.10.12; port 5000-5009/udp nodeport 31000-31009; endpoints { 100.64.0.9; 100.64.0.19 } }
service moved     { vip 198.19.10.13 fd00:19::13; affinity client-ip 1m; port a 6000-6009/tcp -> 7000; port b 7000-7009/tcp -> 6000; endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9 } }
service guarded   { vip 198.19.10.14; external-ip 203.0.113.14; allow-from 172.16.0.0/12 172.17.0.0/16; port 80/tcp -> 8080 nodeport 30094; endpoints { 100.64.0.9 } }
service guarded-gone { external-ip 203.0.113.15 2001:db8:7::15; allow-from 172.16.0.0/12; port 80/tcp nodeport 30095; endpoints { } }
service overrides { vip 198.19.10.16; port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19:9090; 100.64.0.9:9090 } }
service stream    { vip 198.19.10.17; port 90/sctp -> 9000; endpoints { 100.64.0.9 } }
service gone-range { vip 198.19.10.18; port 4000-4009/udp nodeport 31100-31109; endpoints { } }
"""


def program(text: str) -> ir.Program:
    loaded = load_text(Source("test.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program


def render(program: ir.Program, node: str | None = None) -> str:
    """The artifact's text, after the checks that the command line makes."""
    chosen = None if node is None else program.node(node)
    assert check_target(program, TARGET, chosen) == []
    return TARGET.render(program, chosen).artifacts[0].text


@dataclass
class Table:
    """A table of an artifact, by the names in it."""

    chains: dict[str, dict[str, Any]] = field(default_factory=dict)  # the attributes that make a base chain
    rules: dict[str, list[list[Any]]] = field(default_factory=dict)  # by chain
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)  # sets and maps
    elements: dict[str, list[Any]] = field(default_factory=dict)


def tables(text: str) -> dict[str, Table]:
    """The tables by family. Every command is taken as the kernel would, in order: nothing may be named too early."""
    found: dict[str, Table] = {}
    for verb, kind, fields in commands(text):
        if kind == "table":
            assert verb in ("add", "delete")
            found.pop(fields["family"], None)
            if verb == "add":
                found[fields["family"]] = Table()
            continue
        assert verb == "add"
        table = found[fields.pop("family")]
        fields.pop("table")
        if kind == "chain":
            assert table.chains.setdefault(fields.pop("name"), fields) is fields
        elif kind in ("set", "map"):
            assert table.sets.setdefault(fields.pop("name"), fields) is fields
        elif kind == "rule":
            _assert_known(table, fields["expr"])
            assert fields["chain"] in table.chains
            table.rules.setdefault(fields["chain"], []).append(fields["expr"])
        else:
            assert kind == "element"
            assert fields["name"] in table.sets
            _assert_known(table, fields["elem"])
            assert table.elements.setdefault(fields["name"], fields["elem"]) is fields["elem"]
    return found


def commands(text: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for command in json.loads(text)["nftables"]:
        ((verb, body),) = command.items()
        ((kind, fields),) = body.items()
        yield verb, kind, fields


def _assert_known(table: Table, value: Any) -> None:
    """All that is named in a rule or an element is there already."""
    for name in referred(value):
        assert name.removeprefix("@") in (table.sets if name.startswith("@") else table.chains), name


def referred(value: Any) -> Iterator[str]:
    """The sets (``@name``) and chains that a rule or an element names."""
    if isinstance(value, str) and value.startswith("@"):
        yield value
    elif isinstance(value, dict):
        if "target" in value:
            yield value["target"]
        for inner in value.values():
            yield from referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from referred(inner)
