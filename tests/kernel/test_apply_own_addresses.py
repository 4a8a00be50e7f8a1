"""Service addresses that are the machine's own are refused on every target, and only those."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.apply_faults import Case
from support.apply_states import inside, run
from svcc.apply.own_addresses import own_addresses
from svcc.apply.scope import scope_of_program
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.interface import Target

pytestmark = pytest.mark.kernel

LOADED = [target for target in targets().values() if target.loads]
PROGRAM = """\
cluster { pods 100.64.0.0/24 }
service web { vip 198.19.10.1 fd00:19::1; external-ip 10.0.0.4; port 80/tcp; endpoints { 100.64.0.9; fd00:64::9 } }
"""
WHERE = "10.0.0.4 is on device uplink of this machine"
REMEDY = "to take only the declared ports, and leave the others to the machine, write"


def found(text: str, target: Target) -> list[str]:
    program = load_text(Source("test.dsl", text)).program
    assert program is not None
    return [*own_addresses(target.render(program, None), scope_of_program(program))]


@pytest.fixture(name="machine")
def _machine() -> Iterator[None]:
    """A machine with an address of each family, on a device that is down."""
    with inside():
        run("ip link set lo up")
        run("ip link add uplink type veth peer name far")
        run("ip address add 10.0.0.4/24 dev uplink")
        yield


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_it_is_named_with_its_device_and_who_listens_there(target: Target) -> None:
    with socket.create_server(("10.0.0.4", 22)), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("0.0.0.0", 53))
        with socket.create_server(("127.0.0.1", 25)):
            assert found(PROGRAM, target) == [
                f"{WHERE}, which listens there on 22/tcp, 53/udp; {REMEDY} `10.0.0.4 shared`"
            ]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_an_address_in_the_networks_of_services_is_named_with_the_network(target: Target) -> None:
    program = PROGRAM.replace("external-ip 10.0.0.4;", "").replace("cluster {", "cluster { services 10.0.0.0/8;")
    with socket.create_server(("10.0.0.4", 22)):
        assert found(program, target) == [
            (
                "10.0.0.4 is on device uplink of this machine, which listens there on 22/tcp, "
                "and in `services 10.0.0.0/8`, where packets to an address without a service are rejected"
            )
        ]
    assert found(program.replace("port", "external-ip 10.0.0.4 shared; port"), target) == []


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_of_ipv6_too_where_nobody_listens(target: Target) -> None:
    run("ip address del 10.0.0.4/24 dev uplink")
    run("ip address add fd00:19::1/64 dev far nodad")
    assert found(PROGRAM, target) == [f"fd00:19::1 is on device far of this machine; {REMEDY} `fd00:19::1 shared`"]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_other_addresses_of_the_machine_are_nobodys_business(target: Target) -> None:
    assert found(PROGRAM.replace("external-ip 10.0.0.4;", "external-ip 10.0.0.5;"), target) == []


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_one_that_comes_after_an_apply_changes_no_rule_and_holds_up_the_next_change(target: str) -> None:
    with Case((target, PROGRAM), None, "nft").world() as world:
        with world.inside():
            run("ip link add uplink type veth peer name far")
            run("ip address add 10.0.0.4/24 dev uplink")
        same = world.draft(PROGRAM, target)
        assert (plan := world.plan(same)).empty
        assert plan.obstacles == ()
        other = PROGRAM.replace("100.64.0.9", "100.64.0.10")
        assert world.plan(world.draft(other, target)).obstacles == (f"{WHERE}; {REMEDY} `10.0.0.4 shared`",)
        with world.inside():
            run("ip address del 10.0.0.4/24 dev uplink")
        assert world.plan(world.draft(other, target)).obstacles == ()
