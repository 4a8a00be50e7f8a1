"""Which addresses lead only to services, and which of them a socket of the machine takes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given

from support.strategies import programs_for
from svcc.apply.own_addresses import OpenSocket
from svcc.compiler import ir
from svcc.compiler.frontends import service_networks
from svcc.targets import targets
from svcc.targets.interface import ServiceNetworks, Target

LOADED = [target for target in targets().values() if target.loads]


@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_a_bundle_tells_which_addresses_lead_to_services_alone(target: Target) -> None:
    @given(programs_for(target))
    def check(drawn: tuple[ir.Program, ir.Node | None]) -> None:
        program, node = drawn
        alone = {a for service in program.services for a in service.addresses if a not in service.shared}
        bundle = target.render(program, node)
        assert set(target.exclusive_addresses(bundle)) == alone

    check()


@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_a_bundle_tells_the_networks_of_service_addresses(target: Target) -> None:
    @given(programs_for(target))
    def check(drawn: tuple[ir.Program, ir.Node | None]) -> None:
        program, node = drawn
        networks = {n for version in (4, 6) for n in service_networks(program.cluster, version)}
        shared = {a for service in program.services for a in service.shared if any(a in n for n in networks)}
        assert target.service_networks(target.render(program, node)) == ServiceNetworks(
            frozenset(networks), frozenset(shared)
        )

    check()


@pytest.mark.parametrize(
    ("listens", "asked", "takes"),
    [
        ("10.0.0.4", "10.0.0.4", True),
        ("10.0.0.5", "10.0.0.4", False),
        ("0.0.0.0", "10.0.0.4", True),
        ("0.0.0.0", "fd00::4", False),
        ("::", "fd00::4", True),
        ("::", "10.0.0.4", True),
        ("fd00::4", "10.0.0.4", False),
    ],
)
def test_a_socket_takes_what_is_sent_to_its_address(listens: str, asked: str, takes: bool) -> None:
    address: IPv4Address | IPv6Address = ip_address(listens)
    assert OpenSocket(80, "tcp", address).takes(ip_address(asked)) is takes
