"""Commands of ipvsadm(8) as netlink messages (linux/ip_vs.h), for changes that are few."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from socket import IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, inet_ntoa
from typing import Any

from svcc.apply.ipvs.virtual import Command, socket_of

_PROTOCOLS = {"-t": IPPROTO_TCP, "-u": IPPROTO_UDP, "--sctp-service": IPPROTO_SCTP}
_PERSISTENT = 0x1  # IP_VS_SVC_F_PERSISTENT
#: IP_VS_SVC_F_SCHED1 and so on, by the names that schedulers have for them.
_FLAGS = {"sh-fallback": 0x8, "sh-port": 0x10, "mh-fallback": 0x8, "mh-port": 0x10}
_FORWARDS = {"-m": 0, "-i": 2, "-g": 3}  # IP_VS_CONN_F_MASQ, _TUNNEL, _DROUTE
#: For IPv6 the kernel takes the length of a prefix for a netmask, and pyroute2 an IPv4 address of these bytes.
_NETMASKS = {4: "255.255.255.255", 6: inet_ntoa((128).to_bytes(4, sys.byteorder))}


class Refused(Exception):
    """The kernel refused a command. ``words`` are its own."""

    def __init__(self, command: Command, words: str) -> None:
        super().__init__(words)
        self.command = command
        self.words = words


def available() -> bool:
    """Whether pyroute2 speaks to IPVS: it does since 0.9."""
    import pyroute2

    return hasattr(pyroute2, "IPVS")


def can_say(commands: Sequence[Command]) -> bool:
    """Whether messages say all that the commands say: what svcc writes, and not all that a person may."""
    return all(_virtual(command) is not None and _real(command) is not None for command in commands)


def send(commands: Sequence[Command]) -> None:
    """Each command as one message, in order. Errors: Refused, of the first that was."""
    from pyroute2 import IPVS, IPVSDest, IPVSService
    from pyroute2.netlink.exceptions import NetlinkError

    with IPVS() as netlink:
        for command in commands:
            service = IPVSService(**(_virtual(command) or {}))
            try:
                if command.server:
                    word = {"-a": "add", "-e": "set", "-d": "del"}[command.verb]
                    netlink.dest(word, service=service, dest=IPVSDest(**(_real(command) or {})))
                else:
                    netlink.service({"-A": "add", "-E": "set", "-D": "del"}[command.verb], service=service)
            except NetlinkError as error:
                if command.leaving and error.code in (errno.ENOENT, errno.ESRCH):
                    continue  # somebody was quicker
                raise Refused(command, os.strerror(error.code)) from error


def _virtual(command: Command) -> dict[str, Any] | None:
    """The attributes of the virtual server; None where there is no telling them."""
    option, _, socket = command.key.partition(" ")
    if option not in _PROTOCOLS:
        return None
    address, port = socket_of(socket)
    netmask = _NETMASKS[6 if ":" in address else 4]
    found: dict[str, Any] = {"addr": address, "port": port, "protocol": _PROTOCOLS[option], "netmask": netmask}
    if command.server or command.verb == "-D":
        return found
    flags, words = 0, command.options.split()
    if len(words) % 2:
        return None
    for name, value in zip(words[::2], words[1::2], strict=True):
        if name == "-s":
            found["sched_name"] = value
        elif name == "-p":
            found["timeout"] = int(value)
            flags |= _PERSISTENT
        elif name == "-b" and all(flag in _FLAGS for flag in value.split(",")):
            flags |= sum({_FLAGS[flag] for flag in value.split(",")})
        else:
            return None
    return {**found, "flags": {"flags": flags, "mask": 0xFFFF_FFFF}}


def _real(command: Command) -> dict[str, Any] | None:
    """Likewise of the real server; none of a command that names no real server."""
    if not command.server:
        return {}
    address, port = socket_of(command.server)
    found: dict[str, Any] = {"addr": address, "port": port}
    if command.verb == "-d":
        return found
    match command.options.split():
        case [forward, "-w", weight, *tunnel] if forward in _FORWARDS and tunnel in ([], ["--tun-type", "ipip"]):
            return {**found, "fwd_method": _FORWARDS[forward], "weight": int(weight)}
    return None
