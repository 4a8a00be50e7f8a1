"""The template of target aws: resources as CloudFormation documents them, their names, and the order of rules."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.balancer_programs import balanced
from support.files import EXAMPLES
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.compiler.load import load, load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.aws.names import logical_id
from svcc.targets.aws.rules import MOST, Matched, matched, priorities
from svcc.targets.capability import check_target

_AWS = targets()["aws"]
_BIG = settings(suppress_health_check=list(HealthCheck))
_FEW = settings(_BIG, max_examples=20)
_EXAMPLE = next(path for path in EXAMPLES if path.stem == "load-balancer")
_PREFIX = "AWS::ElasticLoadBalancingV2::"

Template = dict[str, Any]


def template(program: ir.Program) -> Template:
    text = _AWS.render(program, None).artifacts[0].text
    found: Template = json.loads(text) if text else {"Resources": {}}
    return found


def example() -> ir.Program:
    program = load(str(_EXAMPLE)).program
    assert program is not None
    return program


def of_type(found: Template, type: str) -> dict[str, Any]:
    return {id: one["Properties"] for id, one in found["Resources"].items() if one["Type"] == _PREFIX + type}


@_BIG
@given(programs_for(_AWS))
def test_a_template_is_what_cloudformation_documents(case: tuple[ir.Program, ir.Node | None]) -> None:
    found = template(case[0])
    assert len(found["Resources"]) <= 500
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,255}", id) for id in found["Resources"])
    for properties in of_type(found, "LoadBalancer").values():
        assert len(properties["Subnets"]) >= (2 if properties["Type"] == "application" else 1)
    for properties in of_type(found, "TargetGroup").values():
        assert 1 <= properties["Port"] <= 65_535
        assert properties["HealthCheckPort"] == "traffic-port"
        assert [target["Id"] for target in properties["Targets"]] == [node.instance for node in case[0].nodes]
    places = [(p["ListenerArn"]["Ref"], p["Priority"]) for p in of_type(found, "ListenerRule").values()]
    assert len(places) == len(set(places))
    for properties in of_type(found, "ListenerRule").values():
        [condition] = properties["Conditions"]
        assert 1 <= properties["Priority"] <= 50_000
        assert 1 <= len(condition["PathPatternConfig"]["Values"]) <= 5


@_BIG
@given(programs_for(_AWS))
def test_whatever_is_referred_to_is_there(case: tuple[ir.Program, ir.Node | None]) -> None:
    found = template(case[0])
    referred = set(re.findall(r'"Ref": "(\w+)"', json.dumps(found)))
    assert referred <= set(found["Resources"])
    assert set(of_type(found, "TargetGroup")) <= referred
    assert len(of_type(found, "LoadBalancer")) == len(case[0].balancers)


@_BIG
@given(programs_for(_AWS), st.data())
def test_a_request_goes_where_the_language_says(case: tuple[ir.Program, ir.Node | None], data: st.DataObject) -> None:
    """By the rules in their order as by the routes: exact first, then by what precedes a wildcard, then by length."""
    for balancer in case[0].balancers:
        routes = {path: route for route in balancer.routes for path in route.paths}
        if not routes:
            continue
        request = data.draw(st.sampled_from(sorted(routes)) | st.sampled_from(("/shop/a1.png", "/x", "/shop/", "/q/r")))
        fitting = [path for path in routes if fnmatchcase(request, path)]
        best = min(fitting, key=_precedence, default=None)
        rules = sorted(of_type(template(case[0]), "ListenerRule").items(), key=lambda item: item[1]["Priority"])
        own = [rule for _, rule in rules if rule["ListenerArn"]["Ref"] == _listener(balancer)]
        taken = next((r for r in own if any(fnmatchcase(request, v) for v in _values(r))), None)
        assert (taken is None) == (best is None)
        if taken is not None and best is not None:
            assert best in _values(taken)


def _precedence(path: str) -> tuple[bool, int, int, str]:
    literal = re.split(r"[*?]", path)[0]
    return literal != path, -len(literal), -len(path), path


def _values(rule: dict[str, Any]) -> list[str]:
    values: list[str] = rule["Conditions"][0]["PathPatternConfig"]["Values"]
    return values


def _listener(balancer: ir.Balancer) -> str:
    return logical_id("Listener", balancer.name, f"port{balancer.listeners[0].port}")


@st.composite
def _balanced(draw: st.DrawFn) -> ir.Program:
    """A program of the target's with balancers, which few of those that are drawn have."""
    program, node = draw(programs_for(_AWS))
    program = draw(balanced(program))
    assume(program.balancers and not check_target(program, _AWS, node))
    return program


@_FEW
@given(_balanced(), st.data())
def test_a_balancer_gone_takes_only_its_own_along(program: ir.Program, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(program.balancers))
    rest = tuple(one for one in program.balancers if one is not gone)
    before, after = template(program)["Resources"], template(replace(program, balancers=rest))["Resources"]
    alone = template(replace(program, balancers=(gone,)))["Resources"]
    assert after == {id: one for id, one in before.items() if id not in alone}


@_FEW
@given(_balanced(), st.data())
def test_a_route_gone_changes_what_leads_to_its_service_alone(program: ir.Program, data: st.DataObject) -> None:
    with_routes = [b for b in program.balancers if b.kind is ir.BalancerKind.APPLICATION and b.routes]
    assume(with_routes)
    balancer = data.draw(st.sampled_from(with_routes))
    gone = data.draw(st.sampled_from(balancer.routes))
    fewer = replace(balancer, routes=tuple(route for route in balancer.routes if route is not gone))
    others = tuple(fewer if one is balancer else one for one in program.balancers)
    before, after = template(program)["Resources"], template(replace(program, balancers=others))["Resources"]
    changed = {id for id in before.keys() | after.keys() if before.get(id) != after.get(id)}
    assert {id for id in changed if not _leads_to(before.get(id) or after[id], gone, program)} == set()


