"""kube-proxy's behaviour as a table: what becomes of packets by the reference, and by each target's artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from support.equivalence import Case
from support.kubernetes_objects import Object, endpoint_slice, node, service
from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.followed import Event, Followed, Kind
from svcc.compiler.importers.words import socket
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.verify.packet import EndpointShare, Forwarded, Outcome, Packet, Refusal, Vantage
from svcc.verify.reference import outcome

#: A mapping of the file, which the tests below read as the comment at its top says.
_Written: TypeAlias = Mapping[str, Any]
_TABLE: _Written = yaml.safe_load(Path(__file__).with_name("kube-proxy.yaml").read_text(encoding="utf-8"))
_CASES: list[_Written] = _TABLE["cases"]
_HERE = "node-a"
_CLIENTS = {
    "client": {4: "198.51.100.1", 6: "2001:db8::1"},
    "pod": {4: "100.64.0.200", 6: "fd00:64::200"},
    "node": {4: "10.0.0.4", 6: "fd00::4"},
}
_STATES = {
    "not-ready": {"ready": False, "serving": False, "terminating": False},
    "terminating": {"ready": False, "serving": True, "terminating": True},
    "stopped": {"ready": False, "serving": False, "terminating": True},
    "unsaid": {},
}
_TARGETS = [target for target in targets().values() if target.loads]


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case["name"] for case in _CASES}) == len(_CASES) >= 40


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_what_becomes_of_packets(case: _Written) -> None:
    followed = Followed()
    followed.take(_events(case))
    program = followed.program
    here = program.node(_HERE)
    packets = {_packet(written): _outcome(said) for written, said in case["packets"].items()}
    assert {packet: outcome(program, here, packet) for packet in packets} == packets
    for target in _TARGETS:
        assert not check_target(program, target, here), target.name
        on_node = Case(target, program, here)
        kernel = on_node.load(on_node.render())
        assert [complaint for packet in packets if (complaint := on_node.fares(kernel, packet))] == [], target.name


# -- objects ----------------------------------------------------------------------------------------------------------


def _events(case: _Written) -> Iterator[Event]:
    for name, said in _TABLE["nodes"].items():
        some = node(name, said["addresses"], said["zone"])
        some["spec"] = {"podCIDRs": said["pods"]}
        yield Event(Kind.NODE, some)
    for name, said in case["services"].items():
        yield Event(Kind.SERVICE, _service(name, said))
    for number, said in enumerate(case.get("slices", ())):
        yield Event(Kind.ENDPOINT_SLICE, _slice(number, said))


def _service(name: str, said: _Written) -> Object:
    spec = dict(said)
    single = spec.pop("clusterIP", None)
    ips = spec.pop("clusterIPs", [single] if single not in (None, "None") else [])
    status = {"ingress": spec.pop("ingress", [])}
    labels, annotations = spec.pop("labels", {}), spec.pop("annotations", {})
    some = service(f"shop/{name}", ips, [_port(port) for port in spec.pop("ports", ())], status, **spec)
    some["metadata"] |= {"labels": labels, "annotations": annotations}  # type: ignore[operator]
    return some


def _port(written: str) -> Object:
    name, number, *node_port = written.split()
    port, protocol = number.split("/")
    found: Object = {"name": name, "port": int(port), "protocol": protocol}
    return found | {"nodePort": int(node_port[0])} if node_port else found


def _slice(number: int, said: _Written) -> Object:
    version = said.get("version", "v1")
    endpoints = [_endpoint(written, version) for written in said["endpoints"]]
    some = endpoint_slice(f"shop/{said['of']}", str(number), [_port(port) for port in said["ports"]], endpoints)
    some["apiVersion"] = f"discovery.k8s.io/{version}"
    some["metadata"]["labels"] |= said.get("labels", {})  # type: ignore[index]
    return some


def _endpoint(written: str, version: str) -> Object:
    address, host, *more = written.split()
    words = dict(zip(more[len(more) % 2 :: 2], more[len(more) % 2 + 1 :: 2], strict=True))
    state = more[0] if len(more) % 2 else ""
    found: Object = {"addresses": [address], "conditions": _STATES.get(state, {"ready": True})}
    found |= {"nodeName": host} if version == "v1" else {"topology": {"kubernetes.io/hostname": host}}
    found |= {"zone": words["zone"]} if "zone" in words else {}
    return found | ({"hints": {"forZones": [{"name": words["for"]}]}} if "for" in words else {})


# -- packets ----------------------------------------------------------------------------------------------------------


def _packet(written: str) -> Packet:
    source, destination = written.split()
    where, protocol = destination.split("/")
    address, port = _socket(where)
    vantage = {"client": Vantage.CLIENT, "node": Vantage.NODE}.get(source, Vantage.POD)
    if source.startswith("198."):
        vantage = Vantage.CLIENT
    known = _CLIENTS.get(source)
    return Packet(
        ip_address(known[address.version] if known else source), address, ir.Protocol(protocol), port, vantage
    )


def _outcome(written: str) -> Outcome:
    if written in {refusal.value for refusal in Refusal}:
        return Refusal(written)
    *ends, last = written.split(", ")
    affinity = int(last.split()[1]) if last.startswith("for ") else None
    ends += [last] if affinity is None else []
    choices = []
    for end in ends:
        where, *masqueraded = end.split()
        assert masqueraded in ([], ["masqueraded"])
        choices.append(EndpointShare(*_socket(where), Fraction(1, len(ends)), bool(masqueraded)))
    return Forwarded(tuple(sorted(choices, key=lambda choice: (choice.address, choice.port))), affinity)


def _socket(written: str) -> tuple[ir.Address, int]:
    found = socket(written)
    assert found is not None, written
    return found[0], int(found[1])
