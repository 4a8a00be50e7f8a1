"""The parts of announced addresses: what they contain, what is refused in them, and how little an edit changes."""

from __future__ import annotations

from dataclasses import replace
from difflib import unified_diff
from ipaddress import ip_address

import pytest

from support.bundles import accepted, refusal
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import is_bundle, printed
from svcc.targets.capability import check_target
from svcc.targets.interface import Bundle, Shared, TargetByService

KERNEL = ("iptables", "ipvs", "nft")
_each = pytest.mark.parametrize("name", KERNEL)

TEXT = """
cluster { prefix Own; vip-device edge0 }
service quiet { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }
service web { vip 198.19.0.2; external-ip 192.0.2.7; announce yes; port 80/tcp; endpoints { 100.64.0.1 } }
service silent { vip fd00:19::1; port 80/tcp; endpoints { fd00:64::1 } }
service six { vip fd00:19::2; announce yes; port 80/tcp; endpoints { fd00:64::1 } }
"""
QUIET = TEXT.replace("announce yes", "announce no")


def render(name: str, text: str) -> Bundle:
    program = load_text(Source("x", text)).program
    assert program is not None
    assert not check_target(program, targets()[name], None)
    return targets()[name].render(program, None)


def part(bundle: Bundle, name: str) -> str:
    found = bundle.artifact(name)
    assert found is not None
    return found.text


HEAD = "link add edge0 type dummy\nlink set edge0 alias svcc:Own\nlink set edge0 up\n"
ANNOUNCED = ["address replace 192.0.2.7/32 dev edge0\n", "address replace 198.19.0.2/32 dev edge0\n"]
SILENT = "address replace 198.19.0.1/32 dev edge0 scope host\n"
ANNOUNCED_6 = "address replace fd00:19::2/128 dev edge0\n"
SILENT_6 = "address replace fd00:19::1/128 dev edge0 nodad\n"


@_each
def test_the_device_carries_what_is_announced_and_on_ipvs_all_else_silently(name: str) -> None:
    first, second = ANNOUNCED
    silent, silent_6 = (SILENT, SILENT_6) if name == "ipvs" else ("", "")
    assert part(render(name, TEXT), "ip") == HEAD + first + silent + second + silent_6 + ANNOUNCED_6


def _elsewhere(*addresses: str) -> ir.Program:
    """The program on a machine of a fleet that others answer for some addresses of."""
    program = load_text(Source("x", TEXT)).program
    assert program is not None
    some = {*map(ip_address, addresses)}
    services = (replace(one, elsewhere=tuple(a for a in one.addresses if a in some)) for one in program.services)
    return replace(program, services=tuple(services))


@_each
def test_what_another_machine_answers_for_is_served_and_not_answered_for(name: str) -> None:
    here, there = render(name, TEXT), targets()[name].render(_elsewhere("192.0.2.7", "fd00:19::2"), None)
    gone = {"address replace 192.0.2.7/32 dev edge0", "address replace fd00:19::2/128 dev edge0"}
    silent = {"address replace 192.0.2.7/32 dev edge0 scope host", "address replace fd00:19::2/128 dev edge0 nodad"}
    before, after = ({*part(one, "ip").splitlines()} for one in (here, there))
    assert (before - after, after - before) == (gone, silent if name == "ipvs" else set())
    rules = [one.name for one in targets()[name].parts if one.name not in ("ip", "sysctl")]
    assert [part(there, one) for one in rules] == [part(here, one) for one in rules]


@_each
def test_a_machine_that_answers_for_nothing_has_no_device_but_on_ipvs(name: str) -> None:
    all_of_it = _elsewhere("192.0.2.7", "198.19.0.2", "fd00:19::2")
    assert ("edge0" in part(targets()[name].render(all_of_it, None), "ip")) == (name == "ipvs")


@_each
def test_an_address_that_moves_is_a_change_of_its_service(name: str) -> None:
    target = targets()[name]
    assert isinstance(target, TargetByService)
    here, there = _elsewhere(), _elsewhere("192.0.2.7", "fd00:19::2")
    assembly = target.assembly(Shared(here.cluster, None, ()))
    for program in (here, there, here):
        assembly.update({service.name: service for service in program.services})
        assert assembly.bundle() == target.render(program, None)


