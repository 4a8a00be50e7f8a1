"""The machine's virtual servers, and the connections that they have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from svcc.kernel import tools
from svcc.kernel.ipvs.difference import PART, leaving
from svcc.kernel.ipvs.servers import VirtualServer, VirtualServers, parse_servers, parse_table, place_of, socket_of
from svcc.kernel.steps import Place

#: What there is where the calling thread's namespace has IPVS. Without, ipvsadm would load the module.
TABLE = Path("/proc/thread-self/net/ip_vs")


def read_all() -> dict[str, VirtualServer]:
    """Everybody's virtual servers. Errors: StepError."""
    if not TABLE.exists() or tools.find("ipvsadm") is None:
        return {}
    found = parse_servers(tools.read(PART, ["ipvsadm", "-S", "-n"]))
    return _with_thresholds(found) if found else {}


def read_servers(known: Collection[str], declared: Callable[[], Collection[str]]) -> dict[str, VirtualServer]:
    """Our virtual servers: those with a ``known`` key, and, where there are others, with a ``declared`` one.

    Virtual servers have no names that would say whose they are. Errors: StepError.
    """
    found = read_all()
    ours = {*known}
    if found.keys() - ours:
        ours.update(declared())
    return {key: virtual for key, virtual in found.items() if key in ours}


def _with_thresholds(found: dict[str, VirtualServer]) -> dict[str, VirtualServer]:
    """Virtual servers with the limits of connections (-x, -y) that -S leaves out."""
    for key, server, columns in parse_table(tools.read(PART, ["ipvsadm", "-L", "-n", "--thresholds"])):
        if columns[:2] != ["0", "0"] and key in found and server in found[key].servers:
            real = found[key].servers[server]
            lower = "" if columns[1] == "0" else f" -y {columns[1]}"  # 0: the kernel's own, three quarters
            limited = real._replace(others=f"{real.others} -x {columns[0]}{lower}")
            found[key] = replace(found[key], servers={**found[key].servers, server: limited})
    return found


# -- connections ------------------------------------------------------------------------------------------------------

#: Established connections, by the endpoint's address and port.
Established: TypeAlias = Mapping[tuple[str, int], int]


def leaving_connections(live: VirtualServers, wanted: VirtualServers) -> int:
    """The established connections of real servers that ``wanted`` lacks. Errors: OSError."""
    going = [(place_of(key), socket_of(server)) for key, server in leaving(live, wanted)]
    found = established(live) if going else {}
    return sum(found[place].get(server, 0) for place, server in going if place in found)


def established(servers: VirtualServers) -> dict[Place, Established]:
    """The established connections of each real server, as the kernel counts them now. Errors: OSError."""
    found: dict[Place, dict[tuple[str, int], int]] = {p: {} for p in map(place_of, servers) if p is not None}
    if not found or not TABLE.exists():
        return {}
    kept: dict[tuple[str, int], int] | None = None
    for line in TABLE.read_text().splitlines()[3:]:
        words = line.split()
        if words[0] == "->":
            if kept is not None:
                kept[_socket(words[1])] = int(words[4])
        else:
            kept = None if words[0] == "FWM" else found.get(_place(words[0], *_socket(words[1])))
    return {**found}


def _place(protocol: str, address: str, port: int) -> Place:
    return Place(address, protocol.lower(), port)


def _socket(text: str) -> tuple[str, int]:
    """Address and port of "0A000001:0050" or "[fd00:…:0001]:0035"."""
    address, _, port = text.rpartition(":")
    number = ip_address(address.strip("[]")) if address.startswith("[") else ip_address(int(address, 16))
    return str(number), int(port, 16)
