"""The stand-in for cloud load balancers: what it reads in a template, and which route of the program a path means."""

from __future__ import annotations

import json

import pytest

from support.nft_programs import program
from svcc.targets import targets
from svcc.verify.balancer_cases import paths, routed
from svcc.verify.balancer_template import NotFollowed, read

TEXT = """
node node-a { address 10.0.0.4; instance i-00000000000000001 }
service one { port a 80/tcp nodeport 30001; port b 81/tcp nodeport 30003; endpoints { 100.64.0.9 } }
service two { port 80/tcp nodeport 30002; endpoints { 100.64.0.9 } }
balancer public {
  network vpc-0b50ec3f3729df7a8 subnet-02468af75594a6335 subnet-025434f8fe8868f1a
  listen  80/http default 404
  listen  8080/http default 503 "Gone"
  route   / /a/* /a/b?d /exact -> one:a
  route   /a/b* /e*t /a/bc/* -> one:b
  route   /a/bcd /* -> two
}
"""
PORTS = {"/": 30001, "/a/x": 30001, "/a/bxd": 30001, "/exact": 30001, "/a/b": 30003, "/a/bc/": 30003, "/eat": 30003}


def made() -> str:
    (aws,) = (target for target in targets().values() if target.balances)
    return "".join(artifact.text for artifact in aws.render(program(TEXT), None).artifacts)


@pytest.mark.parametrize(("path", "port"), [*PORTS.items(), ("/a/bcd", 30002), ("/other", 30002), ("/A/x", 30002)])
def test_a_path_has_one_route_by_the_program_and_by_the_template(path: str, port: int) -> None:
    known, template = program(TEXT), read(made())
    route = routed(known.balancers[0], path)
    assert route is not None
    service = known.service(route.service)
    found = None if service is None else service.port(route.port)
    assert found is not None
    assert found.nodeport is not None
    assert found.nodeport.first == port
    for listener in template.listeners:
        group = listener.group_of(path)
        assert group is not None
        assert template.groups[group].port == port


def test_listeners_answer_for_themselves() -> None:
    assert [(one.port, one.status, one.body) for one in read(made()).listeners] == [(80, 404, ""), (8080, 503, "Gone")]


def test_each_path_is_tried_and_one_that_no_route_has() -> None:
    (balancer,) = program(TEXT).balancers
    assert paths(balancer) == ["/", "/a/x", "/a/byd", "/exact", "/a/bx", "/ext", "/a/bc/x", "/a/bcd", "/x"]
    (balancer,) = program(TEXT.replace(" /*", "")).balancers
    assert paths(balancer)[-1] == "/no-route-0"


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ('"instance"', '"ip"'),
        ('"traffic-port"', '"80"'),
        ('"path-pattern"', '"host-header"'),
        ('"Priority"', '"Place"'),
    ],
)
def test_what_is_not_known_is_not_followed(what: str, by: str) -> None:
    with pytest.raises(NotFollowed):
        read(made().replace(what, by))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"Resources": {"a": {}}})])
def test_what_is_no_template_is_not_followed(text: str) -> None:
    with pytest.raises(NotFollowed):
        read(text)
