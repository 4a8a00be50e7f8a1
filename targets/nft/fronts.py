"""The chains between the map of services and the maps of endpoints.

A front is the chain that new connections to a frontend go through. It decides who may connect, whose source address is
rewritten, and which slot a connection gets. A landing is the chain that translates connections of one slot to the
endpoint in it. Neither names a service or an endpoint: services of the same shape share them (only chains with
counters, or with affinity over a range of ports, have an owner).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from svcc.kernel.nft.expressions import Expression, Lookup, Meta, Named, Numgen, Or, Word, numbers
from svcc.kernel.nft.state import Chain
from svcc.kernel.nft.statements import Dnat, Drop, Goto, Match, Remember, Rule, SetMark, VerdictMap
from svcc.targets.naming import fit
from svcc.targets.nft.choice import Choice, PortTarget, Shift, port_name
from svcc.targets.nft.keys import NAME, Key, masked
from svcc.targets.nft.objects import Set

#: The set of the pod networks.
PODS = Named("pods")


class SourceRewrite(Enum):
    """Whose source address is rewritten. The value is how the names of fronts begin."""

    DEFAULT = ""  # that of clients outside the pods; of nobody where there are no pods
    MASQUERADE = "masquerade-"  # that of every client
    KEEP = "keep-"  # of nobody, although there are pods
    NETWORKS = "from-"  # that of clients in a set of networks


@dataclass(frozen=True, slots=True)
class Affinity:
    """How long a client keeps its endpoint, and which frontends share that memory."""

    seconds: int
    owner: str = ""  # the owner of the sets; "": all frontends with this key share them
    per_service: bool = False  # the owner is a service, and its frontends of all keys share the sets
    network: int | None = None  # the prefix length of what counts as one client; None: its address

    @property
    def name(self) -> str:
        """The name: ``affinity-3h``, ``service-affinity-3h``, ``affinity-3h-net24``."""
        networks = "" if self.network is None else f"-net{self.network}"
        unit, size = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if self.seconds % s == 0)
        return f"{'service-' * self.per_service}affinity-{self.seconds // size}{unit}{networks}"

    def client(self, key: Key) -> Expression:
        """Return the expression by which a client is remembered."""
        if self.per_service:
            family = key.family
            return family.source if self.network is None else masked(family.source, family.version, self.network)
        return key.client if self.network is None else key.clients(self.network)

    def clients(self, key: Key, slot: int) -> Set:
        """Return the set of the clients that have endpoint number ``slot``."""
        return key.family.affinity(slot, self.owner) if self.per_service else key.affinity(slot, self.owner)


@dataclass(frozen=True)
class Landing:
    """The chain that sends a connection to the endpoint in a slot."""

    key: Key
    slot: int
    target: PortTarget
    affinity: Affinity | None = None

    @cached_property
    def name(self) -> str:
        """The name of the chain: ``to-3-8080``, ``affinity-3h-to-3-8080``."""
        landing = f"to-{self.slot}-{port_name(self.target)}"
        if self.affinity is not None:
            landing = f"{self.affinity.name}-{landing}" + (f"-{self.affinity.owner}" if self.affinity.owner else "")
        return fit(self.key.prefix + landing, NAME)

    @property
    def plain(self) -> Landing:
        """The landing for the same slot without affinity."""
        return self if self.affinity is None else Landing(self.key, self.slot, self.target)

    def chain(self) -> Chain:
        """Return the chain. With affinity it remembers the client first, and goes on to the plain landing."""
        if self.affinity is None:
            address = Lookup(self.key.expression, Named(self.key.endpoint(self.slot).name))
            return Chain(((Dnat(address, self._port()),),))
        clients = Named(self.affinity.clients(self.key, self.slot).name)
        # This is a rule of its own: a full set ends it, and the client is served all the same.
        remember = Remember(self.affinity.client(self.key), clients, self.affinity.seconds)
        return Chain(((remember,), (Goto(self.plain.name),)))

    def _port(self) -> Word | Lookup | None:
        match self.target:
            case Shift():
                return Lookup(self.key.port, Named(ports_map(self.target).name))
            case None:
                return None
            case port:
                return Word(port)


def ports_map(shift: Shift) -> Set:
    """Return the map from each port of a range to the endpoint's port, because nft has no arithmetic."""
    return Set.of(f"ports-{shift}", ("inet_service",), "inet_service")


