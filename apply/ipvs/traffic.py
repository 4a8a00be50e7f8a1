"""Connections that IPVS has, by virtual and real server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from svcc.apply.ipvs import virtual
from svcc.apply.ipvs.ipvsadm import TABLE
from svcc.apply.ipvs.virtual import Virtuals, parse_table, place_of, socket_of
from svcc.kernel import tools
from svcc.kernel.steps import Place


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of one real server."""

    active: int  # connections that are established
    inactive: int  # those that are not, and all of UDP
    connections: int = 0  # since the real server was added
    packets_in: int = 0  # from clients, and so on
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


#: By the endpoint's address and port.
Servers = Mapping[tuple[str, int], Traffic]


def connections(state: Virtuals) -> dict[Place, int]:
    """The established connections of each virtual server of a state. Errors: StepError."""
    return {place: sum(one.active for one in servers.values()) for place, servers in _counted(state).items()}


def leaving(live: Virtuals, wanted: Virtuals) -> int:
    """The established connections of real servers that ``wanted`` lacks. Errors: StepError."""
    going = [(place_of(key), socket_of(server)) for key, server in virtual.leaving(live, wanted)]
    found = _counted(live) if going else {}
    return sum(found[place][server].active for place, server in going if place in found and server in found[place])


def connected(state: Virtuals) -> dict[Place, Servers]:
    """What each real server has of connections, packets and bytes. The kernel brings its counters up to date every
    two seconds (ip_vs_est.c). Errors: StepError."""
    found = _counted(state)
    totals = dict(_totals()) if found else {}
    return {
        place: {
            server: Traffic(one.active, one.inactive, *totals.get((place, server), ()))
            for server, one in servers.items()
        }
        for place, servers in found.items()
    }


def _counted(state: Virtuals) -> dict[Place, dict[tuple[str, int], Traffic]]:
    found: dict[Place, dict[tuple[str, int], Traffic]] = {p: {} for p in map(place_of, state) if p is not None}
    if not found or not TABLE.exists():
        return {}
    kept: dict[tuple[str, int], Traffic] | None = None
    for line in TABLE.read_text().splitlines()[3:]:
        words = line.split()
        if words[0] == "->":
            if kept is not None:
                kept[_socket(words[1])] = Traffic(int(words[4]), int(words[5]))
        else:
            kept = None if words[0] == "FWM" else found.get(_place(words[0], *_socket(words[1])))
    return found


def _place(protocol: str, address: str, port: int) -> Place:
    return Place(address, protocol.lower(), port)


def _socket(text: str) -> tuple[str, int]:
    """Address and port of "0A000001:0050" or "[fd00:…:0001]:0035"."""
    address, _, port = text.rpartition(":")
    number = ip_address(address.strip("[]")) if address.startswith("[") else ip_address(int(address, 16))
    return str(number), int(port, 16)


def _totals() -> Iterator[tuple[tuple[Place, tuple[str, int]], tuple[int, ...]]]:
    """Connections, packets and bytes, in and out, of every real server of the machine."""
    if tools.find("ipvsadm") is None:
        return
    places: dict[str, Place | None] = {}
    for key, server, columns in parse_table(tools.read("ipvsadm", ["ipvsadm", "-L", "-n", "--stats", "--exact"])):
        if key not in places:
            places[key] = place_of(key)
        place = places[key]
        if place is not None:
            yield (place, socket_of(server)), tuple(map(int, columns))
