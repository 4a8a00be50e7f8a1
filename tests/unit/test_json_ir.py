"""The IR's JSON: every command accepts what ``--target ir`` prints, and JSON is checked as strictly as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from ipaddress import ip_address, ip_network
from operator import or_
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from support.dsl_printer import program_text
from support.soundness import assert_sound
from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.diagnostic import Severity
from svcc.compiler.ir_document import ProgramDocument
from svcc.compiler.ir_from_json import schema
from svcc.compiler.ir_to_json import to_json
from svcc.compiler.load import Loaded, load, load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets

_MANY = settings(suppress_health_check=list(HealthCheck))


def load_json(text: str, name: str = "program.json") -> Loaded:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return load(str(path))


def printed(program: ir.Program) -> str:
    return targets()["ir"].render(program, None).artifacts[0].text


# ---- there and back


@_MANY
@given(programs())
def test_what_is_printed_is_the_same_program_and_the_same_bytes(program: ir.Program) -> None:
    text = printed(program)
    loaded = load_json(text)
    assert loaded.program == program, as_text(loaded.diagnostics)
    assert printed(loaded.program) == text


@_MANY
@given(programs(), st.data())
def test_what_other_machines_answer_for_is_printed_too(program: ir.Program, data: st.DataObject) -> None:
    services = tuple(
        replace(one, elsewhere=tuple(a for a in one.addresses if data.draw(st.booleans()))) for one in program.services
    )
    program = replace(program, services=services)
    assert load_json(printed(program)).program == program


@_MANY
@given(programs())
def test_what_is_printed_follows_the_schema(program: ir.Program) -> None:
    document = json.loads(printed(program))
    assert document == to_json(program)
    assert list(Draft202012Validator(schema()).iter_errors(document)) == []


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


_PYTHON = {"string": str, "integer": int, "boolean": bool, "number": float}


def typed(part: Any) -> object:
    """The type that a part of the schema gives: a member's, or by its members that of an object."""
    if "$ref" in part:
        definitions: Any = schema()["$defs"]
        return typed(definitions[part["$ref"].removeprefix("#/$defs/")])
    if "enum" in part or "const" in part:
        return type(part["enum"][0] if "enum" in part else part["const"])
    if "oneOf" in part and "type" not in part:
        return reduce(or_, map(typed, part["oneOf"]))
    if part["type"] == "array":
        items = part.get("prefixItems") or [part["items"]]
        return list, typed(items[0])
    if part["type"] == "object":
        required = set(part.get("required", ()))
        return {key: (typed(member), key in required) for key, member in part["properties"].items()}
    return _PYTHON[part["type"]]


def declared(kind: Any) -> object:
    """The same of a type of Python's."""
    if is_typeddict(kind):
        types = get_type_hints(kind)
        return {key: (declared(types[key]), key in kind.__required_keys__) for key in types}
    if get_origin(kind) is list:
        return list, declared(*get_args(kind))
    return kind


def test_a_document_has_the_types_that_the_schema_gives() -> None:
    assert declared(ProgramDocument) == typed(schema())


@_MANY
@given(programs(), st.randoms(use_true_random=False), st.sampled_from((None, 1, "\t")))
def test_neither_order_nor_layout_nor_what_is_the_default_matters(
    program: ir.Program, random: Any, indent: int | str | None
) -> None:
    document = to_json(program)
    for members in (document["services"], document.get("nodes", [])):
        random.shuffle(members)
    _spell_out(document)
    shuffled = dict(sorted(document.items(), key=lambda _: random.random()))
    assert load_json(json.dumps(shuffled, indent=indent)).program == program


def _spell_out(document: dict[str, Any]) -> None:
    """Say what is the default, with the values that the schema gives."""
    definitions: Any = schema()["$defs"]
    document.setdefault("cluster", {})
    document.setdefault("nodes", [])
    _with_defaults(document["cluster"], definitions["cluster"])
    for service in document["services"]:
        _with_defaults(service, definitions["service"])
        if "check" in service:
            _with_defaults(service["check"], definitions["check"])
        for key in ("vips", "external-ips", "allow-from"):
            service.setdefault(key, [])
        for endpoint in service["endpoints"]:
            _with_defaults(endpoint, definitions["endpoint"])
        for port in service["ports"]:
            ports = port["ports"]
            port.setdefault("target", int(str(ports).partition("-")[0]))


