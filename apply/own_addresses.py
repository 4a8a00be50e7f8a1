"""Find service addresses that are the machine's own already: to take them would close ports that it serves itself.

A vip or external-ip leads to services alone. Connections to its other ports are rejected, also those to the machine's
own sshd. So an address that is on a device of the machine is refused on every target, unless it is ``shared``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

from svcc.apply.scope import Scope
from svcc.apply.summary import ServedFrontend, Summary
from svcc.compiler import ir
from svcc.kernel import tools
from svcc.kernel.link.reading import links
from svcc.targets import find
from svcc.targets.interface import Bundle, ServiceNetworks
from svcc.targets.vip_device import is_ours

#: The state in /proc/net of a socket that waits for clients (TCP_LISTEN; TCP_CLOSE for udp; include/net/tcp_states.h).
_SERVES = {"tcp": "0A", "udp": "07"}
#: How many addresses and ports are named; a machine may have thousands.
_NAMED = 20


@dataclass(frozen=True, slots=True, order=True)
class OpenSocket:
    """A socket that waits for clients. ``address`` is 0.0.0.0 or :: where it takes clients of every local address."""

    port: int
    protocol: str
    address: ir.Address

    def takes(self, address: ir.Address) -> bool:
        """Whether the socket may get what is sent to an address. A socket on ``::`` takes IPv4 too, unless it was told
        not to (IPV6_V6ONLY, ipv6(7)), which is not known here."""
        if self.address.is_unspecified:
            return self.address.version == 6 or address.version == 4
        return self.address == address


def own_addresses(bundle: Bundle | None, scope: Scope) -> Iterator[str]:
    """Yield a sentence for each address of the machine for which a bundle cannot be applied here. Errors: StepError."""
    yield from address_obstacles(*claims(bundle), scope)


def claims(bundle: Bundle | None) -> tuple[Collection[ir.Address], ServiceNetworks]:
    """Return the addresses that a bundle's services want for themselves, and the networks of service addresses."""
    target = find(bundle.target) if bundle is not None else None
    if bundle is None or target is None:
        return (), ServiceNetworks()
    return set(target.exclusive_addresses(bundle)), target.service_networks(bundle)


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An address on a device of the machine, where services want it, or a network that it is in, for themselves."""

    address: ir.Address
    device: str
    ports: tuple[str, ...]  # where somebody listens: "22/tcp"; they would be cut off
    network: ir.Network | None = None  # of ``services``, where no service wants the address itself

    @property
    def state(self) -> str:
        """What was found, as a sentence without its subject."""
        more = f" and {len(self.ports) - _NAMED} more" if len(self.ports) > _NAMED else ""
        listens = f", which listens there on {', '.join(self.ports[:_NAMED])}{more}" if self.ports else ""
        within = (
            ""
            if self.network is None
            else (f", and in `services {self.network}`, where packets to an address without a service are rejected")
        )
        return f"is on device {self.device} of this machine{listens}{within}"

    @property
    def remedy(self) -> str:
        """How the machine keeps the address, as part of a sentence; "" where a program cannot say that."""
        if self.network is not None:
            return ""
        return f"to take only the declared ports, and leave the others to the machine, write `{self.address} shared`"

    def __str__(self) -> str:
        return "; ".join(filter(None, (f"{self.address} {self.state}", self.remedy)))


def address_obstacles(wanted: Collection[ir.Address], networks: ServiceNetworks, scope: Scope) -> Iterator[str]:
    """Yield a sentence for each address of the machine that services want for themselves, or whose network they want.

    Errors: StepError.
    """
    if not wanted and not networks.networks:
        return
    if tools.find("ip") is None:
        yield "ip: missing (apt-get install iproute2)"
        return
    found = [*conflicts(wanted, networks, scope)]
    yield from map(str, found[:_NAMED])
    if len(found) > _NAMED:
        yield f"{len(found) - _NAMED} more service addresses are on devices of this machine"


def conflicts(wanted: Collection[ir.Address], services: ServiceNetworks, scope: Scope) -> Iterator[OwnAddress]:
    """Yield each address of the machine that services want for themselves, then each other one in a network of theirs,
    where no port of the machine could be reached. Errors: StepError."""
    held = [*held_addresses(scope)]
    own = [(address, device, None) for address, device in held if address in wanted]
    near = [
        (address, device, network)
        for address, device in held
        if address not in wanted and address not in services.shared
        for network in services.networks
        if address in network
    ]
    sockets = sorted(_open_sockets()) if own or near else []
    for address, device, network in (*own, *near):
        yield OwnAddress(address, device, _listened(address, sockets), network)


def held_addresses(scope: Scope) -> Iterator[tuple[ir.Address, str]]:
    """Yield each address on a device that svcc did not make for this prefix, with the device. Errors: StepError."""
    recorded = {scope.device} if scope.device else set()
    for link in links():
        if not is_ours(link, scope.prefix, recorded):
            for held in link.addresses:
                if held.address:
                    yield ip_address(held.address), link.name


def own_ports(services: Summary, scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield each declared port on which the machine listens itself, with the label of the service that would get the
    clients of that socket.

    A node port gets clients at every address but loopback ones, or at the addresses in some networks. A port of a
    ``shared`` address gets them at that address. Errors: StepError.
    """
    sockets: defaultdict[tuple[str, int], list[OpenSocket]] = defaultdict(list)
    for socket in _open_sockets() if services.frontends else ():
        sockets[socket.protocol, socket.port].append(socket)
    networks = [ip_network(network) for network in services.node_port_networks]
    held: set[ir.Address] | None = None
    told: set[tuple[str | None, str, int]] = set()
    for one in services.frontends:
        for port in _busy(one, sockets):
            if one.address is not None and held is None:
                held = {address for address, _ in held_addresses(scope)}
            taken = any(_is_taken(socket, one, held or (), networks) for socket in sockets[one.protocol, port])
            key = one.address, one.protocol, port
            if taken and key not in told:
                told.add(key)
                yield f"{one.address or 'node port'} {port}/{one.protocol}", one.label


