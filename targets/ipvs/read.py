"""Reads the texts of the parts back into what they are printed from: a few settings of the cluster, and the state.

Sets and virtual servers are read here. Modules, sysctls, the device and the rules follow from them. Printing all parts
again shows whether they do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable, unable_within
from svcc.compiler.codes import Code
from svcc.compiler.prefix import fault
from svcc.kernel.ipset.runs import unfolded
from svcc.kernel.ipset.sets import Set
from svcc.kernel.ipvs.servers import VirtualServer, mark_of
from svcc.kernel.steps import FrontendAddress
from svcc.kernel.xtables.matches import OpenedTo, Proto
from svcc.kernel.xtables.script import Rule
from svcc.kernel.xtables.verdicts import Snat
from svcc.targets.ipvs.elements import element_fault, sort_key
from svcc.targets.ipvs.sets import NODE_PORTS, PREFIX, Purpose, make_set, mark_in, marked, purpose_of
from svcc.targets.ipvs.state import FamilyState, family_state
from svcc.targets.ipvs.virtual import (
    ONE_PACKET,
    RANGE_OBJECTS,
    address_text,
    element_of,
    frontends_of,
    hairpins,
    is_large_range,
    is_service_mark,
)
from svcc.targets.ipvs.virtual_read import read_servers
from svcc.targets.reading import Line, Text, in_order, quoted
from svcc.targets.vip_device import read_device
from svcc.targets.xtables_read.rules import Grammar
from svcc.targets.xtables_read.words import NotRead

_CREATE = re.compile(r"create (\S+) (\S+) (.*)")
_OPTIONS = re.compile(r"family (inet6?) hashsize [0-9]+ maxelem [0-9]+(?: skbinfo)?|range ([0-9]+)-([0-9]+)")
_ADD = re.compile(r"add (\S+) (\S+)(?P<options> .+)?")
_VERSIONS = {"inet": 4, "inet6": 6}
#: Sets whose elements begin with an address of a service or of the node.
_ADDRESSES = (Purpose.SERVICE_IP, Purpose.SHARED_IP, Purpose.CLUSTER_IP, Purpose.NODE_IP)
_MARK = re.compile(r"-MASQUERADE -j MARK --set-xmark 0x0/0x([0-9a-f]{1,8})\n")


@dataclass(slots=True)
class _Set:
    """A set that is being read."""

    line: Line  # the line that declares it
    purpose: Purpose
    version: int
    ports: ir.PortRange | None
    elements: dict[str, Line] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)  # of the elements that have one

    def as_set(self, prefix: str) -> Set:
        elements = [marked(one, self.marks[one]) if one in self.marks else one for one in self.elements]
        return make_set(self.purpose, prefix, self.version, elements, self.ports)


def read(texts: Mapping[str, Text]) -> tuple[ir.Cluster, list[FamilyState]]:
    """Return the settings and the state from which all parts are printed; no family where all parts are empty.

    Errors: RefusedText.
    """
    prefix, sets = _sets(texts["ipset"])
    servers = [*read_servers(texts["ipvsadm"])]
    if prefix is None:
        _nothing(texts)
        return ir.Cluster(), []
    device = read_device(texts["ip"])
    cluster = ir.Cluster(
        prefix=prefix,
        nodeports=_node_ports(sets.values()),
        vip_device=device.name if device else None,
        mark=_mark(texts["iptables"], texts["ip6tables"]),
    )
    for one in sets.values():
        for element, mark in one.marks.items():
            if not is_service_mark(mark, cluster.mark):
                raise one.elements[element].refused(f"the target gives no service the mark {mark:#x}", f"{mark:#x}")
    sources = {version: _sources(texts[part], prefix) for version, part in ((4, "iptables"), (6, "ip6tables"))}
    announced = device.announced if device else frozenset()
    return cluster, [*_families(prefix, sets.values(), servers, announced, sources)]


def _nothing(texts: Mapping[str, Text]) -> None:
    for text in texts.values():
        for line in text.lines():
            raise line.refused("without a set, the target prints nothing at all")


# -- sets -------------------------------------------------------------------------------------------------------------


def _sets(text: Text) -> tuple[str | None, dict[str, _Set]]:
    """Return the prefix, and the sets by name."""
    prefix: str | None = None
    sets: dict[str, _Set] = {}
    current = ""
    left = RANGE_OBJECTS
    for line in text.lines():
        if found := _ADD.fullmatch(line.text):
            if found[1] != current:
                raise line.refused(
                    f"elements stand behind the `create` of their set, which is not {found[1]} here", found[1]
                )
            made = _add(sets[current], line, found[2], found["options"] or "")
            left -= made if made > 1 else 0
            if left < 0:
                raise line.refused(f"with this one, ranges of ports are more than {RANGE_OBJECTS:,} elements", found[2])
        elif found := _CREATE.fullmatch(line.text):
            prefix, read = _create(line, found, prefix)
            current = found[1]
            if current in sets:
                raise line.refused(f"set {current} stands here twice", current)
            sets[current] = read
        else:
            raise line.refused("neither a set nor an element as the target prints them")
    for one in sets.values():
        if not one.elements:
            raise one.line.refused("the target makes no set without an element")
    return prefix, sets


def _create(line: Line, found: re.Match[str], prefix: str | None) -> tuple[str, _Set]:
    name, type, options = found.groups()
    purpose = purpose_of(name)
    if purpose is None:
        raise line.refused(f"no set of the target is called {quoted(name)}", name, Code.BUNDLE_NAME)
    sized = _OPTIONS.fullmatch(options)
    if sized is None or type != purpose.type:
        raise line.refused(f"the target makes a {purpose.type} of set {name}, and sizes it", f"{type} {options}")
    family, *ports = sized.groups()
    before = name.removesuffix(f"-{purpose.suffix}")
    version = _VERSIONS[family] if family else 6 if prefix is not None and before == f"{prefix}-6" else 4
    if prefix is None:
        prefix = before.removesuffix("-6") if version == 6 else before
        if wrong := fault(prefix):
            raise line.refused(f"{quoted(prefix)} cannot be a prefix: {wrong}", name, Code.BUNDLE_NAME)
        if len(prefix) > PREFIX:
            raise line.refused(f"a prefix has at most {PREFIX} characters here", name, Code.BUNDLE_NAME)
    if purpose.set_name(prefix, version) != name:
        raise line.refused(f"expected a set of the prefix {prefix}, not {quoted(name)}", name, Code.BUNDLE_NAME)
    if (family is None) != (type == "bitmap:port"):
        raise line.refused(f"no {type} has these options", options)
    numbers = [int(port) if len(port) < 6 else 0 for port in ports if port]
    if numbers and not 0 < numbers[0] <= numbers[1] < 1 << 16:
        raise line.refused("not a range of ports", f"{ports[0]}-{ports[1]}")
    return prefix, _Set(line, purpose, version, ir.PortRange(*numbers) if numbers else None)


def _add(to: _Set, line: Line, element: str, options: str) -> int:
    """Add an element, or all of a range, to its set, and return how many that are. Errors: RefusedText."""
    some = [*unfolded(element)]
    for one in (some[0], some[-1]):  # all other elements are between these two
        wrong = element_fault(one, to.purpose.type, to.version, to.ports)
        if wrong:
            raise line.refused(f"{quoted(one)} is {wrong}", element)
    for one in (some[0], some[-1]):
        if why := _unable(to.purpose, one):
            raise line.refused(why, element)
    twice = next((one for one in some if one in to.elements), None)
    if twice is not None:
        raise line.refused(f"{twice} stands twice in its set", element)
    to.elements.update(dict.fromkeys(some, line))
    if to.purpose is Purpose.SERVICE_MARK:
        mark = mark_in(options)
        if mark is None:
            raise line.refused(f"{element} has no mark as the target gives one", options.strip() or element)
        to.marks.update(dict.fromkeys(some, mark))
    elif options:
        raise line.refused("neither a set nor an element as the target prints them")
    return len(some)


def _unable(purpose: Purpose, element: str) -> str | None:
    """Why an element of a set of addresses can be none of a program's; None: it can."""
    if purpose in _ADDRESSES and (why := unable(ip_address(element.partition(",")[0]))):
        return f"{element} is {why}: no program has it"
    if purpose is Purpose.SERVICE_NET and (why := unable_within(ip_network(element))):
        return f"{element} has {why} in it: it is no network of services"
    return None


