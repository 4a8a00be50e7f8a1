"""``registered NETWORK``: its meaning in the language and in JSON, and which members a program accepts."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from svcc.agent.log import Log
from svcc.compiler import ir
from svcc.compiler.comparison import compare
from svcc.compiler.fmt import format_source
from svcc.compiler.ir_to_json import to_json
from svcc.compiler.load import load_data
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source
from svcc.etcd.values import Change, Changes, Entry, Listing
from svcc.fleet.keys import Keys
from svcc.fleet.members import Members
from svcc.fleet.registering import Member, MemberEndpoint
from svcc.targets import find

_POOL = "endpoints pool { 100.64.0.1; registered 100.64.0.0/24 $six }\nlet six = [fd00:64::/64]\n"
_SERVICE = "service NAME { vip 198.19.10.N; port 80/tcp -> 8080; endpoints pool }\n"
_TWO_PORTS = "service b { vip 198.19.10.2; port a 80/tcp; port b 81/tcp; endpoints pool }\n"


def _service(name: str, number: int) -> str:
    return _SERVICE.replace("NAME", name).replace("N", str(number))


def _program(text: str, name: str = "x.dsl") -> ir.Program:
    loaded = load_data(name, text.encode())
    assert loaded.program is not None, loaded.diagnostics
    return loaded.program


def _said(text: str, name: str = "x.dsl") -> list[str]:
    return [str(one.message) for one in load_data(name, text.encode()).diagnostics]


def test_a_service_has_the_networks_of_its_pools() -> None:
    (service,) = _program(_POOL + _service("a", 1)).services
    networks = (ip_network("100.64.0.0/24"), ip_network("fd00:64::/64"))
    assert service.registered == (ir.Registered("pool", networks),)
    assert [one.address for one in service.endpoints] == [ip_address("100.64.0.1")]


def test_a_pool_may_have_nothing_else() -> None:
    text = "endpoints pool { registered 100.64.0.0/24; registered 192.0.2.0/24; }\n" + _service("a", 1)
    assert _said(text) == []
    (registered,) = _program(text).services[0].registered
    assert list(map(str, registered.networks)) == ["100.64.0.0/24", "192.0.2.0/24"]


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ("registered 100.64.0.1/24", "bits set beyond its /24"),
        ("registered 100.64.0.0/24; registered 100.64.0.0/24", "100.64.0.0/24 stands twice in one list"),
        ("registered $five", "five"),
        ("registered", "expected a `$name` or an address"),
    ],
)
def test_networks_that_are_wrong_are_said(pool: str, words: str) -> None:
    assert any(words in one for one in _said(f"endpoints pool {{ {pool} }}\n" + _service("a", 1)))


def test_it_stands_in_pools_alone() -> None:
    text = "service a { vip 198.19.10.1; port 80/tcp; endpoints { registered 100.64.0.0/24 } }\n"
    (found,) = load_data("x.dsl", text.encode()).diagnostics
    assert "found `registered`" in found.message
    assert "a line in a pool" in str(found.hint)


def test_json_and_text_say_the_same_program() -> None:
    program = _program(_POOL + _service("a", 1) + _TWO_PORTS)
    assert _program(json.dumps(to_json(program)), "x.json") == program
    assert _program(program_text(program)) == program


def test_a_pool_is_one_for_all_services_of_a_json_file() -> None:
    document = json.loads(json.dumps(to_json(_program(_POOL + _service("a", 1) + _TWO_PORTS))))
    document["services"][1]["registered"][0]["networks"] = ["10.0.0.0/8"]
    assert _said(json.dumps(document), "x.json") == ["pool `pool` has other networks in another service"]


def test_it_is_laid_out_and_compared() -> None:
    written = Source("x.dsl", "endpoints p { registered   100.64.0.0/24  $six\n}\n")
    assert "  registered 100.64.0.0/24 $six\n" in format_source(written)
    text = _POOL + _service("a", 1)
    found = compare(_program(text), _program(text.replace(" $six", "").replace("let six = [fd00:64::/64]\n", "")))
    ((change,),) = (one.changes for one in found.services)
    assert (change.subject, change.before) == ("registered", "pool (100.64.0.0/24 fd00:64::/64)")


@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs"])
def test_nothing_that_is_compiled_depends_on_it(target: str) -> None:
    found = find(target)
    assert found is not None
    text = _POOL + _service("a", 1)
    plain = text.replace("registered 100.64.0.0/24 $six", "").replace("let six = [fd00:64::/64]\n", "")
    assert found.render(_program(text), None) == found.render(_program(plain), None)


# ---- members

_KEYS = Keys("shop")


def _entry(pool: str, endpoint: str, weight: int = 1, text: str | None = None) -> Entry:
    value = Member(MemberEndpoint.parse(endpoint), weight).text if text is None else text
    return Entry(_KEYS.registered(pool, endpoint), value.encode(), 1, 1, 1)


def _listing(*entries: Entry) -> Listing:
    return Listing(entries, 1, 1)


def _members(folder: Path, *entries: Entry) -> Members:
    members = Members(folder, _KEYS, Log())
    members.hear(_listing(*entries))
    return members


def _ends(program: ir.Program, service: str = "a") -> list[tuple[str, int | None, int]]:
    found = program.service(service)
    assert found is not None
    return [(str(one.address), one.port, one.weight) for one in found.endpoints]


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("100.64.0.9", "100.64.0.9"),
        ("100.64.0.9:080", "100.64.0.9:80"),
        ("fd00:0::9", "fd00::9"),
        ("[fd00::9]", "fd00::9"),
        ("[fd00::9]:80", "[fd00::9]:80"),
    ],
)
def test_where_a_member_serves(text: str, endpoint: str) -> None:
    assert str(MemberEndpoint.parse(text)) == endpoint


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[fd00::9", "`[fd00::9` is not an IP address"),
        ("[fd00::9]80", "`[fd00::9]80` is not an IP address"),
        ("[fd00::9]:", "`` is not a port: ports are 1 to 65535"),
        ("fe80::1", "endpoint fe80::1 is a link-local address, which means nothing beyond its link"),
        ("fd00::9%eth0", "`fd00::9%eth0` has a zone, which another machine does not know"),
        ("::ffff:100.64.0.9", "endpoint ::ffff:100.64.0.9 is an IPv4 address written as IPv6: write 100.64.0.9"),
        ("240.0.0.1:80", "endpoint 240.0.0.1 is reserved"),
    ],
)
def test_where_no_member_serves(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        MemberEndpoint.parse(text)


def test_members_stand_behind_the_endpoints_of_the_file(tmp_path: Path) -> None:
    program = _program(_POOL + _service("a", 1))
    entries = _entry("pool", "100.64.0.3", 0), _entry("pool", "[fd00:64::2]:9090"), _entry("pool", "100.64.0.1", 7)
    members = _members(tmp_path, *entries)
    made = members.joined(program, "nft", "a")
    assert _ends(made) == [("100.64.0.1", None, 1), ("100.64.0.3", None, 0), ("fd00:64::2", 9090, 1)]
    assert members.joined(program, "nft", "a") is made
    members.hear(Changes((Change(entries[0].key, None, 2), Change(entries[1].key, None, 2)), 2))
    assert _ends(members.joined(program, "nft", "a")) == _ends(program)
    assert members.refused == ""


def test_a_program_without_members_is_itself(tmp_path: Path) -> None:
    program = _program(_POOL + _service("a", 1))
    members = _members(tmp_path)
    assert members.joined(program, "nft", "a") is program


def test_a_service_whose_members_did_not_change_is_the_same(tmp_path: Path) -> None:
    """So that what a change costs does not depend on the services that have nothing to do with it."""
    other = "endpoints other { 100.64.0.1; registered 100.64.0.0/24 }\n"
    program = _program(_POOL + other + _service("a", 1) + _service("b", 2).replace("endpoints pool", "endpoints other"))
    first, second = _entry("pool", "100.64.0.3"), _entry("other", "100.64.0.4")
    members = _members(tmp_path, first, second)
    before = members.joined(program, "nft", "a")
    members.hear(_listing(first, _entry("other", "100.64.0.4", 7)))
    after = members.joined(program, "nft", "a")
    assert after.service("a") is before.service("a")
    assert _ends(after, "b") == [("100.64.0.1", None, 1), ("100.64.0.4", None, 7)]
    assert after == _members(tmp_path, first, _entry("other", "100.64.0.4", 7)).joined(program, "nft", "a")


def test_what_was_heard_is_known_to_the_next_agent(tmp_path: Path) -> None:
    program = _program(_POOL + _service("a", 1))
    _members(tmp_path, _entry("pool", "100.64.0.3"))
    assert len(_ends(Members(tmp_path, _KEYS, Log()).joined(program, "nft", "a"))) == 2


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"a": 1}', "\0"])
def test_what_is_kept_may_be_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "members.json").write_text(text)
    program = _program(_POOL + _service("a", 1))
    assert _ends(Members(tmp_path, _KEYS, Log()).joined(program, "nft", "a")) == _ends(program)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_entry("pool", "10.0.0.1"), "10.0.0.1 is in no network of pool pool"),
        (_entry("other", "100.64.0.3"), "no service takes it from pool other"),
        (_entry("pool", "100.64.0.3", text="{}"), "has no `version`"),
        (_entry("pool", "100.64.0.3", text="\0"), "is not JSON"),
        (_entry("pool", "100.64.0.3", 70_000), "weights end at 65535"),
        (
            _entry("pool", "100.64.0.3", text=Member(MemberEndpoint.parse("100.64.0.4")).text),
            "its endpoint is 100.64.0.4",
        ),
        (_entry("pool", "100.64.0.3:9090"), "service b has several ports"),
    ],
)
def test_a_member_that_does_not_fit_is_refused_and_told_of_once(
    tmp_path: Path, entry: Entry, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = _program(_POOL + _TWO_PORTS)
    members = _members(tmp_path, entry, _entry("pool", "100.64.0.9"))
    for again in range(2):
        assert _ends(members.joined(program, "nft", "a"), "b") == [("100.64.0.1", None, 1), ("100.64.0.9", None, 1)]
        members.hear(_listing(entry, _entry("pool", "100.64.0.9"), *[_entry("pool", "100.64.0.1")][:again]))
    said = capsys.readouterr().err
    assert said.count("a member is refused") == 1
    assert words in said
    assert words in members.refused