def _busy(one: ServedFrontend, sockets: Mapping[tuple[str, int], object]) -> list[int]:
    """Return the ports of a frontend on which some socket waits for clients."""
    if one.first == one.last:
        return [one.first] if (one.protocol, one.first) in sockets else []
    return sorted(p for protocol, p in sockets if protocol == one.protocol and one.first <= p <= one.last)


def _is_taken(
    socket: OpenSocket, one: ServedFrontend, held: Collection[ir.Address], networks: Collection[ir.Network]
) -> bool:
    """Whether clients of a socket would be led to a frontend that has the same port."""
    if one.address is not None:
        address = ip_address(one.address)
        return address in held and socket.takes(address)
    if socket.address.is_unspecified:
        return socket.address.version in (6, one.version)
    fits = socket.address.version == one.version and not socket.address.is_loopback
    return fits and (not networks or any(socket.address in network for network in networks))


def _listened(address: ir.Address, sockets: Collection[OpenSocket]) -> tuple[str, ...]:
    """Return the ports on which somebody listens at an address, each once: "22/tcp"."""
    return tuple(dict.fromkeys(f"{one.port}/{one.protocol}" for one in sockets if one.takes(address)))


def _open_sockets() -> Iterator[OpenSocket]:
    """Yield the sockets of the thread's network namespace that wait for clients (proc_net_tcp(5))."""
    for protocol, state in _SERVES.items():
        for name in (protocol, f"{protocol}6"):
            path = Path("/proc/thread-self/net", name)
            lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
            for line in lines[1:]:
                _, local, _, found, *_ = line.split()
                address, _, port = local.partition(":")
                if found == state:
                    yield OpenSocket(int(port, 16), protocol, _address(address))


def _address(text: str) -> ir.Address:
    """Return the address that /proc/net prints as words of 32 bits in hexadecimal, each in the machine's byte order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    packed = b"".join(words)
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
