"""The driver of the device with the vips, as far as a kernel without dummy devices goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, pairwise, permutations
from random import Random

import pytest

from support.apply_states import SAME, inside, run
from support.files import GOLDEN
from support.nft_programs import program
from svcc.apply.drivers import DeviceDriver
from svcc.apply.scope import Scope
from svcc.kernel.link.devices import Device, Devices, announced_in
from svcc.kernel.link.links import Link
from svcc.kernel.link.proxies import entries
from svcc.kernel.link.reading import links, read_devices
from svcc.kernel.steps import Phase, StepError
from svcc.targets import vip_device
from svcc.targets.vip_device import is_ours

pytestmark = pytest.mark.kernel

DRIVER = DeviceDriver()
SCOPE = Scope("T", "svcc0")
FILES = GOLDEN / "ipvs"
WANTED = {"svcc0": Device("svcc0", True, {"198.19.10.0/32": "scope host", "fd00:19::10/128": "nodad"}, "svcc:T")}


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with inside():
        yield


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_the_steps_to_a_text_are_its_lines(name: str) -> None:
    text = (FILES / name / "ip.batch").read_text()
    wanted = DRIVER.parse(text, SCOPE)
    assert DRIVER.load(json.loads(json.dumps(DRIVER.dump(wanted)))) == wanted
    step, *then = sorted(DRIVER.steps({}, wanted, SCOPE, SAME), key=lambda one: one.phase)
    answered = (Phase.ANNOUNCED, "links start answering for 1 address", 1)
    announced = [answered, (Phase.ANNOUNCED, "2 addresses announced", 2)] if name == "announced" else []
    assert [(one.phase, one.title, one.size) for one in then] == announced
    assert (step.phase, step.size) == (Phase.ADDRESSES, len(text.splitlines()))
    assert DRIVER.parse("", SCOPE) == {}


@pytest.mark.parametrize("line", ["link set eth0 up", "address replace 1.2.3.4/32 dev eth0", "route flush"])
def test_a_text_that_svcc_did_not_write(line: str) -> None:
    with pytest.raises(ValueError, match=f"^line 2: .*{line}$"):
        DRIVER.parse(f"link add svcc0 type dummy\n{line}\n", SCOPE)


def test_a_device_that_is_somebody_elses_is_in_the_way_and_is_not_read() -> None:
    run("ip link add svcc0 type veth peer name other")
    run("ip address add 198.19.10.0/32 dev svcc0")
    assert DRIVER.read(SCOPE, WANTED) == {}
    (why,) = DRIVER.obstacles({}, WANTED, SCOPE)
    remedy = "choose another name (cluster { vip-device NAME }), or remove the device"
    assert why == f"device svcc0 exists, and svcc did not make it: {remedy}"


@pytest.mark.parametrize(
    ("alias", "recorded", "ours"),
    [
        ("svcc:T", (), True),
        ("svcc:t", (), True),  # nft's tables do not tell prefixes apart by case
        ("", ("svcc0",), True),  # svcc was killed before it could set the alias
        ("", (), False),
        ("svcc:OTHER", ("svcc0",), False),
        ("an operator's own", ("svcc0",), False),
    ],
)
def test_the_alias_says_whose_a_device_is(alias: str, recorded: tuple[str, ...], ours: bool) -> None:
    assert is_ours(Link("svcc0", "dummy", alias), "T", recorded) is ours
    assert not is_ours(Link("svcc0", "bridge", alias), "T", recorded)


def test_the_tool_takes_every_name_that_is_not_refused() -> None:
    """Some names are words of `ip link`, or their beginnings: it would make a device that is called otherwise."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    dice = Random(7)
    names = {*letters, *("".join(dice.choices(letters, k=2)) for _ in range(30)), "up", "master", "lo", "all"} - {"no"}
    fine = [name for name in sorted(names) if not [*vip_device.limits(program(f"cluster {{ vip-device {name} }}"))]]
    assert {"k", "w", "z"} <= {*fine}
    assert not {"a", "n", "up", "master", "lo", "all"} & {*fine}
    run("ip -batch -", "".join(f"link add {name} type bridge\nlink set {name} up\n" for name in fine))
    assert {link.name for link in links()} - {"lo"} == {*fine}