# -- settings of the cluster ------------------------------------------------------------------------------------------


def _node_ports(sets: Iterable[_Set]) -> ir.PortRange:
    """Return the range of the bitmaps, which is the same for all."""
    spans = {one.ports: one for one in sets if one.ports is not None}
    if len(spans) > 1:
        raise [*spans.values()][-1].line.refused("the node ports are one range for all protocols", "range")
    return next((ports for ports in spans if ports is not None), ir.Cluster().nodeports)


def _mark(*texts: Text) -> int:
    """Return the bit that is cleared where connections are masqueraded."""
    for text in texts:
        found = _MARK.search(text.text)
        if found is None:
            continue
        mark = int(found[1], 16)
        if mark & (mark - 1) or not mark:
            raise text.refused("the mark is one bit", *found.span(1))
        return mark
    return ir.Cluster().mark


# -- the state --------------------------------------------------------------------------------------------------------


_Sources: TypeAlias = list[tuple[Line, Rule]]


def _sources(text: Text, prefix: str) -> _Sources:
    """Return the rules that give clients other source addresses. Errors: RefusedText."""
    found: _Sources = []
    grammar = Grammar()
    for line in text.lines():
        _, here, words = line.text.partition(f"-A {prefix}-SNAT ")
        if here and line.text.startswith("-A "):
            try:
                found.append((line, grammar.rule(words)))
            except NotRead as error:
                raise line.refused(str(error), words) from None
    return found


