"""Makes one family's table of what services contribute and what they need together.

Its objects are in the order of the document.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from svcc.kernel.nft.state import Chain, Element, NamedSet, Table
from svcc.kernel.nft.statements import Statement
from svcc.targets.nft import hooks, sources
from svcc.targets.nft.choice import Shift
from svcc.targets.nft.contribution import FamilyContribution, Row
from svcc.targets.nft.fronts import PODS, Front, Landing, ports_map
from svcc.targets.nft.keys import Key
from svcc.targets.nft.objects import Set
from svcc.targets.nft.total import Total

_NOTHING: Element = ("", "")


@dataclass(frozen=True, slots=True)
class Touched:
    """The addresses, in sets that services share, that an excerpt has to contain."""

    addresses: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    endpoints: set[str] = field(default_factory=set)

    def add(self, part: FamilyContribution) -> None:
        """Add the addresses of one service's part that others may share."""
        self.addresses.update(part.addresses)
        self.shared.update(part.shared)
        self.spared.update(part.spared)
        self.endpoints.update(part.endpoints)


def table(name: str, total: Total, parts: Collection[FamilyContribution], only: Touched | None = None) -> Table | None:
    """Return the table of all services. Return None where it would be empty.

    ``only``: make an excerpt, which has the elements and owned chains of the ``parts`` alone, and only these addresses.
    """
    if not total.keys and not total.services:
        return None
    owned = total.owned if only is None else dict.fromkeys(_owned(parts))
    fronts = sorted([*total.shapes, *owned], key=lambda front: natural(front.name))
    chains = dict(_landing_chains(total.landings))
    chains.update((front.name, front.chain(bool(total.pods), total.mark)) for front in fronts)
    chains.update((one.name, one.chain()) for one in sorted(total.sources, key=lambda one: natural(one.name)))
    chains.update(_fixed(total))
    return Table(name, sets=dict(_sets(total, parts, only)), chains=chains)


def _owned(parts: Iterable[FamilyContribution]) -> Iterator[Front]:
    for part in parts:
        for rows in part.rows.values():
            yield from (row.front for row in rows if row.front is not None and row.front.owner)


# ---- sets


def _sets(total: Total, parts: Collection[FamilyContribution], only: Touched | None) -> Iterator[tuple[str, NamedSet]]:
    """Yield every set and map, with its elements."""
    slots: dict[Key, set[int]] = {}
    for landing in total.landings:
        slots.setdefault(landing.key, set()).add(landing.slot)
    for key in total.sorted_keys:
        rows = [row for part in parts for row in part.rows.get(key, ())]
        yield from _maps(key, rows, slots.get(key, ()))
        if key in total.rewriting:
            leading = ((row.key, row.sources) for row in rows if row.sources is not None)
            yield _named(key.sources, {element: (f"goto {to.name}", "") for element, to in leading})
        if total.declares(key):
            yield _named(key.declared, dict.fromkeys((row.key for row in rows if row.declared), _NOTHING))
    affinities = {la.affinity.clients(la.key, la.slot) for la in total.landings if la.affinity}
    for clients in sorted(affinities, key=lambda clients: natural(clients.name)):
        yield _named(clients, {})
    for shift in sorted({la.target for la in total.landings if isinstance(la.target, Shift)}, key=str):
        ports = enumerate(range(shift.first, shift.last + 1), shift.target)
        yield _named(ports_map(shift), {str(port): (str(target), "") for target, port in ports})
    yield from _address_sets(total, only)


def _maps(key: Key, rows: Iterable[Row], slots: Iterable[int]) -> Iterator[tuple[str, NamedSet]]:
    """Yield the map of services, and the maps of endpoints by slot."""
    services: dict[str, Element] = {}
    endpoints: dict[int, dict[str, Element]] = {slot: {} for slot in sorted(slots)}
    for row in rows:
        services[row.key] = "drop" if row.front is None else f"goto {row.front.name}", row.label
        for slot, address in enumerate(row.endpoints):
            if address:
                endpoints[slot][row.key] = address, ""
    yield _named(key.services, services)
    for slot, elements in endpoints.items():
        yield _named(key.endpoint(slot), elements)


