"""All targets mean the same: each one's artifacts, followed packet by packet, do what the reference says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from support.equivalence import Case, has_vip_device
from support.packets import packets
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.compiler.features import Feature
from svcc.targets import targets
from svcc.targets.interface import Target
from svcc.verify.packet import Packet

pytestmark = pytest.mark.slow

TARGETS = [target for target in targets().values() if target.loads]
_each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
_REMEMBERING = [target for target in TARGETS if Feature.AFFINITY_PER_SERVICE in target.features]
_BIG = settings(
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def examine(
    target: Target, complaints: Callable[[Case, list[Packet]], Iterator[str | None]], *, times: int = 1, every: int = 1
) -> None:
    """Fail with the first complaint about any program; of its packets one in ``every`` is looked at."""

    @settings(_BIG, max_examples=times * settings().max_examples)
    @given(programs_for(target))
    def check(drawn: tuple[ir.Program, ir.Node | None]) -> None:
        some = [packet for index, packet in enumerate(packets(*drawn)) if index % every == 0]
        complaint = next(filter(None, complaints(Case(target, *drawn), some)), None)
        if complaint is not None:
            pytest.fail(complaint, pytrace=False)

    check()


@_each_target
def test_every_packet_fares_as_the_reference_says(target: Target) -> None:
    def complaints(case: Case, packets: list[Packet]) -> Iterator[str | None]:
        kernel = case.load(case.render())
        yield from (case.fares(kernel, packet) for packet in packets)
        yield from case.turns(kernel, packets)

    examine(target, complaints, times=3)


@_each_target
def test_it_does_not_matter_whether_vips_are_addresses_of_the_node(target: Target) -> None:
    def complaints(case: Case, packets: list[Packet]) -> Iterator[str | None]:
        kernel = case.load_with_vips(case.render())
        return (case.fares_the_same(kernel, packet) for packet in packets)

    examine(target, complaints, every=5)


@_each_target
def test_connections_that_exist_go_on(target: Target) -> None:
    def complaints(case: Case, packets: list[Packet]) -> Iterator[str | None]:
        kernel = case.load(case.render())
        return (case.goes_on(kernel, packet) for packet in packets)

    examine(target, complaints, every=7)


@_each_target
def test_clients_do_not_get_the_endpoints_of_others(target: Target) -> None:
    examine(target, lambda case, packets: case.strangers(case.load(case.render()), packets), every=5)


@pytest.mark.parametrize("target", _REMEMBERING, ids=lambda target: target.name)
def test_clients_keep_their_endpoint_through_a_whole_service(target: Target) -> None:
    examine(target, lambda case, packets: case.companions(case.load(case.render()), packets))


@pytest.mark.parametrize("target", [t for t in TARGETS if has_vip_device(t)], ids=lambda target: target.name)
def test_the_node_itself_is_answered(target: Target) -> None:
    def complaints(case: Case, packets: list[Packet]) -> Iterator[str | None]:
        kernel = case.load(case.render())
        return (case.is_answered(kernel, packet) for packet in packets)

    examine(target, complaints)
