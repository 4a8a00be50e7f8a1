"""What the nft target prints: complete, readable back, the same every time, and with small changes for small edits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.nft_programs import EVERYTHING, Table, commands, program, referred, render, tables
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, frontends
from svcc.kernel.addresses import text_of
from svcc.targets.capability import check_target
from svcc.targets.nft import TARGET
from svcc.targets.nft.choice import Choice
from svcc.targets.nft.limits import KEYWORDS

_FAMILIES = {4: "ip", 6: "ip6"}

#: What nft's scanner takes for a name (scanner.l: ``string``).
_NAME = re.compile(r"[A-Za-z_.][A-Za-z0-9/\\_.-]*")


def render_for(case: tuple[ir.Program, ir.Node | None]) -> str:
    return TARGET.render(*case).artifacts[0].text


# ---- the document


def test_a_program_without_services_removes_what_was_there() -> None:
    assert render(program("cluster { prefix Custom }")) == (
        '{"nftables": [\n'
        '  {"add": {"table": {"family": "ip", "name": "custom"}}}\n'
        ', {"delete": {"table": {"family": "ip", "name": "custom"}}}\n'
        ', {"add": {"table": {"family": "ip6", "name": "custom"}}}\n'
        ', {"delete": {"table": {"family": "ip6", "name": "custom"}}}\n'
        "]}\n"
    )


@given(programs_for(TARGET))
def test_everything_that_is_named_is_there_before(case: tuple[ir.Program, ir.Node | None]) -> None:
    tables(render_for(case))  # asserts it


@given(programs_for(TARGET))
def test_the_same_program_is_the_same_text(case: tuple[ir.Program, ir.Node | None]) -> None:
    assert render_for(case) == render_for(case)


@given(programs_for(TARGET))
def test_names_can_be_typed_and_read(case: tuple[ir.Program, ir.Node | None]) -> None:
    for _, kind, fields in commands(render_for(case)):
        if kind in ("chain", "set", "map"):
            name = fields["name"]
            assert _NAME.fullmatch(name), name
            assert len(name) <= 64
            assert name not in KEYWORDS


@given(programs_for(TARGET))
def test_nothing_is_declared_in_vain(case: tuple[ir.Program, ir.Node | None]) -> None:
    """Every chain but base chains is reached; every set and map is looked at or written to."""
    for table in tables(render_for(case)).values():
        named = set(referred([list(table.rules.values()), list(table.elements.values())]))
        assert {chain for chain, base in table.chains.items() if not base} <= named
        assert {f"@{name}" for name in table.sets} <= named


# ---- what can be read back


def key_of(frontend: Frontend) -> tuple[str, Any]:
    """The map of verdicts that a frontend is in, and its key there."""
    ports = frontend.ports
    address = [] if frontend.address is None else [str(frontend.address)]
    prefix = "nodeport-" if frontend.kind is Kind.NODE_PORT else ""
    if len(ports) == 1:
        key = {"concat": [*address, str(frontend.port.protocol), ports.first]}
        return "nodeports" if prefix else "services", key
    reach: Any = {"range": [ports.first, ports.last]}
    name = f"{prefix}{frontend.port.protocol}-range-services"
    return name, {"concat": [*address, reach]} if address else reach


def looked_up(table: Table, name: str, key: Any) -> Any:
    (found,) = [data for at, data in table.elements[name] if bare(at) == key]  # exactly one
    return found


def bare(key: Any) -> Any:
    """An element's key without its comment."""
    return key["elem"]["val"] if isinstance(key, dict) and "elem" in key else key


def shares(table: Table, frontend: Frontend) -> dict[tuple[str, int], Fraction] | str:
    """The endpoints that a frontend leads to, and how much of it each gets; or the verdict that it has instead."""
    name, key = key_of(frontend)
    verdict = looked_up(table, name, key)
    if "goto" not in verdict:
        (word,) = verdict
        return str(word)
    chain: str = verdict["goto"]["target"]
    if chain.startswith("empty"):
        return chain
    found: dict[tuple[str, int], Fraction] = {}
    for landing, share in drawn(table.rules[chain]):
        endpoint = landed(table, landing, key, frontend.ports.first)
        found[endpoint] = found.get(endpoint, Fraction(0)) + share
    return found


