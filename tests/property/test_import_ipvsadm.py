"""What ipvsadm saved, imported and compiled again, is what ipvsadm saved."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from svcc.commands.import_ import findings
from svcc.compiler import ir
from svcc.compiler.importers import importers
from svcc.compiler.importers.sound import sound
from svcc.compiler.importers.virtual import SCHEDULERS
from svcc.compiler.load import load_text
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source
from svcc.import_report import report_text
from svcc.kernel.ipvs.servers import Real, VirtualServer, key_of, servers_text
from svcc.kernel.steps import socket_text
from svcc.targets import targets
from svcc.targets.ipvs.virtual import FORWARD, make_settings
from svcc.targets.ipvs.virtual_read import read_servers
from svcc.targets.reading import Text

_VIPS = {4: ("198.51.100.1", "198.51.100.2", "203.0.113.77"), 6: ("2001:db8::1", "2001:db8::ffff:0:2")}
_SERVERS = {4: ("10.0.0.1", "10.0.0.2", "192.0.2.9"), 6: ("2001:db8:1::1", "2001:db8:1::2")}
_PORTS = st.sampled_from((80, 443, 1, 65_535, 8080))


@st.composite
def _servers(draw: st.DrawFn, version: int, port: int, forward: ir.Forward, least: int) -> dict[str, Real]:
    """``least``: the smallest weight."""
    ports = _PORTS if forward is ir.Forward.MASQUERADE else st.just(port)
    sockets = st.tuples(st.sampled_from(_SERVERS[version]), ports)
    found = draw(st.lists(sockets, unique=True, min_size=1, max_size=4))
    weights = st.sampled_from((1, 0, 2, 65_535)).map(lambda weight: max(weight, least))
    method, others = FORWARD[forward]
    return {socket_text(address, port): Real(method, draw(weights), others) for address, port in found}


@st.composite
def _virtual(draw: st.DrawFn, place: tuple[ir.Protocol, str, int]) -> VirtualServer:
    protocol, address, port = place
    forward = draw(st.sampled_from(ir.Forward))
    scheduler = draw(st.sampled_from([*SCHEDULERS.values()]))
    least = 1 if scheduler is ir.Scheduler.DH else 0  # svcc refuses draining servers under it
    servers = draw(_servers(ip_address(address).version, port, forward, least))
    persistence = draw(st.none() | st.sampled_from((300, 1, 59, 3600, 86_400)))
    return VirtualServer(key_of(protocol.value, address, port), make_settings(scheduler, persistence), servers)


@st.composite
def _saved(draw: st.DrawFn) -> list[VirtualServer]:
    places = st.tuples(st.sampled_from(ir.Protocol), st.sampled_from((*_VIPS[4], *_VIPS[6])), _PORTS)
    return [draw(_virtual(place)) for place in draw(st.lists(places, unique=True, max_size=5))]


def _by_key(servers: Iterable[VirtualServer]) -> dict[str, VirtualServer]:
    """Of the order of virtual servers, and of theirs, nothing depends but whose turn is first."""
    return {server.key: server for server in servers}


def _parsed(text: str) -> list[VirtualServer]:
    """By svcc's own reader of what its target prints."""
    return [server for _, server in read_servers(Text(Source("ipvsadm", text), 0, len(text)))]


@given(_saved())
def test_the_same_servers(saved: list[VirtualServer]) -> None:
    text = servers_text(saved)
    imported = sound(importers()["ipvsadm"].read([Source("saved", text)]), findings)
    assert imported.notes == (), report_text(imported)
    loaded = load_text(Source("imported.dsl", program_text(imported.program)))
    assert loaded.program is not None
    artifact = targets()["ipvs"].render(loaded.program, None).artifact("ipvsadm")
    assert artifact is not None
    assert _by_key(_parsed(artifact.text)) == _by_key(saved)
