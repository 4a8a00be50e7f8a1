"""Virtual servers of IPVS by a packet mark: their keys, texts, routes, messages, and their place in bundles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, AF_INET6

import pytest

from support.bundles import refusal, scope_of
from support.files import KEPT_PORTS
from support.ipvs_kernel import part, program, render
from svcc.apply.drivers import IpvsadmDriver
from svcc.apply.drivers.sets import meaning
from svcc.compiler.codes import Code
from svcc.kernel.ipset.sets import parse_sets
from svcc.kernel.ipvs import netlink, reading
from svcc.kernel.ipvs.difference import Command, additions, routes, routes_gone
from svcc.kernel.ipvs.servers import (
    OPTIONS,
    VirtualServers,
    mark_key,
    mark_of,
    parse_real,
    parse_servers,
    parse_settings,
    parse_table,
    servers_text,
)
from svcc.kernel.routes import Routes
from svcc.kernel.steps import FrontendAddress
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Bundle
from svcc.targets.ipvs.virtual import is_service_mark, marks_alike, service_mark

TARGET = targets()["ipvs"]
TEXT = KEPT_PORTS.read_text()
SERVERS = """\
-A -f 77 -s rr -p 300
-a -f 77 -r 10.2.1.2:0 -m -w 1
-A -f 77 -6 -s wrr -p 60 -M 64
-a -f 77 -6 -r [fd00::2]:0 -m -w 3
"""
#: What the kernel says of them, of one connection, and of somebody else's (/proc/net/ip_vs).
TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
FWM  0000004E rr
FWM  0000004D wrr persistent 6000 40
  -> [fd00:0000:0000:0000:0000:0000:0000:0002]:0000      Masq    3      0          9
FWM  0000004D rr persistent 30000 FFFFFFFF
  -> 0A020102:0000      Masq    1      1          3
TCP  C6130A01:0050 rr
  -> 0A020102:0050      Masq    1      7          3
"""


def test_keys_and_texts() -> None:
    servers = parse_servers(SERVERS)
    assert [*servers] == ["-f 77", "-f 77 -6"] == [mark_key(77, 4), mark_key(77, 6)]
    assert [*map(mark_of, servers), mark_of("-t 10.0.0.1:80")] == [(77, 4), (77, 6), None]
    assert servers_text(servers.values()) == SERVERS
    assert [*map(str, additions({}, servers))] == SERVERS.splitlines()


def test_the_tool_s_table_tells_families_apart() -> None:
    table = "\n\n\nFWM  77 rr persistent 300\n  -> 10.2.1.2:0 0 0 1 3\nFWM  77 IPv6 rr\n  -> [fd00::2]:0 0 0 0 9\n"
    assert [key for key, _, _ in parse_table(table)] == ["-f 77", "-f 77 -6"]
    assert {*OPTIONS.values()}.isdisjoint({"-f"})


