"""Find the packets of services that firewalls drop, and give a command that lets each of them through.

What arrives passes PREROUTING, where it can also be kept from connection tracking, so that no rule translates it.
Where rules translate, a packet is forwarded to its endpoint, and so is the answer: it passes FORWARD and POSTROUTING.
To an endpoint that is this machine itself it passes INPUT, and the answer OUTPUT and POSTROUTING. The kernel's own
balancer takes a packet at the end of INPUT, and sends it to the endpoint through OUTPUT and POSTROUTING; the answer
passes FORWARD. A packet to this machine itself just goes on through INPUT (net/netfilter/ipvs/ip_vs_core.c,
ip_vs_xmit.c).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import NamedTuple

from svcc.apply.firewall.chains import Firewall, Reader
from svcc.apply.firewall.nat import nat_chains
from svcc.apply.firewall.rules import Dropped, Packet
from svcc.apply.summary import ServedFrontend, Summary
from svcc.kernel.addresses import Address

#: How many destinations of packets are looked at.
_LOOKED_AT = 1000
#: How many remedies are given for one chain, and how many addresses one of them names.
_REMEDIES, _NAMED = 4, 8
#: Where nothing is served, the packets to look at go to these addresses and to this port, which no rule should name
#: (RFC 5737, RFC 3849; RFC 863, discard).
_NOBODY = {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")}
_DISCARD = 9
_DSTNAT = -100  # NF_IP_PRI_NAT_DST: from there on, packets have the destination that rules gave them


class Drop(NamedTuple):
    """A place where somebody's firewall drops what a service needs, and the command that would let it through."""

    subject: str  # tool, table and chain
    state: str
    remedy: str


class _To(NamedTuple):
    """The destination of a packet."""

    address: Address
    protocol: str
    port: int


def drops(
    served: Collection[Summary],
    families: Collection[int],
    *,
    translated: bool,
    ours: Collection[str] = (),
    own: Collection[str] = (),
) -> Iterator[Drop]:
    """Yield each place where packets of the services are dropped; where none is served, each place where packets of any
    service would be.

    ``served``: the summaries of the services. ``families``: 4, 6 or both. ``translated``: whether rules translate the
    packets; else IPVS sends them on. ``ours``: the names of svcc's nftables tables.
    """
    frontends = [one for summary in served for one in summary.frontends]
    clients = _frontends(served) if frontends else _nobody(families)
    known, reader = bool(frontends), Reader(ours)
    arriving = [*reader.firewalls("prerouting")]
    if known:
        yield from _taken(reader, clients, translated=translated)
    if translated:
        ends = _ends(frontends) or _nobody(families)
        here, there = _parted(ends, own)
        early = [one for one in arriving if one.priority < _DSTNAT]
        late = [one for one in arriving if one.priority > _DSTNAT]
        yield from _to_addresses(early, clients, known=known)
        yield from _answers(early, there, known=known)
        yield from _translated(late, [*_requests(ends, "dnat"), *_replies(there, "dnat")])
        if there:
            passed = [*reader.firewalls("forward"), *reader.firewalls("postrouting")]
            yield from _translated(passed, [*_requests(there, "dnat"), *_replies(there, "dnat")])
        if here:
            yield from _translated(reader.firewalls("input"), _requests(here, "dnat"))
            yield from _translated(reader.firewalls("output"), _replies(here, "dnat"))
        return
    ends = _ends([one for one in frontends if not one.bypassed]) if frontends else _nobody(families)
    _, there = _parted(ends, own)
    arriving = [replace(one, needs_tracking=False) for one in arriving]
    yield from _to_addresses([*arriving, *reader.firewalls("input")], clients, known=known)
    if frontends:
        sending = [*reader.firewalls("output"), *reader.firewalls("postrouting")]
        yield from _to_addresses(sending, [*there, *_bypassed(frontends)], known=True)
    yield from _answers([*arriving, *reader.firewalls("forward")], there, known=known)


def _parted(ends: Iterable[_To], own: Collection[str]) -> tuple[list[_To], list[_To]]:
    """Return those of some destinations that are this machine itself, and the others."""
    here: list[_To] = []
    there: list[_To] = []
    for one in ends:
        (here if str(one.address) in own else there).append(one)
    return here, there


# ---- rules that translate


def _taken(reader: Reader, clients: Collection[_To], *, translated: bool) -> Iterator[Drop]:
    """Yield each place where somebody else's rules translate what is sent to some destinations."""
    addresses = {one.address for one in clients}
    for hook in ("prerouting", "output"):
        chains = nat_chains(reader, hook, addresses, translated=translated)
        yield from _to_addresses(chains, clients, known=True, sent="what this machine sends to")


def _translated(found: Iterable[Firewall], some: Iterable[Packet]) -> Iterator[Drop]:
    packets = [*some]
    for one in found:
        if (place := _first(one, packets)) is not None:
            if one.tool == "nft":
                remedy = f"nft insert rule {one.table} {one.chain} ct status dnat accept"
            else:
                remedy = f"{one.command} -I {one.chain} -m conntrack --ctstate DNAT -j ACCEPT"
            yield Drop(one.name, _state(one, place, "what was translated"), remedy)


def _first(firewall: Firewall, packets: Iterable[Packet]) -> Dropped | None:
    return next((place for packet in packets if (place := firewall.drops(packet)) is not None), None)


