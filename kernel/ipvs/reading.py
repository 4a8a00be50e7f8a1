"""The machine's virtual servers, and the connections that they have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from svcc.kernel import tools
from svcc.kernel.ipvs.difference import PART, leaving
from svcc.kernel.ipvs.servers import (
    VirtualServer,
    VirtualServers,
    frontend_of,
    mark_key,
    parse_servers,
    parse_table,
    socket_of,
)
from svcc.kernel.steps import FrontendAddress

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
    going = [(_named(key), socket_of(server)) for key, server in leaving(live, wanted)]
    found = established(live) if going else {}
    return sum(found[name].get(server, 0) for name, server in going if name in found)


def established(servers: VirtualServers) -> dict[FrontendAddress | str, Established]:
    """The established connections of each real server, as the kernel counts them now: by the place of its virtual
    server, or by the key of one that goes by a mark. Errors: OSError."""
    found: dict[FrontendAddress | str, dict[tuple[str, int], int]] = {_named(key): {} for key in servers}
    if not found or not TABLE.exists():
        return {}
    words: list[str] = []
    for line in TABLE.read_text().splitlines()[3:]:
        head, words = words, line.split()
        if words[0] != "->":
            continue
        kept = found.get(_listed(head, words[1]))
        if kept is not None:
            kept[_socket(words[1])] = int(words[4])
        words = head
    return {**found}


def _named(key: str) -> FrontendAddress | str:
    return frontend_of(key) or key


def _listed(virtual: list[str], server: str) -> FrontendAddress | str:
    """What the table calls a virtual server, which says its family only by its real servers."""
    if virtual[0] == "FWM":
        return mark_key(int(virtual[1], 16), 6 if server.startswith("[") else 4)
    return _frontend(virtual[0], *_socket(virtual[1]))


def _frontend(protocol: str, address: str, port: int) -> FrontendAddress:
    return FrontendAddress(address, protocol.lower(), port)


def _socket(text: str) -> tuple[str, int]:
    """Address and port of "0A000001:0050" or "[fd00:…:0001]:0035"."""
    address, _, port = text.rpartition(":")
    number = ip_address(address.strip("[]")) if address.startswith("[") else ip_address(int(address, 16))
    return str(number), int(port, 16)