def drawn(rules: list[list[Any]]) -> Iterator[tuple[str, Fraction]]:
    """The chains that a front leads to by chance, by a hash or in turn."""
    *_, (last,) = rules
    if "goto" in last:
        left = Fraction(1)
        for rule in rules[:-1]:
            match rule:
                case [{"match": {"left": {"numgen": {"mode": "inc", "mod": n}}, "right": at}}, {"goto": goto}]:
                    assert 0 <= at < n
                    yield goto["target"], left / n
                    left -= left / n
        yield last["goto"]["target"], left
        return
    ((_, generator),) = last["vmap"]["key"].items()
    covered = 0
    for numbers, verdict in last["vmap"]["data"]["set"]:
        first, end = numbers["range"] if isinstance(numbers, dict) else (numbers, numbers)
        assert first == covered
        covered = end + 1
        yield verdict["goto"]["target"], Fraction(end - first + 1, generator["mod"])
    assert covered == generator["mod"]


def landed(table: Table, chain: str, key: Any, port: int) -> tuple[str, int]:
    """The address and port that a landing takes a frontend to."""
    *_, last = table.rules[chain]
    if "goto" in last[0]:
        return landed(table, last[0]["goto"]["target"], key, port)
    dnat = last[0]["dnat"]
    address = looked_up(table, dnat["addr"]["map"]["data"].removeprefix("@"), key)
    match dnat.get("port"):
        case None:
            return address, port
        case int(target):
            return address, target
        case shifted:
            return address, looked_up(table, shifted["map"]["data"].removeprefix("@"), port)


def expected(frontend: Frontend) -> dict[tuple[str, int], Fraction] | str:
    if frontend.restricted and not frontend.allow_from:
        return "drop"
    if not frontend.endpoints:
        if frontend.service.when_empty is ir.WhenEmpty.DROP:
            return "drop"
        return "empty"
    even = frontend.service.scheduler is ir.Scheduler.RR
    weights = {
        (str(e.address), frontend.target(e)): 1 if even else e.weight for e in frontend.endpoints
    }  # an address with a port stands once in a service
    return {endpoint: Fraction(weight, sum(weights.values())) for endpoint, weight in weights.items()}


@given(programs_for(TARGET))
def test_endpoints_and_weights_can_be_read_back(case: tuple[ir.Program, ir.Node | None]) -> None:
    found = tables(render_for(case))
    for frontend in frontends(*case):
        got = shares(found[_FAMILIES[frontend.version]], frontend)
        assert (got.split("-")[0] if isinstance(got, str) else got) == expected(frontend)


@given(programs_for(TARGET))
def test_there_are_no_more_elements_than_frontends_have_endpoints(case: tuple[ir.Program, ir.Node | None]) -> None:
    found = tables(render_for(case))
    for version, family in _FAMILIES.items():
        wanted = [f for f in frontends(*case) if f.version == version]
        elements = found[family].elements if family in found else {}

        def count(name: str, elements: dict[str, list[Any]] = elements) -> int:
            return sum(len(listed) for at, listed in elements.items() if re.search(name, at))

        assert count(r"services$|^nodeports$") == len(wanted)
        served = [f for f in wanted if isinstance(expected(f), dict)]
        assert count(r"endpoint-\d+$") == sum(len(f.endpoints) for f in served)
        assert count("^hairpin$") == len({e.address for f in wanted for e in (*f.endpoints, *f.draining)})
        assert count("^addresses$") == len({f.address for f in wanted if f.address is not None and not f.shared})
        declared = [f for f in wanted if f.address is None or f.shared]
        assert count("^(nodeport-|tcp-range-)?declared$") <= len(declared)
        assert count("^(nodeport-)?declared$") == len([f for f in declared if len(f.ports) == 1])


# ---- small edits, small changes


