"""What the kernel's objects print is parsed into the same objects, and these print the same text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.ipvs_kernel import TARGET, part
from support.strategies import programs_for
from svcc.apply.machine import DRIVERS
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipset.runs import unfolded
from svcc.kernel.ipset.sets import Set, dump_sets, load_sets, parse_sets, sets_text
from svcc.kernel.ipvs.servers import (
    Real,
    Settings,
    VirtualServer,
    dump_servers,
    load_servers,
    parse_servers,
    servers_text,
)
from svcc.kernel.link.devices import devices_text, dump_devices, load_devices, parse_devices
from svcc.kernel.modules.names import modules_text, parse_modules
from svcc.kernel.sysctl.settings import Setting, parse_parameters, sysctl_text
from svcc.targets import targets
from svcc.targets.interface import Target

Printed = Callable[[Iterable[Any]], str]
_KEYED: dict[str, tuple[Callable[[str], Mapping[str, Any]], Printed, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "ipset": (parse_sets, sets_text, dump_sets, load_sets),
    "ipvsadm": (parse_servers, servers_text, dump_servers, load_servers),
    "ip": (parse_devices, devices_text, dump_devices, load_devices),
}


@pytest.mark.parametrize("name", _KEYED)
def test_a_part_of_a_bundle_is_its_objects(name: str) -> None:
    parse, printed, dump, load = _KEYED[name]

    @given(programs_for(TARGET))
    def check(made: tuple[ir.Program, ir.Node | None]) -> None:
        text = part(TARGET.render(*made), name)
        objects = parse(text)
        assert printed(objects.values()) == text
        assert load(json.loads(json.dumps(dump(objects)))) == objects

    check()


LOADED = [target for target in targets().values() if target.loads]


@pytest.mark.parametrize("target", LOADED, ids=lambda target: target.name)
def test_the_objects_of_a_bundle_are_what_its_texts_are_parsed_to(target: Target) -> None:
    drivers = {driver.part: driver for driver in DRIVERS}

    @given(programs_for(target))
    def check(made: tuple[ir.Program, ir.Node | None]) -> None:
        program, node = made
        scope = Scope(program.cluster.prefix)
        for artifact in target.render(program, node).artifacts:
            driver = drivers[artifact.part.name]
            assert driver.from_target(artifact.state) in (None, driver.parse(artifact.text, scope))
            assert driver.from_target(artifact.state) is not None or not artifact.text or target.name == "nft"

    check()


@given(programs_for(TARGET))
def test_modules(made: tuple[ir.Program, ir.Node | None]) -> None:
    text = part(TARGET.render(*made), "modules")
    assert modules_text(parse_modules(text)) == text


_WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", min_size=1, max_size=12)


@given(st.dictionaries(_WORDS, _WORDS), _WORDS)
def test_sysctls(values: dict[str, str], why: str) -> None:
    settings = [Setting(key, value, why if number % 2 else "") for number, (key, value) in enumerate(values.items())]
    assert parse_parameters(sysctl_text(settings)) == values


@st.composite
def sets(draw: st.DrawFn) -> Set:
    """As ipset(8) prints other people's: with extensions, and options of their elements."""
    options = draw(st.sampled_from(["", " nomatch", ' comment "a set"']))
    single = _WORDS.filter(lambda word: list(unfolded(word)) == [word])  # a range of ports is read as its ports
    elements = dict.fromkeys(draw(st.sets(single, max_size=3)), options)
    name, others = draw(_WORDS), draw(st.sampled_from(["", " counters comment", " timeout 600"]))
    if draw(st.booleans()):
        return Set(name, "bitmap:port", elements, ports=(1, 65_535), others=others)
    version, room = draw(st.sampled_from([None, 4, 6])), draw(st.sampled_from([None, 9]))
    return Set(name, "hash:net", elements, version, room, others=others, hashsize=draw(st.sampled_from([None, 64])))


@given(st.lists(sets(), unique_by=lambda one: one.name))
def test_other_peoples_sets(some: list[Set]) -> None:
    text = sets_text(some)
    assert [*parse_sets(text).values()] == some
    assert sets_text(parse_sets(text).values()) == text
    assert [*load_sets(json.loads(json.dumps(dump_sets({one.name: one for one in some})))).values()] == some


_REALS = st.builds(
    Real, st.sampled_from(["-m", "-g", "-i"]), st.integers(0, 9), st.sampled_from(["", " --tun-type gue", " -x 9 -y 3"])
)
_SETTINGS = st.builds(
    Settings,
    st.sampled_from(["rr", "sh"]),
    st.none() | st.integers(1, 9),
    st.sampled_from(["", "sh-port", "sh-fallback,sh-port"]),
    st.sampled_from(["", " -o", " -M 255.255.255.0 --pe sip"]),
)
_VIRTUAL = st.builds(
    VirtualServer,
    st.sampled_from(["-t 10.0.0.1:80", "-u [fd00::1]:53", "--sctp-service 10.0.0.1:9", "-f 77"]),
    _SETTINGS,
    st.dictionaries(st.sampled_from(["10.0.0.2:80", "[fd00::2]:53"]), _REALS),
)


@given(st.lists(_VIRTUAL, unique_by=lambda one: one.key))
def test_other_peoples_virtual_servers(some: list[VirtualServer]) -> None:
    text = servers_text(some)
    assert [*parse_servers(text).values()] == some
    assert servers_text(parse_servers(text).values()) == text