def _state(firewall: Firewall, place: Dropped, what: str) -> str:
    if place.place:
        word = "the rule of handle" if firewall.tool == "nft" else "rule"
        does = "keeps from connection tracking, and so from being translated," if place.untracked else firewall.does
        return f"{word} {place.place} of {place.chain} {does} {what}"
    which = "its rules were not read" if firewall.rules is None else "not all of its rules were read"
    unread = f"; {which}: {firewall.words}" if firewall.words else ""
    return f"drops by default, and no rule there accepts {what}{unread}"


# ---- chains before those that translate, and all chains where the kernel's own balancer serves


def _to_addresses(
    chains: Iterable[Firewall], to: Collection[_To], *, known: bool, sent: str = "what IPVS sends to"
) -> Iterator[Drop]:
    """Yield each place in some chains where packets of new connections to some destinations are dropped.

    ``known``: False where nothing is served, so that a remedy has VIP and PORT in the place of a destination. ``sent``:
    how packets at the hook output are called.
    """
    for one in chains:
        found: dict[tuple[Dropped, int, str, int], list[Address]] = {}
        for packet in _requests(to, ""):
            if (place := one.drops(packet)) is not None and packet.destination and packet.port:
                key = place, packet.version, packet.protocol, packet.port
                found.setdefault(key, []).append(packet.destination)
        for (place, version, protocol, port), addresses in [*found.items()][:_REMEDIES]:
            some = ",".join(map(str, addresses[:_NAMED])) if known else "VIP"
            number = str(port) if known else "PORT"
            nft = f"{_ip(version)} daddr {{ {some.replace(',', ', ')} }} {protocol} dport {number}"
            iptables = f"-d {some} -p {protocol} --dport {number}"
            to_them = sent if one.hook in ("output", "postrouting") else "what goes to"
            what = _what(to_them, addresses, protocol, port) if known else "new connections to services"
            command = one.accept_command(place, nft, iptables)
            yield Drop(one.name, _state(one, place, what), _more(command, addresses, found))


def _what(to: str, addresses: Collection[Address], protocol: str, port: int) -> str:
    some = ", ".join([str(address) for address in addresses][:2]) + (", …" if len(addresses) > 2 else "")
    return f"{to} port {port}/{protocol} of {some}"


def _more(remedy: str, addresses: Collection[Address], found: Collection[object]) -> str:
    rest = [f"{len(addresses) - _NAMED} more addresses"] if len(addresses) > _NAMED else []
    rest += [f"{len(found) - _REMEDIES} more ports"] if len(found) > _REMEDIES else []
    return f"{remedy} (likewise for {' and '.join(rest)})" if rest else remedy


def _answers(chains: Iterable[Firewall], ends: Collection[_To], *, known: bool) -> Iterator[Drop]:
    """Yield each place in some chains where answers of endpoints are dropped. They pass this machine, unless the
    endpoints of a service answer clients themselves."""
    for one in chains:
        lost = {
            end.address: place
            for end, packet in zip(ends, _replies(ends, ""), strict=True)
            if (place := one.drops(packet))
        }
        if not lost:
            continue
        (first, place), *_ = lost.items()
        if one.tracked:
            nft, iptables = "ct state established,related", "-m conntrack --ctstate RELATED,ESTABLISHED"
        else:
            alike = [str(end) for end, at in lost.items() if at == place and end.version == first.version]
            some = ",".join(alike[:_NAMED]) if known else "ENDPOINT"
            nft, iptables = f"{_ip(first.version)} saddr {{ {some.replace(',', ', ')} }}", f"-s {some}"
        yield Drop(one.name, _state(one, place, "the answers of endpoints"), one.accept_command(place, nft, iptables))


def _ip(version: int) -> str:
    return "ip6" if version == 6 else "ip"


# ---- packets


def _nobody(families: Collection[int]) -> list[_To]:
    return [_To(_NOBODY[family], "tcp", _DISCARD) for family in sorted(families)]


def _requests(to: Iterable[_To], status: str) -> Iterator[Packet]:
    for one in to:
        yield Packet(one.address.version, one.protocol, destination=one.address, port=one.port, status=status)


def _replies(ends: Iterable[_To], status: str) -> Iterator[Packet]:
    for one in ends:
        yield Packet(
            one.address.version,
            one.protocol,
            source=one.address,
            source_port=one.port,
            state="established",
            status=status,
        )


def _frontends(served: Collection[Summary]) -> list[_To]:
    """Return where clients connect: the first port of each range at each address, and node ports at the node's own
    addresses."""
    found: dict[_To, None] = {}
    for summary in served:
        networks = [ip_network(one) for one in summary.node_port_networks]
        own = [ip_address(one) for one in summary.node_addresses]
        nodes = [one for one in own if not networks or any(one in network for network in networks)]
        for one in summary.frontends[:_LOOKED_AT]:
            addresses = [ip_address(one.address)] if one.address else [a for a in nodes if a.version == one.version]
            found |= dict.fromkeys(_To(address, one.protocol, one.first) for address in addresses)
    return list(found)[:_LOOKED_AT]


def _ends(frontends: Collection[ServedFrontend]) -> list[_To]:
    found: dict[tuple[str, str, int], None] = {}
    for one in frontends:
        if len(found) >= _LOOKED_AT:
            break
        found |= dict.fromkeys((address, one.protocol, port) for address, port, _ in one.endpoints)
    return [_To(ip_address(address), protocol, port) for address, protocol, port in list(found)[:_LOOKED_AT]]


def _bypassed(frontends: Collection[ServedFrontend]) -> list[_To]:
    """Return where the balancer's packets go of which endpoints answer clients themselves: still to the vip."""
    found = ((one.address, one) for one in frontends if one.bypassed and one.address)
    return [_To(ip_address(address), one.protocol, one.first) for address, one in islice(found, _LOOKED_AT)]
