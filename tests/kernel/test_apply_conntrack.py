"""Connections that the kernel remembers: counted by route, and forgotten one by one."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest

from svcc.kernel import conntrack, tools
from svcc.kernel.conntrack import Connection, Usage, Volume
from svcc.kernel.namespaces import Namespace
from svcc.kernel.routes import Destination, Frontends, Route, Routes
from svcc.kernel.steps import FrontendAddress

pytestmark = pytest.mark.kernel

_RULES = """\
table inet t {
  chain o {
    type nat hook output priority -100;
    ip daddr 198.19.0.1 udp dport 53 dnat ip to 127.0.0.1:5353
    ip daddr 198.19.0.1 tcp dport 80 dnat ip to 127.0.0.1:8080
    ip6 daddr fd00:19::1 udp dport 53 dnat ip6 to [::1]:5353
  }
}
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace("conntrack")
    with made.entered():
        for words in (
            "link set lo up",
            "addr add 10.0.0.9 dev lo",
            "route add default dev lo",
            "-6 route add default dev lo",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        subprocess.run(["nft", "-f", "-"], input=_RULES, text=True, check=True)
        yield made
    made.close()


def send(address: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    """Something on its way to an address, from a port of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sender = socket.socket(family, kind)
    sender.connect((address, port))
    if kind is socket.SOCK_DGRAM:
        sender.send(b"x")
    return sender


DNS4 = Route(FrontendAddress("198.19.0.1", "udp", 53), "127.0.0.1", 5353)
DNS6 = Route(FrontendAddress("fd00:19::1", "udp", 53), "::1", 5353)
WEB = Route(FrontendAddress("198.19.0.1", "tcp", 80), "127.0.0.1", 8080)


def _new(*frontends: FrontendAddress) -> Frontends:
    return Frontends((Destination(one.address, one.protocol), one.port, one.port) for one in frontends)


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("by_tool", [True, False], ids=["tool", "netlink"])
def test_connections_are_counted_by_route(by_tool: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not by_tool:
        monkeypatch.setattr(tools, "find", lambda _: None)
    with socket.create_server(("127.0.0.1", 8080)):
        held = [send("198.19.0.1", 53), send("198.19.0.1", 53), send("fd00:19::1", 53), send("198.19.0.2", 53)]
        held.append(send("198.19.0.1", 80, socket.SOCK_STREAM))
        assert conntrack.count(Routes.of([DNS4, DNS6, WEB])) == {DNS4: 2, DNS6: 1, WEB: 1}
        assert conntrack.count(Routes()) == {}
        for one in held:
            one.close()


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("by_tool", [True, False], ids=["tool", "netlink"])
def test_what_went_over_connections_is_added_up_where_the_kernel_counts(
    by_tool: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_tool:
        monkeypatch.setattr(tools, "find", lambda _: None)
    early = send("198.19.0.1", 53)
    subprocess.run(["sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 5353))
        late = send("198.19.0.1", 53)
        _, client = server.recvfrom(10)
        server.sendto(b"yes", client)
        volume = Volume(1, 29, 1, 31)  # with 28 bytes of headers
        assert conntrack.usage(Routes.of([DNS4, WEB])) == {DNS4: Usage(2, volume)}
        late.close()
    early.close()


@pytest.mark.usefixtures("namespace")
def test_node_ports_are_counted_whatever_the_address() -> None:
    subprocess.run(
        ["nft", "add", "rule", "inet", "t", "o", "ip daddr 10.0.0.9 udp dport 30053 dnat ip to 127.0.0.1:5353"],
        check=True,
    )
    route = Route(FrontendAddress(None, "udp", 30053), "127.0.0.1", 5353)
    with send("10.0.0.9", 30053):
        assert conntrack.count(Routes.of([route])) == {route: 1}


@pytest.mark.usefixtures("namespace")
def test_only_udp_to_what_left_and_to_what_came_is_stale() -> None:
    with socket.create_server(("127.0.0.1", 8080)):
        held = [
            send("198.19.0.1", 53),  # led to an endpoint that left
            send("fd00:19::1", 53),  # leads to one that stays
            send("198.19.0.2", 53),  # was not served, and is now
            send("198.19.0.3", 53),  # is nobody's
            send("198.19.0.1", 80, socket.SOCK_STREAM),
        ]
        stale = conntrack.stale_connections(
            Routes.of([DNS4, WEB]),
            _new(FrontendAddress("198.19.0.2", "udp", 53), FrontendAddress("198.19.0.2", "tcp", 80)),
        )
        assert sorted((one.address, one.protocol) for one in stale) == [("198.19.0.1", "udp"), ("198.19.0.2", "udp")]
        before = set(conntrack.connections())
        assert conntrack.forget(stale) == 2
        assert set(conntrack.connections()) == before - set(stale)
        assert conntrack.forget(stale) == 0, "they are gone already"
        for one in held:
            one.close()


@pytest.mark.usefixtures("namespace")
def test_ipv6_is_forgotten_too() -> None:
    with send("fd00:19::1", 53):
        assert conntrack.forget(conntrack.stale_connections(Routes.of([DNS6]), Frontends())) == 1
        assert conntrack.count(Routes.of([DNS6])) == {}


def test_without_anything_to_forget_the_kernel_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "run", lambda *_: pytest.fail("asked"))
    assert conntrack.stale_connections(Routes.of([WEB]), _new(FrontendAddress("198.19.0.2", "tcp", 80))) == []
    assert conntrack.forget([]) == 0


def test_what_is_translated_is_known_by_its_reply() -> None:
    plain = Connection("udp", "10.0.0.1", 4000, "198.19.0.1", 53, "198.19.0.1", 53)
    assert not plain.translated
    assert plain._replace(endpoint="10.0.0.2").translated
