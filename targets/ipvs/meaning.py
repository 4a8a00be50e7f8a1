"""What the target's sets are for, as far as applying them depends on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from svcc.kernel.ipset.meaning import Meaning, Timing
from svcc.kernel.ipset.sets import Sets
from svcc.kernel.ipvs.servers import OPTIONS, key_of, mark_key
from svcc.kernel.steps import FrontendAddress, Phase
from svcc.targets.ipvs.sets import NODE_PORTS, Purpose, mark_in, purpose_of

_PROTOCOLS = {purpose: protocol for protocol, purpose in NODE_PORTS.items()}
_TIMINGS = {
    # Its elements lead clients to virtual servers, which have to exist before.
    Purpose.CLUSTER_IP: Timing(Phase.DECLARED, Phase.DECLARED_OFF),
    # Likewise. A packet with a mark whose virtual server is gone goes to the virtual server of its address.
    Purpose.SERVICE_MARK: Timing(Phase.DECLARED),
    **dict.fromkeys(NODE_PORTS.values(), Timing(goes=Phase.DECLARED_OFF)),
    # Its elements keep clients out, except those that Purpose.ALLOWED lets in.
    Purpose.RESTRICTED: Timing(guards=True),
    # Its elements keep clients out, except those of Purpose.SERVICE_IP and Purpose.SHARED_IP.
    Purpose.SERVICE_NET: Timing(guards=True),
}
#: The sets that say which ports are served at which addresses.
_DECLARING = {Purpose.CLUSTER_IP, Purpose.SERVICE_MARK, Purpose.NODE_IP, *NODE_PORTS.values()}


class Purposes(Meaning):
    """Says what the target's sets are for, by their :class:`svcc.targets.ipvs.sets.Purpose`."""

    def knows(self, name: str) -> bool:
        return purpose_of(name) is not None

    def timing(self, name: str) -> Timing:
        purpose = purpose_of(name)
        return _TIMINGS.get(purpose, Timing()) if purpose else Timing()

    def frontend(self, name: str, element: str) -> FrontendAddress | None:
        purpose = purpose_of(name)
        if purpose in _PROTOCOLS and element.isdecimal():
            return FrontendAddress(None, str(_PROTOCOLS[purpose]), int(element))
        if purpose is None or purpose is Purpose.LOOP_BACK:
            return None
        words = element.split(",")
        protocol, _, port = words[1].partition(":") if len(words) > 1 else ("", "", "")
        if protocol not in OPTIONS or not port.isdecimal():
            return None
        return FrontendAddress(None if purpose in _PROTOCOLS else _address(words[0]), protocol, int(port))

    def declares(self, name: str) -> bool:
        return purpose_of(name) in _DECLARING

    def virtual_servers(self, sets: Sets) -> Iterator[str]:
        """Yield the keys of virtual servers: for every port of a vip, and every node port on every node address."""
        for name, one in sets.items():
            purpose = purpose_of(name)
            if purpose in (Purpose.CLUSTER_IP, Purpose.NODE_PORT_SCTP):
                yield from filter(None, map(_key_of, one.elements))
            elif purpose in (Purpose.NODE_PORT_TCP, Purpose.NODE_PORT_UDP):
                addresses = sets.get(f"{name.removesuffix(purpose.suffix)}{Purpose.NODE_IP.suffix}")
                for port in filter(str.isdecimal, one.elements):
                    for address in addresses.elements if addresses else ():
                        yield key_of(str(_PROTOCOLS[purpose]), address, int(port))
        yield from self.marked(sets)

    def marked(self, sets: Sets) -> Mapping[str, tuple[FrontendAddress, ...]]:
        found: dict[str, list[FrontendAddress]] = {}
        for name, one in sets.items():
            for element, options in one.elements.items() if purpose_of(name) is Purpose.SERVICE_MARK else ():
                mark, frontend = mark_in(options), self.frontend(name, element)
                if mark is not None and frontend is not None:
                    found.setdefault(mark_key(mark, one.version or 4), []).append(frontend)
        return {key: tuple(frontends) for key, frontends in found.items()}


def _key_of(element: str) -> str | None:
    """Return the key of the virtual server for an element like "198.19.10.0,tcp:80". Return None for other forms."""
    address, _, socket = element.partition(",")
    protocol, _, port = socket.partition(":")
    return key_of(protocol, address, int(port)) if protocol in OPTIONS and port.isdecimal() else None


def _address(text: str) -> str:
    """Return an address as ``str()`` prints it.

    A text that somebody wrote may hold something else: that stays, for the tool to refuse.
    """
    try:
        return str(ip_address(text))
    except ValueError:
        return text