def test_connections_are_counted_by_family(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ip_vs").write_text(TABLE)
    monkeypatch.setattr(reading, "TABLE", tmp_path / "ip_vs")
    assert reading.established(parse_servers(SERVERS)) == {
        "-f 77": {("10.2.1.2", 0): 1},
        "-f 77 -6": {("fd00::2", 0): 0},
    }


def test_messages_say_the_mark_and_the_family() -> None:
    commands = [*additions({}, parse_servers(SERVERS)), Command("-D", "-f 77 -6", leaving=True)]
    assert netlink.can_say(commands)
    said = [netlink._virtual(command) for command in commands]
    assert [(one["fwmark"], one["af"]) for one in said if one] == [
        (77, family) for family in (AF_INET, AF_INET, AF_INET6, AF_INET6, AF_INET6)
    ]
    assert not any(one.keys() & {"addr", "port", "protocol"} for one in said if one)


def _made(bundle: Bundle) -> VirtualServers:
    artifact = bundle.artifact("ipvsadm")
    made = IpvsadmDriver().from_target(artifact.state) if artifact else None
    assert made is not None
    return made


def test_routes_are_those_of_the_places_that_have_the_mark() -> None:
    """Each with the port that clients ask for. Where a place goes to the same endpoint without a mark, it stays."""
    bundles = render(TEXT), render(TEXT.replace(" per service", "")), render(TEXT.replace("443/udp", "444/udp"))
    scope = scope_of(bundles[0]).including(*bundles)
    together, apart, other = map(_made, bundles)
    assert {*routes(IpvsadmDriver().parse(part(bundles[0], "ipvsadm"), scope))} == {*routes(together)}
    assert Routes.of(routes(together)) == Routes.of(routes(apart))
    assert routes_gone(together, apart) == routes_gone(apart, together) == Routes()
    gone = routes_gone(together, other)
    assert {(route.frontend.protocol, route.frontend.port, route.port) for route in gone} == {("udp", 443, 443)}
    assert FrontendAddress("10.0.0.4", "tcp", 30080) in {route.frontend for route in routes(together)}
    assert IpvsadmDriver().load(json.loads(json.dumps(IpvsadmDriver().dump(together)))) == together
    assert {*routes(IpvsadmDriver().load(IpvsadmDriver().dump(together)))} == {*routes(together)}


def test_sets_declare_them() -> None:
    declared = set(meaning().virtual_servers(parse_sets(part(render(TEXT), "ipset"))))
    assert declared >= parse_servers(part(render(TEXT), "ipvsadm")).keys()


@pytest.mark.parametrize("bit", [1 << n for n in range(32)])
def test_a_service_s_mark_has_never_the_bit_of_masquerading(bit: int) -> None:
    cluster = replace(program(TEXT).cluster, mark=bit)
    value, mask = marks_alike(bit)
    marks = {service_mark(cluster, f"s{number}") for number in range(300)}
    assert len(marks) > 290
    for mark in marks:
        assert 0 < mark < 1 << 31
        assert not mark & bit
        assert mark & mask == value
        assert is_service_mark(mark, bit)
    assert not is_service_mark(value | bit, bit)


def test_two_services_of_one_mark_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = program(TEXT)
    assert check_target(made, TARGET, made.nodes[0]) == []
    monkeypatch.setattr("svcc.targets.ipvs.limits.service_mark", lambda *_: 0x5400_0001)
    (found,) = check_target(made, TARGET, made.nodes[0])
    assert (found.code, found.message.partition(" lead to")[0]) == (
        Code.TARGET_LIMIT,
        "the names of service inside and service shop",
    )


_MARKED = "add CART-SERVICE-MARK 198.19.10.0,tcp:443 skbmark "


def _alter(old: str, new: str) -> str:
    text = str(render(TEXT))
    assert old in text, old
    return text.replace(old, new, 1)


def _shop_mark() -> int:
    return service_mark(program(TEXT).cluster, "shop")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"{_MARKED}{_shop_mark():#x}", f"{_MARKED}0x7", "the target gives no service the mark 0x7"),
        (f"{_MARKED}{_shop_mark():#x}", f"{_MARKED}0x54000009", "0x54000009"),
        (f"{_MARKED}{_shop_mark():#x}", _MARKED.removesuffix(" skbmark "), "has no mark"),
        (f"{_MARKED}{_shop_mark():#x}", f"{_MARKED}{_shop_mark():#x}/0xff", "has no mark"),
        ("add CART-CLUSTER-IP 198.19.30.0,tcp:80", "add CART-CLUSTER-IP 198.19.30.0,tcp:80 skbmark 0x1", "neither"),
        (f"-A -f {_shop_mark()} -s wrr -p 10800", f"-A -f {_shop_mark()} -s wrr", "clients are remembered"),
        (f"-f {_shop_mark()} -r 100.64.0.9:0", f"-f {_shop_mark()} -r 100.64.0.9:80", "keep their port"),
        ("-A -t 198.19.30.0:80 ", "-A -t 198.19.30.0:0 ", "port 0 is none"),
    ],
)
def test_bundles_that_say_it_otherwise_are_refused(old: str, new: str, said: str) -> None:
    found = refusal(_alter(old, new), TARGET)
    assert found is not None
    assert said in found


def test_a_change_of_the_options_of_a_server_by_mark_is_a_change_of_the_server() -> None:
    live = parse_servers(SERVERS)
    one = live["-f 77"]
    wanted = live | {"-f 77": replace(one, servers={"10.2.1.2:0": parse_real("-m -w 9")})}
    assert [*map(str, additions(live, wanted))] == ["-e -f 77 -r 10.2.1.2:0 -m -w 9"]
    wanted = live | {"-f 77": replace(one, settings=parse_settings("-s wlc -p 300"))}
    assert [*map(str, additions(live, wanted))] == ["-E -f 77 -s wlc -p 300"]