def _leads_to(resource: dict[str, Any], gone: ir.Route, program: ir.Program) -> bool:
    """Its target group and rules, and rules of patterns that begin as one of its own: it was part of their order."""
    service = program.service(gone.service)
    port = None if service is None else service.port(gone.port)
    assert port is not None
    if resource["Type"] == _PREFIX + "TargetGroup":
        return resource["Properties"]["Port"] == port.nodeport.first if port.nodeport else False
    literals = {re.split(r"[*?]", path)[0] for path in gone.paths if re.search(r"[*?]", path)}
    values = _values(resource["Properties"])
    of_family = any(re.split(r"[*?]", value)[0] in literals for value in values)
    group = resource["Properties"]["Actions"][0]["TargetGroupArn"]["Ref"]
    names = (gone.service,) if port.name is None else (gone.service, port.name)
    groups = {logical_id("TargetGroup", balancer.name, *names) for balancer in program.balancers}
    return of_family or group in groups


@given(
    st.lists(st.tuples(*[st.sampled_from(("a", "b", "A", "a-b", "ab", "port80", "9", "a/b"))] * 2), unique=True),
    st.sampled_from(("Listener", "Rule")),
)
def test_no_two_have_one_id(names: list[tuple[str, str]], kind: str) -> None:
    assert len({logical_id(kind, *pair) for pair in names}) == len(names)


@pytest.mark.parametrize("path", ["/{}", "/{}/*", "/x{}?", "/*{}"])
def test_as_many_rules_as_there_may_be_find_a_place(path: str) -> None:
    rules = matched({f"group{i}": [path.format(i)] for i in range(100, 100 + MOST)})
    placed = priorities(rules)
    assert len(rules) == len(set(placed.values())) == MOST
    assert all(1 <= priority <= 50_000 for priority in placed.values())


def test_the_longest_patterns_have_the_smallest_places() -> None:
    longest, shortest = "/" + "x" * 126 + "*", "/*"
    placed = priorities(matched({"g": [longest, shortest, "/"]}))
    order = [rule.paths for rule in sorted(placed, key=lambda rule: placed[rule])]
    assert order == [("/",), (longest,), (shortest,)]
    assert Matched("g", (shortest,), (shortest,)) in placed


# ---- what is refused

_NODE = "node a { address 10.0.0.4; instance i-0123abcd }\n"
_WEB = "service web { vip 198.19.0.1; port 80/tcp nodeport 30080; endpoints { 100.64.0.1 } }\n"
_NETWORK = "network vpc-0123abcd subnet-0123abcd subnet-0123abce"
_BALANCER = f"balancer b {{ {_NETWORK}; listen 80/http; route / -> web }}\n"


def refusals(text: str) -> list[str]:
    program = load_text(Source("x.dsl", text)).program
    assert program is not None
    return [diagnostic.message for diagnostic in check_target(program, _AWS, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_WEB + _BALANCER, "balancer `b` has no node behind it"),
        ("node a { address 10.0.0.4 }\n" + _WEB + _BALANCER, "node `a` has no instance"),
        (_NODE.replace("i-0123abcd", "web-1") + _WEB + _BALANCER, "`web-1` is no instance of aws"),
        (_NODE + _WEB + _BALANCER.replace("vpc-0123abcd", "vpc-1"), "`vpc-1` is no network of aws"),
        (_NODE + _WEB + _BALANCER.replace("subnet-0123abcd", "sg-0123abcd"), "`sg-0123abcd` is no subnet of aws"),
        (_NODE + _WEB + _BALANCER.replace("listen", "security x; listen"), "`x` is no security group of aws"),
        (_NODE + _WEB + _BALANCER.replace(" subnet-0123abce", ""), "balancer b needs two subnets"),
        (
            _NODE + _WEB.replace("198.19.0.1", "fd00:19::1").replace("100.64.0.1", "fd00::1") + _BALANCER,
            "service web serves its node ports only by IPv6, and instances are reached by IPv4",
        ),
        (
            _NODE + _WEB + _BALANCER.replace(" / ", " " + " ".join(f"/{i}*" for i in range(301)) + " "),
            "balancer b has 301 rules, and a listener has at most 300 here",
        ),
        (
            _NODE
            + _WEB
            + _BALANCER.replace(" / ", " " + " ".join(f"/{i}*" for i in range(250)) + " ").replace(
                "listen 80/http", "listen 80/http; listen 81/http"
            ),
            "the balancers are 504 resources, and a template has at most 500",
        ),
    ],
)
def test_refusals(text: str, message: str) -> None:
    assert refusals(text) == [message]


def test_the_node_makes_no_difference() -> None:
    """Balancers lead to all nodes, so that nobody has to say which, not even under ``traffic … local``."""
    program = example()
    local = tuple(replace(service, external_traffic=ir.Traffic.LOCAL) for service in program.services)
    changed = replace(program, services=local)
    assert check_target(changed, _AWS, None) == []
    texts = {_AWS.render(changed, node).artifacts for node in (None, *changed.nodes)}
    assert len(texts) == 1


@pytest.mark.parametrize("name", sorted(name for name, target in targets().items() if target.loads))
def test_targets_of_the_kernel_leave_balancers_out(name: str) -> None:
    target, program = targets()[name], example()
    node = program.nodes[0]
    assert target.render(program, node) == target.render(replace(program, balancers=()), node)