def _check_sources(sets: Mapping[Purpose, _Set], version: int, sources: _Sources) -> None:
    """Check that each rule about sources is for a declared port at an address of the family, and names such
    addresses.
    """
    declared = sets[Purpose.CLUSTER_IP].elements if Purpose.CLUSTER_IP in sets else {}
    for line, rule in sources:
        match rule:
            case Rule((Proto(protocol, None), OpenedTo(IPv4Address() | IPv6Address() as address, ports)), Snat() as to):
                first = None if ports is None else f"{address_text(int(address), version)},{protocol}:{ports.first}"
                if address.version != version or first is None or ip_address(to.first).version != version:
                    raise line.refused("this is of the other family, or of no port")
                if int(ip_address(to.first)) > int(ip_address(to.last)) or ip_address(to.last).version != version:
                    raise line.refused(f"no range of addresses: {to.first}-{to.last}", to.first)
                if first not in declared and not _on_a_node_port(sets, first):
                    raise line.refused(f"{first} is in no set: no service declares it", str(address))
            case _:
                raise line.refused("no rule of the target's for the source of a service's clients")


def _families(
    prefix: str,
    sets: Collection[_Set],
    servers: list[tuple[Line, VirtualServer]],
    announced: frozenset[str],
    sources: Mapping[int, _Sources],
) -> Iterator[FamilyState]:
    for version in (4, 6):
        own = {one.purpose: one for one in sets if one.version == version}
        if own:
            listening = [(line, server) for line, server in servers if _version(server) == version]
            _check_sorted(own)
            listening = _with_frontends(own, listening)
            _check_servers(own, listening)
            ipsets = {p: own[p].as_set(prefix) for p in Purpose if p in own}
            addresses = own[Purpose.SERVICE_IP].elements if Purpose.SERVICE_IP in own else ()
            answered = announced & {*addresses}
            _check_sources(own, version, sources[version])
            rules = [rule for _, rule in sources[version]]
            yield family_state(version, addresses, answered, [server for _, server in listening], ipsets, rules)
    versions = {one.version for one in sets}
    for line, server in servers:
        if _version(server) not in versions:
            raise line.refused("a virtual server of a family that has no sets")


def _version(server: VirtualServer) -> int:
    return 6 if "[" in server.key or server.key.endswith(" -6") else 4


