"""The ipvs target beside what is somebody else's: on a kernel that has IPVS, with real packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ipvs_kernel import served
from late_segments import Tap

from svcc.verify.lab import CLIENT, NODE, Answer, Lab, Result

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

POD, POD6 = "100.64.0.9", "fd00:64::9"
OTHER = "100.64.0.19"

TEXT = """
cluster { prefix T; pods 100.64.0.0/24 fd00:64::/64; nodeport-addresses 10.0.0.0/24 fd00:10::/64 }
node node-a { address 10.0.0.4 10.0.0.5 fd00:10::4 fd00:10::5 }
service masked { vip 198.19.10.1 fd00:19::1; port 80/tcp -> 8080 nodeport 30080; endpoints { 100.64.0.9; fd00:64::9 } }
service kept   { vip 198.19.10.2 fd00:19::2; port 80/tcp -> 8081 nodeport 30081; masquerade never
                 endpoints { 100.64.0.9; fd00:64::9 } }
service direct { vip 198.19.10.3; port 80/tcp; forward direct; endpoints { 100.64.0.19 } }
service shared { external-ip 10.0.0.5 fd00:10::5 shared; allow-from 192.0.2.0/24 2001:db8:100::/48 10.0.0.5
                 port 80/tcp -> 8080; endpoints { 100.64.0.9; fd00:64::9 } }
service absent { external-ip 203.0.113.100 shared; port 80/tcp -> 8080; endpoints { 100.64.0.9 } }
service empty  { vip 198.19.10.4; port 80/tcp; endpoints { } }
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with served(TEXT) as made:
        for protocol in ("tcp", "udp"):
            for address in ("0.0.0.0", "::"):
                made.listen(NODE, address, 22, protocol, name="host")
                made.listen(NODE, address, 8443, protocol, name="host")
        yield made


@contextmanager
def rule(lab: Lab, table: str, words: str, tool: str = "iptables") -> Iterator[None]:
    """A rule of somebody else's on the node, behind ours."""
    lab.run(NODE, [tool, "-t", table, "-A", *words.split()], check=True)
    try:
        yield
    finally:
        lab.run(NODE, [tool, "-t", table, "-D", *words.split()], check=True)


def told(result: Result) -> str:
    return f"{result.name}<{result.source}" if isinstance(result, Answer) else result.value


# -- connection tracking's INVALID ------------------------------------------------------------------------------------


@pytest.mark.parametrize("speaker", ["client", "endpoint"])
@pytest.mark.parametrize(
    ("to", "port", "endpoint"),
    [
        ("198.19.10.1", 80, POD),
        ("fd00:19::1", 80, POD6),
        ("10.0.0.4", 30080, POD),
        ("fd00:10::4", 30080, POD6),
        ("198.19.10.2", 80, POD),
        ("fd00:19::2", 80, POD6),
        ("10.0.0.4", 30081, POD),
        ("198.19.10.3", 80, OTHER),
        ("10.0.0.5", 80, POD),
    ],
)
def test_a_segment_outside_the_window_ends_no_connection(
    lab: Lab, to: str, port: int, endpoint: str, speaker: str
) -> None:
    where = CLIENT if speaker == "client" else endpoint
    with Tap(lab.namespace(where)) as tap, lab.open(CLIENT, to, port) as conversation:
        first = conversation.ask()
        assert isinstance(first, Answer)
        tap.send_outside(conversation.local[1] if speaker == "client" else first.source_port)
        assert conversation.ask() == first
