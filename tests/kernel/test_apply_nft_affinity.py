"""Affinity when endpoints leave and move: whose clients are kept, moved and forgotten, in the kernel's own sets."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.nft_programs import program
from support.nft_states import HERE, SCOPE, nft, read, state, take, use_release
from support.tools.nft import RELEASES
from svcc.apply.nft import DRIVER
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft.state import NftState

pytestmark = pytest.mark.kernel

_SHARED = "198.19.10.6 . tcp . 80"


@pytest.fixture(autouse=True, params=RELEASES)
def _inside(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A namespace of its own, and each release of nft to change it with."""
    use_release(request.param, tmp_path, monkeypatch)
    namespace = Namespace("affinity")
    with namespace.entered():
        yield
    namespace.close()


def sticky(
    endpoints: str,
    *,
    name: str = "sticky",
    port: str = "80/tcp -> 8080",
    more: str = "",
    affinity: str = "client-ip 3h",
) -> NftState:
    """A service with affinity, and another one that has the same sets."""
    text = f"""
    cluster {{ prefix LAB; nodeports 30000-32767 }}
    node one {{ address 10.0.0.4 }}
    service {name} {{ vip 198.19.10.6 fd00:19::6; affinity {affinity}; port {port}; endpoints {{ {endpoints} }} }}
    service other {{ vip 198.19.10.7; affinity client-ip 3h; port 80/tcp; endpoints {{ 100.64.0.9; 100.64.0.19 }} }}
    {more}
    """
    parsed = program(text)
    return state(parsed, parsed.nodes[0])


def remember(name: str, key: str, *, family: str = "ip", expires: int = 600) -> None:
    """Put a client into a set, as if it had come 3 h less ``expires`` ago."""
    nft(f"add element {family} lab {name} {{ {key} timeout 3h expires {expires}s }}")


