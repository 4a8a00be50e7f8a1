"""The drivers of what the ipvs target needs, on a kernel that has it all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.apply_states import SAME, arrived, go, inside, phases, run, steps_to, take
from support.bundles import scope_of
from support.files import GOLDEN
from support.ipvs_kernel import EVERYTHING, TARGET, in_the_guest, part, render, served
from support.strategies import programs_for
from svcc.apply.drivers import HOST, DeviceDriver, IpsetDriver, IpvsadmDriver
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipvs.reading import established
from svcc.kernel.ipvs.servers import VirtualServers
from svcc.kernel.link.devices import QUIET, Device, Devices
from svcc.kernel.steps import FrontendAddress, Phase, StepError
from svcc.targets.interface import Artifact, Bundle
from svcc.targets.vip_device import alias
from svcc.verify.lab import CLIENT, NODE, Reply

pytestmark = [pytest.mark.vm(oldest=True), pytest.mark.kernel]

SERVERS, DEVICE, SETS = IpvsadmDriver(), DeviceDriver(), IpsetDriver()
FILES = GOLDEN / "ipvs"
PREFIX = "T"
SCOPE = Scope(PREFIX, "svcc0")
#: Every way that IPVS forwards, and schedulers with flags.
FORWARDS = """
service tun { vip 198.19.11.1 fd00:19::1:1; port 80/tcp; forward tunnel; endpoints both }
service dir { vip 198.19.11.2 fd00:19::1:2; port 80/udp; forward direct; scheduler sh; endpoints both }
"""
#: Somebody else's virtual servers: at a vip of ours, at another address, and by a packet mark.
OTHERS = """\
-A -t 198.19.0.1:9999 -s wlc -p 77 -M 255.255.255.0
-a -t 198.19.0.1:9999 -r 100.64.0.1:80 -m -w 5
-A -u [fd00:19::1]:9999 -s rr -o
-a -u [fd00:19::1]:9999 -r [fd00:64::1]:9 -i -w 7 --tun-type gue --tun-port 6080 --tun-nocsum
-A -f 77 -s mh -b mh-port
-a -f 77 -r 100.64.0.1:0 -g -w 1
"""


@pytest.fixture
def _namespace() -> Iterator[None]:
    with inside(loopback=True):
        yield


@pytest.fixture(params=["netlink", "tool"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"netlink": 1_000_000, "tool": 0}[request.param]
    monkeypatch.setattr("svcc.kernel.ipvs.loading._FEW", few)
    monkeypatch.setattr("svcc.kernel.link.loading._FEW", few)


def bundle_of(virtuals: str) -> Bundle:
    """A bundle that has virtual servers, and nothing else."""
    found = next(p for p in TARGET.parts if p.name == "ipvsadm")
    return Bundle("ipvs", None, (Artifact(found, virtuals),))


def with_prefix(made: tuple[ir.Program, ir.Node | None]) -> Bundle:
    """With our prefix and device."""
    program, node = made
    cluster = replace(program.cluster, prefix=PREFIX, vip_device="svcc0")
    return TARGET.render(replace(in_the_guest(program), cluster=cluster), node)


BUNDLES = programs_for(TARGET).map(with_prefix)


def lines_of(text: str, keys: str) -> list[str]:
    """The lines of virtual servers that a text has."""
    named = {" ".join(line.split()[1:3]) for line in keys.splitlines()}
    return [line for line in text.splitlines() if " ".join(line.split()[1:3]) in named]


# -- all of it -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_namespace", "_way")
def test_all_parts_come_and_go() -> None:
    links = _links()
    bundle = render(EVERYTHING + FORWARDS)
    scope = scope_of(bundle)
    scope = scope.including(bundle)
    wanted = {driver: driver.parse(part(bundle, driver.part), scope) for driver in HOST}
    before = {driver: driver.read(scope, state) for driver, state in wanted.items()}
    for driver, state in wanted.items():
        go(driver, state, scope)
    for driver, state in wanted.items():
        arrived(driver, state, scope)
        assert not driver.can_ask or driver.ask(before[driver], state, scope) in (state, None)
    for driver in reversed(HOST):
        take(driver.steps(driver.read(scope, before[driver]), before[driver], scope, SAME))
        assert driver.read(scope, before[driver]) == before[driver]
    assert run("ipvsadm -S -n") + run("ipset list -n") == ""
    assert _links() == links


def _links() -> list[str]:
    """The names of all links: a namespace has more than lo where the kernel's tunnels were ever used."""
    return [one["ifname"] for one in json.loads(run("ip -json link"))]


