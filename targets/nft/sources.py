"""``snat``: the addresses that the source of a service's connections becomes, where it is rewritten.

What a connection was opened to is known to connection tracking when the packet leaves. A map for each key leads from
there to a chain for each range of addresses; the hooks' chain of what is rewritten asks the maps, and masquerades what
none of them has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.kernel.addresses import text_of
from svcc.kernel.nft.expressions import DestinationType, Meta, Named, OneOf, Original, Word
from svcc.kernel.nft.state import Chain
from svcc.kernel.nft.statements import Jump, Masquerade, Match, Rule, Snat, Statement, VerdictMap
from svcc.targets.naming import fit
from svcc.targets.nft.keys import NAME, Family, Key

REWRITE, REWRITE_NODEPORTS = "rewrite", "rewrite-nodeports"
_PROTOCOLS = OneOf(tuple(Word(protocol.value) for protocol in ir.Protocol))


@dataclass(frozen=True, slots=True)
class SnatRange:
    """A range of addresses, of one at least."""

    first: str
    last: str

    @classmethod
    def of(cls, snat: tuple[ir.Address, ir.Address] | None) -> SnatRange | None:
        """The addresses that a service's ``snat`` gives; None where it has none."""
        return None if snat is None else cls(*map(text_of, snat))

    @property
    def name(self) -> str:
        """The name of its chain."""
        addresses = self.first if self.first == self.last else f"{self.first}-{self.last}"
        return fit(f"snat-{addresses}".replace(":", "_"), NAME)  # no name of nft's has a colon

    def chain(self) -> Chain:
        """Their chain, which rewrites the source."""
        return Chain(((Snat(self.first, self.last),),))


def rewriting(keys: Sequence[Key], serving: Sequence[Statement]) -> Iterator[tuple[str, Chain]]:
    """The chain for what is rewritten. ``keys``: those with a map; ``serving``: that the connection was opened to an
    address that may serve node ports.

    What goes to an endpoint on this very node comes from the node's own address in any case.
    """
    nodeports = [_to_sources(key) for key in keys if key.nodeport]
    rules: list[Rule] = [(Match(DestinationType(), Word("local")), Masquerade())]
    rules += [_to_sources(key) for key in keys if not key.nodeport]
    if nodeports:
        yield REWRITE_NODEPORTS, Chain(tuple(nodeports))
        rules.append((*serving, Jump(REWRITE_NODEPORTS)))
    yield REWRITE, Chain((*rules, (Masquerade(),)))


def _to_sources(key: Key) -> Rule:
    """A connection's original port is known to be one only behind a match of the protocol."""
    protocol = _PROTOCOLS if key.ranges is None else Word(key.ranges.value)
    return (Match(Meta("l4proto"), protocol), VerdictMap(key.original, Named(key.sources.name)))


def opened_to_nodeports(
    family: Family, *, addresses: Named | None, shared: Named | None, networks: Named | None
) -> tuple[Statement, ...]:
    """That a connection was opened to an address that may serve node ports; see
    :func:`svcc.targets.nft.hooks.serving_nodeports`. That it is one of the node's own nobody can tell any more."""
    destination = Original(f"{family.table} daddr")
    statements: list[Statement] = [Match(destination, family.loopback, "!=")]
    statements += [Match(destination, named, "!=") for named in (addresses, shared) if named is not None]
    return (*statements, Match(destination, networks)) if networks is not None else tuple(statements)
