"""Find what differs between two states of virtual servers, and the commands that lead from one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from svcc.kernel.ipvs.servers import MASQUERADING, Real, Settings, VirtualServer, VirtualServers, frontend_of, socket_of
from svcc.kernel.routes import Destination, Route, Routes, routes_to
from svcc.kernel.routes import Frontends as FrontendSet
from svcc.kernel.steps import Change, FrontendAddress, Phase, Verb

PART = "ipvsadm"

Frontends: TypeAlias = tuple[FrontendAddress, ...]
_VERBS = {"a": Verb.ADD, "e": Verb.CHANGE, "d": Verb.REMOVE}


@dataclass(frozen=True, slots=True)
class Command:
    """One command of ipvsadm(8)."""

    verb: str  # -A, -E, -D; of real servers: -a, -e, -d
    key: str
    server: str = ""  # of real servers: address and port
    options: Settings | Real | None = None  # of a virtual or a real server; None: it is removed
    leaving: bool = False  # it is about a server that is to be removed: nothing need be done where that is gone already

    def __str__(self) -> str:
        server = f" -r {self.server}" if self.server else ""
        return f"{self.verb} {self.key}{server}{'' if self.options is None else f' {self.options}'}"


# -- changes ----------------------------------------------------------------------------------------------------------


def changes(live: VirtualServers, wanted: VirtualServers) -> Iterator[Change]:
    """Yield what differs, by the virtual servers' keys; for each the real servers that are removed, then those that are
    added or changed."""
    for key in sorted(live.keys() | wanted.keys()):
        before, after = live.get(key), wanted.get(key)
        if before == after:
            continue
        frontends = _frontends(key, after or before)
        if before is None or after is None:
            yield _change(Verb.ADD if after else Verb.REMOVE, key, frontends)
        elif before.settings != after.settings:
            yield _change(Verb.CHANGE, key, frontends, before=str(before.settings), after=str(after.settings))
        yield from _server_changes(key, before, after, frontends)


def _server_changes(
    key: str, before: VirtualServer | None, after: VirtualServer | None, frontends: Frontends
) -> Iterator[Change]:
    old, new = before.servers if before else {}, after.servers if after else {}
    for server in sorted(old.keys() - new.keys()):
        yield _change(Verb.REMOVE, key, frontends, server)
    for server, real in new.items():
        if server not in old:
            yield _change(Verb.ADD, key, frontends, server)
        elif old[server] != real:
            yield _change(Verb.CHANGE, key, frontends, server, str(old[server]), str(real))


def _change(verb: Verb, key: str, frontends: Frontends, server: str = "", before: str = "", after: str = "") -> Change:
    """Return the change of a virtual server, or of one of its real servers."""
    kind, subject = ("real server", f"{key} -r {server}") if server else ("virtual server", key)
    first = frontends[0] if frontends else None
    return Change(verb, PART, kind, subject, before, after, first, further=frontends[1:])


def _frontends(key: str, virtual: VirtualServer | None) -> Frontends:
    """Return where clients of a virtual server connect; nothing where it goes by a mark and nobody knows of whom."""
    frontend = frontend_of(key)
    if frontend is not None:
        return (frontend,)
    return virtual.frontends if virtual is not None else ()


def change_of(command: Command, live: VirtualServers) -> Change:
    """Return what a command changes, as plans show it."""
    verb, virtual = _VERBS[command.verb[1].lower()], live.get(command.key)
    before, after = "", ""
    if verb is Verb.CHANGE and virtual is not None:
        old = virtual.servers[command.server] if command.server else virtual.settings
        before, after = str(old), str(command.options)
    return _change(verb, command.key, _frontends(command.key, virtual), command.server, before, after)


# -- routes -----------------------------------------------------------------------------------------------------------


def routes(servers: VirtualServers) -> Iterator[Route]:
    """Yield the routes of real servers to which packets are translated. With other methods packets keep their
    destination, and conntrack knows no endpoint."""
    return (route for route, real in _servers(servers) if real.method == MASQUERADING)


def served(servers: VirtualServers) -> Iterator[Route]:
    """Yield the routes by which new connections go, whatever the method of the real server is."""
    return (route for route, real in _servers(servers) if real.weight)


def _servers(servers: VirtualServers) -> Iterator[tuple[Route, Real]]:
    for key, virtual in servers.items():
        for (address, protocol), first, last in _ranges(_frontends(key, virtual)):
            for server, real in virtual.servers.items():
                endpoint, port = socket_of(server)
                at = FrontendAddress(address, protocol, first)
                for route in routes_to(at, last - first + 1, endpoint, port or None):
                    yield route, real


def _ranges(frontends: Frontends) -> Iterator[tuple[Destination, int, int]]:
    return FrontendSet((Destination(one.address, one.protocol), one.port, one.port) for one in frontends).ranges()


def routes_gone(live: VirtualServers, wanted: VirtualServers) -> Routes:
    """Return the routes of ``live`` that ``wanted`` lacks. Only virtual servers that differ are looked at: the others
    keep their frontends and routes."""
    before = _differing(live, wanted)
    return Routes.of(routes(before)) - Routes.of(routes(_differing(wanted, live))) if before else Routes()


def _differing(some: VirtualServers, others: VirtualServers) -> VirtualServers:
    """Return the virtual servers that ``others`` lacks, or that differ there, also in their frontends."""
    return {
        key: virtual
        for key, virtual in some.items()
        if (other := others.get(key)) != virtual or {*other.frontends} != {*virtual.frontends}
    }


# -- commands ---------------------------------------------------------------------------------------------------------


def commands(live: VirtualServers, wanted: VirtualServers) -> dict[Phase, list[Command]]:
    """Return the commands that turn ``live`` into ``wanted``, by the phase in which they may be run; phases without a
    command are left out."""
    found = {
        Phase.SERVERS: [*additions(live, wanted), *quiescing(live, wanted)],
        Phase.SERVERS_OFF: [*removals(live, wanted)],
    }
    return {phase: some for phase, some in found.items() if some}


def additions(live: VirtualServers, wanted: VirtualServers) -> Iterator[Command]:
    """Yield the commands that add and change servers. Real servers are added before their scheduler changes;
    connections go on."""
    for key, after in wanted.items():
        before = live.get(key)
        if before is None:
            yield Command("-A", key, options=after.settings)
        elif before == after:
            continue
        old = before.servers if before else {}
        for server, real in after.servers.items():
            if old.get(server) != real:
                yield Command("-e" if server in old else "-a", key, server, real)
        if before is not None and before.settings != after.settings:
            yield Command("-E", key, options=after.settings)


def leaving(live: VirtualServers, wanted: VirtualServers) -> Iterator[tuple[str, str]]:
    """Yield the real servers that are to be removed, each after the key of its virtual server."""
    for key, before in live.items():
        servers = wanted[key].servers if key in wanted else {}
        yield from ((key, server) for server in sorted(before.servers.keys() - servers.keys()))


def quiescing(live: VirtualServers, wanted: VirtualServers) -> Iterator[Command]:
    """Yield the commands after which real servers that are to be removed get no new connections, where others can take
    these. Scheduler dh is left out: it would refuse the clients that it leads to such a server (ip_vs_dh.c)."""
    for key, server in leaving(live, wanted):
        real = live[key].servers[server]
        if key in wanted and wanted[key].servers and live[key].settings.scheduler != "dh" and real.weight:
            yield Command("-e", key, server, real._replace(weight=0), leaving=True)


def removals(live: VirtualServers, wanted: VirtualServers) -> Iterator[Command]:
    """Yield the commands that remove servers. The real servers of a virtual server are removed with it."""
    for key, before in live.items():
        after = wanted.get(key)
        if after is None:
            yield Command("-D", key, leaving=True)
            continue
        for server in sorted(before.servers.keys() - after.servers.keys()):
            yield Command("-d", key, server, leaving=True)


def among(some: Iterable[Command], live: VirtualServers) -> list[Command]:
    """Return the commands that the kernel did not take, as its state afterwards shows."""
    return [command for command in some if not _taken(command, live)]


def _taken(command: Command, live: VirtualServers) -> bool:
    virtual = live.get(command.key)
    if not command.server:
        return virtual is None if command.verb == "-D" else virtual is not None and virtual.settings == command.options
    real = virtual.servers.get(command.server) if virtual else None
    if real is None:
        return command.leaving
    return command.verb != "-d" and real == command.options
