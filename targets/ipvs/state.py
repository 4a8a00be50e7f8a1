"""What a node's kernel holds for one family: virtual servers, sets, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from svcc.compiler.frontends import service_networks
from svcc.kernel.ipset.sets import Set
from svcc.kernel.ipvs.servers import VirtualServer
from svcc.kernel.xtables.matches import OpenedTo, Proto
from svcc.kernel.xtables.script import Rule
from svcc.targets.counting import count
from svcc.targets.interface import Shared
from svcc.targets.ipvs.contribution import FamilyContribution, node_port_addresses
from svcc.targets.ipvs.sets import NODE_PORTS, Purpose, make_set, network_elements
from svcc.targets.ipvs.virtual import address_text


@dataclass(frozen=True, slots=True)
class FamilyState:
    """The state of one address family, or an excerpt of it. An excerpt has all sets, but not all of their elements.

    ``sets`` lacks the sets that are empty in the whole state, and nothing refers to a set that is missing.
    """

    version: int
    addresses: tuple[str, ...]  # the vips and external ips, except shared ones, in numeric order
    announced: frozenset[str]  # the addresses that are announced
    servers: tuple[VirtualServer, ...]
    sets: Mapping[Purpose, Set]
    schedulers: frozenset[str]  # those of the whole state
    held: bool  # whether the whole state has an address
    announcing: bool  # whether the whole state has an address that is announced
    sources: tuple[Rule, ...]  # those of the whole state, in the order of the addresses that clients connect to


def family_state(
    version: int,
    addresses: Iterable[str],
    announced: frozenset[str],
    servers: Iterable[VirtualServer],
    sets: Mapping[Purpose, Set],
    sources: Iterable[Rule],
) -> FamilyState:
    """Return the state of a family from all that it holds."""
    some, of_all = tuple(addresses), tuple(servers)
    schedulers = frozenset(server.settings.scheduler for server in of_all)
    ordered = tuple(sorted(sources, key=_opened_to))
    return FamilyState(version, some, announced, of_all, sets, schedulers, bool(some), bool(announced), ordered)


def _opened_to(rule: Rule) -> tuple[int, str, int]:
    """Return the address, protocol and first port that a rule about sources is for."""
    protocol, opened = rule.matches
    assert isinstance(protocol, Proto)
    assert isinstance(opened, OpenedTo)
    assert isinstance(opened.destination, IPv4Address | IPv6Address)
    assert opened.ports is not None
    return int(opened.destination), protocol.protocol, opened.ports.first


@dataclass(slots=True)
class Touched:
    """What changed services have in sets that several services may share."""

    addresses: set[int] = field(default_factory=set)
    shared: set[int] = field(default_factory=set)
    loops: dict[int, str] = field(default_factory=dict)

    def add(self, part: FamilyContribution) -> None:
        """Add what one service's part may share with others."""
        self.addresses.update(part.addresses)
        self.shared.update(part.shared)
        self.loops.update(part.loops)