@_each
def test_only_what_is_announced_changes(name: str) -> None:
    """What turning it on changes: the lines of these addresses, and one setting."""
    before, after = (
        [line for a in render(name, text).artifacts for line in a.text.splitlines(keepends=True)]
        for text in (QUIET, TEXT)
    )
    difference = [
        line for line in unified_diff(before, after, n=0) if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    added = [line[1:] for line in difference if line[0] == "+" and not line.startswith("+#")]
    removed = [line[1:] for line in difference if line[0] == "-" and not line.startswith("-#")]
    ipvs = name == "ipvs"
    settings = ["net.ipv4.conf.all.arp_ignore = 3\n", "net.ipv6.conf.all.proxy_ndp = 1\n"]
    assert added == [*settings, *([] if ipvs else HEAD.splitlines(keepends=True)), *ANNOUNCED, ANNOUNCED_6]
    went = [line.replace("edge0\n", "edge0 scope host\n") for line in ANNOUNCED]
    went.append(ANNOUNCED_6.replace("edge0\n", "edge0 nodad\n"))
    assert removed == (["net.ipv4.conf.all.arp_ignore = 1\n", *went] if ipvs else [])


def test_nft_is_bare_json_only_where_nothing_is_announced() -> None:
    target = targets()["nft"]
    assert printed(target, render("nft", QUIET)) == part(render("nft", QUIET), "nft")
    assert is_bundle(printed(target, render("nft", TEXT)))


@_each
def test_it_is_accepted_with_its_device_and_its_prefix(name: str) -> None:
    bundle = render(name, TEXT)
    found = accepted(bundle)
    assert (found.artifacts, found.prefix, found.device) == (bundle.artifacts, "Own", "edge0")


@_each
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("link add edge0 type dummy", "link add edge0 type veth", "the device of the vips comes first"),
        ("edge0", "-edge0", "`-edge0` cannot be the device of the vips"),
        ("edge0", "edge0123456789ab", "`edge0123456789ab` cannot be the device of the vips"),
        ("link set edge0 up", "link set lo up", "the target prints no such line here"),
        ("alias svcc:Own", "alias own", "the alias comes second"),
        ("arp_ignore = 3", "arp_ignore = 0", "the target prints no such line here"),
        ("net.ipv6.conf.all.proxy_ndp = 1\n", "", "a line is missing behind this one"),
        ("all.proxy_ndp", "eth0.proxy_ndp", "the target prints no such line here"),
        (ANNOUNCED_6, ANNOUNCED_6.replace("/128", "/64"), "the target prints nothing more here"),
        (ANNOUNCED_6, ANNOUNCED_6.replace("::2", ":0::2"), "the target prints no"),
        (ANNOUNCED[0], ANNOUNCED[0] * 2, "the target prints no such line here"),
        ("dev edge0\n", "dev eth0\n", "the target prints no such line here"),
        ("192.0.2.7/32 dev", "192.0.2.7/24 dev", "the target prints no such line here"),
    ],
)
def test_other_texts_are_refused(name: str, old: str, new: str, why: str) -> None:
    target = targets()[name]
    text = printed(target, render(name, TEXT))
    assert old in text
    message = refusal(text.replace(old, new), target)
    assert message is not None
    assert why in message.splitlines()[0]


@pytest.mark.parametrize("name", ["iptables", "nft"])
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("192.0.2.7/32 dev", "192.0.2.8/32 dev", "192.0.2.8 is no address of services alone"),
        ("192.0.2.7/32 dev", "192.0.2.999/32 dev", "`192.0.2.999` is no address"),
        ("fd00:19::2/128 dev", "fd00:19::3/128 dev", "fd00:19::3 is no address of services alone"),
        ("fd00:19::2/128 dev", "fd00::19::2/128 dev", "`fd00::19::2` is no address"),
        ("svcc:Own", "svcc:Other", "the rules are of the prefix O"),
        ("svcc:Own", "svcc:a/b", "`a/b` cannot be a prefix"),
    ],
)
def test_other_addresses_and_prefixes_are_refused(name: str, old: str, new: str, why: str) -> None:
    target = targets()[name]
    message = refusal(printed(target, render(name, TEXT)).replace(old, new), target)
    assert message is not None
    assert message.splitlines()[0].split("]: ")[1].startswith(why)


@_each
def test_one_family_has_its_own_setting_alone(name: str) -> None:
    """What is announced of IPv6 sets nothing about ARP, and the other way round."""
    four, six = (
        "\n".join(line for line in TEXT.splitlines() if not line.startswith(f"service {other} "))
        for other in ("six", "web")
    )
    assert "proxy_ndp" not in part(render(name, four), "sysctl")
    assert "arp_ignore = 3" not in part(render(name, six), "sysctl")
    assert "net.ipv6.conf.all.proxy_ndp = 1" in part(render(name, six), "sysctl")
