"""Packets that could show a difference: to and around everything that a program names, from all kinds of sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import product

from svcc.compiler import ir
from svcc.verify.packet import Packet, Portless, Vantage

#: Addresses that mean nothing to any program of the tests.
STRANGERS = tuple(map(ip_address, ("198.51.100.7", "2001:db8:51::7", "198.51.100.8", "2001:db8:51::8")))
#: Addresses that no program names: the node's, where a program has no node.
_SOME_NODE = tuple(map(ip_address, ("203.0.113.200", "2001:db8:77::200")))
_LOOPBACKS = tuple(map(ip_address, ("127.0.0.1", "::1", "127.255.255.254")))
_HOST_PORT = 22


def packets(program: ir.Program, node: ir.Node | None) -> Iterator[Packet]:
    """Yield packets to every destination and port that matters: to declared ones from all sources, to others from one
    source each, in turn."""
    found = _Places(program, node)
    turn = 0
    for destination in found.destinations():
        sources = list(found.sources(destination))
        declared = set(found.declared(destination))
        for protocol, port in found.ports(destination):
            if (protocol, port) in declared:
                chosen = sources
            else:
                turn += 1
                chosen = [sources[turn % len(sources)]]
            for source, vantage in chosen:
                yield Packet(source, destination, protocol, port, vantage)
        for portless in Portless:
            turn += 1
            source, vantage = sources[turn % len(sources)]
            yield Packet(source, destination, portless, vantage=vantage)


def every_port(program: ir.Program, node: ir.Node | None) -> Iterator[Packet]:
    """Yield the same packets, and more of what happens only now and then.

    Every port inside ranges, from outside and from its endpoints, which may reach themselves, and to an address that
    serves nothing; served ports and a port of the host's own by every protocol, from outside and from the node.
    """
    yield from packets(program, node)
    found = _Places(program, node)
    for source, destination in ((STRANGERS[2], STRANGERS[0]), (STRANGERS[3], STRANGERS[1])):
        for protocol, port in dict.fromkeys((p, n) for vip in found.destinations() for p, n, _ in found.inner(vip)):
            yield Packet(source, destination, protocol, port, Vantage.CLIENT)
    for destination in found.destinations():
        for protocol, port, endpoints in found.inner(destination):
            for source in (*STRANGERS[:2], *endpoints):
                if source.version == destination.version:
                    vantage = Vantage.POD if source in endpoints else Vantage.CLIENT
                    yield Packet(source, destination, protocol, port, vantage)
        numbers = {_HOST_PORT, *(port for _, port in found.declared(destination))}
        for protocol, port in product(ir.Protocol, sorted(numbers)):
            for source, vantage in (*found.outside(destination), *found.from_node(destination)):
                yield Packet(source, destination, protocol, port, vantage)


class _Places:
    """What a program names, as seen from one node."""

    def __init__(self, program: ir.Program, node: ir.Node | None) -> None:
        self._program = program
        self._own = node.addresses if node else ()
        services = program.services
        self._vips = list(dict.fromkeys(a for s in services for a in (*s.vips, *s.external_ips)))
        self._endpoints = list(dict.fromkeys(e.address for s in services for e in s.endpoints))

    def destinations(self) -> Iterable[ir.Address]:
        found: list[ir.Address] = [*self._vips, *self._own, *self._endpoints[:3], *_LOOPBACKS, *STRANGERS[:2]]
        found += [a for vip in self._vips for a in (vip + 1, vip - 1)]
        found += [a + 1 for a in self._own]
        return dict.fromkeys(found)

    def declared(self, destination: ir.Address) -> Iterator[tuple[ir.Protocol, int]]:
        """Yield what is served at an address: the first and the last port of each range."""
        for _, protocol, ports in self._served(destination):
            yield from ((protocol, number) for number in {ports.first, ports.last})

    def inner(self, destination: ir.Address) -> Iterator[tuple[ir.Protocol, int, list[ir.Address]]]:
        """Yield the served ports between these, with the endpoints that are on other machines."""
        for service, protocol, ports in self._served(destination):
            endpoints = [e.address for e in service.endpoints if e.address not in self._own]
            yield from ((protocol, number, endpoints) for number in range(ports.first + 1, ports.last))

    def _served(self, destination: ir.Address) -> Iterator[tuple[ir.Service, ir.Protocol, ir.PortRange]]:
        for service in self._program.services:
            for port in service.ports:
                here = destination in (*service.vips, *service.external_ips)
                ports = port.ports if here else port.nodeport if destination in self._own else None
                if ports is not None:
                    yield service, port.protocol, ports

    def ports(self, destination: ir.Address) -> Iterable[tuple[ir.Protocol, int]]:
        """Return the ports that are served at an address, those next to them, and those that are served elsewhere."""
        found = list(self.declared(destination))
        numbers: dict[int, None] = {}
        for service in self._program.services:
            for port in service.ports:
                for ports in filter(None, (port.ports, port.nodeport, port.targets)):
                    near = destination in self._vips or destination in self._own
                    numbers |= dict.fromkeys((ports.first - 1, ports.first, ports.last, ports.last + 1) if near else ())
                    numbers[ports.first] = None
                found += [(port.protocol, number) for number in numbers]
        found += [(protocol, number) for number in [*numbers][:2] for protocol in ir.Protocol]
        found.append((ir.Protocol.TCP, _HOST_PORT))
        return dict.fromkeys((protocol, number) for protocol, number in found if 0 < number < 65_536)

    def sources(self, destination: ir.Address) -> Iterator[tuple[ir.Address, Vantage]]:
        """Yield possible senders: strangers, allowed clients and addresses next to them, pods, endpoints, the node."""
        if destination in _LOOPBACKS:
            yield destination, Vantage.NODE
            yield from self.from_node(destination)
            return
        networks = [
            *self._program.cluster.pods,
            *(n for s in self._program.services for n in (*s.allow_from, *s.masquerade_from)),
        ]
        found: list[ir.Address] = [*STRANGERS, *self._endpoints, *(a for n in networks for a in _around(n))]
        for address in dict.fromkeys(found):
            if address.version == destination.version and _possible(address) and address not in self._vips:
                if address in self._own or address == destination:
                    continue
                inside = any(address in network for network in self._program.cluster.pods)
                yield address, Vantage.POD if inside or address in self._endpoints else Vantage.CLIENT
        yield from self.from_node(destination)

    def outside(self, destination: ir.Address) -> Iterator[tuple[ir.Address, Vantage]]:
        return ((address, Vantage.CLIENT) for address in STRANGERS[:2] if address.version == destination.version)

    def from_node(self, destination: ir.Address) -> Iterator[tuple[ir.Address, Vantage]]:
        own = self._own or [a for a in _SOME_NODE if a not in (*self._vips, *self._endpoints)]
        return ((address, Vantage.NODE) for address in own if address.version == destination.version)


def _around(network: ir.Network) -> Iterator[ir.Address]:
    """Yield the first and the last address of a network, and those next to them."""
    first, last = int(network[0]), int(network[-1])
    kind = ip_address if network.version == 4 else type(network[0])
    for number in (first, last, first - 1, last + 1):
        if 0 <= number < 1 << network.max_prefixlen:
            yield kind(number)


def _possible(address: ir.Address) -> bool:
    """Whether packets can come from an address."""
    if address.is_multicast or address.is_loopback or address.is_unspecified or address.is_link_local:
        return False
    return address.version == 6 or 0x1000000 <= int(address) < 0xE0000000