def _with_defaults(members: dict[str, Any], definition: dict[str, Any]) -> None:
    for key, value in definition["properties"].items():
        if "default" in value:
            members.setdefault(key, value["default"])


def test_the_defaults_of_the_schema_are_those_of_the_ir() -> None:
    said: Any = {
        "svcc": 1,
        "cluster": {},
        "services": [{"name": "a", "vips": ["198.19.0.1"], "ports": [], "endpoints": []}],
    }
    said["services"][0] |= {"ports": [{"protocol": "tcp", "ports": 80}], "endpoints": [{"address": "100.64.0.1"}]}
    plain = load_json(json.dumps(said)).program
    assert plain is not None
    _spell_out(said)
    assert load_json(json.dumps(said)).program == plain
    assert plain.cluster == ir.Cluster()


def test_whole_numbers_may_be_written_as_fractions() -> None:
    """JSON Schema says so (core 4.2.3), and some languages' printers know no integers."""
    text = """{"svcc": 1.0, "cluster": {"mark": 2.0, "nodeports": "3-4"}, "services": [{"name": "a", "affinity": 9e1,
        "ports": [{"protocol": "tcp", "ports": 80.0, "target": 8.08e3, "nodeport": 3.0}],
        "endpoints": [{"address": "100.64.0.1", "port": 1.0, "weight": 2.0}]}]}"""
    loaded = load_json(text)
    assert loaded.program is not None
    assert printed(loaded.program).count(".") == "100.64.0.1".count(".")


# ---- refused


_SERVICE: dict[str, Any] = {
    "name": "a",
    "vips": ["198.19.0.1"],
    "ports": [{"protocol": "tcp", "ports": 80}],
    "endpoints": [{"address": "100.64.0.1"}],
}


def _service(**members: Any) -> str:
    changed = {key.replace("_", "-"): value for key, value in members.items()}
    return json.dumps({"svcc": 1, "services": [_SERVICE | changed]})


def _cluster(**members: Any) -> str:
    return json.dumps({"svcc": 1, "services": [], "cluster": {k.replace("_", "-"): v for k, v in members.items()}})


def _ports(**members: Any) -> str:
    return _service(ports=[_SERVICE["ports"][0] | members])


