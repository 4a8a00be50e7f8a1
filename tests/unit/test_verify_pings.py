"""How a ping to a service address is judged, and that each address is pinged."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from svcc.verify.cases import Case
from svcc.verify.judge import judge_ping
from svcc.verify.lab import CLIENT, NoReply
from svcc.verify.packet import Packet, Portless, Refusal

PACKET = Packet(ip_address("192.0.2.1"), ip_address("198.19.10.1"), Portless.ICMP)
CASE = Case("ping 198.19.10.1", CLIENT, "a client", PACKET, Refusal.UNTOUCHED, None, True)


@pytest.mark.parametrize("held", [False, True])
def test_a_ping_is_answered(held: bool) -> None:
    verdict = judge_ping(CASE, None, held=held)
    assert (verdict.passed, verdict.counts) == (True, {"echo reply": 1})


def test_of_an_address_that_nobody_holds_the_network_may_say_so() -> None:
    assert judge_ping(CASE, NoReply.UNREACHABLE, held=False).passed
    assert judge_ping(CASE, NoReply.UNREACHABLE, held=True).deviation == "expected echo reply, got unreachable"


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("failure", [NoReply.REFUSED, NoReply.TIMEOUT, NoReply.RESET])
def test_whoever_rejects_or_drops_it_is_found(failure: NoReply, held: bool) -> None:
    verdict = judge_ping(CASE, failure, held=held)
    assert verdict.deviation == f"expected {'echo reply' if held else 'to pass untouched'}, got {failure}"
    assert verdict.counts == {failure: 1}
