"""What the xtables drivers compute from texts alone: states, changes, inputs for iptables-restore, routes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.files import GOLDEN
from support.iptables_kernel import scripts
from support.large_programs import endpoint, plain
from support.references import dangling
from support.strategies import programs_for
from svcc.apply.driver import Driver, Transition
from svcc.apply.drivers import RULES
from svcc.apply.drivers.rules import table_order
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.compiler.frontends import frontends
from svcc.kernel.routes import Destination, Frontends, Route, Routes
from svcc.kernel.steps import Change, FrontendAddress, Phase, Verb
from svcc.kernel.xtables import delta as module
from svcc.kernel.xtables.delta import delta, ordered
from svcc.kernel.xtables.loading import TRANSLATING
from svcc.kernel.xtables.state import Rules, State, Table, leads_to, parse_saved
from svcc.targets import targets

IPTABLES, IPVS = targets()["iptables"], targets()["ipvs"]
FAMILIES = {driver.part: driver for driver in RULES}
DRIVER = FAMILIES["iptables"]
SCOPE = Scope("CUSTOM")
STAYS = Transition("iptables", "iptables")
TEXT = (GOLDEN / "iptables" / "custom-cluster" / "iptables.rules").read_text()
SETS = (GOLDEN / "ipvs" / "custom-cluster" / "iptables.rules").read_text()


def state(text: str) -> State:
    parsed: State = DRIVER.parse(text, SCOPE)
    return parsed


def _scripts(program: ir.Program, node: ir.Node | None) -> list[tuple[Driver[Any], str]]:
    return [(FAMILIES[family], text) for family, text in scripts(IPTABLES.render(program, node))]


def test_the_parts() -> None:
    assert [driver.part for driver in RULES] == ["iptables", "ip6tables"]


# -- states -----------------------------------------------------------------------------------------------------------


def test_a_state_is_what_is_ours_by_table() -> None:
    text = "*nat\n:X-B - [0:0]\n:X-A - [0:0]\n-A X-A -p tcp -g X-B\n-A X-A -j RETURN\n-I OUTPUT -j X-A\nCOMMIT\n"
    tables = {"nat": Table({"X-B": (), "X-A": ("-p tcp -g X-B", "-j RETURN")}, (("OUTPUT", "-j X-A"),))}
    assert DRIVER.parse(text, Scope("X")) == State(tables)
    assert DRIVER.parse("", Scope("X")) == State()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("-A CUSTOM-A -j RETURN\n", 1),
        ("*nat\n-A CUSTOM-A -j RETURN\nCOMMIT\n", 2),
        ("*nat\n:CUSTOM-A - [0:0]\n:CUSTOM-A - [0:0]\n-A CUSTOM-A -j ACCEPT\n", 5),
        ("*nat\n:CUSTOM-A - [0:0]\n-A CUSTOM-A -j ACCEPT\n:CUSTOM-A - [0:0]\nCOMMIT\n", 4),
        ("*nat\n:OTHER - [0:0]\nCOMMIT\n", 2),
        ("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", 2),
        ("*nat\n-I OUTPUT -j OTHER\nCOMMIT\n", 2),
        ("*nat\n-I OUTPUT\nCOMMIT\n", 2),
        ("*nat\n-F\nCOMMIT\n", 2),
        ("*nat\n*filter\nCOMMIT\n", 2),
        ("*nat\n", 2),
        ("*nat\nCOMMIT", 2),
        ("COMMIT\n", 1),
        ("# nothing\n", 1),
    ],
)
def test_what_svcc_would_not_have_written_is_refused(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"^line {line}: "):
        DRIVER.parse(text, SCOPE)


@pytest.mark.parametrize(
    ("rule", "chain"),
    [
        ("-j CUSTOM-A", "CUSTOM-A"),
        ("-d 10.0.0.1/32 -p tcp -m tcp --dport 80 -g CUSTOM-A", "CUSTOM-A"),
        ('-m comment --comment "x" -j CUSTOM-A', "CUSTOM-A"),
        ("-j ACCEPT", None),
        ("-j REJECT --reject-with tcp-reset", None),
        ('-m comment --comment "-j CUSTOM-A"', None),
        ("-m comment --comment CUSTOM-A", None),
        ("-j LOG --log-prefix CUSTOM-A", None),
        ("-j", None),
        ("", None),
    ],
)
def test_the_chain_that_a_rule_leads_to(rule: str, chain: str | None) -> None:
    assert leads_to(rule) == chain


def test_only_line_feeds_end_a_line_of_what_was_saved() -> None:
    """Comments of others may hold any character."""
    strange = "\x0b\x0c\x1c\x85\u2028-A CUSTOM-A -j DROP"
    text = (
        f'*nat\n:OUTPUT ACCEPT [0:0]\n:CUSTOM-A - [0:0]\n-A OUTPUT -m comment --comment "{strange}" -j ACCEPT\nCOMMIT\n'
    )
    assert parse_saved(text, SCOPE).tables == {"nat": Table({"CUSTOM-A": ()})}


def test_chains_of_one_name_in_two_tables_are_two() -> None:
    block = ":{0} ACCEPT [0:0]\n:CUSTOM-A - [0:0]\n-A {0} -j CUSTOM-A\n-A CUSTOM-A -j {1}\nCOMMIT\n"
    saved = f"*filter\n{block.format('INPUT', 'DROP')}*nat\n{block.format('PREROUTING', 'ACCEPT')}"
    assert parse_saved(saved, SCOPE).tables == {
        "filter": Table({"CUSTOM-A": ("-j DROP",)}, (("INPUT", "-j CUSTOM-A"),)),
        "nat": Table({"CUSTOM-A": ("-j ACCEPT",)}, (("PREROUTING", "-j CUSTOM-A"),)),
    }


@pytest.mark.parametrize("text", ["", TEXT, SETS])
def test_states_go_through_json(text: str) -> None:
    wanted = state(text)
    made = replace(wanted, strays=state(SETS).tables, variant="legacy")
    loaded = DRIVER.load(json.loads(json.dumps(DRIVER.dump(made))))
    assert (loaded, loaded.variant, loaded.prefix) == (made, "legacy", "CUSTOM")


# -- inputs -----------------------------------------------------------------------------------------------------------


def input_for(live: State, wanted: State, transition: Transition = STAYS) -> str:
    return str(delta(live.tables, wanted.tables, table_order(transition)))


def test_only_the_chain_that_differs_is_written() -> None:
    wanted = state(TEXT.replace("100.64.0.20:8080", "100.64.0.21:8080"))
    assert input_for(state(TEXT), wanted) == (
        "*nat\n"
        ":CUSTOM-SVC-service-2 - [0:0]\n"
        "-A CUSTOM-SVC-service-2 -j CUSTOM-OUTSIDE\n"
        "-A CUSTOM-SVC-service-2 -p tcp -m statistic --mode nth --every 2 --packet 0"
        " -j DNAT --to-destination 100.64.0.21:8080\n"
        "-A CUSTOM-SVC-service-2 -p tcp -j DNAT --to-destination 100.64.0.10:8080\n"
        "COMMIT\n"
    )


def test_all_is_written_as_the_target_wrote_it() -> None:
    """But for entries, which are of different built-in chains: they are sorted."""
    lines: list[str] = []
    for line in TEXT.split("\n"):
        at = len(lines)
        while line.startswith("-I") and lines[at - 1].startswith("-I") and lines[at - 1] > line:
            at -= 1
        lines.insert(at, line)
    assert input_for(State(), state(TEXT)).split("\n") == lines


def test_many_new_chains_are_committed_before_what_leads_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    monkeypatch.setattr(module, "AHEAD", 2)
    live = {"nat": Table({"X-OLD": ("-j RETURN",)})}
    chains: dict[str, Rules] = {"X-C": ("-j RETURN",), "X-B": ("-g X-C",), "X-OLD": ("-g X-B",), "X-A": ("-g X-OLD",)}
    wanted = {"nat": Table(chains, (("OUTPUT", "-j X-A"),))}
    due = delta(live, wanted, TRANSLATING, ahead=True)
    assert str(due) == (
        "*nat\n:X-C - [0:0]\n:X-B - [0:0]\n-A X-C -j RETURN\n-A X-B -g X-C\nCOMMIT\n"
        "*nat\n:X-A - [0:0]\n-A X-A -g X-OLD\nCOMMIT\n"
        "*nat\n:X-OLD - [0:0]\n-A X-OLD -g X-B\n-I OUTPUT -j X-A\nCOMMIT\n"
    )
    assert (due.title, due.atomic) == ("4 chains written, 1 entry added", False)
    assert delta(live, wanted, TRANSLATING).atomic
    assert delta(wanted, live, TRANSLATING, ahead=True).atomic


def test_destinations_are_translated_no_more_before_sources_are() -> None:
    """A packet whose destination was translated a moment before still needs its source masqueraded."""
    entries = tuple((hook, "-j X-A") for hook in ("INPUT", "OUTPUT", "POSTROUTING", "PREROUTING"))
    live, changed = {"nat": Table({"X-A": ()}, entries)}, {"nat": Table({"X-A": ()}, entries[:3])}
    due = delta(live, {}, TRANSLATING)
    first = "*nat\n-D OUTPUT -j X-A\n-D PREROUTING -j X-A\nCOMMIT\n"
    rest = "-D INPUT -j X-A\n-D POSTROUTING -j X-A\n-F X-A\n-X X-A\nCOMMIT\n"
    assert str(due) == f"{first}*nat\n{rest}"
    assert (due.title, due.atomic) == ("1 chain removed, 4 entries removed", False)
    assert due.without_first().atomic
    assert delta(live, changed, TRANSLATING).atomic


def test_all_is_taken_down_in_an_order_that_the_kernel_takes() -> None:
    text = "*nat\n:CUSTOM-B - [0:0]\n:CUSTOM-A - [0:0]\n-A CUSTOM-A -j CUSTOM-B\n-I OUTPUT -j CUSTOM-A\nCOMMIT\n"
    assert input_for(state(text), State()) == (
        "*nat\n-D OUTPUT -j CUSTOM-A\n-F CUSTOM-B\n-F CUSTOM-A\n-X CUSTOM-B\n-X CUSTOM-A\nCOMMIT\n"
    )


def test_a_double_entry_is_added_again_at_the_head() -> None:
    text = "*nat\n:CUSTOM-A - [0:0]\n-I OUTPUT -j CUSTOM-A\n-I OUTPUT -j CUSTOM-A\nCOMMIT\n"
    single = text.replace("-I OUTPUT -j CUSTOM-A\n", "", 1)
    assert input_for(state(text), state(single)) == (
        "*nat\n-D OUTPUT -j CUSTOM-A\n-D OUTPUT -j CUSTOM-A\n-I OUTPUT -j CUSTOM-A\nCOMMIT\n"
    )


@pytest.mark.parametrize(
    ("new", "order"),
    [("ipvs", ["mangle", "filter", "nat"])] + [(new, ["nat", "filter", "mangle"]) for new in ("iptables", "nft", None)],
)
def test_tables_are_committed_so_that_each_state_between_them_serves(new: str | None, order: list[str]) -> None:
    block = ":CUSTOM-A - [0:0]\n-I OUTPUT -j CUSTOM-A\nCOMMIT\n"
    text = "".join(f"*{table}\n{block}" for table in ("filter", "mangle", "nat"))
    for live, wanted in ((State(), state(text)), (state(text), State())):
        lines = input_for(live, wanted, Transition(None, new)).split("\n")
        assert [line[1:] for line in lines if line.startswith("*")] == order


@given(st.data())
def test_chains_come_after_those_that_they_lead_to(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from([f"C-{n}" for n in range(8)]), unique=True))
    led = {
        name: data.draw(st.lists(st.sampled_from(names[:i]), max_size=3) if i else st.just([]))
        for i, name in enumerate(names)
    }
    shuffled = data.draw(st.permutations(names))
    chains = {name: tuple(f"-j {target}" for target in led[name]) for name in shuffled}
    in_order = ordered(chains)
    assert in_order == chains
    seen: set[str] = set()
    for name in in_order:
        assert set(led[name]) <= seen
        seen.add(name)


def test_chains_without_a_better_order_come_in_that_of_descending_names() -> None:
    rules = {"X-AT": ("-g X-SVC-a", "-g X-SVC-c", "-g X-SVC-b"), "X-MARK": ()}
    services = {f"X-SVC-{name}": ("-j X-MARK",) for name in "abc"}
    assert list(ordered({**rules, **services})) == ["X-MARK", "X-SVC-c", "X-SVC-b", "X-SVC-a", "X-AT"]


@given(programs_for(IPTABLES))
def test_what_is_written_for_a_saved_state_is_sound(case: tuple[ir.Program, ir.Node | None]) -> None:
    """iptables-save sorts chains: what they lead to may come behind them."""
    program, node = case
    for driver, text in _scripts(program, node):
        wanted = driver.parse(text, Scope(program.cluster.prefix))
        tables = {n: Table(dict(sorted(t.chains.items())), t.entries) for n, t in wanted.tables.items()}
        assert dangling(str(delta({}, tables, TRANSLATING))) == []


@pytest.mark.slow
def test_one_endpoint_among_100_000_is_one_chain() -> None:
    program = plain(10_000)
    number = 5_000
    other = replace(program.services[number], endpoints=(endpoint(9_999, 31), *program.services[number].endpoints[1:]))
    changed = replace(program, services=(*program.services[:number], other, *program.services[number + 1 :]))
    live, wanted = (DRIVER.parse(_text(one), Scope("SVCC")) for one in (program, changed))
    (step,) = DRIVER.steps(replace(live, variant="nft"), wanted, Scope("SVCC"), STAYS)
    endpoints = len(other.endpoints)
    assert (step.title, step.atomic, step.phase) == ("1 chain written", True, Phase.RULES)
    assert step.size == len(["*nat", ":CHAIN", "-j SVCC-OUTSIDE", "COMMIT"]) + endpoints
    frontend, old, new = (
        FrontendAddress(str(other.vips[0]), "tcp", 80),
        program.services[number].endpoints[0],
        other.endpoints[0],
    )
    assert {*DRIVER.gone_routes(live, wanted)} == {Route(frontend, str(old.address), 8080)}
    changes = list(DRIVER.changes(live, wanted))
    assert [(c.verb, c.kind, c.frontend, c.label) for c in changes] == [
        (Verb.REMOVE, "rule", frontend, other.name),
        (Verb.ADD, "rule", frontend, other.name),
    ]
    assert [c.subject.endswith(f"{e.address}:8080") for c, e in zip(changes, (old, new), strict=True)] == [True, True]


def _text(program: ir.Program) -> str:
    artifact = IPTABLES.render(program, program.nodes[0]).artifact("iptables")
    assert artifact is not None
    return artifact.text


# -- changes ----------------------------------------------------------------------------------------------------------


def test_changes_say_what_and_whose() -> None:
    text = TEXT.replace(" --dport 65513 ", " --dport 65514 ").replace(
        "-I INPUT -m conntrack --ctstate INVALID,NEW", "-I INPUT -m conntrack --ctstate INVALID,NEW,RELATED"
    )
    extra = (
        ":CUSTOM-SVC-new - [0:0]\n-A CUSTOM-SVC-new -p tcp -j DNAT --to-destination 100.64.0.5:1\n:CUSTOM-EXT-service-2"
    )
    live, wanted = state(TEXT), state(text.replace(":CUSTOM-EXT-service-2", extra))
    port = "nat -A CUSTOM-NODEPORTS -p tcp -m tcp --dport {} -g CUSTOM-EXT-service-2"
    entry = 'filter -I INPUT -m conntrack --ctstate {} -m comment --comment "CUSTOM services" -j CUSTOM-UNSERVED'
    new = "nat -A CUSTOM-SVC-new -p tcp -j DNAT --to-destination 100.64.0.5:1"
    assert list(DRIVER.changes(live, wanted)) == [
        Change(Verb.REMOVE, "iptables", "entry", entry.format("INVALID,NEW")),
        Change(Verb.ADD, "iptables", "entry", entry.format("INVALID,NEW,RELATED")),
        Change(Verb.REMOVE, "iptables", "rule", port.format(65513), frontend=FrontendAddress(None, "tcp", 65513)),
        Change(Verb.ADD, "iptables", "rule", port.format(65514), frontend=FrontendAddress(None, "tcp", 65514)),
        Change(Verb.ADD, "iptables", "chain", "nat CUSTOM-SVC-new", label="new"),
        Change(Verb.ADD, "iptables", "rule", new, label="new"),
    ]


def test_a_chain_whose_name_was_cut_is_placed_by_what_leads_there() -> None:
    program = plain(1)
    service = replace(program.services[0], name="team/a-service-with-a-name-that-does-not-fit")
    wanted = DRIVER.parse(_text(replace(program, services=(service,))), Scope("SVCC"))
    frontend = FrontendAddress(str(service.vips[0]), "tcp", 80)
    found = [change for change in DRIVER.changes(State(), wanted) if "SVC-" in change.subject]
    assert len(found) == 1 + len(["the chain's rule for pods", "its endpoint", "the rule that leads there"])
    assert {change.frontend for change in found} == {frontend}


# -- routes -----------------------------------------------------------------------------------------------------------


@given(programs_for(IPTABLES))
def test_routes_are_those_of_the_program(case: tuple[ir.Program, ir.Node | None]) -> None:
    program, node = case
    found = Routes()
    for driver, text in _scripts(program, node):
        found |= Routes.of(driver.routes(driver.parse(text, Scope(program.cluster.prefix))))
    assert found == Routes.of(_routes(program, node))


def _routes(program: ir.Program, node: ir.Node | None) -> list[Route]:
    return [
        Route(
            FrontendAddress(None if f.address is None else str(f.address), f.port.protocol.value, f.ports.first),
            str(e.address),
            f.target(e),
            len(f.ports),
        )
        for f in frontends(program, node)
        if not f.restricted or f.allow_from
        for e in f.endpoints
    ]


@given(programs_for(IPTABLES), programs_for(IPTABLES))
def test_what_left_is_what_the_other_state_lacks(
    first: tuple[ir.Program, ir.Node | None], second: tuple[ir.Program, ir.Node | None]
) -> None:
    for driver in FAMILIES.values():
        states = []
        for program, node in (first, second):
            program = replace(program, cluster=replace(program.cluster, prefix="LB"))
            states.append(driver.parse(dict(_scripts(program, node))[driver], Scope("LB")))
        live, wanted = states
        assert driver.gone_routes(live, wanted) == Routes.of(driver.routes(live)) - Routes.of(driver.routes(wanted))


@given(programs_for(IPTABLES))
def test_what_is_served_is_what_has_routes(case: tuple[ir.Program, ir.Node | None]) -> None:
    program, node = case
    scope = Scope(program.cluster.prefix)
    for driver, text in _scripts(program, node):
        state = driver.parse(text, scope)
        served = Routes.of(driver.routes(state)).frontends
        ranges, others = (
            [*served.ranges()],
            [(Destination("192.0.2.1", "tcp"), 80, 80), (Destination(None, "udp"), 1, 9)],
        )
        for some in (ranges[:3], ranges[-1:], ranges):
            asked = Frontends([*some, *others])
            assert driver.serves(state, asked) == asked & served
        assert not driver.serves(state, Frontends())


def test_an_address_that_is_excluded_is_none_that_is_served() -> None:
    rule = "-A CUSTOM-SERVICES -d 198.19.10.0/32 -p tcp"
    excluded = TEXT.replace(rule, rule.replace("-d", "! -d"))
    assert set(DRIVER.routes(state(TEXT))) - set(DRIVER.routes(state(excluded))) == {
        Route(FrontendAddress("198.19.10.0", "tcp", 8080), address, 8080) for address in ("100.64.0.9", "100.64.0.19")
    }


def test_routes_through_branches_for_many_addresses_and_ports() -> None:
    services = plain(300).services
    ports = tuple(ir.Port(f"p{n}", ir.Protocol.TCP, ir.PortRange(n, n), 8080) for n in range(1000, 1040))
    crowded = replace(services[0], ports=ports)
    program = replace(plain(300), services=(crowded, *services[1:]))
    wanted = DRIVER.parse(_text(program), Scope("SVCC"))
    assert set(DRIVER.routes(wanted)) == set(_routes(program, program.nodes[0]))


@given(programs_for(IPVS))
def test_ipvs_scripts_send_nothing_anywhere(case: tuple[ir.Program, ir.Node | None]) -> None:
    program, node = case
    for driver in RULES:
        artifact = IPVS.render(program, node).artifact(driver.part)
        assert artifact is not None
        assert list(driver.routes(driver.parse(artifact.text, Scope(program.cluster.prefix)))) == []


# ---- odd things of somebody else's


@pytest.mark.parametrize(
    "comment",
    [
        "two\nlines",
        "ours\n-A CUSTOM-SERVICES -j ACCEPT",
        "a table\n*mangle\n:CUSTOM-SERVICES - [0:0]\n-A CUSTOM-SERVICES -j DROP\nCOMMIT",
        'quotes \\"\n-A CUSTOM-GONE -j \\\\',
        "# Table `nat' is incompatible, use 'nft' tool.\n# Table `nat' is incompatible",
    ],
)
def test_a_comment_of_somebody_s_is_no_more_than_one(comment: str) -> None:
    """As iptables-save prints it: quotes and backslashes behind a backslash, ends of lines as they are."""
    listing = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:CUSTOM-SERVICES - [0:0]\n:THEIRS - [0:0]\n"
        '-A PREROUTING -m comment --comment "{}" -j THEIRS\n'
        "-A PREROUTING -j CUSTOM-SERVICES\n-A CUSTOM-SERVICES -j RETURN\nCOMMIT\n"
    )
    scope = Scope("CUSTOM")
    assert parse_saved(listing.format(comment), scope) == parse_saved(listing.format("plain"), scope)
