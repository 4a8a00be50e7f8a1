"""Read the virtual servers of this machine, and the connections that they have."""

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

#: A file that exists where the calling thread's namespace has IPVS. Where it is missing, ipvsadm would load the module.
TABLE = Path("/proc/thread-self/net/ip_vs")


def read_all() -> dict[str, VirtualServer]:
    """Return all virtual servers, ours and others', by key. Errors: StepError."""
    if not TABLE.exists() or tools.find("ipvsadm") is None:
        return {}
    found = parse_servers(tools.read(PART, ["ipvsadm", "-S", "-n"]))
    return _with_thresholds(found) if found else {}


def read_servers(known: Collection[str], declared: Callable[[], Collection[str]]) -> dict[str, VirtualServer]:
    """Return our virtual servers, by key: those in ``known``, and those in what ``declared`` returns, which is called
    only where there are others. Virtual servers have no names that would say whose they are. Errors: StepError.
    """
    found = read_all()
    ours = {*known}
    if found.keys() - ours:
        ours.update(declared())
    return {key: virtual for key, virtual in found.items() if key in ours}


def _with_thresholds(found: dict[str, VirtualServer]) -> dict[str, VirtualServer]:
    """Return the virtual servers with the limits of connections (-x, -y), which -S leaves out. Errors: StepError."""
    for key, server, columns in parse_table(tools.read(PART, ["ipvsadm", "-L", "-n", "--thresholds"])):
        if columns[:2] != ["0", "0"] and key in found and server in found[key].servers:
            real = found[key].servers[server]
            lower = "" if columns[1] == "0" else f" -y {columns[1]}"  # 0: three quarters of the upper one, by default
            limited = real._replace(others=f"{real.others} -x {columns[0]}{lower}")
            found[key] = replace(found[key], servers={**found[key].servers, server: limited})
    return found


# -- connections ------------------------------------------------------------------------------------------------------

#: How many established connections real servers have, by address and port.
Established: TypeAlias = Mapping[tuple[str, int], int]


def leaving_connections(live: VirtualServers, wanted: VirtualServers) -> int:
    """Return how many established connections the real servers have that ``wanted`` lacks. Errors: OSError."""
    going = [(_named(key), socket_of(server)) for key, server in leaving(live, wanted)]
    found = established(live) if going else {}
    return sum(found[name].get(server, 0) for name, server in going if name in found)


def established(servers: VirtualServers) -> dict[FrontendAddress | str, Established]:
    """Return the established connections of each real server, as the kernel counts them now, by its virtual server: by
    the frontend of that, or by the key of one that goes by a mark. Errors: OSError."""
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
    """Return the frontend or the key of a virtual server in the kernel's table. ``virtual``: the words of its line;
    ``server``: one of its real servers, as only these tell the address family of a mark."""
    if virtual[0] == "FWM":
        return mark_key(int(virtual[1], 16), 6 if server.startswith("[") else 4)
    return _frontend(virtual[0], *_socket(virtual[1]))


def _frontend(protocol: str, address: str, port: int) -> FrontendAddress:
    return FrontendAddress(address, protocol.lower(), port)


def _socket(text: str) -> tuple[str, int]:
    """Return the address and the port of "0A000001:0050" or "[fd00:…:0001]:0035"."""
    address, _, port = text.rpartition(":")
    number = ip_address(address.strip("[]")) if address.startswith("[") else ip_address(int(address, 16))
    return str(number), int(port, 16)