def thousand(appended: str = "") -> str:
    """A thousand services with ten endpoints each; one of them with more."""
    services = []
    for number in range(1000):
        listed = [f"100.{64 + number // 250}.{number % 250}.{1 + k}" for k in range(10)]
        more = f"; {appended}" if appended and number == 500 else ""
        vip = f"198.19.{number // 250}.{1 + number % 250}"
        services.append(
            f"service s{number:04} {{ vip {vip}; port 8080/tcp; endpoints {{ {'; '.join(listed)}{more} }} }}\n"
        )
    eleven = "; ".join(f"100.80.0.{1 + k}" for k in range(11))
    other = f"service other {{ vip 198.19.9.9; port 8080/tcp; endpoints {{ {eleven} }} }}\n"
    return "cluster { pods 100.64.0.0/10 }\n" + other + "".join(services)


def changed(before: str, after: str) -> list[str]:
    """The lines that differ, with ``-`` and ``+``."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and not line.startswith(("---", "+++"))]


def test_an_endpoint_more_changes_four_lines() -> None:
    before, after = (render(program(thousand(more))) for more in ("", "100.90.0.1"))
    key = '{"concat": ["198.19.2.1", "tcp", 8080]}'
    assert changed(before, after) == [
        f'-  , [{{"elem": {{"val": {key}, "comment": "s0500"}}}}, {{"goto": {{"target": "spread-10-8080"}}}}]',
        f'+  , [{{"elem": {{"val": {key}, "comment": "s0500"}}}}, {{"goto": {{"target": "spread-11-8080"}}}}]',
        f'+  , [{key}, "100.90.0.1"]',
        '+  , {"concat": ["100.90.0.1", "100.90.0.1"]}',
    ]


def test_an_endpoint_that_drains_moves_no_other() -> None:
    text = thousand()
    drained = text.replace("100.66.0.4;", "100.66.0.4 draining;")
    assert drained != text
    lines = changed(render(program(text)), render(program(drained)))
    element = '{"elem": {"val": {"concat": ["198.19.2.1", "tcp", 8080]}, "comment": "s0500"}}'
    assert [line for line in lines if '"chain"' not in line] == [
        f'-  , [{element}, {{"goto": {{"target": "spread-10-8080"}}}}]',
        f'+  , [{element}, {{"goto": {{"target": "spread-10-8080-w1.1.1.0.1.1.1.1.1.1"}}}}]',
        '-  , [{"concat": ["198.19.2.1", "tcp", 8080]}, "100.66.0.4"]',
    ]


def test_a_thousand_services_of_one_shape_share_its_chains() -> None:
    small, large = (
        program(f"{text.splitlines()[0]}\n" + "\n".join(text.splitlines()[1:count]))
        for text, count in ((thousand(), 4), (thousand(), 1001))
    )
    chains = [[c for c in commands(render(p)) if c[1] in ("chain", "rule")] for p in (small, large)]
    assert chains[0] == chains[1]


# ---- schedulers


def dealt(choice: Choice, connections: int) -> list[int]:
    """The slots of connections one after the other, by counters that begin at 0."""
    turns = list(choice.turns())
    counters = [0] * len(turns)

    def next_slot() -> int:
        for rule, (n, at, slot) in enumerate(turns):
            number, counters[rule] = counters[rule], (counters[rule] + 1) % n
            if number == at:
                return slot
        raise AssertionError("nobody took it")

    return [next_slot() for _ in range(connections)]


_WEIGHTS = st.lists(st.integers(0, 300), min_size=2, max_size=8).filter(lambda weights: sum(map(bool, weights)) > 1)


@given(_WEIGHTS, st.integers(0, 2000))
def test_turns_are_exact(weights: list[int], before: int) -> None:
    """Of any connections in a row, as many as the weights' sum, each endpoint gets its weight."""
    found = dealt(Choice(ir.Scheduler.WRR, tuple(weights), (8080,)), before + sum(weights))
    assert Counter(found[before:]) == {slot: weight for slot, weight in enumerate(weights) if weight}


