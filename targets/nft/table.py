"""One family's table: frontends in, objects out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite
from svcc.kernel.addresses import text_of
from svcc.targets.naming import comment, fit
from svcc.targets.nft import hooks
from svcc.targets.nft.choice import Shift, choice, slots
from svcc.targets.nft.expressions import Network, Range
from svcc.targets.nft.fronts import PODS, Affinity, Front, Landing, Source, ports_map
from svcc.targets.nft.keys import NAME, Family, Key
from svcc.targets.nft.objects import Chain, Elements, Object, Set
from svcc.targets.nft.statements import Drop, Goto

#: Characters of a comment, at most (NFTNL_UDATA_COMMENT_MAXLEN).
_COMMENT = 128

_SOURCES = {Rewrite.OUTSIDE_PODS: Source.DEFAULT, Rewrite.EVERYBODY: Source.MASQUERADE, Rewrite.NOBODY: Source.KEEP}


class _Keyed:
    """The elements of one key's maps, in the program's order."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.services: list[str] = []
        self.endpoints: list[list[str]] = []  # by slot
        self.declared: list[str] = []
        self.rejects = False  # whether one of the declared rejects its clients

    def add_endpoints(self, element: str, addresses: list[str]) -> None:
        """The endpoints of a frontend by slot; "" where a slot has none."""
        while len(self.endpoints) < len(addresses):
            self.endpoints.append([])
        for lines, address in zip(self.endpoints, addresses, strict=False):
            if address:
                lines.append(f'[{element}, "{address}"]')

    @property
    def declares(self) -> bool:
        """Whether a rule asks for the declared: for segments of TCP, or where one rejects."""
        return bool(self.declared) and (self.rejects or self.key.ranges in (None, ir.Protocol.TCP))

    def maps(self) -> Iterator[tuple[Set, list[str]]]:
        yield self.key.services, self.services
        yield from ((self.key.endpoint(slot), lines) for slot, lines in enumerate(self.endpoints) if lines)
        if self.declares:
            yield self.key.declared, self.declared


class _Served:
    """Where endpoints are and serve, draining ones too: they have connections."""

    def __init__(self) -> None:
        self.addresses: dict[str, ir.Address] = {}
        self.ports: set[tuple[int, int]] = set()  # of TCP: first and last
        self._last: tuple[ir.Endpoint, ...] = ()

    def add(self, frontend: Frontend) -> None:
        endpoints = frontend.endpoints
        if endpoints is not self._last:  # the frontends of a service mostly have the same ones
            self.addresses.update((text_of(endpoint.address), endpoint.address) for endpoint in endpoints)
            self._last = endpoints
        if frontend.draining:
            self.addresses.update((text_of(endpoint.address), endpoint.address) for endpoint in frontend.draining)
            endpoints += frontend.draining
        if frontend.port.protocol is ir.Protocol.TCP:
            more = len(frontend.ports) - 1
            targets = {frontend.port.target if endpoint.port is None else endpoint.port for endpoint in endpoints}
            self.ports.update((target, target + more) for target in targets)

    def apart(self) -> list[tuple[int, int]]:
        """The ports in ranges that do not overlap."""
        found: list[tuple[int, int]] = []
        for first, last in sorted(self.ports):
            if found and first <= found[-1][1]:
                first, last = found[-1][0], max(last, found.pop()[1])
            found.append((first, last))
        return found