def test_without_the_tool_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.kernel.tools.find", lambda _: None)
    assert DRIVER.read(SCOPE, WANTED) == {}


@pytest.mark.parametrize("few", [0, 1_000])
def test_what_the_kernel_refuses_is_named(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ip -batch and by netlink: a device of that name is there."""
    monkeypatch.setattr("svcc.kernel.link.loading._FEW", few)
    run("ip link add svcc0 type veth peer name other")
    (step,) = DRIVER.steps({}, WANTED, SCOPE, SAME)
    with pytest.raises(StepError) as caught:
        step.run()
    assert caught.value.line == "link add svcc0 type dummy"
    assert str(caught.value.culprit) == "+ link svcc0"
    assert caught.value.words in {"File exists", "RTNETLINK answers: File exists", *UNKNOWN}


#: Where the kernel has no dummy devices, that is what it says first.
UNKNOWN = ("Operation not supported", "Error: Unknown device type.")


@pytest.mark.parametrize("few", [0, 1_000])
def test_addresses_go_by_netlink_or_in_a_batch(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device of another kind, as this kernel may have no dummy: what is sent is the same."""
    monkeypatch.setattr("svcc.kernel.link.loading._FEW", few)
    run("ip link add svcc0 type veth peer name other")
    states: list[Devices] = [
        {"svcc0": Device("svcc0", False, {})},
        WANTED,
        {"svcc0": Device("svcc0", False, {"fd00:19::10/128": "nodad"}, "svcc:T")},
        {},
    ]
    for before, after in pairwise(states):
        for step in DRIVER.steps(before, after, SCOPE, SAME):
            step.run()
        assert _shown() == ({"svcc0": after["svcc0"]} if after else {})


_SCOPES = {"global": "", "host": "scope host"}


def _shown() -> Devices:
    listed = json.loads(run("ip -details -json address show"))
    return {
        one["ifname"]: Device(
            one["ifname"],
            "UP" in one["flags"],
            {
                f"{a['local']}/{a['prefixlen']}": "nodad" if a.get("nodad") else _SCOPES[a["scope"]]
                for a in one["addr_info"]
                if a["scope"] in _SCOPES
            },
            one.get("ifalias", ""),
        )
        for one in listed
        if one["ifname"] == "svcc0"
    }


def test_an_address_that_begins_to_be_announced_is_put_there_anew_and_told() -> None:
    """The kernel leaves the scope of an address as it is; nothing is told of one that ceases to be announced."""
    announced = {"svcc0": Device("svcc0", True, {"198.19.10.0/32": ""}, "svcc:T")}
    quiet = {"svcc0": Device("svcc0", True, {"198.19.10.0/32": "scope host"}, "svcc:T")}
    begins, ceases = DRIVER.steps(quiet, announced, SCOPE, SAME), DRIVER.steps(announced, quiet, SCOPE, SAME)
    said = "1 address added, 1 address removed"
    assert [(step.phase, step.title) for step in begins] == [
        (Phase.ADDRESSES, said),
        (Phase.ANNOUNCED, "1 address announced"),
    ]
    assert [(step.phase, step.title) for step in ceases] == [(Phase.ADDRESSES, said)]
    assert [str(change) for change in DRIVER.changes(quiet, announced)] == [
        "~ address 198.19.10.0/32 dev svcc0: scope host -> "
    ]


def test_a_device_of_another_prefix_is_in_the_way() -> None:
    run("ip link add svcc0 type veth peer name other")
    run("ip link set svcc0 alias svcc:OTHER")
    (why,) = DRIVER.obstacles({}, WANTED, SCOPE)
    remedy = "choose another name (cluster { vip-device NAME }), or remove the device"
    assert why == f"device svcc0 is that of prefix OTHER: {remedy}"


@pytest.mark.parametrize("few", [0, 1_000])
def test_a_device_that_has_gone_is_named(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.kernel.link.loading._FEW", few)
    (step,) = DRIVER.steps(WANTED, {}, SCOPE, SAME)
    assert (step.phase, step.title) == (Phase.ADDRESSES_OFF, "1 device removed")
    with pytest.raises(StepError) as caught:
        step.run()
    assert caught.value.line == "link del svcc0"
    assert caught.value.words in ("there is no device svcc0", 'Cannot find device "svcc0"')


# -- which links answer for IPv6 addresses ----------------------------------------------------------------------------

ANNOUNCED, NODAD = "fd00:19::10", "fd00:19::11"
TEXT = f"address replace {ANNOUNCED}/128 dev svcc0\naddress replace {NODAD}/128 dev svcc0 nodad\n"


def _read() -> Devices:
    """The device, of another kind than svcc's as this kernel may have no dummy, with which links answer."""
    return read_devices(lambda link: link.name == "svcc0", [ANNOUNCED])


def _make_links() -> None:
    """Three links: two whose networks hold the address, and one of whose they do not."""
    run("ip link add svcc0 type veth peer name other")
    for number, address in enumerate(("fd00:19::1/64", "fd00:19::2/64", "fd00:20::1/64")):
        run(f"ip link add lan{number} type veth peer name far{number}")
        run(f"ip link set lan{number} up")
        run(f"ip address add {address} dev lan{number} nodad")


def _device(options: str | None, name: str = "svcc0") -> Devices:
    addresses = {f"{NODAD}/128": "nodad"} if name else {}
    return {name: Device(name, False, addresses if options is None else {f"{ANNOUNCED}/128": options, **addresses})}


STATES = {
    "quiet": _device("nodad"),
    "announced": _device(""),
    "on one link": _device("answered on lan0"),
    "on a link of another network": _device("answered on lan2"),
    "on none": _device("unanswered"),
    "gone": _device(None),
    "quiet, and yet answered": _device("nodad answered on lan1"),
    "gone, and yet answered": {**_device(None), **_device("answered on lan0 lan1", "")},
}


@pytest.mark.parametrize("few", [0, 1_000])
def test_which_links_answer_goes_from_any_state_to_any_other(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan may be undone from any of them, and nobody else's entry is touched meanwhile."""
    monkeypatch.setattr("svcc.kernel.link.loading._FEW", few)
    _make_links()
    run("ip -6 neighbour add proxy fd00:19::77 dev lan0 protocol 4")
    run(f"ip -6 neighbour add proxy {NODAD} dev lan0")
    for wanted in chain.from_iterable(permutations(STATES.values(), 2)):
        live = _read()
        for step in sorted(DRIVER.steps(live, wanted, SCOPE, SAME), key=lambda one: one.phase):
            step.run()
        assert _read() == wanted
        assert DRIVER.load(json.loads(json.dumps(DRIVER.dump(wanted)))) == wanted
        assert not [*DRIVER.changes(wanted, wanted)]
        assert not DRIVER.steps(wanted, wanted, SCOPE, SAME)
    left = {address: [*links.values()] for address, links in entries().items() if address != ANNOUNCED}
    assert left == {"fd00:19::77": [False], NODAD: [False]}


def test_an_entry_of_somebody_elses_answers_as_well() -> None:
    _make_links()
    run(f"ip address add {ANNOUNCED}/128 dev svcc0")
    run(f"ip -6 neighbour add proxy {ANNOUNCED} dev lan0")
    assert _read() == {"svcc0": Device("svcc0", False, {f"{ANNOUNCED}/128": "unanswered"})}
    wanted = {"svcc0": Device("svcc0", False, {f"{ANNOUNCED}/128": ""})}
    for text in (wanted, {"svcc0": Device("svcc0", False, {})}):
        for step in DRIVER.steps(_read(), text, SCOPE, SAME):
            step.run()
        assert _read() == text
    assert entries() == {ANNOUNCED: {"lan0": False}}


def test_what_no_link_takes_is_named() -> None:
    _make_links()
    run(f"ip address add {ANNOUNCED}/128 dev svcc0")
    (step,) = DRIVER.steps(_device("unanswered"), _device("answered on nowhere"), SCOPE, SAME)
    with pytest.raises(StepError) as caught:
        step.run()
    assert str(caught.value.culprit) == f"+ neighbour {ANNOUNCED} dev nowhere"


def test_what_a_text_announces_of_ipv6() -> None:
    assert [*announced_in(TEXT)] == [ANNOUNCED]


def test_what_is_left_without_a_device_is_shown() -> None:
    shown = [str(change) for change in DRIVER.changes(STATES["gone, and yet answered"], STATES["gone"])]
    assert shown == [f"- neighbour {ANNOUNCED}/128"]