@pytest.mark.usefixtures("_namespace")
@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_what_was_loaded_by_hand_is_ours_and_reads_as_its_text(name: str) -> None:
    """No bundle is recorded: our sets say which virtual servers are ours."""
    files = {p.name: (FILES / name / p.file).read_text() for p in TARGET.parts if (FILES / name / p.file).exists()}
    scope = scope_of(Bundle("ipvs", None, tuple(Artifact(p, files.get(p.name, "")) for p in TARGET.parts)))
    for tool in TARGET.parts:
        if tool.name in ("ip", "ipset", "ipvsadm"):
            run(tool.tool, files[tool.name])
    run("ipvsadm -R", OTHERS)
    for driver in (DEVICE, SETS, SERVERS):
        arrived(driver, driver.parse(files[driver.part], scope), scope)
    for driver in (SERVERS, SETS, DEVICE):
        go(driver, {}, scope)
    assert lines_of(run("ipvsadm -S -n"), OTHERS) == run("ipvsadm -S -n").splitlines()


# -- virtual servers --------------------------------------------------------------------------------------------------


@st.composite
def drifts(draw: st.DrawFn, live: VirtualServers) -> list[str]:
    """What somebody might do by hand to our virtual servers."""
    found = []
    for key in draw(st.lists(st.sampled_from(sorted(live)), unique=True)) if live else ():
        server = draw(st.sampled_from(sorted(live[key].servers)))
        version6 = "[" in key or key.endswith(" -6")  # of an address, or of a firewall mark
        new = "[fd00:64::99]:99" if version6 else "100.64.0.99:99"
        mask = "64" if version6 else "255.255.255.0"
        # Without translation a server has the port of its virtual server, whatever ipvsadm is told.
        way = "-g" if server.rpartition(":")[2] == key.rpartition(":")[2] else "-m"
        limited = re.sub(r" -[xy] \d+", "", str(live[key].servers[server])) + " -x 90 -y 30"
        found.append(
            draw(
                st.sampled_from(
                    [
                        f"-D {key}",
                        f"-d {key} -r {server}",
                        f"-a {key} -r {new} -m -w 9",
                        f"-a {key} -r {new} -i -w 9 --tun-type gue --tun-port 6080 --tun-nocsum",
                        f"-e {key} -r {server} -m -w 77",
                        f"-e {key} -r {server} {way} -w 1",
                        f"-e {key} -r {server} {limited}",
                        f"-E {key} -s wlc",
                        f"-E {key} -s rr -p 77 -M {mask}",
                        f"-E {key} -s sh -b sh-port",
                    ]
                )
            )
        )
    return found


def seen(live: VirtualServers, have: VirtualServers, want: VirtualServers) -> VirtualServers:
    """What is there, as far as it is asked for: what both states have alike is taken to be there."""
    alike = {key: one for key, one in have.items() if want.get(key) == one}
    return alike | {key: live[key] for key in have.keys() | want.keys() if key in live and key not in alike}


@settings(max_examples=6)
@given(st.data())
def test_virtual_servers_from_any_state_to_any_other_and_back_from_half_way(data: st.DataObject) -> None:
    bundles = data.draw(BUNDLES), data.draw(BUNDLES)
    few = data.draw(st.sampled_from([0, 1_000]))
    scope = SCOPE.including(*bundles)
    first, second = (SERVERS.parse(part(bundle, "ipvsadm"), scope) for bundle in bundles)
    with inside(loopback=True), pytest.MonkeyPatch.context() as patch:
        patch.setattr("svcc.kernel.ipvs.loading._FEW", few)
        run("ipvsadm -R", OTHERS)
        before = run("ipvsadm -S -n")
        go(SERVERS, first, scope)
        for command in data.draw(drifts(first)):
            run(f"ipvsadm {command}")
        drifted = SERVERS.read(scope, second)
        assert (SERVERS.ask(first, second, scope) == first) == (seen(drifted, first, second) == first)
        steps = steps_to(SERVERS, second, scope)
        assert bool(steps) == (drifted != second) == bool([*SERVERS.changes(drifted, second)])
        take(steps[: data.draw(st.integers(0, len(steps)))])
        go(SERVERS, drifted, scope)
        go(SERVERS, second, scope)
        assert SERVERS.ask(first, second, scope) == second
        assert lines_of(run("ipvsadm -S -n"), OTHERS) == before.splitlines()
        go(SERVERS, {}, scope)
        assert run("ipvsadm -S -n") == before


WEB = "-t 198.19.10.1:80"
ONE = f"-A {WEB} -s rr\n-a {WEB} -r 100.64.0.9:80 -m -w 1\n"


def state(text: str) -> VirtualServers:
    return SERVERS.parse(text, SCOPE)


