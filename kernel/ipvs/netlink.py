"""Send commands of ipvsadm(8) as netlink messages (linux/ip_vs.h), where they are few."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, inet_ntoa
from typing import TypeAlias

from svcc.kernel.ipvs.difference import Command
from svcc.kernel.ipvs.servers import GATEWAYING, MASQUERADING, PROTOCOLS, TUNNELLING, Real, Settings, mark_of, socket_of

_NUMBERS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP, "sctp": IPPROTO_SCTP}
PERSISTENT = 0x1  # IP_VS_SVC_F_PERSISTENT
ONE_PACKET = 0x4  # IP_VS_SVC_F_ONEPACKET
#: The further options of a virtual server that messages can express.
_OTHERS = re.compile(r"(?: -M (?P<mask>\S+))?(?P<one> -o)?")
#: IP_VS_SVC_F_SCHED1 to _SCHED3, and the same flags by the names that schedulers give them.
SCHEDULERS_OWN = (0x8, 0x10, 0x20)
FLAGS = {"sh-fallback": 0x8, "sh-port": 0x10, "mh-fallback": 0x8, "mh-port": 0x10}
METHODS = {MASQUERADING: 0, TUNNELLING: 2, GATEWAYING: 3}  # IP_VS_CONN_F_MASQ, _TUNNEL, _DROUTE
#: The further options of a real server that messages can express: the default tunnel type, and a limit of connections.
_LIMITED = re.compile(r"(?: --tun-type ipip)?(?: -x (?P<most>\d+))?")
NETMASKS = {4: "255.255.255.255", 6: "128"}


#: The attributes of a message, as pyroute2 takes them.
Attributes: TypeAlias = dict[str, str | int | dict[str, int]]


class RefusedCommand(Exception):
    """The kernel refused a command. ``words``: the text of its error."""

    def __init__(self, command: Command, words: str) -> None:
        super().__init__(words)
        self.command = command
        self.words = words


def available() -> bool:
    """Whether pyroute2 can speak to IPVS, as it can since 0.9."""
    import pyroute2

    return hasattr(pyroute2, "IPVS")


def can_say(commands: Sequence[Command]) -> bool:
    """Whether messages can express the commands. They can express all that svcc writes, but not all that a person may
    have set."""
    return all(_virtual(command) is not None and _real(command) is not None for command in commands)


def send(commands: Sequence[Command]) -> None:
    """Send each command as one message, in order. Errors: RefusedCommand, for the first that the kernel refuses."""
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
                    continue  # somebody else has removed it already
                raise RefusedCommand(command, os.strerror(error.code)) from error


def _virtual(command: Command) -> Attributes | None:
    """Return the attributes of a command's virtual server; None where messages cannot express them."""
    found = named(command.key)
    if found is None or not isinstance(command.options, Settings):
        return found
    settings = command.options
    names = settings.flags.split(",") if settings.flags else []
    others = _OTHERS.fullmatch(settings.others)
    if others is None or not FLAGS.keys() >= {*names}:
        return None
    flags = sum({FLAGS[name] for name in names}) | (ONE_PACKET if others["one"] else 0)
    if others["mask"]:
        found["netmask"] = _netmask(others["mask"])
    if settings.scheduler:
        found["sched_name"] = settings.scheduler
    if settings.persistence is not None:
        found["timeout"] = settings.persistence
        flags |= PERSISTENT
    return {**found, "flags": {"flags": flags, "mask": 0xFFFF_FFFF}}


def named(key: str) -> Attributes | None:
    """Return the attributes that name a virtual server, with the netmask that makes each address a client of its own;
    None where messages cannot name it."""
    marked = mark_of(key)
    if marked is not None:
        mark, version = marked
        family = AF_INET if version == 4 else AF_INET6
        return {"fwmark": mark, "af": family, "netmask": _netmask(NETMASKS[version])}
    option, _, at = key.partition(" ")
    if option not in PROTOCOLS:
        return None
    address, port = socket_of(at)
    netmask = _netmask(NETMASKS[6 if ":" in address else 4])
    return {"addr": address, "port": port, "protocol": _NUMBERS[PROTOCOLS[option]], "netmask": netmask}


def _netmask(text: str) -> str:
    """Return a netmask as pyroute2 takes it. For IPv6 the kernel wants the length of a prefix, which pyroute2 takes as
    an IPv4 address of these bytes."""
    return inet_ntoa(int(text).to_bytes(4, sys.byteorder)) if text.isdecimal() else text


def _real(command: Command) -> Attributes | None:
    """Return the attributes of a command's real server; {} where it names none; None where messages cannot express
    them."""
    if not command.server:
        return {}
    address, port = socket_of(command.server)
    found: Attributes = {"addr": address, "port": port}
    if not isinstance(command.options, Real):
        return found
    real = command.options
    others = _LIMITED.fullmatch(real.others)
    if real.method not in METHODS or others is None:
        return None
    limits = {"u_thresh": int(others["most"] or 0), "l_thresh": 0}
    return {**found, "fwd_method": METHODS[real.method], "weight": real.weight, **limits}
