"""Connections when the last service of an address family goes: what carries them is connection tracking, which the
kernel switches off with the last rule that asks for it, whoever's that is. The plan says which may end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.held_connections import ask
from support.udp_flows import Net
from svcc.apply.fates import Fate, fates
from svcc.apply.generation import Draft
from svcc.apply.summary import Summary

pytestmark = pytest.mark.kernel

_HEAD = "cluster { prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64 }\nnode n { address 10.0.0.4 fd00:10::4 }\n"
_FOUR = "service four { vip 198.19.10.4; port 80/tcp -> 8080; endpoints { 100.64.0.9 } }\n"
_SIX = "service six { vip fd00:19::1; port 80/tcp -> 8080; endpoints { fd00:64::9 } }\n"
#: A rule such as a firewall has. Both address families have nat tables of iptables here.
_TRACKING = "table ip6 firewall {\nchain c {\ntype filter hook forward priority 0\nct state established accept\n}\n}\n"
#: Seconds without an answer, where none is expected.
_SILENCE = 0.5


class Site:
    """A node with servers of TCP behind it, and connections to them that stay open."""

    def __init__(self, net: Net, held: ExitStack) -> None:
        self.net, self._held = net, held
        with net.pods.entered():
            for address in ("100.64.0.9", "fd00:64::9"):
                self._serve(address)

    def _serve(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = self._held.enter_context(socket.create_server((address, 8080), family=family))
        threading.Thread(target=_answer, args=(server, address.encode()), daemon=True).start()

    def connect(self, address: str) -> socket.socket:
        with self.net.client.entered():
            made = socket.create_connection((address, 80))
        self._held.callback(made.close)
        assert ask(made)
        return made

    def fates(self, draft: Draft) -> list[tuple[str, int, Fate]]:
        with self.net.node.entered():
            found = fates(self.net.world.plan(draft))
        return [(str(one.route.frontend), one.number, one.fate) for one in found]

    def draft(self, text: str, cluster: str = "") -> Draft:
        """``text``: of services; "": everything of ours is to go."""
        head = _HEAD.replace("{ prefix", f"{{ {cluster}; prefix" if cluster else "{ prefix", 1)
        draft = self.net.world.draft(head + (text or _FOUR), self.net.target)
        return draft if text else Draft(None, draft.scope, Summary(), "", "delete")

    def apply(self, text: str) -> None:
        self.net.world.carry_out(self.draft(text))


def _answer(server: socket.socket, name: bytes) -> None:
    while True:
        try:
            one, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(one, name), daemon=True).start()


def _echo(one: socket.socket, name: bytes) -> None:
    with one:
        while one.recv(100):
            one.sendall(name + b"\n")


def goes_on(one: socket.socket) -> bool:
    one.settimeout(_SILENCE)
    try:
        return bool(ask(one))
    except OSError:
        return False


@pytest.fixture(params=["nft", "iptables-nft", "iptables-legacy"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    target, _, variant = request.param.partition("-")
    with ExitStack() as held:
        net = Net(tmp_path / "state", target, variant or "nft")
        held.callback(net.close)
        yield Site(net, held)


@pytest.mark.parametrize("after", [_FOUR, ""], ids=["removed", "everything deleted"])
def test_connections_end_with_the_last_service_of_their_family_and_the_plan_says_so(site: Site, after: str) -> None:
    site.apply(_FOUR + _SIX)
    held = site.connect("fd00:19::1")
    assert ("[fd00:19::1]:80/tcp", 1, Fate.RELEASED) in site.fates(site.draft(after))
    site.apply(after)
    assert not goes_on(held)


@pytest.mark.parametrize("after", [_FOUR, ""], ids=["removed", "everything deleted"])
def test_what_else_tracks_and_translates_their_family_carries_them(site: Site, after: str) -> None:
    site.net.run("nft -f -", _TRACKING)
    site.apply(_FOUR + _SIX)
    held = site.connect("fd00:19::1")
    site.apply(after)
    assert ask(held) == b"fd00:64::9"


@pytest.mark.parametrize(
    ("after", "cluster"),
    [
        (_FOUR + _SIX.replace("::1;", "::2;"), ""),
        (_FOUR + _SIX.replace("{ fd00:64::9 }", "{ }"), ""),
        (_FOUR + _SIX.replace("{ fd00:64::9 }", "{ fd00:64::9 draining }"), ""),
        (_FOUR, "services fd00:19::/112"),
    ],
    ids=["another service", "no endpoint", "draining", "a network of service addresses"],
)
def test_connections_go_on_while_anything_of_their_family_is_declared(site: Site, after: str, cluster: str) -> None:
    site.apply(_FOUR + _SIX)
    held = site.connect("fd00:19::1")
    draft = site.draft(after, cluster)
    assert site.fates(draft) == [("[fd00:19::1]:80/tcp", 1, Fate.GOES_ON)]
    site.net.world.carry_out(draft)
    assert ask(held) == b"fd00:64::9"


def test_another_prefix_with_a_service_of_their_family_carries_them(site: Site) -> None:
    site.apply(_FOUR + _SIX)
    other = (_HEAD + _SIX.replace("::1;", "::2;")).replace("CUSTOM", "OTHER")
    site.net.world.carry_out(site.net.world.draft(other, site.net.target))
    held = site.connect("fd00:19::1")
    draft = site.draft("")
    assert site.fates(draft) == [("[fd00:19::1]:80/tcp", 1, Fate.GOES_ON)]
    site.net.world.carry_out(draft)
    assert ask(held) == b"fd00:64::9"
