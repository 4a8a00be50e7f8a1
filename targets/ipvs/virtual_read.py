"""Reads virtual servers and their real servers from what ``ipvsadm -R`` takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable
from svcc.kernel.ipvs.servers import MASQUERADING, Real, VirtualServer
from svcc.targets.ipvs.elements import number_of
from svcc.targets.ipvs.virtual import FORWARD, MOST, ONE_PACKET, make_settings, netmask
from svcc.targets.reading import Line, Text

_SOCKET = r"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,39}\]):(?:0|[1-9][0-9]{0,4})"
_SERVER = re.compile(
    rf"-A (?P<key>(?P<service>-t|-u|--sctp-service) (?P<at>{_SOCKET})|-f (?P<mark>[1-9][0-9]{{0,9}})(?P<v6> -6)?)"
    r" -s (?P<s>[a-z]+)(?: -p (?P<p>[0-9]+))?.*"
)
_NETWORK = re.compile(r" -M (\S+)")
_REAL = re.compile(
    rf"-a (?P<to>\S+ \S+(?: -6)?) -r (?P<at>{_SOCKET}) (?P<how>-[mgi]) -w (?P<w>[0-9]{{1,5}}).*?"
    rf"(?:{MOST}(?P<x>[1-9][0-9]{{0,9}}))?"
)
_OTHERS = dict(FORWARD.values())
_SCHEDULERS = {scheduler.value: scheduler for scheduler in ir.Scheduler if scheduler is not ir.Scheduler.RANDOM}
#: The most seconds that affinity may last (a day).
_PERSISTENCE = 86_400


def read_servers(text: Text) -> Iterator[tuple[Line, VirtualServer]]:
    """Return the virtual servers, each with the line that adds it. Errors: RefusedText."""
    head: Line | None = None
    real: list[Line] = []
    known: set[str] = set()
    for line in text.lines():
        if line.text.startswith("-a ") and head is not None:
            real.append(line)
            continue
        if head is not None:
            yield head, _server(head, real, known)
        head, real = line, []
    if head is not None:
        yield head, _server(head, real, known)


def _server(head: Line, real: list[Line], known: set[str]) -> VirtualServer:
    found = _SERVER.fullmatch(head.text)
    if found is None or found["s"] not in _SCHEDULERS:
        raise head.refused("not a virtual server as the target adds one")
    key, by_mark = found["key"], found["mark"] is not None
    if not by_mark:
        _socket(head, found["at"], by_mark=False)
    version = 6 if found["v6"] or "[" in key else 4
    if key in known:
        raise head.refused(f"the virtual server {key.partition(' ')[2]} stands here twice", key)
    known.add(key)
    persistence = None if found["p"] is None else int(found["p"]) if len(found["p"]) < 6 else 0
    if persistence is not None and not 0 < persistence <= _PERSISTENCE:
        raise head.refused("affinity lasts from a second to a day", found["p"])
    if not real:
        raise head.refused("the target adds no virtual server without a real one")
    methods: dict[str, Line] = {}
    servers: dict[str, Real] = {}
    for line in real:
        if not line.text.startswith(f"-a {key} "):
            raise line.refused(f"expected a real server of `{key}`, the virtual server above")
        address, server = _real(line, version, by_mark=by_mark)
        if address in servers:
            raise line.refused(f"the real server {address} stands twice", address)
        servers[address] = server
        methods[server.method] = line
    if len(methods) > 1:
        raise [*methods.values()][-1].refused("packets reach the real servers of a virtual one in one way")
    one_packet = ONE_PACKET in f"{head.text} "[found.end("s") :]
    if one_packet and (found["service"] not in ("-u", None) or MASQUERADING in methods):
        raise head.refused("only datagrams that stay as they are get real servers of their own", ONE_PACKET.strip())
    scheduler = _SCHEDULERS[found["s"]]
    by_port = scheduler in (ir.Scheduler.SH, ir.Scheduler.MH) and f"{scheduler}-port" in head.text
    network = _network(head, version)
    settings = make_settings(scheduler, persistence, network=network, by_port=by_port, one_packet=one_packet)
    made = VirtualServer(key, settings, servers)
    for line, should in zip((head, *real), made.lines(), strict=True):
        if line.text != should:
            raise line.refused(f"the target prints this as `{should}`")
    return made


def _network(head: Line, version: int) -> tuple[int, int] | None:
    """Return family and prefix length of what counts as one client, or None for an address.

    A mask is recognized by printing all of them.
    """
    found = _NETWORK.search(head.text)
    if found is None:
        return None
    lengths = range(1, 32 if version == 4 else 128)
    length = next((length for length in lengths if netmask(version, length) == found[1]), None)
    if length is None:
        raise head.refused(f"`{found[1]}` is no mask of clients' addresses", found[1])
    return version, length


def _real(line: Line, version: int, *, by_mark: bool) -> tuple[str, Real]:
    found = _REAL.fullmatch(line.text)
    if found is None:
        raise line.refused("not a real server as the target adds one")
    at = _socket(line, found["at"], by_mark=by_mark)
    if (at[0] == "[") != (version == 6):
        raise line.refused("a real server is of its virtual server's family", at)
    weight = int(found["w"])
    if weight > 65_535:
        raise line.refused("a weight is 0 to 65535", found["w"])
    most = found["x"]
    if most is not None and (weight == 0 or int(most) > ir.MAX_CONNECTIONS):
        raise line.refused("only a weight above 0 can have a limit of connections, of at most 2147483647", most)
    return at, Real(found["how"], weight, _OTHERS[found["how"]] + ("" if most is None else f"{MOST}{most}"))


def _socket(line: Line, text: str, *, by_mark: bool) -> str:
    """Return the address and port, if they are valid.

    ``by_mark``: packets keep their port, which is written as port 0.
    """
    address, _, port = text.rpartition(":")
    version = 6 if address[0] == "[" else 4
    if number_of(address.strip("[]"), version) is None or int(port) > 65_535:
        raise line.refused(f"`{text}` is no address with a port", text)
    if why := unable(ip_address(address.strip("[]"))):
        raise line.refused(f"{address} is {why}: no program has it", address)
    if (port == "0") != by_mark:
        wrong = "packets that are known by a mark keep their port" if by_mark else "port 0 is none"
        raise line.refused(f"{wrong}: `{text}` does not say that", text)
    return text
