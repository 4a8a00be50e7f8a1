"""What all services together need in one family's table, counted, so that services can come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from svcc.compiler import ir
from svcc.compiler.frontends import apart, service_networks
from svcc.targets.counting import count
from svcc.targets.interface import Shared
from svcc.targets.nft.contribution import FamilyContribution
from svcc.targets.nft.fronts import Front, Landing
from svcc.targets.nft.keys import Family, Key
from svcc.targets.nft.sources import SnatRange


class Total:
    """How many frontends or services need each thing. A thing that nobody needs is not in it."""

    def __init__(self, family: Family, shared: Shared) -> None:
        self.family = family
        self.mark = shared.cluster.mark
        self.pods = apart(shared.cluster.pods, family.version)
        self.services = service_networks(shared.cluster, family.version)
        self.nodeport_addresses = apart(shared.cluster.nodeport_addresses, family.version)
        self.keys: Counter[Key] = Counter()
        self.shapes: Counter[Front] = Counter()  # fronts that services share
        self.owned: Counter[Front] = Counter()  # fronts of one port each
        self.landings: Counter[Landing] = Counter()  # by the number of fronts that lead there
        self.asking = 0  # how many fronts look into the set of pods
        self.sources: Counter[SnatRange] = Counter()
        self.rewriting: Counter[Key] = Counter()  # the keys with a map of sources
        self.declared: Counter[Key] = Counter()
        self.rejecting: Counter[Key] = Counter()  # the declared ones that a front rejects
        self.addresses: Counter[str] = Counter()
        self.shared: Counter[str] = Counter()
        self.spared: Counter[str] = Counter()
        self.endpoints: Counter[str] = Counter()
        self.ports: Counter[tuple[int, int]] = Counter()
        self.named: Counter[str] = Counter()
        self.networks: dict[str, tuple[ir.Network, ...]] = {}  # of ``named``

    def add(self, part: FamilyContribution) -> None:
        """Take in what one service contributes."""
        self._count(part, 1)
        self.networks.update(part.networks)

    def remove(self, part: FamilyContribution) -> None:
        """Remove what one service contributes, which was added before."""
        self._count(part, -1)
        for name in part.networks.keys() - self.named.keys():
            del self.networks[name]

    def _count(self, part: FamilyContribution, by: int) -> None:
        for key, rows in part.rows.items():
            count(self.keys, [key], by)
            for row in rows:
                if row.declared:
                    count(self.declared, [key], by)
                    if row.front is not None and row.front.choice is None:
                        count(self.rejecting, [key], by)
                if row.front is not None:
                    self._count_front(row.front, by)
                if row.sources is not None:
                    count(self.sources, [row.sources], by)
                    count(self.rewriting, [key], by)
        count(self.addresses, part.addresses, by)
        count(self.shared, part.shared, by)
        count(self.spared, part.spared, by)
        count(self.endpoints, part.endpoints, by)
        count(self.ports, part.ports, by)
        count(self.named, part.networks, by)

    def _count_front(self, front: Front, by: int) -> None:
        fronts = self.owned if front.owner else self.shapes
        before = fronts[front]
        count(fronts, [front], by)
        if bool(before) != bool(before + by):
            count(self.landings, [*front.landings()], by)
            self.asking += by * front.asks_for_pods

    # ---- what follows

    @property
    def sorted_keys(self) -> list[Key]:
        """The keys: services before node ports, single ports before ranges."""
        return sorted(self.keys, key=lambda key: (key.nodeport, key.ranges or ""))

    @property
    def serves_nodeports(self) -> bool:
        """Whether any service has a node port."""
        return any(key.nodeport for key in self.keys)

    def declares(self, key: Key) -> bool:
        """Whether a rule looks into the set of a key's declared ports: for TCP segments, or because a
        frontend rejects.
        """
        return key in self.declared and (key in self.rejecting or key.ranges in (None, ir.Protocol.TCP))

    def ports_apart(self) -> Iterator[tuple[int, int]]:
        """Yield the ports at which endpoints serve, as ranges that do not overlap."""
        found: list[tuple[int, int]] = []
        for first, last in sorted(self.ports):
            if found and first <= found[-1][1]:
                first, last = found[-1][0], max(last, found.pop()[1])
            found.append((first, last))
        yield from found

    def by_number(self, texts: Iterable[str]) -> list[str]:
        """Return addresses in numerical order."""
        return sorted(texts, key=self.family.packed)