def remembered(family: str = "ip") -> dict[str, dict[str, int]]:
    """The clients of all sets that have any, with the seconds that they have left, rounded up to hundreds: a busy
    machine may take tens of them."""
    found: dict[str, dict[str, int]] = {}
    for entry in json.loads(nft(f"list table {family} lab", "-j"))["nftables"]:
        for item in entry.get("set", {}).get("elem", ()):
            if isinstance(item, dict) and "expires" in item.get("elem", {}):
                element = item["elem"]
                value = element["val"]
                client = value["concat"][0] if isinstance(value, dict) else value
                assert element["timeout"] == 10_800
                found.setdefault(entry["set"]["name"], {})[client] = -(-element["expires"] // 100) * 100
    return found


def clients(name: str) -> list[dict[str, int]]:
    """The elements of a set of clients."""
    listing = json.loads(nft(f"list set ip lab {name}", "-j"))["nftables"]
    return [item["elem"] for entry in listing for item in entry.get("set", {}).get("elem", ())]


_THREE = "100.64.0.9; 100.64.0.19; 100.64.0.29; fd00:64::9; fd00:64::19"


def test_a_client_goes_with_its_endpoint_or_is_forgotten() -> None:
    """The middle one of three leaves: the third is in its slot then."""
    take(read(), sticky(_THREE))
    for slot, client in enumerate(("10.0.0.1", "10.0.0.2", "10.0.0.3")):
        remember(f"affinity-{slot}", f"{client} . {_SHARED}", expires=600 + 100 * slot)
    remember("affinity-1", "10.0.0.4 . 198.19.10.7 . tcp . 80")
    remember("affinity-1", "fd00::1 . fd00:19::6 . tcp . 80", family="ip6")
    wanted = sticky("100.64.0.9; 100.64.0.29; fd00:64::9; fd00:64::19")
    take(read(), wanted)
    assert read() == wanted
    assert remembered() == {"affinity-0": {"10.0.0.1": 600}, "affinity-1": {"10.0.0.3": 800, "10.0.0.4": 600}}
    assert remembered("ip6") == {"affinity-1": {"fd00::1": 600}}


def test_endpoints_that_change_places_take_their_clients_along() -> None:
    take(read(), sticky("100.64.0.9; 100.64.0.19"))
    remember("affinity-0", f"10.0.0.1 . {_SHARED}")
    remember("affinity-1", f"10.0.0.2 . {_SHARED}")
    remember("affinity-0", f"10.0.0.3 . {_SHARED}", expires=300)  # known to both slots: once, at last
    remember("affinity-1", f"10.0.0.3 . {_SHARED}", expires=300)
    take(read(), sticky("100.64.0.19; 100.64.0.9"))
    clients = {"10.0.0.1": 600, "10.0.0.2": 600, "10.0.0.3": 300}
    assert remembered() == {
        "affinity-0": {name: clients[name] for name in ("10.0.0.2", "10.0.0.3")},
        "affinity-1": {name: clients[name] for name in ("10.0.0.1", "10.0.0.3")},
    }


def test_a_port_of_its_own_tells_endpoints_of_one_address_apart() -> None:
    take(read(), sticky("100.64.0.9; 100.64.0.9:9090"))
    remember("affinity-0", f"10.0.0.1 . {_SHARED}")
    remember("affinity-1", f"10.0.0.2 . {_SHARED}")
    take(read(), sticky("100.64.0.9:9090; 100.64.0.9"))
    assert remembered() == {"affinity-0": {"10.0.0.2": 600}, "affinity-1": {"10.0.0.1": 600}}


def test_another_target_port_forgets_nobody() -> None:
    take(read(), sticky(_THREE))
    remember("affinity-1", f"10.0.0.2 . {_SHARED}")
    take(read(), sticky(_THREE, port="80/tcp -> 8081"))
    assert remembered() == {"affinity-1": {"10.0.0.2": 600}}


def test_a_service_that_is_gone_forgets_its_clients_and_no_others() -> None:
    take(read(), sticky(_THREE, port="80/tcp -> 8080 nodeport 30080"))
    remember("affinity-0", f"10.0.0.1 . {_SHARED}")
    remember("affinity-0", "10.0.0.2 . 198.19.10.7 . tcp . 80")
    remember("nodeport-affinity-0", "10.0.0.3 . tcp . 30080")
    wanted = sticky(_THREE, port="81/tcp -> 8080 nodeport 30081")
    take(read(), wanted)
    assert remembered() == {"affinity-0": {"10.0.0.2": 600}}


def test_ranges_have_sets_of_their_own() -> None:
    ranges = "6000-6009/tcp -> 7000 nodeport 31000-31009"
    take(read(), sticky(_THREE, port=ranges))
    names = [name for name in read().tables["ip"].sets if "range-affinity" in name]
    assert sorted(name.split("affinity-")[1] for name in names) == sorted(2 * [f"{s}-sticky" for s in range(3)])
    for slot in range(3):
        remember(f"tcp-range-affinity-{slot}-sticky", f"10.0.0.{slot} . 198.19.10.6")
        remember(f"nodeport-tcp-range-affinity-{slot}-sticky", f"10.0.1.{slot}")
    take(read(), sticky("100.64.0.19; 100.64.0.29", port=ranges))
    assert remembered() == {
        "tcp-range-affinity-0-sticky": {"10.0.0.1": 600},
        "tcp-range-affinity-1-sticky": {"10.0.0.2": 600},
        "nodeport-tcp-range-affinity-0-sticky": {"10.0.1.1": 600},
        "nodeport-tcp-range-affinity-1-sticky": {"10.0.1.2": 600},
    }


def test_a_renamed_service_keeps_its_clients() -> None:
    """The sets of a range go by its name."""
    ranges = "6000-6009/tcp -> 7000"
    take(read(), sticky(_THREE, port=ranges))
    remember("tcp-range-affinity-1-sticky", "10.0.0.1 . 198.19.10.6")
    take(read(), sticky(_THREE, port=ranges, name="stickier"))
    assert remembered() == {"tcp-range-affinity-1-stickier": {"10.0.0.1": 600}}


_WHOLE = "client-ip 3h per service"
_PORTS = "a 80/tcp -> 8080 nodeport 30080; port b 443/udp"


def test_a_service_with_one_memory_keeps_its_clients_through_every_change() -> None:
    """They go with their endpoint whichever ports there are, and a port that goes takes nobody along."""
    take(read(), sticky(_THREE, port=_PORTS, affinity=_WHOLE))
    for slot in range(3):
        remember(f"service-affinity-{slot}-sticky", f"10.0.0.{slot}")
    remember("service-affinity-1-sticky", "fd00::1", family="ip6")
    take(read(), sticky("100.64.0.29; 100.64.0.19; fd00:64::19", port=_PORTS, affinity=_WHOLE))
    clients = {"service-affinity-0-sticky": {"10.0.0.2": 600}, "service-affinity-1-sticky": {"10.0.0.1": 600}}
    assert remembered() == clients
    assert remembered("ip6") == {"service-affinity-0-sticky": {"fd00::1": 600}}
    for port in ("b 443/udp", "b 443/udp; port c 22/tcp", "c 22/tcp"):
        take(read(), sticky("100.64.0.29; 100.64.0.19; fd00:64::19", port=port, affinity=_WHOLE))
        assert remembered() == clients
    take(read(), sticky("100.64.0.29; 100.64.0.19", port="c 22/tcp", name="stickier", affinity=_WHOLE))
    assert remembered() == {name.replace("sticky", "stickier"): found for name, found in clients.items()}


@pytest.mark.parametrize(("old", "new"), [("client-ip 3h", _WHOLE), (_WHOLE, "client-ip 3h")])
def test_another_kind_of_memory_begins_empty(old: str, new: str) -> None:
    take(read(), sticky(_THREE, affinity=old))
    for name, named in read().tables["ip"].sets.items():
        if named.dynamic:
            remember(name, "10.0.0.1" if len(named.declaration.types) == 1 else f"10.0.0.1 . {_SHARED}")
    assert remembered()
    wanted = sticky("100.64.0.19; 100.64.0.9", affinity=new)
    take(read(), wanted)
    assert read() == wanted
    assert {name: found for name, found in remembered().items() if "sticky" in name} == {}


@pytest.mark.parametrize("port", ["80/tcp -> 8080", "6000-6009/tcp -> 7000 nodeport 31000-31009"])
@pytest.mark.parametrize("more", ["", " per service"])
def test_another_length_of_what_counts_as_one_client_forgets_all(port: str, more: str) -> None:
    """Nothing would look them up any more, until the length is as before: they would come to life again then, with
    endpoints that they have left long ago."""
    take(read(), sticky(_THREE, port=port, affinity=f"client-ip 3h{more}"))
    sets = {name: named for name, named in read().tables["ip"].sets.items() if named.dynamic}
    own = {name: named for name, named in sets.items() if "sticky" in name} or sets
    for name, named in own.items():
        parts = ("10.0.0.1", "198.19.10.6", "tcp", "80")[: len(named.declaration.types)]
        remember(name, " . ".join(parts))
    remember("affinity-0", "10.0.0.2 . 198.19.10.7 . tcp . 80")
    wanted = sticky(_THREE, port=port, affinity=f"client-ip/24 3h{more}")
    take(read(), wanted)
    assert read() == wanted
    assert remembered() == {"affinity-0": {"10.0.0.2": 600}}


def test_sets_are_read_only_where_a_slot_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> str:
        raise AssertionError("no slot with clients changed")

    take(read(), sticky(_THREE))
    remember("affinity-1", f"10.0.0.2 . {_SHARED}")
    monkeypatch.setattr("svcc.kernel.nft.tool.list_set", refuse)
    more = "service plain { vip 198.19.10.8; port 80/tcp; endpoints { 100.64.0.9 } }"
    take(read(), sticky(_THREE, more=more))
    take(read(), sticky(f"{_THREE}; 100.64.0.39", more=more))
    take(read(), sticky(f"{_THREE}; 100.64.0.39", more=more.replace("0.9", "0.8")))
    assert remembered() == {"affinity-1": {"10.0.0.2": 600}}


def test_a_client_whose_time_is_over_before_the_transaction_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    take(read(), sticky(_THREE))
    remember("affinity-1", f"10.0.0.2 . {_SHARED}")
    real = subprocess.run

    def late(argv: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if "-f" in argv:  # it was read; now it goes
            real(["nft", "flush", "set", "ip", "lab", "affinity-1"], check=True)
        return real(argv, **options)  # type: ignore[call-overload, no-any-return]

    steps = DRIVER.steps(read(), sticky("100.64.0.9; 100.64.0.29; fd00:64::9; fd00:64::19"), SCOPE, HERE)
    with monkeypatch.context() as patch:
        patch.setattr("subprocess.run", late)
        for step in steps:
            step.run()
    assert remembered() == {}


def test_a_client_that_came_again_may_have_more_time_left_than_its_timeout() -> None:
    """A packet gives an element the time that the rule says, and leaves its timeout as it was, in some kernels. They
    refuse to add such an element."""
    for command in ("link set lo up", "address add 10.0.0.1/32 dev lo", "route add 192.0.0.0/2 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    take(read(), sticky("100.64.0.9"))
    nft(f"add element ip lab affinity-0 {{ 10.0.0.1 . {_SHARED} timeout 10m expires 10m }}")
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.bind(("10.0.0.1", 0))
        connection.connect_ex(("198.19.10.6", 80))
    (client,) = clients("affinity-0")
    assert client["expires"] > 600
    take(read(), sticky("100.64.0.19; 100.64.0.9"))
    (moved,) = clients("affinity-1")
    assert moved["expires"] > 600
    assert clients("affinity-0") == []
