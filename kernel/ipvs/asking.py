"""Ask the kernel for single virtual servers by netlink (linux/ip_vs.h), as a listing takes time for all of them."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from socket import inet_aton
from typing import Protocol, cast

from svcc.kernel.ipvs import netlink, reading
from svcc.kernel.ipvs.servers import TUNNELLING, Real, Settings, VirtualServer, VirtualServers, mark_of
from svcc.kernel.json_values import integer, members, string
from svcc.kernel.netlink_messages import Message
from svcc.kernel.steps import socket_text

#: Where more virtual servers differ than this, listing all is as quick.
_FEW = 200
_METHODS = {number: method for method, number in netlink.METHODS.items()}
_GONE = (errno.ENOENT, errno.ESRCH)


class _Socket(Protocol):
    """The methods of pyroute2's ``IPVS`` that are used."""

    def service(self, verb: str, *, service: object) -> Iterable[Message]: ...

    def dest(self, verb: str, *, service: object) -> Iterable[Message]: ...


def ask(have: VirtualServers, want: VirtualServers) -> dict[str, VirtualServer] | None:
    """Return the virtual servers that the kernel has, of those that two states name. It is not asked for those that are
    equal in both states: these count as there. Return None where too many differ, or where pyroute2 cannot speak to
    IPVS.
    """
    if not reading.TABLE.exists():
        return {}
    found = {key: virtual for key, virtual in have.items() if want.get(key) == virtual}
    asked = [key for key in (*have, *(key for key in want if key not in have)) if key not in found]
    if len(asked) > _FEW or not netlink.available():
        return None
    from pyroute2 import IPVS
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPVS() as socket:
            for key in asked:
                if (virtual := _asked(socket, key)) is not None:
                    found[key] = replace(virtual, frontends=(want.get(key) or have[key]).frontends)
    except NetlinkError:
        return None
    return found


def _asked(socket: _Socket, key: str) -> VirtualServer | None:
    """Return the kernel's virtual server of a key; None where there is none. Errors: NetlinkError."""
    from pyroute2 import IPVSService
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        (answer,) = socket.service("get", service=IPVSService(**(netlink.named(key) or {})))
    except NetlinkError as error:
        if error.code in _GONE:
            return None
        raise
    virtual = cast("Message", answer.get_attr("IPVS_CMD_ATTR_SERVICE"))
    ends = socket.dest("dump", service=IPVSService(**(netlink.named(key) or {})))
    real = (_real(cast("Message", end.get_attr("IPVS_CMD_ATTR_DEST"))) for end in ends)
    return VirtualServer(key, _settings(virtual, _version(key)), dict(real))


def _version(key: str) -> int:
    marked = mark_of(key)
    return marked[1] if marked is not None else 6 if "[" in key else 4


def _settings(virtual: Message, version: int) -> Settings:
    """Return the settings of a virtual server, as ``ipvsadm -S`` prints them. ``version``: 4 or 6."""
    scheduler = string(virtual.get_attr("IPVS_SVC_ATTR_SCHED_NAME") or "")
    flags = integer(members(virtual.get_attr("IPVS_SVC_ATTR_FLAGS"))["flags"])
    persistence, others = None, ""
    if flags & netlink.PERSISTENT:
        persistence = integer(virtual.get_attr("IPVS_SVC_ATTR_TIMEOUT"))
        mask = _mask(string(virtual.get_attr("IPVS_SVC_ATTR_NETMASK")), version)
        others = "" if mask == netlink.NETMASKS[version] else f" -M {mask}"
    if named := virtual.get_attr("IPVS_SVC_ATTR_PE_NAME"):
        others += f" --pe {named}"
    if flags & netlink.ONE_PACKET:
        others += " -o"
    return Settings(scheduler, persistence, ",".join(_flags(scheduler, flags)), others)


def _mask(text: str, version: int) -> str:
    """Return a netmask as ipvsadm prints it. For IPv6 the kernel gives the length of a prefix, which pyroute2 takes for
    an IPv4 address of these bytes."""
    return text if version == 4 else str(int.from_bytes(inet_aton(text), sys.byteorder))


def _flags(scheduler: str, flags: int) -> Iterator[str]:
    """Yield the names of the flags that are set, of the three to which each scheduler gives its own meaning."""
    names = {bit: name for name, bit in netlink.FLAGS.items() if name.startswith(f"{scheduler}-")}
    for number, bit in enumerate(netlink.SCHEDULERS_OWN, 1):
        if flags & bit:
            yield names.get(bit, f"flag-{number}")


def _real(end: Message) -> tuple[str, Real]:
    """Return a real server's address and port, and its options as ``ipvsadm`` has them."""
    method = _METHODS.get(integer(end.get_attr("IPVS_DEST_ATTR_FWD_METHOD")), "")
    others = ""
    if method == TUNNELLING:
        others = f" --tun-type {end.get_attr('IPVS_DEST_ATTR_TUN_TYPE') or 'ipip'}"
    for option, attribute in (("-x", "IPVS_DEST_ATTR_U_THRESH"), ("-y", "IPVS_DEST_ATTR_L_THRESH")):
        if limit := end.get_attr(attribute):
            others += f" {option} {limit}"
    at = socket_text(string(end.get_attr("IPVS_DEST_ATTR_ADDR")), integer(end.get_attr("IPVS_DEST_ATTR_PORT")))
    return at, Real(method, integer(end.get_attr("IPVS_DEST_ATTR_WEIGHT")), others)