@given(_WEIGHTS, st.integers(1, 300))
def test_an_endpoint_more_leaves_the_turns_of_the_others_among_each_other(weights: list[int], more: int) -> None:
    before, after = (list(Choice(ir.Scheduler.WRR, tuple(w), (80,)).turns()) for w in (weights, [*weights, more]))
    assert after[-len(before) :] == before
    assert {slot for _, _, slot in after[: -len(before)]} == {len(weights)}


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ((1, 1, 1), "cba"),
        ((4, 3, 2), "cbabacaba"),
        ((1, 0, 2), "cac"),
        ((5, 1), "baaaaa"),
        ((3, 2), "baaba"),
        ((2, 4, 2), "cbabcbba"),
    ],
)
def test_wrr_mixes_turns(weights: tuple[int, ...], order: str) -> None:
    assert "".join("abc"[slot] for slot in dealt(Choice(ir.Scheduler.WRR, weights, (80,)), len(order))) == order


def test_wrr_with_large_weights_needs_few_rules() -> None:
    assert list(Choice(ir.Scheduler.WRR, (65535, 2), (80,)).turns()) == [(65537, 0, 1), (65536, 32768, 1), (1, 0, 0)]
    assert len(list(Choice(ir.Scheduler.WRR, (57851, 50000, 65535, 65534, 1), (80,)).turns())) == 28


def test_an_endpoint_more_of_rr_is_one_rule_more() -> None:
    text = "service a {{ vip 198.19.0.1; scheduler rr; port 80/tcp; endpoints {{ 100.64.0.1; 100.64.0.2{} }} }}"
    rules = [
        [line for line in render(program(text.format(more))).splitlines() if '"chain": "rr-a"' in line]
        for more in ("", "; 100.64.0.3")
    ]
    assert len(rules[1]) == len(rules[0]) + 1
    assert [line for line in rules[1] if line in rules[0]] == rules[0]


def test_the_networks_that_may_come_name_their_set() -> None:
    """Which service is the first to have them is the same."""
    networks = "10.0.0.0/8 2001:db8:100::/48 192.168.0.0/24 192.168.1.0/24"
    services = [
        f"service s{n} {{ external-ip 203.0.113.{n} 2001:db8:7::{n}; allow-from {networks}; port 80/tcp\n"
        f"  endpoints {{ 100.64.0.{n}; fd00:64::{n} }} }}\n"
        for n in range(1, 21)
    ]
    every, but_first, but_last = ("".join(part) for part in (services, services[1:], services[:-1]))
    found = tables(render(program(every)))
    assert [name for table in found.values() for name in table.sets if "allow" in name] == [
        "allow-10.0.0.0/8-192.168.0.0/23",
        "allow-2001_db8_100__/48",
    ]
    lines = [changed(render(program(every)), render(program(less))) for less in (but_first, but_last)]
    assert [len(of) for of in lines] == [24, 8]  # eight lists; the first line of one has no comma


def test_each_service_counts_for_itself() -> None:
    text = "".join(
        f"service {name} {{ vip 198.19.0.{n}; scheduler rr; port 80/tcp; endpoints {{ 100.64.0.1; 100.64.0.2 }} }}\n"
        for n, name in enumerate(("a", "b"), 1)
    )
    table = tables(render(program(text)))["ip"]
    counters = [chain for chain, rules in table.rules.items() if "numgen" in str(rules)]
    assert counters == ["rr-a", "rr-b"]


# ---- limits and helpers


def test_a_prefix_that_is_a_word_of_nft_is_refused() -> None:
    found = check_target(program("cluster { prefix Masquerade }"), TARGET, None)
    assert [(d.code.id, d.message, d.hint) for d in found] == [
        (
            "SVC013",
            "`masquerade` is a word of nft's own, and would be the name of the table",
            "any other word will do: Masquerade-LB",
        )
    ]
    assert found[0].span is not None
    assert found[0].span.source.text[found[0].span.start : found[0].span.end] == "Masquerade"


def test_a_prefix_that_is_too_long_is_refused() -> None:
    found = check_target(program(f"cluster {{ prefix {'X' * 256} }}"), TARGET, None)
    assert [d.code.id for d in found] == ["SVC014"]
    assert check_target(program(f"cluster {{ prefix {'X' * 255} }}"), TARGET, None) == []


def test_addresses_read_as_python_writes_them() -> None:
    for service in program(EVERYTHING).services:
        for address in (*service.vips, *service.external_ips, *(e.address for e in service.endpoints)):
            assert text_of(address) == str(address)