@dataclass(frozen=True)
class Front:
    """The chain that a frontend's new connections go through. Without a choice, it leads to no endpoint."""

    key: Key
    source: SourceRewrite
    choice: Choice | None
    affinity: Affinity | None = None
    allowed: str = ""  # the set of the networks whose clients may connect; "": all clients may
    owner: str = ""  # the label of the port that alone uses it; "": all frontends of this shape share it
    masqueraded: str = ""  # under SourceRewrite.NETWORKS: the set of these networks
    external: bool = False  # for an owner whose external ips have other endpoints than its vips

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """The hash of the fields in which most fronts differ. It is kept: there are few fronts, and each frontend looks
        one up.
        """
        return hash((self.key, self.choice, self.affinity, self.allowed, self.owner))

    @cached_property
    def name(self) -> str:
        """The name. Words of this target come first, and the name of an owner or a set last, so that no two fronts have
        the same name.
        """
        if self.choice is None:
            return fit("-".join(filter(None, ("empty", self.allowed))), NAME)
        affinity = "" if self.affinity is None else f"{self.affinity.name}-"
        if not self.owner:
            shape = f"{self.key.prefix}{self.source.value}{affinity}{self.choice.name}"
            return fit("-".join(filter(None, (shape, self.masqueraded, self.allowed))), NAME)
        allowed, external = "allowed-" * bool(self.allowed), "external-" * self.external
        words = f"{self.key.prefix}{external}{allowed}{self.source.value}{affinity}{self.choice.method}"
        return fit(f"{words}-{self.owner}", NAME)

    @property
    def asks_for_pods(self) -> bool:
        """Whether the chain looks up clients in the set of the pod networks, where there is one."""
        return self.choice is not None and self.source is SourceRewrite.DEFAULT

    def landings(self) -> Iterator[Landing]:
        """Yield one landing for each slot that a new connection may get."""
        if self.choice is not None:
            for slot, target in self.choice.slots:
                yield Landing(self.key, slot, target, self.affinity)

    def chain(self, pods: bool, mark: int) -> Chain:
        """Return the chain. ``pods``: whether there is a set of pods; ``mark``: the bit that asks for a masquerade."""
        return Chain(tuple(self._rules(pods, mark)))

    def _rules(self, pods: bool, mark: int) -> Iterator[Rule]:
        if self.allowed:
            yield Match(self.key.family.source, Named(self.allowed), "!="), Drop()
        if self.choice is None:
            return
        set_mark = SetMark(Or(Meta("mark"), Word(mark)))
        if self.source is SourceRewrite.MASQUERADE:
            yield (set_mark,)
        elif self.masqueraded:
            yield Match(self.key.family.source, Named(self.masqueraded)), set_mark
        elif self.asks_for_pods and pods:
            yield Match(self.key.family.source, PODS, "!="), set_mark
        landings = {landing.slot: Goto(landing.name) for landing in self.landings()}
        if self.affinity is not None:
            client = self.affinity.client(self.key)
            for slot, goto in landings.items():
                yield Match(client, Named(self.affinity.clients(self.key, slot).name)), goto
        if len(landings) == 1:
            yield tuple(landings.values())
        elif self.choice.counts:
            # One rule for each turn, and no map of all turns: maps without a name cost the kernel time by the square of
            # their number.
            for n, at, slot in self.choice.turns():
                yield (landings[slot],) if n == 1 else (Match(Numgen("inc", n), Word(at)), landings[slot])
        else:
            runs = tuple((numbers(first, last), landings[slot]) for first, last, slot in self.choice.runs())
            yield (VerdictMap(self.choice.number(self.key.family.source), runs),)