@pytest.mark.usefixtures("_namespace")
def test_a_virtual_server_that_is_somebody_elses_is_in_the_way() -> None:
    run("ipvsadm -R", ONE)
    assert SERVERS.read(SCOPE, {}) == {}
    wanted = state(ONE)
    assert [*SERVERS.obstacles({}, wanted, SCOPE)] == [f"virtual server {WEB} exists, and is not ours"]
    ours = SCOPE.including(bundle_of(ONE))
    assert [*SERVERS.obstacles(SERVERS.read(ours, wanted), wanted, ours)] == []


@pytest.mark.usefixtures("_namespace", "_way")
def test_a_virtual_server_that_came_in_between_is_named() -> None:
    other = f"-A {WEB} -s wlc -p 50\n"
    run("ipvsadm -R", other)
    with pytest.raises(StepError) as caught:
        SERVERS.steps({}, state(ONE), SCOPE, SAME)[0].run()
    assert caught.value.line == f"-A {WEB} -s rr"
    assert str(caught.value.culprit) == f"+ virtual server {WEB}"
    assert caught.value.words in {"File exists", "Service already exists"}
    assert run("ipvsadm -S -n").startswith(other)


@pytest.mark.usefixtures("_namespace", "_way")
@pytest.mark.parametrize(
    ("bad", "change", "words"),
    [
        (
            f"-A {WEB} -s nope\n",
            f"~ virtual server {WEB}: -s rr -> -s nope",
            "Scheduler or persistence engine not found",
        ),
        (
            ONE + f"-a {WEB} -r 224.0.0.1:80 -m -w 1\n-a {WEB} -r 100.64.0.19:80 -m -w 1\n",
            f"+ real server {WEB} -r 224.0.0.1:80",
            "Invalid operation.  Possibly wrong module version, address not unicast, ...",
        ),
    ],
)
def test_what_the_kernel_refuses_is_named_before_anything_is_changed(bad: str, change: str, words: str) -> None:
    scope = SCOPE.including(bundle_of(ONE))
    go(SERVERS, state(ONE), scope)
    step = SERVERS.steps(state(ONE), state(bad), scope, SAME)[0]
    assert step.check is not None
    with pytest.raises(StepError) as caught:
        step.check()
    assert (str(caught.value.culprit), caught.value.words) == (change, words)
    arrived(SERVERS, state(ONE), scope)
    with pytest.raises(StepError) as caught:
        step.run()
    assert str(caught.value.culprit) == change
    go(SERVERS, state(ONE), scope)


@pytest.mark.usefixtures("_namespace", "_way")
def test_what_is_removed_may_be_gone() -> None:
    two = state(ONE + f"-a {WEB} -r 100.64.0.19:80 -m -w 1\n" + ONE.replace(":80 ", ":81 "))
    run("ipvsadm -R", ONE)
    run("ipvsadm -A -t 198.19.10.2:80")
    take(SERVERS.steps(two, state(ONE), SCOPE, SAME))
    assert run("ipvsadm -S -n") == f"{ONE}-A -t 198.19.10.2:80 -s wlc\n"


def test_connections_outlive_every_edit_and_are_counted() -> None:
    text = "cluster { prefix T; pods 100.64.0.0/24 }\nnode node-a { address 10.0.0.4 }\n"
    text += "service other { vip 198.19.10.2; port 80/tcp; endpoints { 100.64.0.19 } }\n"
    before = text + "service s { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9 } }\n"
    after = text + (
        "service s { vip 198.19.10.1; port 80/tcp; scheduler wlc; affinity client-ip 90s;"
        " endpoints { 100.64.0.9 draining; 100.64.0.19 } }\n"
    )
    bundles = render(before), render(after)
    scope = SCOPE.including(*bundles)
    old, new = (SERVERS.parse(part(bundle, "ipvsadm"), scope) for bundle in bundles)
    web = FrontendAddress("198.19.10.1", "tcp", 80)
    with served(before) as lab, lab.open(CLIENT, "198.19.10.1", 80) as client:
        known = client.ask()
        assert isinstance(known, Reply)
        with lab.namespace(NODE).entered():
            assert established(old) == {
                web: {("100.64.0.9", 80): 1},
                FrontendAddress("198.19.10.2", "tcp", 80): {("100.64.0.19", 80): 0},
            }
            assert phases(go(SERVERS, new, scope)) == {
                Phase.SERVERS: "1 real server added, 1 real server changed, 1 virtual server changed"
            }
            assert established(new)[web] == {("100.64.0.9", 80): 1, ("100.64.0.19", 80): 0}
        assert client.ask() == known
        other = lab.connect(CLIENT, "198.19.10.1", 80)
    assert isinstance(other, Reply)
    assert other.name == "100.64.0.19"


