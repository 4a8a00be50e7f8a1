"""The names of this target's chains. Each begins with the cluster's prefix and ``-``.

Chains stand in a script in the reverse order of these names' second words (SVC, SRC, EXT, AT). That is no matter
of taste: iptables-nft-restore 1.8 keeps the chains that it has met in a sorted list and walks it from the front for
every line, which takes minutes for 10,000 services, unless what it meets next is close to what comes first (see
:func:`svcc.kernel.xtables.script.chain_lines`).
"""

from __future__ import annotations

from dataclasses import dataclass

from svcc.compiler.names import HASH_DIGITS
from svcc.kernel.xtables.names import CHAIN_NAME
from svcc.targets.naming import fit

#: The second words of chains that are named after a service, or a service and port; and of the dispatch's branches.
_BALANCE, _EXTERNAL, _SOURCES, _AT = "SVC", "EXT", "SRC", "AT"
_CLIENTS = "CLIENTS"
_FROM = "FROM"
_LABELLED = (_BALANCE, _EXTERNAL, _SOURCES)

#: The longest prefix: with it the longest fixed name still fits, and so does a whole ``PREFIX-`` before a hash.
PREFIX = CHAIN_NAME - max(len("-POSTROUTING"), len("-") + len("-") + HASH_DIGITS)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of all chains under a prefix."""

    prefix: str

    def fixed(self, word: str) -> str:
        """The name of a chain that all services share."""
        return f"{self.prefix}-{word}"

    @property
    def services(self) -> str:
        """nat: where a packet's destination is looked up."""
        return self.fixed("SERVICES")

    @property
    def node_ports(self) -> str:
        """nat: the node ports served; filter: those that are not."""
        return self.fixed("NODEPORTS")

    @property
    def local(self) -> str:
        """nat: leads what is sent to the node itself, and to none of the services' addresses, to the node ports."""
        return self.fixed("LOCAL")

    @property
    def invalid(self) -> str:
        """filter: TCP segments that connection tracking calls INVALID, of connections that may be ours."""
        return self.fixed("INVALID")

    @property
    def endpoints(self) -> str:
        """filter: such segments that endpoints may have sent."""
        return self.fixed("ENDPOINTS")

    @property
    def mark(self) -> str:
        """nat: marks the connection to be masqueraded."""
        return self.fixed("MARK")

    @property
    def outside(self) -> str:
        """nat: marks the connection of a client outside the pod networks."""
        return self.fixed("OUTSIDE")

    @property
    def postrouting(self) -> str:
        """nat: which connections are masqueraded."""
        return self.fixed("POSTROUTING")

    @property
    def masquerade(self) -> str:
        """nat: takes our mark away and masquerades."""
        return self.fixed("MASQUERADE")

    @property
    def snat(self) -> str:
        """nat: rewrites the source to addresses that a service names."""
        return self.fixed("SNAT")

    @property
    def unserved(self) -> str:
        """filter: what becomes of packets to our addresses and ports that nat sent to no endpoint."""
        return self.fixed("UNSERVED")

    @property
    def reject(self) -> str:
        """filter: answers that nothing is here."""
        return self.fixed("REJECT")

    def balance(self, label: str) -> str:
        """nat: sends a connection to one of the endpoints of a service's port; vips come straight here."""
        return self._fit(f"{_BALANCE}-{label}")

    def external(self, label: str) -> str:
        """nat: the same for external ips and node ports, where they are treated in another way than vips."""
        return self._fit(f"{_EXTERNAL}-{label}")

    def sources(self, service: str) -> str:
        """nat: goes on for those who may use a service's external ips and node ports; filter: answers those."""
        return self._fit(f"{_SOURCES}-{service}")

    def clients(self, service: str) -> str:
        """No chain, but how names of lists begin: the clients that are remembered for a service as a whole."""
        return self._fit(f"{_CLIENTS}-{service}")

    def at(self, place: str) -> str:
        """A branch of the dispatch: the addresses of a network, one address, or a block of ports."""
        return self._fit(f"{_AT}-{place}")

    def sources_at(self, place: str) -> str:
        """A branch on the way to these: what a connection was opened to, as :meth:`at` has it."""
        return self._fit(f"{_FROM}-{place}")

    def label(self, chain: str) -> str:
        """The service, or service and port, that a chain is named after; "" for other chains."""
        word, _, label = chain.removeprefix(self.fixed("")).partition("-")
        return label if word in _LABELLED else ""

    def branches(self, chain: str) -> bool:
        """Whether a chain leads to services by address and port."""
        return chain.startswith(self.fixed(f"{_AT}-")) or chain == self.node_ports

    def _fit(self, name: str) -> str:
        return fit(self.fixed(name), CHAIN_NAME)