class TableBuilder:
    """Takes the frontends of one family, in the program's order."""

    def __init__(self, family: Family, cluster: ir.Cluster, node: ir.Node | None) -> None:
        self._family = family
        self._own = node.addresses if node else ()
        self._mark = cluster.mark
        self._pods = _networks(cluster.pods, family.version)
        self._nodeport_addresses = _networks(cluster.nodeport_addresses, family.version)
        self._keyed: dict[tuple[bool, ir.Protocol | None], _Keyed] = {}
        self._verdicts: dict[Front | None, str] = {}
        self._allowed: dict[tuple[ir.Network, ...], str] = {}
        self._addresses: dict[str, ir.Address] = {}
        self._shared: dict[str, ir.Address] = {}
        self._served = _Served()
        self._last: tuple[tuple[ir.Endpoint, ...], list[str]] = ((), [])

    # ---- taking frontends

    def add(self, frontend: Frontend) -> None:
        keyed = self._key(frontend)
        address = ""
        if frontend.address is not None:
            address = text_of(frontend.address)
            if not frontend.shared:
                self._addresses[address] = frontend.address
            elif frontend.address not in self._own:
                self._shared[address] = frontend.address
        element = keyed.key.element(address, frontend.port.protocol, frontend.ports)
        front = self._front(keyed.key, frontend)
        label = json.dumps(comment(frontend.label, _COMMENT))
        keyed.services.append(f'[{{"elem": {{"val": {element}, "comment": {label}}}}}, {self._verdict(front)}]')
        if frontend.kind is Kind.NODE_PORT or frontend.shared:
            keyed.declared.append(element)
            keyed.rejects |= front is not None and front.choice is None
        if front is not None and front.choice is not None:
            keyed.add_endpoints(element, self._texts(frontend))
        self._served.add(frontend)

    def _key(self, frontend: Frontend) -> _Keyed:
        nodeport = frontend.kind is Kind.NODE_PORT
        ranges = frontend.port.protocol if len(frontend.ports) > 1 else None
        keyed = self._keyed.get((nodeport, ranges))
        if keyed is None:
            keyed = self._keyed[nodeport, ranges] = _Keyed(Key(self._family, nodeport, ranges))
        return keyed

    def _front(self, key: Key, frontend: Frontend) -> Front | None:
        """What serves a frontend, or rejects its clients; None: they are dropped."""
        service = frontend.service
        nobody = frontend.restricted and not frontend.allow_from
        if nobody or (not frontend.endpoints and service.when_empty is ir.WhenEmpty.DROP):
            return None
        allowed = self._allow(frontend) if frontend.restricted else ""
        if not frontend.endpoints:
            return Front(Key(self._family), Source.DEFAULT, None, allowed=allowed)
        chosen = choice(frontend)
        source = _SOURCES[frontend.rewrite]
        if source is Source.KEEP and not self._pods:
            source = Source.DEFAULT
        affinity = None
        if service.affinity is not None:
            affinity = Affinity(service.affinity, frontend.label if key.ranges else "")
        if chosen.counts or (affinity and affinity.owner):
            other = service.external_traffic is not service.internal_traffic
            external = frontend.kind is Kind.EXTERNAL_IP and other
            return Front(key, source, chosen, affinity, allowed, frontend.label, external)
        return Front(key, source, chosen, affinity, allowed)

    def _allow(self, frontend: Frontend) -> str:
        """The set of the networks that a frontend is for, named by them; "": everyone."""
        networks = _networks(frontend.allow_from, frontend.version)
        if networks[0].prefixlen == 0:
            return ""
        name = self._allowed.get(networks)
        if name is None:
            # No name of nft's has a colon; a network has no underscore.
            name = self._allowed[networks] = fit(f"allow-{'-'.join(map(str, networks))}".replace(":", "_"), NAME)
        return name

    def _verdict(self, front: Front | None) -> str:
        text = self._verdicts.get(front)
        if text is None:
            text = self._verdicts[front] = json.dumps((Drop() if front is None else Goto(front.name)).json())
        return text

    def _texts(self, frontend: Frontend) -> list[str]:
        """The endpoints' addresses by slot. The frontends of a service mostly have the same ones."""
        if self._last[0] is not frontend.endpoints:
            texts = [text_of(endpoint.address) if endpoint else "" for endpoint in slots(frontend)]
            self._last = frontend.endpoints, texts
        return self._last[1]

    # ---- giving objects

    def objects(self) -> Iterator[Object]:
        """The table's content, each object after those that it refers to; nothing where there was no frontend."""
        if not self._keyed:
            return
        fronts = sorted((f for f in self._verdicts if f is not None), key=lambda front: natural(front.name))
        landings = {landing: None for front in fronts for landing in front.landings()}
        filled = list(self._filled(landings))
        yield from (set for set, _ in filled if set.data != "verdict")
        yield from _landing_chains(landings)
        yield from (front.chain(bool(self._pods), self._mark) for front in fronts)
        # nft 1.0.6 sends the elements of a map of ranges along with the map, wherever they stand.
        yield from (set for set, _ in filled if set.data == "verdict")
        yield from self._fixed()
        yield from (Elements(set.name, lines) for set, lines in filled if lines)

    def _filled(self, landings: Iterable[Landing]) -> Iterator[tuple[Set, list[str]]]:
        """Every set and map, with its elements."""
        for keyed in self._sorted():
            yield from keyed.maps()
        affinities = {la.key.affinity(la.slot, la.affinity.owner) for la in landings if la.affinity}
        for clients in sorted(affinities, key=lambda clients: natural(clients.name)):
            yield clients, []
        for shift in sorted({la.target for la in landings if isinstance(la.target, Shift)}, key=str):
            ports = enumerate(range(shift.first, shift.last + 1), shift.target)
            yield ports_map(shift), [f"[{port}, {target}]" for target, port in ports]
        yield from self._address_sets()

    def _address_sets(self) -> Iterator[tuple[Set, list[str]]]:
        address = self._family.address
        if self._addresses:
            lines = [f'"{text}"' for text in _by_number(self._addresses)]
            yield Set(hooks.ADDRESSES.name, (address,)), lines
        if self._shared and self._serves_nodeports:
            yield Set(hooks.SHARED.name, (address,)), [f'"{text}"' for text in _by_number(self._shared)]
        yield (
            Set(hooks.HAIRPIN.name, (address, address)),
            [f'{{"concat": ["{text}", "{text}"]}}' for text in _by_number(self._served.addresses)],
        )
        if self._served.ports:
            lines = [json.dumps(Range(first, last).json()) for first, last in self._served.apart()]
            yield Set(hooks.TARGET_PORTS.name, ("inet_service",), interval=True), lines
        networks = {name: networks for networks, name in self._allowed.items()}
        if self._pods and any(front.asks_for_pods for front in self._verdicts if front):
            networks[PODS.name] = self._pods
        if self._nodeport_addresses and self._serves_nodeports:
            networks[hooks.NODEPORT_ADDRESSES.name] = self._nodeport_addresses
        for name in sorted(networks):
            yield Set(name, (address,), interval=True), [json.dumps(Network(n).json()) for n in networks[name]]

    def _fixed(self) -> Iterator[Chain]:
        keyed = self._sorted()
        addresses, restricted = bool(self._addresses), bool(self._nodeport_addresses)
        serving = hooks.serving_nodeports(
            self._family, addresses=addresses, shared=bool(self._shared), restricted=restricted
        )
        yield from hooks.dispatch([k.key for k in keyed], serving)
        yield from hooks.unserved(
            self._family,
            addresses=addresses,
            declared=[k.key for k in keyed if k.declares],
            rejecting=[k.key for k in keyed if k.rejects],
            serving=serving,
            targets=bool(self._served.ports),
        )
        yield from hooks.masquerade(self._family, self._mark)

    @property
    def _serves_nodeports(self) -> bool:
        return any(nodeport for nodeport, _ in self._keyed)

    def _sorted(self) -> list[_Keyed]:
        """By key: services before node ports, single ports before ranges."""
        return [keyed for _, keyed in sorted(self._keyed.items(), key=lambda item: (item[0][0], item[0][1] or ""))]


def _landing_chains(landings: Iterable[Landing]) -> Iterator[Chain]:
    """The plain ones first: the others go on to them."""
    ordered = sorted(landings, key=lambda landing: natural(landing.name))
    plain = {landing.plain: None for landing in ordered}
    yield from (landing.chain() for landing in sorted(plain, key=lambda landing: natural(landing.name)))
    yield from (landing.chain() for landing in ordered if landing.affinity)


def _networks(networks: tuple[ir.Network, ...], version: int) -> tuple[ir.Network, ...]:
    """Those of a family, without overlaps, which sets of networks refuse."""
    if version == 4:
        return tuple(collapse_addresses(n for n in networks if isinstance(n, IPv4Network)))
    return tuple(collapse_addresses(n for n in networks if isinstance(n, IPv6Network)))


def natural(name: str) -> list[tuple[int, str]]:
    """Orders names with their numbers by value: ``to-9`` before ``to-10``."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", name)]


def _by_number(addresses: dict[str, ir.Address]) -> list[str]:
    return sorted(addresses, key=lambda text: int(addresses[text]))