@pytest.mark.parametrize(
    ("text", "code", "culprit"),
    [
        pytest.param("", "SVC009", "", id="nothing"),
        pytest.param("nonsense", "SVC009", "n", id="not-json"),
        pytest.param('{"svcc": 1,', "SVC009", "", id="half"),
        pytest.param('{"svcc": 1} x', "SVC009", "x", id="more"),
        pytest.param("[]", "SVC009", "[]", id="a-list"),
        pytest.param("null", "SVC009", "null", id="null"),
        pytest.param('{"svcc": 1}', "SVC009", '{"svcc": 1}', id="no-services"),
        pytest.param('{"svcc": 2, "services": []}', "SVC009", "2", id="version"),
        pytest.param('{"svcc": true, "services": []}', "SVC009", "true", id="version-true"),
        pytest.param('{"svcc": 1, "services": [], "services": [1]}', "SVC009", "[1]", id="key-twice"),
        pytest.param('{"svcc": 1, "services": [NaN]}', "SVC009", "NaN", id="nan"),
        pytest.param('{"svcc": 1, "services": [1e999]}', "SVC009", "1e999", id="infinite"),
        pytest.param("[" * 60 + "]" * 60, "SVC009", "[", id="deep"),
        pytest.param("[" * 100_000, "SVC009", "[", id="deeper"),
        pytest.param(f'{{"svcc": {"9" * 10_000}, "services": []}}', "SVC009", "{", id="a-long-number"),
        pytest.param(_service(name="a\n"), "SVC009", '"a\\n"', id="name-with-a-line-end"),
        pytest.param(_service(name="é"), "SVC009", '"\\u00e9"', id="name-not-ascii"),
        pytest.param(_service(name="\ud800"), "SVC009", '"\\ud800"', id="name-half-a-character"),
        pytest.param(_service(vip=["198.19.0.1"]), "SVC009", None, id="unknown-key"),
        pytest.param(_service(vips=["198.19.0.01"]), "SVC030", '"198.19.0.01"', id="address-with-zeros"),
        pytest.param(_service(vips=["fe80::1%eth0"]), "SVC030", '"fe80::1%eth0"', id="address-with-zone"),
        pytest.param(_service(vips=["\ud800"]), "SVC030", '"\\ud800"', id="half-a-character"),
        pytest.param(_service(vips=["fd00::1", "FD00:0::1"]), "SVC035", '"FD00:0::1"', id="vip-twice"),
        pytest.param(_service(allow_from=["10.0.0.1/8"]), "SVC032", '"10.0.0.1/8"', id="host-bits"),
        pytest.param(_service(allow_from=["fe80::%1/64"]), "SVC031", '"fe80::%1/64"', id="network-with-zone"),
        pytest.param(
            _service(external_ips=["fd00::2"], allow_from=["::/0", "0::/0"]), "SVC035", '"0::/0"', id="network-twice"
        ),
        pytest.param(_service(affinity=86_401), "SVC009", "86401", id="affinity"),
        pytest.param(_service(**{"affinity-per-service": True}), "SVC009", "true", id="affinity-for-what"),
        pytest.param(_service(scheduler="wrrr"), "SVC009", '"wrrr"', id="scheduler"),
        pytest.param(_service(ports=[]), "SVC009", "[]", id="no-port"),
        pytest.param(_service(endpoints=[{"address": "10.0.0.1", "node": "x"}]), "SVC011", '"10.0.0.1"', id="node"),
        pytest.param(_ports(ports="80-81\n"), "SVC009", '"80-81\\n"', id="range-with-a-line-end"),
        pytest.param(_ports(ports="9-1"), "SVC040", '"9-1"', id="range-backwards"),
        pytest.param(_ports(ports="99999-1"), "SVC040", '"99999-1"', id="range-of-no-ports"),
        pytest.param(_ports(ports=True), "SVC009", "true", id="port-true"),
        pytest.param(_ports(ports=80.5), "SVC009", "80.5", id="port-and-a-half"),
        pytest.param(_ports(ports="1-2", nodeport=30000), "SVC040", "30000", id="node-ports-too-few"),
        pytest.param(_ports(ports="1-2", target=65535), "SVC040", "65535", id="targets-beyond"),
        pytest.param(_cluster(mark=3), "SVC024", "3", id="two-bits"),
        pytest.param(_cluster(prefix="A\n"), "SVC009", '"A\\n"', id="prefix-with-a-line-end"),
        pytest.param(_cluster(prefix="_a"), "SVC009", '"_a"', id="prefix"),
        pytest.param(_cluster(vip_device="a/b"), "SVC009", '"a/b"', id="device"),
        pytest.param(_service(shared=["198.19.0.9"]), "SVC011", '"198.19.0.9"', id="shared-and-not-its-own"),
        pytest.param(_service(announce="yes"), "SVC009", '"yes"', id="announce"),
        pytest.param(_service(elsewhere=["192.0.2.99"]), "SVC011", '"192.0.2.99"', id="elsewhere"),
        pytest.param(_service(endpoints=[{"address": "10.0.0.1", "backup": 1}]), "SVC009", "1", id="backup"),
        pytest.param(_service(internal_traffic="zone"), "SVC009", '"zone"', id="traffic"),
        pytest.param(_service(check={"kind": "none"}), "SVC009", '"none"', id="check-none"),
        pytest.param(_service(check={"kind": "tcp", "path": "/"}), "SVC056", '"/"', id="check-of-a-path"),
        pytest.param(_service(check={"kind": "http", "path": "a"}), "SVC009", '"a"', id="check-path"),
        pytest.param(_service(check={"kind": "http", "expect": "299-200"}), "SVC024", '"299-200"', id="check-expect"),
        pytest.param(_service(check={"kind": "http", "expect": 600}), "SVC009", "600", id="check-status"),
        pytest.param(_service(check={"kind": "tcp", "every": 5.0101}), "SVC024", "5.0101", id="check-too-fine"),
        pytest.param(_service(check={"kind": "tcp", "every": 1}), "SVC056", "1", id="check-time-out"),
        pytest.param(_service(check={"kind": "dns", "port": 53, "name": ""}), "SVC009", '""', id="check-name"),
        pytest.param(_service(check={"kind": "udp"}), "SVC056", '{"kind": "udp"}', id="check-of-no-port"),
        pytest.param(_cluster(nodeports="5-1"), "SVC040", '"5-1"', id="node-ports-backwards"),
    ],
)
def test_what_is_wrong_is_found_where_it_is(text: str, code: str, culprit: str | None) -> None:
    loaded = load_json(text)
    assert_sound(loaded)
    assert [d.code.id for d in loaded.diagnostics] == [code], as_text(loaded.diagnostics)
    span = loaded.diagnostics[0].span
    assert span is not None
    if culprit is not None:
        assert text[span.start : span.end] == culprit