# -- the device -------------------------------------------------------------------------------------------------------


def addresses() -> str:
    """What other devices have, without their counters."""
    shown = json.loads(run("ip -details -json address show"))
    return json.dumps([one for one in shown if one["ifname"] not in ("svcc0", "svcc1")])


@settings(max_examples=4)
@given(st.data())
def test_the_device_from_any_state_to_any_other_and_back_from_half_way(data: st.DataObject) -> None:
    texts = [part(data.draw(BUNDLES), "ip") for _ in range(2)]
    if data.draw(st.booleans()):
        texts[1] = texts[1].replace("svcc0", "svcc1")
    few = data.draw(st.sampled_from([0, 1_000]))
    first, second = (DEVICE.parse(text, SCOPE) for text in texts)
    scope = SCOPE.including(*(replace_ip(text) for text in texts))
    with inside(loopback=True), pytest.MonkeyPatch.context() as patch:
        patch.setattr("svcc.kernel.link.loading._FEW", few)
        run("ip link add svcc00 type dummy")
        run("ip link set svcc00 up")
        run("ip address add 192.0.2.1/24 dev svcc00 label svcc00:x")
        before = addresses()
        go(DEVICE, first, scope)
        for command in data.draw(device_drifts(first)):
            run(command)
        drifted = DEVICE.read(scope, second)
        steps = steps_to(DEVICE, second, scope)
        assert bool(steps) == (drifted != second) == bool([*DEVICE.changes(drifted, second)])
        take(steps[: data.draw(st.integers(0, len(steps)))])
        go(DEVICE, drifted, scope)
        go(DEVICE, second, scope)
        go(DEVICE, {}, scope)
        assert addresses() == before
        assert "svcc0:" not in run("ip link")


@pytest.mark.parametrize("keep", [0, 1], ids=["lost", "kept"])
@pytest.mark.parametrize("few", [0, 1_000], ids=["tool", "netlink"])
def test_a_device_that_was_down_goes_down_again(few: int, keep: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where an apply fails after it. ``keep``: whether IPv6 addresses stay on a device that is down."""
    monkeypatch.setattr("svcc.kernel.link.loading._FEW", few)
    text = (
        "cluster { prefix T }\nnode node-a { address 10.0.0.4 }\n"
        "service s { vip fd00:19::1 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9; fd00:64::9 } }"
    )
    wanted = DEVICE.parse(part(render(text), "ip"), SCOPE)
    with inside(loopback=True):
        run(f"sysctl -qw net.ipv6.conf.all.keep_addr_on_down={keep}")
        go(DEVICE, wanted, SCOPE)
        run("ip link set svcc0 down")
        for address in ("fd00:19::1/128", "198.19.10.1/32"):
            if address in DEVICE.read(SCOPE, wanted)["svcc0"].addresses:
                run(f"ip address del {address} dev svcc0")
        down = DEVICE.read(SCOPE, wanted)
        go(DEVICE, wanted, SCOPE)
        go(DEVICE, down, SCOPE)
        go(DEVICE, {}, SCOPE)


def replace_ip(text: str) -> Bundle:
    found = next(p for p in TARGET.parts if p.name == "ip")
    return Bundle("ipvs", None, (Artifact(found, text),))


@st.composite
def device_drifts(draw: st.DrawFn, live: Devices) -> list[str]:
    found = []
    for name, device in live.items():
        commands = [
            f"ip link set {name} down",
            f"ip link del {name}",
            f"ip address add 192.0.2.2/32 dev {name}",
            f"ip address add 2001:db8::2/128 dev {name}",
            *(f"ip address del {address} dev {name}" for address in device.addresses),
        ]
        found += [draw(st.sampled_from(commands))] if draw(st.booleans()) else []
    return found


@pytest.mark.usefixtures("_namespace")
def test_a_device_with_many_addresses() -> None:
    many = {f"198.18.{n >> 8}.{n & 255}/32": QUIET for n in range(2_000)}
    wanted = {"svcc0": Device("svcc0", True, many, alias(PREFIX))}
    assert phases(go(DEVICE, wanted, SCOPE)) == {Phase.ADDRESSES: "1 device created, 2000 addresses added"}
    few = {"svcc0": Device("svcc0", True, {**dict([*many.items()][1:]), "198.19.255.1/32": QUIET}, alias(PREFIX))}
    assert phases(go(DEVICE, few, SCOPE)) == {
        Phase.ADDRESSES: "1 address added",
        Phase.ADDRESSES_OFF: "1 address removed",
    }
