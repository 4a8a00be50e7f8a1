"""The names of this target's chains. Each begins with the cluster's prefix and ``-``.

In a script, the kinds of chains (the second words: SVC, SRC, EXT, AT) are in reverse alphabetical order. The order
matters: for every line, iptables-nft-restore 1.8 walks from the front through a sorted list of the chains that it has
seen. That takes minutes for 10,000 services, unless the next chain is close to the front (see
:func:`svcc.kernel.xtables.script.chain_lines`).
"""

from __future__ import annotations

from dataclasses import dataclass

from svcc.compiler.names import HASH_DIGITS
from svcc.kernel.xtables.names import CHAIN_NAME
from svcc.targets.naming import fit

#: The second words of chains that are named after a service, or after a service and port, and of the dispatch's
#: branches.
_BALANCE, _EXTERNAL, _SOURCES, _AT = "SVC", "EXT", "SRC", "AT"
_CLIENTS = "CLIENTS"
_FROM = "FROM"
_LABELLED = (_BALANCE, _EXTERNAL, _SOURCES)

#: The longest prefix that leaves room for the longest fixed name, and for ``PREFIX-`` before a hash.
PREFIX = CHAIN_NAME - max(len("-POSTROUTING"), len("-") + len("-") + HASH_DIGITS)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of all chains under a prefix."""

    prefix: str

    def fixed(self, word: str) -> str:
        """Return the name of a chain that all services share."""
        return f"{self.prefix}-{word}"

    @property
    def services(self) -> str:
        """nat: the chain that looks up a packet's destination."""
        return self.fixed("SERVICES")

    @property
    def node_ports(self) -> str:
        """nat: the chain for node ports that are served; filter: for those that are not."""
        return self.fixed("NODEPORTS")

    @property
    def local(self) -> str:
        """nat: the chain that leads packets to the node's own addresses, if not the services', to the node ports."""
        return self.fixed("LOCAL")

    @property
    def invalid(self) -> str:
        """filter: the chain for TCP segments that connection tracking calls INVALID, and that may be ours."""
        return self.fixed("INVALID")

    @property
    def endpoints(self) -> str:
        """filter: the chain for such segments that endpoints may have sent."""
        return self.fixed("ENDPOINTS")

    @property
    def mark(self) -> str:
        """nat: the chain that marks a connection to be masqueraded."""
        return self.fixed("MARK")

    @property
    def outside(self) -> str:
        """nat: the chain that marks connections of clients outside the pod networks."""
        return self.fixed("OUTSIDE")

    @property
    def postrouting(self) -> str:
        """nat: the chain that decides which connections are masqueraded."""
        return self.fixed("POSTROUTING")

    @property
    def masquerade(self) -> str:
        """nat: the chain that clears our mark and masquerades."""
        return self.fixed("MASQUERADE")

    @property
    def snat(self) -> str:
        """nat: the chain that rewrites the source to addresses that a service names."""
        return self.fixed("SNAT")

    @property
    def unserved(self) -> str:
        """filter: the chain for packets to our addresses and ports that nat sent to no endpoint."""
        return self.fixed("UNSERVED")

    @property
    def reject(self) -> str:
        """filter: the chain that answers that nothing is here."""
        return self.fixed("REJECT")

    def balance(self, label: str) -> str:
        """Return the name of the nat chain that sends a connection to an endpoint of a service's port.

        Vips lead straight here.
        """
        return self._fit(f"{_BALANCE}-{label}")

    def external(self, label: str) -> str:
        """Return the name of the nat chain for external ips and node ports, where they differ from the vips."""
        return self._fit(f"{_EXTERNAL}-{label}")

    def sources(self, service: str) -> str:
        """Return the name of a chain about ``allow-from``. nat: it lets those pass who may use a service's external ips
        and node ports; filter: it answers those.
        """
        return self._fit(f"{_SOURCES}-{service}")

    def clients(self, service: str) -> str:
        """Return the beginning of the names of client lists, where clients are remembered for a service as a whole.

        It names no chain.
        """
        return self._fit(f"{_CLIENTS}-{service}")

    def at(self, place: str) -> str:
        """Return the name of a branch of the dispatch: for a network's addresses, one address, or a block of ports."""
        return self._fit(f"{_AT}-{place}")

    def sources_at(self, place: str) -> str:
        """Return the name of a branch on the way to new sources, with the same places as :meth:`at`."""
        return self._fit(f"{_FROM}-{place}")

    def label(self, chain: str) -> str:
        """Return the service, or service and port, that a chain is named after; "" for other chains."""
        word, _, label = chain.removeprefix(self.fixed("")).partition("-")
        return label if word in _LABELLED else ""

    def branches(self, chain: str) -> bool:
        """Whether a chain is a branch, which leads to services by address and port."""
        return chain.startswith(self.fixed(f"{_AT}-")) or chain == self.node_ports

    def _fit(self, name: str) -> str:
        return fit(self.fixed(name), CHAIN_NAME)