_FORWARD = "`masquerade`, `direct` or `tunnel`"
_NAME = "a name is ASCII, begins with a letter, a digit or `_`, and holds no blanks, quotes, `\\`, `[` or `]`"
_PATH = "a path begins with `/`, and has at most 128 characters, none of them a blank, a quote or one of {}[];#"


def _balancer(**members: Any) -> str:
    routes, listeners = [{"service": "a", "paths": ["/"]}], [{"port": 80, "protocol": "http"}]
    balancer = {"name": "b", "network": "vpc-1", "routes": routes, "listeners": listeners} | members
    return json.dumps({"svcc": 1, "services": [_SERVICE], "balancers": [balancer]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", [("the document is a list, and not an object", None, "[]")]),
        ('{"services": [1]}', [("the document has no `svcc`", 'a program begins with "svcc": 1', '{"services": [1]}')]),
        (
            '{"svc": 1, "services": []}',
            [
                ("the document has no `svcc`", 'a program begins with "svcc": 1', '{"svc": 1, "services": []}'),
                ('the document cannot have "svc"', "did you mean `svcc`?", '"svc"'),
            ],
        ),
        ('{"svcc": 2, "services": []}', [("/svcc is 2, a version that this svcc does not know", "write 1", "2")]),
        (_service(vips=None), [("/services/0/vips is null, and not a list", None, "null")]),
        (_service(affinity="1"), [('/services/0/affinity is "1", and not a whole number', None, '"1"')]),
        (_service(vipss=[]), [('/services/0 cannot have "vipss"', "did you mean `vips`?", '"vipss"')]),
        (
            _ports(**{'p"\\': 1}),
            [
                (
                    '/services/0/ports/0 cannot have "p\\"\\\\"',
                    "it can have `name`, `protocol`, `ports`, `target` or `nodeport`",
                    '"p\\"\\\\"',
                )
            ],
        ),
        (_service(forward="dr"), [('/services/0/forward cannot be "dr"', f"it is {_FORWARD}", '"dr"')]),
        (
            _service(forward="tunel"),
            [('/services/0/forward cannot be "tunel"', f"did you mean `tunnel`? (it is {_FORWARD})", '"tunel"')],
        ),
        (_service(affinity=0), [("/services/0/affinity: 0 is out of range", "it is 1 to 86400", "0")]),
        (_service(name="é"), [('/services/0/name cannot be "é"', _NAME, '"\\u00e9"')]),
        (_service(ports=[]), [("/services/0/ports has no values", "it has at least 1", "[]")]),
        (
            _service(affinity_networks=[1, 2, 3]),
            [("/services/0/affinity-networks has 3 values", "it has 2", "[1, 2, 3]")],
        ),
        (_service(snat=["a", "b", "a"]), [('/services/0/snat has "a" twice', None, '"a"')]),
        (_ports(ports=0), [("/services/0/ports/0/ports: 0 is out of range", "it is 1 to 65535", "0")]),
        (
            _ports(ports="80"),
            [('/services/0/ports/0/ports cannot be "80"', 'a range is written "5000-5099"', '"80"')],
        ),
        (
            _ports(ports=[]),
            [
                (
                    '/services/0/ports/0/ports is a list, and neither a whole number nor a range such as "5000-5099"',
                    None,
                    "[]",
                )
            ],
        ),
        (
            _balancer(routes=[{"service": "a"}]),
            [("/balancers/0/routes/0 has neither `paths` nor `listener`", None, '{"service": "a"}')],
        ),
        (
            _balancer(routes=[{"service": "a", "paths": ["x"]}]),
            [('/balancers/0/routes/0/paths/0 cannot be "x"', _PATH, '"x"')],
        ),
        (
            _balancer(listeners=[{"port": 80, "protocol": "http", "status": 304}]),
            [("/balancers/0/listeners/0/status: 304 is out of range", "it is 200 to 299 or 400 to 599", "304")],
        ),
        (
            _balancer(listeners=[{"port": 80, "protocol": "http", "body": ""}]),
            [("/balancers/0/listeners/0/body has 0 characters", "it has 1 to 1024", '""')],
        ),
    ],
)
def test_what_is_wrong_is_said_in_words_of_svcc(text: str, said: list[tuple[str, str | None, str]]) -> None:
    found = load_json(text).diagnostics
    places = [one.span for one in found if one.span is not None]
    texts = [text[span.start : span.end] for span in places]
    assert [(one.message, one.hint, there) for one, there in zip(found, texts, strict=True)] == said


