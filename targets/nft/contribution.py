"""What one service adds to the tables: frontends as elements of maps, and the chains and sets that these need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite, apart, service_label
from svcc.kernel.addresses import text_of
from svcc.targets import vip_device
from svcc.targets.interface import Contribution, Shared
from svcc.targets.naming import comment, fit
from svcc.targets.nft.choice import choice, slots
from svcc.targets.nft.fronts import Affinity, Front, SourceRewrite
from svcc.targets.nft.keys import FAMILIES, NAME, Family, Key
from svcc.targets.nft.sources import SnatRange

#: The most characters of a comment (NFTNL_UDATA_COMMENT_MAXLEN).
_COMMENT = 128

_SOURCES = {
    Rewrite.OUTSIDE_PODS: SourceRewrite.DEFAULT,
    Rewrite.EVERYBODY: SourceRewrite.MASQUERADE,
    Rewrite.NETWORKS: SourceRewrite.NETWORKS,
    Rewrite.NOBODY: SourceRewrite.KEEP,
}
_FAMILIES = {family.version: family for family in FAMILIES}


class Row(NamedTuple):
    """One frontend, with its elements in the maps of its key."""

    key: str  # the key of all its elements
    label: str
    front: Front | None  # the chain that serves its clients or rejects them; None: they are dropped
    endpoints: tuple[str, ...]  # by slot; "" where a slot has none
    declared: bool  # its address is shared
    # the addresses that replace its clients' source, where that is rewritten; None: the node's own
    sources: SnatRange | None


@dataclass(frozen=True, slots=True)
class FamilyContribution:
    """What a service adds to the table of one family."""

    rows: dict[Key, list[Row]] = field(default_factory=dict)  # in the order of the frontends
    addresses: set[str] = field(default_factory=set)  # addresses that only svcc serves
    shared: set[str] = field(default_factory=set)  # addresses that others serve too, without those of the node
    endpoints: set[str] = field(default_factory=set)  # endpoints' addresses, with draining ones: they have connections
    spared: set[str] = field(default_factory=set)  # shared addresses in the networks of service addresses
    ports: set[tuple[int, int]] = field(default_factory=set)  # the TCP ports at which endpoints serve: first and last
    #: Sets of networks by name: of clients that may connect, and of clients that are masqueraded.
    networks: dict[str, tuple[ir.Network, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NftContribution(Contribution):
    """What a service adds to all tables; families that it does not serve are missing."""

    parts: Mapping[int, FamilyContribution]  # by IP version
    announced: frozenset[ir.Address]


def contribution(shared: Shared, service: ir.Service) -> NftContribution:
    """Return what a service adds to all tables, for :meth:`svcc.targets.interface.TargetByService.contribution`."""
    frontends = list(shared.view.frontends(service))
    makers: dict[int, _Maker] = {}
    for frontend in frontends:
        maker = makers.get(frontend.version)
        if maker is None:
            maker = makers[frontend.version] = _Maker(_FAMILIES[frontend.version], shared)
        maker.add(frontend)
    announced = vip_device.announced(frontends) if service.announce else frozenset()
    return NftContribution({version: maker.part for version, maker in makers.items()}, announced)


class _Maker:
    """Collects what the frontends of one service add to the table of one family."""

    def __init__(self, family: Family, shared: Shared) -> None:
        self.part = FamilyContribution()
        self._family = family
        self._own = shared.node.addresses if shared.node else ()
        self._pods = any(network.version == family.version for network in shared.cluster.pods)
        self._services = shared.cluster.services
        self._last: tuple[tuple[ir.Endpoint, ...], tuple[str, ...]] = ((), ())  # endpoints, and their addresses
        # endpoints that serve, and the addresses of all by slot
        self._slots: tuple[tuple[ir.Endpoint, ...], tuple[str, ...]] = ((), ())

    def add(self, frontend: Frontend) -> None:
        """Add a frontend to the contribution."""
        part = self.part
        key = _key(self._family, frontend.kind is Kind.NODE_PORT, _protocol_of_range(frontend))
        address = ""
        if frontend.address is not None:
            address = text_of(frontend.address)
            if not frontend.shared:
                part.addresses.add(address)
            elif frontend.address not in self._own:
                part.shared.add(address)
            if frontend.shared and any(frontend.address in network for network in self._services):
                part.spared.add(address)
        element = key.element(address, frontend.port.protocol, frontend.ports)
        front = self._front(key, frontend)
        endpoints = self._by_slot(frontend) if front is not None and front.choice is not None else ()
        declared = frontend.kind is Kind.NODE_PORT or frontend.shared
        sources = SnatRange.of(frontend.snat) if endpoints else None
        row = Row(element, comment(frontend.label, _COMMENT), front, endpoints, declared, sources)
        part.rows.setdefault(key, []).append(row)
        self._serve(frontend)

    def _front(self, key: Key, frontend: Frontend) -> Front | None:
        """Return the chain that serves a frontend's clients or rejects them. Return None where all are dropped."""
        service = frontend.service
        nobody = frontend.restricted and not frontend.allow_from
        if nobody or (not frontend.endpoints and service.when_empty is ir.WhenEmpty.DROP):
            return None
        allowed = self._allow(frontend) if frontend.restricted else ""
        if not frontend.endpoints:
            return _front(_key(self._family, False, None), SourceRewrite.DEFAULT, None, allowed=allowed)
        chosen = choice(frontend)
        source = _SOURCES[frontend.rewrite]
        if source is SourceRewrite.KEEP and not self._pods:
            source = SourceRewrite.DEFAULT
        masqueraded = self._networks("from", frontend.rewrite_from) if source is SourceRewrite.NETWORKS else ""
        affinity = None
        if service.affinity is not None:
            affinity = _affinity(key, frontend, service.affinity)
        if chosen.counts or (affinity and affinity.owner):
            other = service.external_traffic is not service.internal_traffic
            external = frontend.kind is Kind.EXTERNAL_IP and other
            return _front(key, source, chosen, affinity, allowed, frontend.label, masqueraded, external)
        return _front(key, source, chosen, affinity, allowed, "", masqueraded)

    def _allow(self, frontend: Frontend) -> str:
        """Return the name of the set of networks whose clients may use a frontend; "": all clients may."""
        networks = apart(frontend.allow_from, frontend.version)
        if networks[0].prefixlen == 0:
            return ""
        return self._networks("allow", networks)

    def _networks(self, kind: str, networks: tuple[ir.Network, ...]) -> str:
        """Add a set of networks, and return its name, which is made from the networks."""
        # nft allows no colon in a name, and a network has no underscore
        name = fit(f"{kind}-{'-'.join(map(str, networks))}".replace(":", "_"), NAME)
        self.part.networks[name] = networks
        return name

    def _by_slot(self, frontend: Frontend) -> tuple[str, ...]:
        """Return the endpoints' addresses by slot. They are computed once for all frontends with the same endpoints."""
        if not frontend.draining:
            return self._texts(frontend.endpoints)
        if self._slots[0] is not frontend.endpoints:
            found = tuple([text_of(endpoint.address) if endpoint else "" for endpoint in slots(frontend)])
            self._slots = frontend.endpoints, found
        return self._slots[1]

    def _texts(self, endpoints: tuple[ir.Endpoint, ...]) -> tuple[str, ...]:
        """Return the addresses of endpoints. Most frontends of a service have the same ones."""
        if self._last[0] is not endpoints:
            self._last = endpoints, tuple([text_of(endpoint.address) for endpoint in endpoints])
        return self._last[1]

    def _serve(self, frontend: Frontend) -> None:
        """Note the addresses and ports at which endpoints serve."""
        endpoints = frontend.endpoints
        self.part.endpoints.update(self._texts(endpoints))
        if frontend.draining:
            self.part.endpoints.update([text_of(one.address) for one in frontend.draining])
            endpoints += frontend.draining
        if frontend.port.protocol is ir.Protocol.TCP:
            more = len(frontend.ports) - 1
            targets = {frontend.port.target if endpoint.port is None else endpoint.port for endpoint in endpoints}
            self.part.ports.update([(target, target + more) for target in targets])


def _affinity(key: Key, frontend: Frontend, seconds: int) -> Affinity:
    network = frontend.client_length
    if frontend.service.affinity_per_service:
        return Affinity(seconds, service_label(frontend.service), per_service=True, network=network)
    return Affinity(seconds, frontend.label if key.ranges else "", network=network)


def _protocol_of_range(frontend: Frontend) -> ir.Protocol | None:
    return frontend.port.protocol if len(frontend.ports) > 1 else None


@lru_cache(maxsize=64)
def _key(family: Family, nodeport: bool, ranges: ir.Protocol | None) -> Key:
    return Key(family, nodeport, ranges)


#: One object for all equal fronts: there are few, and their properties are then computed once.
_front = lru_cache(maxsize=4096)(Front)
