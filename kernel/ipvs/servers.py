"""Virtual servers and their real servers, printed and parsed in the form of ``ipvsadm -S -n``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from svcc.kernel.json_values import Json, integer, items, members, string
from svcc.kernel.steps import FrontendAddress, socket_text

#: The option that names a virtual server of a protocol.
OPTIONS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
PROTOCOLS = {option: protocol for protocol, option in OPTIONS.items()}
#: How packets reach a real server: with their destination translated, as they are, or inside a packet of a tunnel.
MASQUERADING, GATEWAYING, TUNNELLING = "-m", "-g", "-i"

_REAL = re.compile(r"(?P<method>-[mgi])? ?-w (?P<weight>\d+)(?P<others> .*)?")
_VIRTUAL = re.compile(r"^-A (\S+ \S+(?: -6)?)", re.MULTILINE)
_BY_MARK = re.compile(r"-f ([0-9]+)( -6)?")


class Real(NamedTuple):
    """The options by which a virtual server uses a real one. Many real servers share one object."""

    method: str  # MASQUERADING, GATEWAYING or TUNNELLING
    weight: int  # 0: it gets no new connections
    others: str = ""  # further options: " --tun-type ipip"

    def __str__(self) -> str:
        """Return the options as ipvsadm has them: "-m -w 1"."""
        return f"{self.method} -w {self.weight}{self.others}"


class Settings(NamedTuple):
    """The options by which a virtual server chooses among its real servers."""

    scheduler: str  # as ip_vs(4) calls it: rr, wrr, sh, …
    persistence: int | None = None  # seconds that a client stays with its real server
    flags: str = ""  # of the scheduler: "sh-fallback,sh-port"
    others: str = ""  # further options: " -M 255.255.255.0"

    def __str__(self) -> str:
        """Return the options as ipvsadm has them: "-s sh -p 300 -b sh-fallback"."""
        scheduler = f"-s {self.scheduler}" if self.scheduler else ""
        persistence = "" if self.persistence is None else f" -p {self.persistence}"
        return f"{scheduler}{persistence}{f' -b {self.flags}' if self.flags else ''}{self.others}".lstrip()


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """A virtual server. Two are equal whatever the order of their real servers is.

    A virtual server that goes by a packet mark does not say which packets have the mark: ``frontends`` does, where that
    is known.
    """

    key: str  # as ipvsadm names it: "-t 198.19.10.1:80", "-u [fd00::1]:53", "-f 77", "-f 77 -6"
    settings: Settings
    servers: Mapping[str, Real]  # by address and port: "100.64.0.9:8080"; with port 0 packets keep their port
    frontends: tuple[FrontendAddress, ...] = field(default=(), compare=False)  # whose packets have the mark

    def lines(self) -> Iterator[str]:
        """Yield the lines that ``ipvsadm -R`` reads to make it, without line ends."""
        yield f"-A {self.key} {self.settings}"
        head, last, text = f"-a {self.key} -r ", None, ""
        for address, real in self.servers.items():
            if real is not last:
                last, text = real, str(real)
            yield f"{head}{address} {text}"


#: Virtual servers by key, in the order in which they are printed.
VirtualServers: TypeAlias = Mapping[str, VirtualServer]


def servers_text(servers: Iterable[VirtualServer]) -> str:
    """Return the text that ``ipvsadm -R`` reads. It has no comments, which ipvsadm would refuse."""
    return "".join([f"{line}\n" for server in servers for line in server.lines()])


def parse_servers(text: str) -> dict[str, VirtualServer]:
    """Return the virtual servers, by key, in a text that ``ipvsadm -S -n`` or :func:`servers_text` printed.

    Errors: ValueError, with the line.
    """
    found: dict[str, VirtualServer] = {}
    head, servers = "\0", dict[str, Real]()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(head):
            address, _, options = line[len(head) :].partition(" ")
            try:
                servers[address] = parse_real(options.rstrip())
            except ValueError as error:
                raise ValueError(f"line {number}: {error}: {line}") from None
        elif line.startswith("-A ") and line.count(" ") >= 2:
            _, option, at, *rest = line.split(" ", 3)
            key, options = f"{option} {at}", rest[0] if rest else ""
            if option == "-f" and f"{options} ".startswith("-6 "):
                key, options = f"{key} -6", options[3:]
            servers, head = {}, f"-a {key} -r "
            found[key] = VirtualServer(key, parse_settings(options), servers)
        elif line:
            raise ValueError(f"line {number}: neither -A nor -a of the virtual server before it: {line}")
    return found


@lru_cache(maxsize=4096)
def parse_real(options: str) -> Real:
    """Return the options of a real server that a text has. Errors: ValueError."""
    found = _REAL.fullmatch(options)
    if found is None:
        raise ValueError("not the options of a real server")
    return Real(found["method"] or "", int(found["weight"]), found["others"] or "")


@lru_cache(maxsize=4096)
def parse_settings(options: str) -> Settings:
    """Return the options of a virtual server that a text has, in any order. Options without a field of their own are
    kept in ``others``."""
    found: dict[str, str] = {}
    others = ""
    words = iter(options.split())
    for word in words:
        if word in ("-s", "-p", "-b"):
            found[word] = next(words, "")
        else:
            others += f" {word}"
    persistence = found.get("-p")
    if persistence is not None and not persistence.isdecimal():
        others, persistence = f" -p {persistence}{others}", None
    seconds = None if persistence is None else int(persistence)
    return Settings(found.get("-s", ""), seconds, found.get("-b", ""), others)


def keys_of_text(text: str) -> Iterator[str]:
    """Yield the keys of the virtual servers in a text, without parsing all of it."""
    for found in _VIRTUAL.finditer(text):
        yield found[1]


def parse_table(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield, for each real server in what ``ipvsadm -L -n`` printed in any of its layouts: the key of its virtual
    server, its own address and port, and the columns after these."""
    key = ""
    for line in text.splitlines()[3:]:
        first, address, *columns = line.split()
        if first == "->":
            yield key, address, columns
        else:
            key = f"{OPTIONS.get(first.lower(), '-f')} {address}{' -6' if columns[:1] == ['IPv6'] else ''}"