def _check_sorted(sets: Mapping[Purpose, _Set]) -> None:
    """Check that sets of addresses, and of ports, are in numerical order."""
    for purpose in (Purpose.SERVICE_IP, Purpose.SHARED_IP, *NODE_PORTS.values()):
        if purpose in sets and purpose is not Purpose.NODE_PORT_SCTP:
            before = -1
            for element, line in sets[purpose].elements.items():
                if sort_key(element) < before:
                    raise line.refused(f"{element} stands behind a higher one", element)
                before = sort_key(element)


def _check_servers(sets: Mapping[Purpose, _Set], servers: list[tuple[Line, VirtualServer]]) -> None:
    """Check that every virtual server is declared, in the sets' order, and that the set of hairpins has their
    endpoints.
    """
    declared = sets[Purpose.CLUSTER_IP].elements if Purpose.CLUSTER_IP in sets else {}
    at = {element_of(frontend): line for line, server in servers for frontend in frontends_of(server)}
    for line, server in servers:
        for element in map(element_of, frontends_of(server)):
            if element not in declared and not _on_a_node_port(sets, element):
                address = server.key.partition(" ")[2]
                raise line.refused(f"{element} is in no set: no service declares this virtual server", address)
    if wrong := in_order([element for element in at if element in declared], [*declared]):
        raise at[wrong].refused("virtual servers stand in the order of their set")
    loops = hairpins(server for _, server in servers)
    held = sets[Purpose.LOOP_BACK].elements if Purpose.LOOP_BACK in sets else {}
    of_endpoints = frozenset(loops)
    for element, line in held.items():
        if element not in of_endpoints:
            raise line.refused(f"{element} is no endpoint's, with itself as the client", element)
    if wrong := next((element for element in loops if element not in held), None):
        line = servers[0][0] if not held else sets[Purpose.LOOP_BACK].line
        raise line.refused(f"{wrong} is missing in the set of endpoints that reach themselves")
    if wrong := in_order(loops, [*held]):
        raise held[wrong].refused(f"{wrong} stands behind a higher one", wrong)


def _with_frontends(
    sets: Mapping[Purpose, _Set], servers: list[tuple[Line, VirtualServer]]
) -> list[tuple[Line, VirtualServer]]:
    """Return the virtual servers. One that goes by a mark gets the addresses and ports whose packets have the mark;
    none of these may have another virtual server.
    """
    frontends: dict[int, list[FrontendAddress]] = {}
    held = sets.get(Purpose.SERVICE_MARK)
    for element, mark in held.marks.items() if held else ():
        address, _, socket = element.partition(",")
        protocol, _, port = socket.partition(":")
        frontends.setdefault(mark, []).append(FrontendAddress(str(ip_address(address)), protocol, int(port)))
    known = {
        element_of(frontend)
        for _, server in servers
        if mark_of(server.key) is None
        for frontend in frontends_of(server)
    }
    for element, line in held.elements.items() if held else ():
        if element in known:
            raise line.refused(f"{element} has a mark, and a virtual server without one", element)
    found = []
    for line, server in servers:
        number = mark_of(server.key)
        if number is not None and number[0] not in frontends:
            raise line.refused("no element of a set has this mark", str(number[0]))
        own = tuple(frontends.pop(number[0])) if number else ()
        if number and server.settings.persistence is None and not is_large_range(own):
            raise line.refused(
                "what the target knows by a mark is a service whose clients are remembered, or a large range"
            )
        if ONE_PACKET in server.settings.others and any(frontend.protocol != "udp" for frontend in own):
            raise line.refused("only datagrams get real servers of their own", ONE_PACKET.strip())
        found.append((line, replace(server, frontends=own)))
    for element, line in held.elements.items() if held else ():
        if held is not None and held.marks[element] in frontends:
            raise line.refused(f"{element} has a mark that no virtual server goes by", element)
    return found


def _on_a_node_port(sets: Mapping[Purpose, _Set], element: str) -> bool:
    """Whether the node ports declare a virtual server. ``element``: the virtual server as an element of a set."""
    address, _, socket = element.partition(",")
    if Purpose.NODE_IP not in sets or address not in sets[Purpose.NODE_IP].elements:
        return False
    protocol, _, port = socket.partition(":")
    purpose = NODE_PORTS[ir.Protocol(protocol)]
    return purpose in sets and (element if purpose is Purpose.NODE_PORT_SCTP else port) in sets[purpose].elements
