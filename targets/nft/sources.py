"""``snat``: the addresses that replace the source of a service's connections.

When the packet leaves, connection tracking still knows the address and port that the client connected to. A map for
each key leads from these to a chain for each range of addresses. The postrouting chain looks into the maps, and
masquerades what is in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.kernel.addresses import text_of
from svcc.kernel.nft.expressions import Meta, Named, OneOf, Original, Word
from svcc.kernel.nft.state import Chain
from svcc.kernel.nft.statements import Jump, Masquerade, Match, Rule, Snat, Statement, VerdictMap
from svcc.targets.naming import fit
from svcc.targets.nft.keys import NAME, Family, Key

REWRITE, REWRITE_NODEPORTS = "rewrite", "rewrite-nodeports"
_PROTOCOLS = OneOf(tuple(Word(protocol.value) for protocol in ir.Protocol))


@dataclass(frozen=True, slots=True)
class SnatRange:
    """A range of at least one address."""

    first: str
    last: str

    @classmethod
    def of(cls, snat: tuple[ir.Address, ir.Address] | None) -> SnatRange | None:
        """Return the range of a service's ``snat``. Return None where it has none."""
        return None if snat is None else cls(*map(text_of, snat))

    @property
    def name(self) -> str:
        """The name of the range's chain."""
        addresses = self.first if self.first == self.last else f"{self.first}-{self.last}"
        return fit(f"snat-{addresses}".replace(":", "_"), NAME)  # nft allows no colon in a name

    def chain(self) -> Chain:
        """Return the chain that rewrites the source to the range."""
        return Chain(((Snat(self.first, self.last),),))


def rewriting(keys: Sequence[Key], serving: Sequence[Statement]) -> Iterator[tuple[str, Chain]]:
    """Yield the chain for packets whose source is rewritten. ``keys``: those with a map; ``serving``: the match that
    the connection was opened to an address that may serve node ports.
    """
    nodeports = [_to_sources(key) for key in keys if key.nodeport]
    rules = [_to_sources(key) for key in keys if not key.nodeport]
    if nodeports:
        yield REWRITE_NODEPORTS, Chain(tuple(nodeports))
        rules.append((*serving, Jump(REWRITE_NODEPORTS)))
    yield REWRITE, Chain((*rules, (Masquerade(),)))


def _to_sources(key: Key) -> Rule:
    """Return the rule that looks into a key's map.

    It matches the protocol first, because only then can nft read a connection's original port.
    """
    protocol = _PROTOCOLS if key.ranges is None else Word(key.ranges.value)
    return (Match(Meta("l4proto"), protocol), VerdictMap(key.original, Named(key.sources.name)))


def opened_to_nodeports(
    family: Family, *, addresses: Named | None, shared: Named | None, networks: Named | None
) -> tuple[Statement, ...]:
    """Return the match: the connection was opened to an address that may serve node ports; see
    :func:`svcc.targets.nft.hooks.serving_nodeports`. At this point nobody can tell any more whether it was one of the
    node's own.
    """
    destination = Original(f"{family.table} daddr")
    statements: list[Statement] = [Match(destination, family.loopback, "!=")]
    statements += [Match(destination, named, "!=") for named in (addresses, shared) if named is not None]
    return (*statements, Match(destination, networks)) if networks is not None else tuple(statements)
