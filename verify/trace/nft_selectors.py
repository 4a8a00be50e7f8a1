"""What rules can read of a packet, its connection and the routing table (nft(8), "PAYLOAD EXPRESSIONS", "CT")."""

from __future__ import annotations

from collections.abc import Callable

from svcc.verify.trace.faults import ArtifactLine, UnknownRule
from svcc.verify.trace.flow import Flow
from svcc.verify.trace.host import Host
from svcc.verify.trace.nft_expressions import Expression, NoMatch, Selector
from svcc.verify.trace.nft_types import (
    ADDRESS_TYPE,
    ADDRESS_TYPES,
    CT_DIRECTION,
    CT_STATE,
    CT_STATES,
    CT_STATUS,
    CT_STATUSES,
    FAMILY,
    IPV4,
    IPV6,
    MARK,
    PORT,
    PROTOCOL,
    TCP_FLAG,
    TCP_FLAGS,
)


def payload(place: ArtifactLine, protocol: str, name: str) -> Expression:
    """Return a field of a header. Errors: UnknownRule."""
    text = f"{protocol} {name}"
    if (protocol, name) in _ADDRESSES:
        version, source = _ADDRESSES[protocol, name]
        return Selector(text, IPV4 if version == 4 else IPV6, _address(place, version, source))
    if (protocol, name) in (("ip", "protocol"), ("ip6", "nexthdr")):
        version = 4 if protocol == "ip" else 6
        return Selector(text, PROTOCOL, lambda flow: _of_version(flow, version, flow.protocol))
    if name == "dport" and protocol in _TRANSPORTS:
        return Selector(text, PORT, _port(_TRANSPORTS[protocol]))
    if (protocol, name) == ("tcp", "flags"):
        return Selector(text, TCP_FLAG, lambda flow: _of_protocol(flow, _TRANSPORTS["tcp"], _flags(flow)))
    if (protocol, name) == ("tcp", "sport"):
        return Selector(text, PORT, lambda flow: _source_port(flow, place))
    if (protocol, name) == ("th", "sport"):
        return Selector(text, PORT, lambda _: _unknown_port(place))
    raise UnknownRule(place, f"the field {text} is not known here")


def _unknown_port(place: ArtifactLine) -> int:
    raise UnknownRule(place, "asks for the client's port, which a trace does not have")


_ADDRESSES = {
    ("ip", "saddr"): (4, True),
    ("ip", "daddr"): (4, False),
    ("ip6", "saddr"): (6, True),
    ("ip6", "daddr"): (6, False),
}
#: Protocol numbers; 0: any.
_TRANSPORTS = {"th": 0, "tcp": 6, "udp": 17, "sctp": 132}


def _of_version(flow: Flow, version: int, value: int) -> int:
    if flow.version != version:
        raise NoMatch
    return value


def _address(place: ArtifactLine, version: int, source: bool) -> Callable[[Flow], int]:
    def destination(flow: Flow) -> int:
        if flow.version != version:
            raise NoMatch
        return int(flow.destination)

    def sender(flow: Flow) -> int:
        address = flow.sender(place)
        if flow.version != version:
            raise NoMatch
        return int(address)

    return sender if source else destination


def _port(protocol: int) -> Callable[[Flow], int]:
    def read(flow: Flow) -> int:
        if protocol not in (0, flow.protocol):
            raise NoMatch
        return flow.port

    return read


def _of_protocol(flow: Flow, protocol: int, value: int) -> int:
    if protocol not in (0, flow.protocol):
        raise NoMatch
    return value


def _flags(flow: Flow) -> int:
    """Return the TCP flags. A packet that opens a connection has SYN."""
    names = {"SYN"} if flow.segment is None else flow.segment.flags
    return sum(TCP_FLAGS[name.lower()] for name in names)


def _source_port(flow: Flow, place: ArtifactLine) -> int:
    """Return the source port. For a client's it is known only for a segment that says it."""
    _of_protocol(flow, _TRANSPORTS["tcp"], 0)
    if flow.segment is None:
        raise UnknownRule(place, "the port that a packet comes from is not known here")
    return flow.segment.source_port


def meta(place: ArtifactLine, key: str) -> Expression:
    """Return a property of the packet. Errors: UnknownRule."""
    match key:
        case "l4proto":
            return Selector("meta l4proto", PROTOCOL, lambda flow: flow.protocol)
        case "mark":
            return Selector("meta mark", MARK, lambda flow: flow.mark)
        case "nfproto":
            return Selector("meta nfproto", FAMILY, lambda flow: 2 if flow.version == 4 else 10)
    raise UnknownRule(place, f"meta {key} is not known here")


def ct(place: ArtifactLine, key: str, direction: str | None) -> Expression:
    """Return a property of the connection. Errors: UnknownRule."""
    match direction, key:
        case None, "state":
            return Selector("ct state", CT_STATE, _ct_state)
        case None, "status":
            return Selector("ct status", CT_STATUS, _ct_status)
        case None, "direction":
            return Selector("ct direction", CT_DIRECTION, lambda flow: _tracked(flow, 0))
        case "original", "proto-dst":
            return Selector("ct original proto-dst", PORT, lambda flow: _tracked(flow, flow.packet.port))
        case "original", ("ip daddr" | "ip6 daddr" | "ip saddr" | "ip6 saddr") as field:
            version = 4 if field.startswith("ip ") else 6
            type = IPV4 if version == 4 else IPV6

            def read(flow: Flow) -> int:
                address = flow.packet.source if field.endswith("saddr") else flow.packet.destination
                return _of_version(flow, version, _tracked(flow, int(address)))

            return Selector(f"ct original {field}", type, read)
    raise UnknownRule(place, f"ct {direction or ''} {key} is not known here")


def _tracked(flow: Flow, value: int) -> int:
    if not flow.tracked:
        raise NoMatch
    return value


def _ct_state(flow: Flow) -> int:
    if not flow.tracked:
        return CT_STATES["invalid"]
    return CT_STATES["new" if flow.binding is None else "established"]


def _ct_status(flow: Flow) -> int:
    translated = CT_STATUSES["dnat"] if flow.translated else 0
    return _tracked(flow, translated | (CT_STATUSES["snat"] if flow.masqueraded else 0))


def fib(place: ArtifactLine, host: Host, result: str, flags: object) -> Expression:
    """Return what the routing table says about an address. Errors: UnknownRule."""
    if result != "type" or flags not in (["daddr"], ["saddr"], "daddr", "saddr"):
        raise UnknownRule(place, f"fib {flags} {result} is not known here")
    source = flags in (["saddr"], "saddr")

    def read(flow: Flow) -> int:
        return ADDRESS_TYPES[host.address_type(flow.sender(place) if source else flow.destination)]

    return Selector(f"fib {'saddr' if source else 'daddr'} type", ADDRESS_TYPE, read)
