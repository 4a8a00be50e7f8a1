"""``svcc verify`` in front of node ports: a stand-in for cloud load balancers follows the template, by real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.nft_programs import program
from svcc.compiler import ir
from svcc.targets import targets
from svcc.verify.balancer_stand_in import StandIn, ask
from svcc.verify.balancer_template import read
from svcc.verify.judge import Verdict
from svcc.verify.lab import NODE, PEER
from svcc.verify.verification import Verification

pytestmark = pytest.mark.kernel

TEXT = """
node node-a { address 10.0.0.4; instance i-00000000000000001 }
node node-b { address 10.0.0.5; instance i-00000000000000002 }
service one { vip 198.19.10.1; port 80/tcp -> 8080 nodeport 30001; endpoints { 100.64.0.9; 100.64.0.19 } }
service two { vip 198.19.10.2; port 80/tcp -> 8080 nodeport 30002; endpoints { 100.64.0.29 } }
balancer public {
  network vpc-0b50ec3f3729df7a8 subnet-02468af75594a6335 subnet-025434f8fe8868f1a
  listen  80/http default 503 "Retry later"
  route   / /svc1 /service1 /svc2/one -> one
  route   /svc2/* -> two
}
"""


def template(made: ir.Program) -> str:
    (aws,) = (target for target in targets().values() if target.balances)
    return "".join(artifact.text for artifact in aws.render(made, None).artifacts)


@pytest.fixture(scope="module")
def session() -> Iterator[Verification]:
    made, target = program(TEXT), targets()["nft"]
    with Verification.start(made, made.nodes[0], target.render(made, made.nodes[0]), target.default_scheduler) as up:
        yield up


def tried(session: Verification, text: str) -> dict[str, Verdict]:
    return {verdict.case.frontend.rpartition(" ")[2]: verdict for verdict in session.balancers(text, 6)}


def test_paths_reach_their_services_and_others_the_default_answer(session: Verification) -> None:
    found = tried(session, template(session.program))
    assert [*found] == ["/", "/svc1", "/service1", "/svc2/one", "/svc2/x", "/no-route-0"]
    assert [verdict.deviation for verdict in found.values()] == [""] * len(found)
    for path in ("/", "/svc1", "/service1", "/svc2/one"):
        assert found[path].counts.keys() <= {"100.64.0.9:8080", "100.64.0.19:8080"}
    assert found["/svc2/x"].counts == {"100.64.0.29:8080": 6}
    assert found["/no-route-0"].counts == {"503 Retry later": 3}


def test_it_is_the_template_that_is_followed(session: Verification) -> None:
    text = template(session.program)
    swapped = text.replace('"Port": 30001', '"Port": 0').replace('"Port": 30002', '"Port": 30001')
    assert all(verdict.deviation for path, verdict in tried(session, swapped).items() if path == "/svc2/x")
    another = tried(session, text.replace("Retry later", "Gone"))
    assert another["/no-route-0"].deviation == "expected 503 Retry later, got 503 Gone"
    nowhere = tried(session, text.replace('"/svc1"', '"/svc3"'))
    assert nowhere["/svc1"].deviation == "expected an answer, got refused"
    assert not nowhere["/"].deviation


def test_only_targets_that_pass_their_check_get_requests(session: Verification) -> None:
    """The second node is there, without rules: nobody listens on its node ports."""
    followed = read(template(session.program))
    (listener,) = followed.listeners
    first, second = (node.addresses[0] for node in session.program.nodes)
    own = next(address for address in session.lab.addresses(PEER) if address.version == 4)
    instances = {"i-00000000000000001": first, "i-00000000000000002": second}
    with StandIn(followed, listener, session.lab.namespace(PEER), own, instances) as stand_in:
        before = {ask(session.lab.namespace(PEER), own, 80, "/svc2/x")[0] for _ in range(4)}
        stand_in.check()
        assert all(healthy == [first] for healthy in stand_in.healthy.values())
        after = {ask(session.lab.namespace(PEER), own, 80, "/svc2/x")[0] for _ in range(4)}
    assert (before, after) == ({200, 502}, {200})


def test_where_no_target_passes_all_are_asked_in_vain(session: Verification) -> None:
    session.lab.run(NODE, ["nft", "flush", "ruleset"], check=True)
    try:
        found = tried(session, template(session.program))
        assert found["/"].deviation == "expected an answer, got refused"
        assert not found["/no-route-0"].deviation
    finally:
        session.load(again=True)
