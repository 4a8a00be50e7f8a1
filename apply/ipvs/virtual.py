"""The state of our IPVS virtual servers, as ``ipvsadm -S -n`` prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias

from svcc.apply.ipvs.sets import NODE_IP, Set, Sets
from svcc.kernel.steps import Place

PROTOCOLS = {"-t": "tcp", "-u": "udp", "--sctp-service": "sctp"}
_OPTIONS = {protocol: option for option, protocol in PROTOCOLS.items()}
_EMPTY = Set("", {})
_WEIGHT = re.compile(r"-w \d+")
_VIRTUAL = re.compile(r"^-A (\S+ \S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Virtual:
    """One virtual server. Real servers compare whatever their order."""

    options: str  # "-s rr -p 300 -b sh-fallback"
    servers: Mapping[str, str]  # "100.64.0.9:8080" -> "-m -w 1"


#: By "-t 198.19.10.1:80", as ipvsadm names a virtual server.
Virtuals: TypeAlias = Mapping[str, Virtual]


def parse_virtuals(text: str) -> dict[str, Virtual]:
    """What ``ipvsadm -S -n`` printed, or an artifact. Errors: ValueError, with the line."""
    found: dict[str, Virtual] = {}
    head, servers = "\0", dict[str, str]()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(head):
            server, _, options = line[len(head) :].partition(" ")
            servers[server] = options.rstrip()
        elif line.startswith("-A ") and line.count(" ") >= 2:
            _, option, address, *options_ = line.split(" ", 3)
            key, servers = f"{option} {address}", {}
            head = f"-a {key} -r "
            found[key] = Virtual(options_[0].rstrip() if options_ else "", servers)
        elif line:
            raise ValueError(f"line {number}: neither -A nor -a of the virtual server before it: {line}")
    return found


def parse_table(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """What ``ipvsadm -L -n`` printed, in any of its layouts: for each real server the virtual server, as keys are
    written, its address, and the columns."""
    key = ""
    for line in text.splitlines()[3:]:
        first, socket, *columns = line.split()
        if first == "->":
            yield key, socket, columns
        else:
            key = f"{_OPTIONS.get(first.lower(), '-f')} {socket}"


def keys_of_text(text: str) -> Iterator[str]:
    """The virtual servers of a text, without all that they are."""
    for found in _VIRTUAL.finditer(text):
        yield found[1]


def keys_of_sets(sets: Sets, prefix: str) -> Iterator[str]:
    """The virtual servers that our live sets declare: every port of a vip, and every node port on every address."""
    for name, one in sets.items():
        if name.endswith(("-CLUSTER-IP", "-NODE-PORT-SCTP")):
            yield from filter(None, map(_key_of_element, one.elements))
    for family in (prefix, f"{prefix}-6"):
        addresses = sets.get(f"{family}{NODE_IP}", _EMPTY).elements
        for protocol in ("tcp", "udp"):
            for port in sets.get(f"{family}-NODE-PORT-{protocol.upper()}", _EMPTY).elements:
                yield from (_key(protocol, address, port) for address in addresses)


def _key_of_element(element: str) -> str | None:
    address, _, socket = element.partition(",")
    protocol, _, port = socket.partition(":")
    return _key(protocol, address, port) if protocol in _OPTIONS else None


def _key(protocol: str, address: str, port: str) -> str:
    return f"{_OPTIONS[protocol]} [{address}]:{port}" if ":" in address else f"{_OPTIONS[protocol]} {address}:{port}"


def socket_of(text: str) -> tuple[str, int]:
    """Address and port of "10.0.0.1:80" or "[fd00::1]:80"; the address as ``str()`` of its object prints it."""
    address, _, port = text.rpartition(":")
    return str(ip_address(address.strip("[]"))), int(port)


def place_of(key: str) -> Place | None:
    """Where clients of a virtual server connect to; None of one that goes by a packet mark.

    A node port's is the node's address: a virtual server does not say which it is.
    """
    option, _, socket = key.partition(" ")
    if option not in PROTOCOLS:
        return None
    address, port = socket_of(socket)
    return Place(address, PROTOCOLS[option], port)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of ipvsadm(8)."""

    verb: str  # -A, -E, -D; of real servers: -a, -e, -d
    key: str
    server: str = ""
    options: str = ""
    leaving: bool = False  # it is about what is to go, and nothing is to do where that is gone; removals always are

    def __str__(self) -> str:
        server = f" -r {self.server}" if self.server else ""
        return f"{self.verb} {self.key}{server}{' ' if self.options else ''}{self.options}"


def additions(live: Virtuals, wanted: Virtuals) -> Iterator[Command]:
    """What comes and what changes. Real servers come before a scheduler changes, and connections stay."""
    for key, after in wanted.items():
        before = live.get(key)
        if before is None:
            yield Command("-A", key, options=after.options)
        if before is not None and before.servers == after.servers and before.options == after.options:
            continue
        old = before.servers if before else {}
        for server, options in after.servers.items():
            if old.get(server) != options:
                yield Command("-e" if server in old else "-a", key, server, options)
        if before is not None and before.options != after.options:
            yield Command("-E", key, options=after.options)


def leaving(live: Virtuals, wanted: Virtuals) -> Iterator[tuple[str, str]]:
    """The real servers that go, each with its virtual server."""
    for key, before in live.items():
        servers = wanted[key].servers if key in wanted else {}
        yield from ((key, server) for server in sorted(before.servers.keys() - servers.keys()))


def quiescing(live: Virtuals, wanted: Virtuals) -> Iterator[Command]:
    """Real servers that go get no new connections any more, while others do. Not under dh: it would refuse the clients
    that it leads to them (ip_vs_dh.c)."""
    for key, server in leaving(live, wanted):
        options = live[key].servers[server]
        if key in wanted and wanted[key].servers and " dh" not in live[key].options:
            quiet = _WEIGHT.sub("-w 0", options)
            if quiet != options:
                yield Command("-e", key, server, quiet, leaving=True)


def removals(live: Virtuals, wanted: Virtuals) -> Iterator[Command]:
    """What goes; with a virtual server go its real servers."""
    for key, before in live.items():
        after = wanted.get(key)
        if after is None:
            yield Command("-D", key, leaving=True)
            continue
        for server in sorted(before.servers.keys() - after.servers.keys()):
            yield Command("-d", key, server, leaving=True)


def taken(command: Command, live: Virtuals) -> bool:
    """Whether a state shows that a command was taken."""
    virtual = live.get(command.key)
    if not command.server:
        return virtual is None if command.verb == "-D" else virtual is not None and virtual.options == command.options
    options = virtual.servers.get(command.server) if virtual else None
    if options is None:
        return command.leaving
    return command.verb != "-d" and options == command.options


def among(commands: Iterable[Command], live: Virtuals) -> list[Command]:
    """Those of the commands that a state shows were not taken."""
    return [command for command in commands if not taken(command, live)]