def _address_sets(total: Total, only: Touched | None) -> Iterator[tuple[str, NamedSet]]:
    address = total.family.address
    if total.addresses:
        found = total.by_number(_present(total.addresses, only.addresses if only else None))
        yield _named(Set.of(hooks.ADDRESSES.name, (address,)), dict.fromkeys(found, _NOTHING))
    if total.shared and total.serves_nodeports:
        found = total.by_number(_present(total.shared, only.shared if only else None))
        yield _named(Set.of(hooks.SHARED.name, (address,)), dict.fromkeys(found, _NOTHING))
    if total.spared:
        found = total.by_number(_present(total.spared, only.spared if only else None))
        yield _named(Set.of(hooks.SERVICE_NETWORKS_SHARED.name, (address,)), dict.fromkeys(found, _NOTHING))
    found = total.by_number(_present(total.endpoints, only.endpoints if only else None))
    pairs = {f"{text} . {text}": _NOTHING for text in found}
    yield _named(Set.of(hooks.HAIRPIN.name, (address, address)), pairs)
    if total.ports:
        ports = (str(first) if first == last else f"{first}-{last}" for first, last in total.ports_apart())
        served = Set.of(hooks.TARGET_PORTS.name, ("inet_service",), interval=True)
        yield _named(served, dict.fromkeys(ports, _NOTHING))
    networks = {name: total.networks[name] for name in total.named}
    if total.pods and total.asking:
        networks[PODS.name] = total.pods
    if total.nodeport_addresses and total.serves_nodeports:
        networks[hooks.NODEPORT_ADDRESSES.name] = total.nodeport_addresses
    if total.services:
        networks[hooks.SERVICE_NETWORKS.name] = total.services
    for name in sorted(networks):
        texts = (str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n) for n in networks[name])
        yield _named(Set.of(name, (address,), interval=True), dict.fromkeys(texts, _NOTHING))


def _present(counted: Mapping[str, int], only: Iterable[str] | None) -> Iterable[str]:
    """Return the things that are needed; with ``only``, those of them that are in it."""
    return counted if only is None else [text for text in only if text in counted]


def _named(set: Set, elements: Mapping[str, Element]) -> tuple[str, NamedSet]:
    return set.name, NamedSet(set.declaration, elements)


# ---- chains


def _landing_chains(landings: Iterable[Landing]) -> Iterator[tuple[str, Chain]]:
    """Yield the plain landings first, because the others go on to them."""
    ordered = sorted(landings, key=lambda landing: natural(landing.name))
    plain = {landing.plain: None for landing in ordered}
    yield from ((la.name, la.chain()) for la in sorted(plain, key=lambda landing: natural(landing.name)))
    yield from ((la.name, la.chain()) for la in ordered if la.affinity)


def _fixed(total: Total) -> Iterator[tuple[str, Chain]]:
    keys = total.sorted_keys
    addresses = bool(total.addresses)
    serving = hooks.serving_nodeports(
        total.family,
        addresses=addresses,
        shared=bool(total.shared),
        restricted=bool(total.nodeport_addresses),
    )
    yield from hooks.dispatch(keys, serving)
    yield from hooks.unserved(
        total.family,
        addresses=addresses,
        declared=[key for key in keys if total.declares(key)],
        rejecting=[key for key in keys if key in total.rejecting],
        serving=serving,
        networks=hooks.in_service_networks(total.family, shared=bool(total.spared)) if total.services else (),
        targets=bool(total.ports),
    )
    rewriting = [key for key in keys if key in total.rewriting]
    if rewriting:
        yield from sources.rewriting(rewriting, _opened_to_nodeports(total))
    yield from hooks.masquerade(total.family, total.mark, sources=bool(rewriting))


def _opened_to_nodeports(total: Total) -> tuple[Statement, ...]:
    return sources.opened_to_nodeports(
        total.family,
        addresses=hooks.ADDRESSES if total.addresses else None,
        shared=hooks.SHARED if total.shared else None,
        networks=hooks.NODEPORT_ADDRESSES if total.nodeport_addresses else None,
    )


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders names by the value of their numbers: ``to-9`` before ``to-10``.

    A number is sorted by its length and its digits, because Python converts only some thousand digits.
    """
    words = re.split(r"0*(\d+)", name)
    return [(len(word), word) if word.isdigit() else (-1, word) for word in words]
