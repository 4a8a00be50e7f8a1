"""The ipvs target's files as text: complete, with all sets that they name, and with small diffs for small edits."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given

from support.ipvs_kernel import TARGET, part, render
from support.references import dangling
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.compiler.frontends import frontends
from svcc.kernel.ipset.sets import SET_NAME
from svcc.kernel.ipvs.servers import mark_key
from svcc.kernel.xtables.names import CHAIN_NAME
from svcc.targets.ipvs.sets import PREFIX
from svcc.targets.ipvs.virtual import by_mark, service_mark

Given = tuple[ir.Program, ir.Node | None]
OPTIONS = {ir.Protocol.TCP: "-t", ir.Protocol.UDP: "-u", ir.Protocol.SCTP: "--sctp-service"}


def many(count: int, endpoints: int = 3) -> ir.Program:
    """``count`` services of one port, each with endpoints of its own."""
    return ir.Program(services=tuple(service(number, endpoints) for number in range(count)))


def service(number: int, endpoints: int = 3) -> ir.Service:
    first = int(ip_address("100.64.0.0")) + number * 64
    return ir.Service(
        name=f"team/s{number:05}",
        vips=(ip_address(int(ip_address("198.19.0.0")) + number),),
        ports=(ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 8080),),
        endpoints=tuple(ir.Endpoint(ip_address(first + n)) for n in range(1, endpoints + 1)),
    )


def texts(program: ir.Program, node: ir.Node | None = None) -> dict[str, str]:
    return {artifact.part.name: artifact.text for artifact in TARGET.render(program, node).artifacts}


def changed(before: ir.Program, after: ir.Program) -> list[str]:
    """The lines that a reviewer sees go and come, over all parts."""
    old, new = texts(before), texts(after)
    found: list[str] = []
    for name in old:
        lines = difflib.unified_diff(old[name].splitlines(), new[name].splitlines(), n=0, lineterm="")
        found += [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
    return found


# -- complete ---------------------------------------------------------------------------------------------------------


def _bracketed(address: ir.Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _servers(program: ir.Program, node: ir.Node | None) -> Counter[tuple[str, str, int]]:
    """(virtual server, real server, weight) of all that the frontends say."""
    networks = program.cluster.nodeport_addresses
    own = [a for a in node.addresses if not networks or any(a in n for n in networks)] if node else []
    found: Counter[tuple[str, str, int]] = Counter()
    for f in frontends(program, node):
        addresses = [f.address] if f.address else [a for a in own if a.version == f.version]
        if by_mark(f.service):  # one for all of it
            head = mark_key(service_mark(program.cluster, f.service.name), f.version)
            if addresses:
                found |= Counter((head, _bracketed(e.address, 0), e.weight) for e in (*f.endpoints, *f.draining))
            continue
        for address in addresses:
            for offset in range(len(f.ports)):
                head = f"{OPTIONS[f.port.protocol]} {_bracketed(address, f.ports.first + offset)}"
                for e in (*f.endpoints, *f.draining):
                    found[head, _bracketed(e.address, f.target(e) + offset), e.weight] += 1
    return found


@given(programs_for(TARGET))
def test_every_endpoint_serves_every_frontend(made: Given) -> None:
    lines = texts(*made)["ipvsadm"].splitlines()
    servers = Counter[tuple[str, str, int]]()
    for line in lines:
        match = re.fullmatch(r"-a (\S+ \S+(?: -6)?) -r (\S+) -[mgi] -w (\d+)( --tun-type ipip)?( -x \d+)?", line)
        if match:
            servers[match[1], match[2], int(match[3])] += 1
    assert servers == _servers(*made)
    assert Counter(line[3:].partition(" -s ")[0] for line in lines if line.startswith("-A ")) == Counter(
        {head: 1 for head, _, _ in servers}
    )


@given(programs_for(TARGET))
def test_every_address_is_on_the_device(made: Given) -> None:
    held = made[0].cluster.vip_device is not None
    wanted = {str(f.address) for f in frontends(*made) if f.address and held and not f.shared}
    lines = texts(*made)["ip"].splitlines()
    assert sorted(line.split()[2].split("/")[0] for line in lines if line.startswith("address")) == sorted(wanted)


@given(programs_for(TARGET))
def test_every_endpoint_that_is_translated_to_may_come_back_to_itself(made: Given) -> None:
    wanted = {
        f"{e.address},{f.port.protocol}:{f.target(e) + offset},{e.address}"
        for f in frontends(*made)
        if f.service.forward is ir.Forward.MASQUERADE and (f.address or _serves_node_ports(*made, f.version))
        for e in (*f.endpoints, *f.draining)
        for offset in range(len(f.ports))
    }
    found = re.findall(r"^add \S+-LOOP-BACK (\S+)$", texts(*made)["ipset"], re.MULTILINE)
    assert sorted(found) == sorted(wanted)


def _serves_node_ports(program: ir.Program, node: ir.Node | None, version: int) -> bool:
    networks = program.cluster.nodeport_addresses
    own = [a for a in node.addresses if a.version == version] if node else []
    return any(not networks or any(a in n for n in networks) for a in own)


# -- closed -----------------------------------------------------------------------------------------------------------


@given(programs_for(TARGET))
def test_rules_and_sets_belong_to_each_other(made: Given) -> None:
    rendered = texts(*made)
    created = re.findall(r"^create (\S+)", rendered["ipset"], re.MULTILINE)
    added = re.findall(r"^add (\S+)", rendered["ipset"], re.MULTILINE)
    named = re.findall(r"--(?:match|map)-set (\S+)", rendered["iptables"] + rendered["ip6tables"])
    assert sorted(created) == sorted(set(named)) == sorted(set(added))
    assert dangling(rendered["iptables"]) == dangling(rendered["ip6tables"]) == []


@given(programs_for(TARGET))
def test_no_element_stands_twice(made: Given) -> None:
    for name in ("ipset", "ip", "ipvsadm", "modules", "sysctl"):
        lines = texts(*made)[name].splitlines()
        assert [line for line, count in Counter(lines).items() if count > 1] == []


@given(programs_for(TARGET))
def test_the_modules_of_the_schedulers_are_loaded(made: Given) -> None:
    rendered = texts(*made)
    used = set(re.findall(r"^-A \S+ \S+(?: -6)? -s (\S+)", rendered["ipvsadm"], re.MULTILINE))
    assert {m for m in rendered["modules"].split() if m.startswith("ip_vs_")} == {f"ip_vs_{s}" for s in used}


def test_a_program_without_services_has_no_parts() -> None:
    assert set(texts(ir.Program()).values()) == {""}


def test_names_fit_under_the_longest_prefix() -> None:
    text = f"""
    cluster {{ prefix {"P" * PREFIX}; pods 100.64.0.0/24 fd00:64::/64 }}
    node a {{ address 10.0.0.4 fd00:10::4 }}
    endpoints e {{ 100.64.0.9; fd00:64::9 }}
    service s {{ vip 198.19.0.1 fd00:19::1; external-ip 203.0.113.7 2001:db8::7; allow-from 10.0.0.0/8 fd00::/16
                 port a 80/tcp nodeport 30080; port b 80/udp nodeport 30080; port c 80/sctp nodeport 30080
                 traffic external local; endpoints e }}
    service t {{ vip 198.19.0.2 fd00:19::2; external-ip 203.0.113.8 2001:db8::8; port 80/tcp nodeport 30081
                 endpoints e }}
    service r {{ vip 198.19.0.3 fd00:19::3; port 80/tcp; endpoints {{ }} }}
    service d {{ vip 198.19.0.4 fd00:19::4; port 80/tcp; when-empty drop; endpoints {{ }} }}
    """
    bundle = render(text)
    sets = re.findall(r"^create (\S+)", part(bundle, "ipset"), re.MULTILINE)
    chains = re.findall(r"^:(\S+)", part(bundle, "iptables") + part(bundle, "ip6tables"), re.MULTILINE)
    assert (len(sets), max(map(len, sets))) == (28, SET_NAME)
    assert max(map(len, chains)) <= CHAIN_NAME


# -- rules are code, services are data; small edits are small diffs ---------------------------------------------------


def test_rules_do_not_grow_with_services() -> None:
    one, thousand = texts(many(1)), texts(many(1000))
    assert thousand["iptables"] == one["iptables"]
    assert one["iptables"].count("\n-A ") < 20
    assert [thousand[name] for name in ("modules", "sysctl")] == [one[name] for name in ("modules", "sysctl")]


def test_one_more_endpoint_is_two_lines() -> None:
    before = many(1000)
    old = before.services[500]
    new = replace(old, endpoints=(*old.endpoints, ir.Endpoint(ip_address("100.127.0.9"))))
    after = replace(before, services=(*before.services[:500], new, *before.services[501:]))
    assert changed(before, after) == [
        "+add SVCC-LOOP-BACK 100.127.0.9,tcp:8080,100.127.0.9",
        "+-a -t 198.19.1.244:80 -r 100.127.0.9:8080 -m -w 1",
    ]


def test_one_more_service_is_its_own_lines() -> None:
    all_of_them = many(1001)
    before = replace(all_of_them, services=(*all_of_them.services[:500], *all_of_them.services[501:]))
    new = service(500)
    vip, reals = str(new.vips[0]), [str(e.address) for e in new.endpoints]
    assert sorted(changed(before, all_of_them)) == sorted(
        [
            f"+address replace {vip}/32 dev svcc0 scope host",
            f"+add SVCC-SERVICE-IP {vip}",
            f"+add SVCC-CLUSTER-IP {vip},tcp:80",
            *(f"+add SVCC-LOOP-BACK {real},tcp:8080,{real}" for real in reals),
            f"+-A -t {vip}:80 -s rr",
            *(f"+-a -t {vip}:80 -r {real}:8080 -m -w 1" for real in reals),
        ]
    )


def test_a_new_service_moves_no_line_of_an_endpoint_that_it_shares() -> None:
    before = ir.Program(services=(service(5),))
    first = replace(service(4), endpoints=service(5).endpoints[1:])
    assert all(line.startswith("+") for line in changed(before, ir.Program(services=(first, service(5)))))


def test_emptying_a_service_leaves_its_declaration() -> None:
    before = many(2, endpoints=1)
    after = replace(before, services=(before.services[0], replace(before.services[1], endpoints=())))
    assert [line for line in changed(before, after) if "SVCC-CLUSTER-IP" in line] == []
    assert "+add SVCC-EMPTY-REJECT 198.19.0.1,tcp:80" in changed(before, after)


# -- sizes ------------------------------------------------------------------------------------------------------------


def _sizes(elements: int) -> list[int]:
    line = re.search(r"create SVCC-SERVICE-IP .*", texts(many(elements, endpoints=1))["ipset"])
    assert line
    return [int(number) for number in re.findall(r"(?:hashsize|maxelem) (\d+)", line[0])]


def test_sets_have_room_to_grow() -> None:
    assert _sizes(1) == _sizes(400) == [1024, 65_536]
    assert _sizes(3000) == _sizes(4000) == [4096, 65_536]
    assert _sizes(40_000) == [65_536, 131_072]