class Total:
    """What all services add to one family, counted, so that a service can be removed again."""

    def __init__(self, shared: Shared, version: int) -> None:
        self._shared = shared
        self._version = version
        self._services = service_networks(shared.cluster, version)
        self._users = 0
        self._addresses: Counter[int] = Counter()
        self._announced: Counter[int] = Counter()
        self._shared_addresses: Counter[int] = Counter()  # those in the networks of service addresses
        self._loops: Counter[int] = Counter()
        self._sources: Counter[Rule] = Counter()
        self._sizes: Counter[Purpose] = Counter()  # of the sets in which each element belongs to one service
        self._schedulers: Counter[str] = Counter()

    @property
    def used(self) -> bool:
        """Whether any service has a frontend in the family, or the family has networks of service addresses."""
        return self._users > 0 or bool(self._services)

    def move(self, shared: Shared) -> None:
        """Go on as the total of another node."""
        self._shared = shared

    def count(self, part: FamilyContribution, by: int) -> None:
        """Add a service (``by`` is 1), or remove it (-1)."""
        self._users += by
        count(self._addresses, part.addresses, by)
        count(self._announced, part.announced, by)
        count(self._shared_addresses, part.shared, by)
        count(self._loops, part.loops, by)
        count(self._schedulers, [server.settings.scheduler for server in part.servers], by)
        count(self._sources, part.sources, by)
        for purpose, elements in part.elements.items():
            self._sizes[purpose] += by * len(elements)
        for purpose, ports in part.node_ports.items():
            self._sizes[purpose] += by * len(ports)

    def state(self, parts: Collection[FamilyContribution], touched: Touched | None = None) -> FamilyState:
        """Return the family's state. ``parts``: of all services; or of those that change, with what they have
        ``touched``, for an excerpt.
        """
        numbers = self._addresses.keys() if touched is None else touched.addresses & self._addresses.keys()
        texts = {number: address_text(number, self._version) for number in sorted(numbers)}
        return FamilyState(
            self._version,
            tuple(texts.values()),
            frozenset(text for number, text in texts.items() if number in self._announced),
            tuple(server for part in parts for server in part.servers),
            self._sets(self._elements(parts, texts.values(), touched)),
            frozenset(self._schedulers),
            bool(self._addresses),
            bool(self._announced),
            tuple(sorted(self._sources, key=_opened_to)),
        )

    def _elements(
        self, parts: Collection[FamilyContribution], addresses: Iterable[str], touched: Touched | None
    ) -> Mapping[Purpose, Iterable[str]]:
        """Return the elements of each set, as far as they belong to the state."""
        found: dict[Purpose, list[str]] = {purpose: [] for purpose in Purpose}
        ports: dict[Purpose, set[int]] = {purpose: set() for purpose in NODE_PORTS.values()}
        loops: dict[int, str] = {}
        for part in parts:
            for purpose, some in part.elements.items():
                found[purpose] += some
            for purpose, some_ports in part.node_ports.items():
                ports[purpose].update(some_ports)
            if touched is None:
                loops.update(part.loops)
        if touched is not None:
            loops = {frontend: element for frontend, element in touched.loops.items() if frontend in self._loops}
        for purpose, numbers in ports.items():
            if numbers:
                found[purpose] = [str(port) for port in sorted(numbers)]
        shared = self._shared_addresses.keys() if touched is None else touched.shared & self._shared_addresses.keys()
        node, pods = node_port_addresses(self._shared, self._version), self._shared.cluster.pods
        return {
            **found,
            Purpose.SERVICE_IP: addresses,
            Purpose.SERVICE_NET: network_elements(self._services),
            Purpose.SHARED_IP: [address_text(number, self._version) for number in sorted(shared)],
            Purpose.LOOP_BACK: [loops[frontend] for frontend in sorted(loops)],
            Purpose.NODE_IP: [address_text(int(address), self._version) for address in node],
            Purpose.POD_NET: network_elements(network for network in pods if network.version == self._version),
        }

    def _sets(self, elements: Mapping[Purpose, Iterable[str]]) -> dict[Purpose, Set]:
        sizes = Counter(self._sizes)
        sizes[Purpose.SERVICE_IP], sizes[Purpose.LOOP_BACK] = len(self._addresses), len(self._loops)
        sizes[Purpose.SERVICE_NET], sizes[Purpose.SHARED_IP] = len(self._services), len(self._shared_addresses)
        node_ports = any(sizes[purpose] for purpose in NODE_PORTS.values())
        cluster, found = self._shared.cluster, {}
        for purpose, some in elements.items():
            held = dict.fromkeys(some)
            if purpose is Purpose.NODE_IP:
                sizes[purpose] = len(held) if node_ports else 0
            elif purpose is Purpose.POD_NET:
                sizes[purpose] = len(held) if sizes[Purpose.CLUSTER_IP] else 0
            if sizes[purpose]:
                ports = cluster.nodeports if purpose.type == "bitmap:port" else None
                found[purpose] = make_set(purpose, cluster.prefix, self._version, held, ports, sizes[purpose])
        return found