@pytest.mark.parametrize(
    "text",
    [
        '{"static_resources": {"listeners": [], "clusters": []}}',
        '{"service": {"name": "web", "port": 80}}',
        '{"version": 3, "frontends": []}',
    ],
)
def test_json_of_another_program_is_one_error(text: str) -> None:
    said = [(one.code.id, one.message) for one in load_json(text).diagnostics]
    assert said == [("SVC080", "this looks like JSON of another program, which svcc does not read")]


def test_every_line_of_a_long_document_stays_readable() -> None:
    services = [_SERVICE | {"name": f"s{i}", "vips": [f"198.19.{i // 250}.{i % 250}", "x"]} for i in range(1000)]
    loaded = load_json(json.dumps({"svcc": 1, "services": services}))
    assert len(loaded.diagnostics) >= 1000
    assert_sound(loaded)


# ---- as strict as text


_BREAKS: dict[str, Callable[[ir.Service], ir.Service]] = {
    "a vip that cannot be": lambda s: replace(s, vips=(ip_address("127.0.0.1"), ip_address("ff02::1"))),
    "an endpoint that is a vip": lambda s: replace(s, endpoints=tuple(map(ir.Endpoint, s.vips))),
    "an endpoint at a network's edge": lambda s: replace(s, endpoints=(ir.Endpoint(ip_address("100.64.0.255")),)),
    "an endpoint twice": lambda s: replace(s, endpoints=s.endpoints + s.endpoints[:1]),
    "an endpoint with a port": lambda s: replace(s, endpoints=tuple(replace(e, port=65_535) for e in s.endpoints)),
    "an external ip that is a vip": lambda s: replace(s, external_ips=s.vips),
    "an external ip that is a node's": lambda s: replace(s, external_ips=(ip_address("10.0.0.4"),)),
    "ports without names": lambda s: replace(s, ports=tuple(replace(p, name=None) for p in s.ports)),
    "ports of one name": lambda s: replace(s, ports=tuple(replace(p, name="x") for p in s.ports)),
    "the same port": lambda s: replace(s, ports=tuple(replace(p, ports=s.ports[0].ports, target=1) for p in s.ports)),
    "the same node port": lambda s: replace(s, ports=tuple(replace(p, nodeport=s.ports[0].ports) for p in s.ports)),
    "nothing that leads there": lambda s: replace(s, vips=(), external_ips=()),
    "a node that is not there": lambda s: replace(s, endpoints=(ir.Endpoint(ip_address("10.0.0.9"), node="x"),)),
    "no endpoint": lambda s: replace(s, endpoints=()),
}
_CLUSTERS = {
    "as it was": lambda c: c,
    "all is pods": lambda c: replace(c, pods=(ip_network("100.64.0.0/24"), ip_network("0.0.0.0/0"))),
    "other node ports": lambda c: replace(c, nodeports=ir.PortRange(1, 1)),
}


