"""Whose UDP flows an apply moves: those of endpoints that left, those to what was not served before, and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.udp_flows import OTHER_HOST, Flow, Net, flows
from svcc.apply.fates import Fate, fates

pytestmark = pytest.mark.kernel

_HEAD = """\
cluster { pods 100.64.0.0/24 fd00:64::/64; prefix CUSTOM }
node n { address 10.0.0.4 }
node other { address 10.0.0.5 }
"""
_OTHER = "service other { vip 198.19.10.2; port 53/udp -> 5353; endpoints { 100.64.0.9 } }\n"


def program(endpoints: str, more: str = "", target: int = 5353) -> str:
    return f"""{_HEAD}{_OTHER}
service stats {{
  vip 198.19.10.1 fd00:19::1
  external-ip 203.0.113.9
  port 53/udp -> {target} nodeport 30053
  {more}
  endpoints {{ {endpoints} }}
}}
"""


BOTH = "100.64.0.9 on n; 100.64.0.19 on other; fd00:64::9; fd00:64::19"
#: How clients reach the service.
FRONTENDS = {"vip": ("198.19.10.1", 53), "external-ip": ("203.0.113.9", 53), "node port": ("10.0.0.4", 30053)}


@pytest.fixture(params=["nft", "iptables-nft", "iptables-legacy"])
def net(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Net]:
    target, _, variant = request.param.partition("-")
    made = Net(tmp_path / "state", target, variant or "nft")
    yield made
    made.close()


def planned(net: Net, after: str) -> Counter[tuple[Fate, str]]:
    """How many flows the plan of another program tells of, by what becomes of them and where they lead now."""
    with net.node.entered():
        found = fates(net.world.plan(net.world.draft(after, net.target)))
    return sum((Counter({(one.fate, one.route.endpoint): one.number}) for one in found), Counter())


def begun(net: Net, *frontends: tuple[str, int]) -> dict[Flow, str]:
    """Flows to all of these, with who answers each; both IPv4 endpoints have some."""
    found = {flow: flow.answered_by() for frontend in frontends for flow in flows(net, *frontend)}
    assert {answer.rpartition(":")[0] for answer in found.values()} >= {"100.64.0.9", "100.64.0.19"}
    return found


def moved(held: dict[Flow, str]) -> set[str]:
    """The endpoints whose flows are answered by another one now; all flows of an endpoint stay, or all move."""
    now = {flow: flow.answered_by() for flow in held}
    went = {was for flow, was in held.items() if now[flow] != was}
    stayed = {was for flow, was in held.items() if now[flow] == was}
    assert not went & stayed
    return went


_STAY: dict[str, str] = {
    "draining": program(BOTH.replace("19 on other", "19 on other draining")),
    "all draining": program("100.64.0.9 on n draining; 100.64.0.19 on other draining; fd00:64::9; fd00:64::19"),
    "weight moved": program(BOTH.replace("19 on other", "19 on other weight 9")),
    "one more": program(f"100.64.0.29; {BOTH}"),
    "local traffic": program(BOTH, "traffic internal local; traffic external local"),
    "another family": program("100.64.0.9 on n; 100.64.0.19 on other"),
    "scheduler": program(BOTH, "scheduler rr"),
}


@pytest.mark.parametrize("after", _STAY.values(), ids=_STAY.keys())
def test_flows_stay_with_an_endpoint_that_is_there(net: Net, after: str) -> None:
    net.apply(program(BOTH))
    held = begun(net, *FRONTENDS.values())
    net.apply(after)
    assert moved(held) == set()


def test_flows_stay_while_a_service_goes_from_one_prefix_to_another(net: Net) -> None:
    """The endpoint that the other prefix does not have loses them, as where one prefix serves."""
    both, other = program(BOTH), program("100.64.0.9 on n; fd00:64::9").replace("CUSTOM", "OTHER")
    net.apply(both)
    held = begun(net, *FRONTENDS.values())
    net.apply(other)
    without = f"{_HEAD}{_OTHER}"
    assert set(planned(net, without)) == {(Fate.GOES_ON, "100.64.0.9"), (Fate.MOVES, "100.64.0.19")}
    net.apply(without)
    assert moved(held) == {"100.64.0.19:5353"}
    again = {flow: flow.answered_by() for flow in held}
    net.apply(_HEAD)
    assert moved(again) == set()


def test_only_flows_of_an_endpoint_that_left_move(net: Net) -> None:
    net.apply(program(BOTH))
    held = begun(net, *FRONTENDS.values())
    six = {flow: flow.answered_by() for flow in flows(net, "fd00:19::1", 53)}
    after = program("100.64.0.9 on n; fd00:64::9; fd00:64::19")
    left = sum(answer == "100.64.0.19:5353" for answer in held.values())
    assert planned(net, after) == {(Fate.MOVES, "100.64.0.19"): left}
    net.apply(after)
    assert (moved(held), moved(six)) == ({"100.64.0.19:5353"}, set())
    net.apply(program("100.64.0.9 on n; fd00:64::9"))
    assert moved({flow: flow.answered_by() for flow in held}) == set()
    assert moved(six) == {"fd00:64::19:5353"}


def test_a_draining_endpoint_that_leaves_at_last_loses_its_flows(net: Net) -> None:
    net.apply(program(BOTH))
    held = begun(net, FRONTENDS["vip"])
    net.apply(_STAY["draining"])
    assert moved(held) == set()
    after = program("100.64.0.9 on n")
    assert set(planned(net, after)) == {(Fate.MOVES, "100.64.0.19")}
    net.apply(after)
    assert moved(held) == {"100.64.0.19:5353"}
    assert {flow.answered_by() for flow in held} == {"100.64.0.9:5353"}


def test_flows_of_a_service_that_is_left_without_endpoints_find_none(net: Net) -> None:
    net.apply(program(BOTH))
    held = begun(net, *FRONTENDS.values())
    assert {fate for fate, _ in planned(net, program("fd00:64::9"))} == {Fate.FORGOTTEN}
    net.apply(program("fd00:64::9"))
    assert all(flow.silent() for flow in held)


def test_flows_go_to_the_new_port_of_their_endpoint(net: Net) -> None:
    net.apply(program(BOTH))
    held = begun(net, *FRONTENDS.values())
    net.apply(program(BOTH, target=5354))
    assert moved(held) == {"100.64.0.9:5353", "100.64.0.19:5353"}


def test_flows_of_a_service_that_is_gone_end_and_no_others(net: Net) -> None:
    net.apply(program(BOTH))
    held = begun(net, FRONTENDS["vip"])
    others = {flow: flow.answered_by() for flow in flows(net, "198.19.10.2", 53)}
    assert {fate for fate, _ in planned(net, _HEAD + _OTHER)} == {Fate.FORGOTTEN}
    net.apply(_HEAD + _OTHER)
    assert moved(others) == set()
    assert all(flow.silent() for flow in held)


def test_flows_to_what_was_not_served_are_served(net: Net) -> None:
    """Their clients go on from the same port, and connection tracking remembers where that led."""
    net.apply(_HEAD + _OTHER)
    held = [flow for name in ("vip", "node port") for flow in flows(net, *FRONTENDS[name], 3)]
    assert all(flow.silent() for flow in held)
    assert planned(net, program(BOTH)) == {
        (Fate.SERVED, address): 3 for address, _ in (FRONTENDS["vip"], FRONTENDS["node port"])
    }
    net.apply(program(BOTH))
    assert {flow.answered_by() for flow in held} <= {"100.64.0.9:5353", "100.64.0.19:5353"}


@pytest.mark.parametrize("net", ["nft"], indirect=True)
def test_flows_that_met_a_dormant_table_are_served(net: Net) -> None:
    """All its chains and elements are there, and the kernel asks none of them."""
    net.apply(program(BOTH))
    net.run("nft add table ip custom { flags dormant; }")
    held = [flow for name in ("vip", "external-ip") for flow in flows(net, *FRONTENDS[name], 3)]
    assert all(flow.silent() for flow in held)
    net.apply(program(BOTH))
    assert {flow.answered_by() for flow in held} <= {"100.64.0.9:5353", "100.64.0.19:5353"}


def test_flows_to_another_hosts_port_are_nobodys_of_ours(net: Net) -> None:
    """Somebody masquerades what goes there, from ports by chance: a flow that is forgotten comes from another one."""
    rule = "table ip masq {\nchain c {\ntype nat hook postrouting priority 100\noifname pods masquerade random\n}\n}\n"
    net.run("nft -f -", rule)
    held = {flow: flow.ask() for flow in flows(net, OTHER_HOST, 30053)}
    for text in (program(BOTH), program("100.64.0.9"), _HEAD + _OTHER):
        net.apply(text)
        assert {flow: flow.ask() for flow in held} == held


def test_a_local_address_that_serves_no_node_ports_keeps_its_flows(net: Net) -> None:
    """What is sent there is the node's own, whatever the port."""
    net.run(
        "nft -f -", "table ip keep {\nchain c {\ntype filter hook input priority 0\nudp dport 30053 counter\n}\n}\n"
    )
    held = list(flows(net, "100.64.0.254", 30053, 3))
    assert all(flow.silent() for flow in held)
    known = entries(net, "100.64.0.254")
    net.apply(program(BOTH).replace("prefix CUSTOM", "prefix CUSTOM; nodeport-addresses 10.0.0.0/24"))
    assert entries(net, "100.64.0.254") == known
    assert known


def entries(net: Net, address: str) -> set[str]:
    """The flows to an address that are remembered, by their source ports."""
    listed = net.run(f"conntrack -L -p udp --orig-dst {address}").splitlines()
    return {word for line in listed for word in line.split() if word.startswith("sport=")}