# -- keys -------------------------------------------------------------------------------------------------------------


def key_of(protocol: str, address: str, port: int) -> str:
    """Return the key of the virtual server at an address and port."""
    return f"{OPTIONS[protocol]} {socket_text(address, port)}"


def mark_key(mark: int, version: int) -> str:
    """Return the key of the virtual server that takes packets with a mark. ``version``: 4 or 6."""
    return f"-f {mark}{' -6' if version == 6 else ''}"


def mark_of(key: str) -> tuple[int, int] | None:
    """Return the mark and the IP version in the key of a virtual server that goes by a mark; None for any other key."""
    found = _BY_MARK.fullmatch(key)
    return (int(found[1]), 6 if found[2] else 4) if found else None


def socket_of(text: str) -> tuple[str, int]:
    """Return the address and the port of "10.0.0.1:80" or "[fd00::1]:80"; the address as ``str()`` of its object prints
    it."""
    address, _, port = text.rpartition(":")
    return str(ip_address(address.strip("[]"))), int(port)


def frontend_of(key: str) -> FrontendAddress | None:
    """Return the address, protocol and port that clients of a virtual server connect to. Return None for one that goes
    by a packet mark: only :attr:`VirtualServer.frontends` tells its clients' destinations.

    A node port has the node's address here, as a virtual server does not say that it is a node port.
    """
    option, _, at = key.partition(" ")
    if option not in PROTOCOLS:
        return None
    address, port = socket_of(at)
    return FrontendAddress(address, PROTOCOLS[option], port)


# -- JSON -------------------------------------------------------------------------------------------------------------


def dump_servers(servers: VirtualServers) -> Json:
    """Return the virtual servers in JSON's types."""
    return {key: [*_dumped(virtual)] for key, virtual in servers.items()}


def _dumped(virtual: VirtualServer) -> Iterator[Json]:
    yield str(virtual.settings)
    yield {address: str(real) for address, real in virtual.servers.items()}
    if virtual.frontends:
        yield [[frontend.address, frontend.protocol, frontend.port] for frontend in virtual.frontends]


def load_servers(data: object) -> dict[str, VirtualServer]:
    """Return the virtual servers that :func:`dump_servers` was given. Errors: ValueError, TypeError."""
    return {key: _loaded(key, *items(dumped)) for key, dumped in members(data).items()}


def _loaded(key: str, settings: Json, servers: Json, *frontends: Json) -> VirtualServer:
    return VirtualServer(
        key,
        parse_settings(string(settings)),
        {address: parse_real(string(real)) for address, real in members(servers).items()},
        tuple(
            FrontendAddress(string(address), string(protocol), integer(port))
            for listed in frontends
            for address, protocol, port in map(items, items(listed))
        ),
    )