@settings(_MANY, max_examples=3 * settings().max_examples)
@given(
    programs(min_services=1),
    st.lists(st.sampled_from(sorted(_BREAKS)), min_size=1, max_size=3),
    st.sampled_from(sorted(_CLUSTERS)),
)
def test_json_is_judged_like_text(program: ir.Program, breaks: list[str], cluster: str) -> None:
    services = list(program.services)
    for i, name in enumerate(breaks):
        services[i % len(services)] = _owned(_BREAKS[name](services[i % len(services)]))
    program = replace(program, services=tuple(services), cluster=_CLUSTERS[cluster](program.cluster))
    for service in services:  # text has no way to say these
        if any(port.nodeport is not None and len(port.nodeport) != len(port.ports) for port in service.ports):
            return
    from_text = load_text(Source("main.dsl", program_text(program)))
    from_json = load_json(json.dumps(to_json(program)))
    assert from_json.program == from_text.program
    assert _said(from_json) == _said(from_text)


def _owned(service: ir.Service) -> ir.Service:
    """The service with no ``shared`` address that is not its own, as text would have it."""
    shared = tuple(dict.fromkeys(address for address in service.addresses if address in service.shared))
    vips, external_ips = (tuple(sorted(own, key=lambda a: a in shared)) for own in (service.vips, service.external_ips))
    return replace(service, vips=vips, external_ips=external_ips, shared=shared)


def _said(loaded: Loaded) -> list[tuple[str, Severity, str]]:
    return sorted((d.code.id, d.severity, d.message) for d in loaded.diagnostics)


# ---- anything at all


_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 80, 65_535, 65_536, 10**30, 1.5, 80.0, 1e300, float("nan"), "", "a", "a\n", "0"),
        *("1-2", "2-1", "80-99999", "0-0", "10.0.0.1", "10.0.0.0/8", "10.0.0.1/8", "::1", "fe80::1%a", "\ud800", "é"),
        *("\x1b[31m", "\0", "x" * 500, "rr", "local", [], {}, [[]], [{}], {"a": 1}, ["10.0.0.1", "10.0.0.1"]),
    ]
).map(deepcopy)
_DOCUMENTS = st.recursive(
    _ODD | st.text(max_size=5) | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["svcc", "services", "nodes", "cluster", "name", "ports", "endpoints", "vips", "é"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    members = document.items() if isinstance(document, dict) else enumerate(document if type(document) is list else ())
    return [path, *(inner for key, member in members for inner in _paths(member, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A program's document with up to three values replaced, removed, doubled or added."""
    document = {"program": json.loads(json.dumps(to_json(draw(programs(min_services=1, max_services=2)))))}
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(_paths(document)[1:] or [("program",)]))
        parent: Any = document
        for key in path:
            parent = parent[key]
        match draw(st.sampled_from(("replace", "remove", "double", "add", "any"))):
            case "remove" if path:
                del parent[last]
            case "double" if isinstance(parent, list):
                parent.append(parent[last])
            case "add" if isinstance(parent[last], dict):
                parent[last][draw(st.sampled_from(("name", "ports", "x", "é\n")))] = draw(_ODD)
            case "add" if isinstance(parent[last], list):
                parent[last].append(draw(_ODD))
            case "any":
                parent[last] = draw(_DOCUMENTS)
            case _:
                parent[last] = draw(_ODD)
    return document["program"]


@settings(_MANY, max_examples=3 * settings().max_examples)
@given(mutated(), st.booleans())
def test_a_mutated_document_is_answered(document: Any, escaped: bool) -> None:
    assert_sound(load_json(json.dumps(document, ensure_ascii=escaped)))


@settings(_MANY, max_examples=3 * settings().max_examples)
@given(_DOCUMENTS)
def test_a_document_at_random_is_answered(document: Any) -> None:
    assert_sound(load_json(json.dumps(document)))


@_MANY
@given(st.data(), programs(min_services=1, max_services=2))
def test_a_mutated_text_of_a_document_is_answered(data: st.DataObject, program: ir.Program) -> None:
    text = printed(program)
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(at + 5, len(text))))
    text = text[:at] + data.draw(st.text('{}[]",:\\ \n0.-e\0aé', max_size=3)) + text[end:]
    assert_sound(load_json(text))
