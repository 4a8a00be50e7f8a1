"""A node on which one program takes another's place, and everything by which a kernel could tell that from the same
program on a new machine: what its tools list, and which clients affinity remembers.

The node is its own client, by several addresses. Nobody answers, as what is remembered is the first packet's.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.apply_world import World
from svcc.kernel.namespaces import Namespace

#: The node's addresses. They are clients: of one network, and of networks around it.
NODE = ("10.0.1.1", "fd00:1::1")
_CLIENTS = (*NODE, "10.0.1.2", "10.0.1.3", "10.0.2.1", "fd00:1::2", "fd00:1::3", "fd00:2::1")
#: Where they send their datagrams.
_FRONTENDS = (("198.19.0.1", 53), ("fd00:19::1", 53), ("203.0.113.1", 53), ("10.0.1.1", 30053), ("fd00:1::1", 30053))
_ENTRY = re.compile(r"-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ")
_MOVING = re.compile(r" (hashsize|bucketsize|initval) \S+")

_ENDPOINTS = "100.64.0.11; 100.64.0.12; 100.64.0.13; fd00:64::11; fd00:64::12; fd00:64::13"
#: What a service may say of its clients, and its port: these decide how objects of the same names are made.
_CASES = {
    "no memory": ("", "53/udp"),
    "each client": ("affinity client-ip 1h", "53/udp"),
    "for longer": ("affinity client-ip 2h", "53/udp"),
    "networks": ("affinity client-ip/24/64 1h", "53/udp"),
    "wide networks": ("affinity client-ip/16/32 1h", "53/udp"),
    "one memory": ("affinity client-ip 1h per service", "53/udp"),
    "one memory of networks": ("affinity client-ip/24/64 1h per service", "53/udp"),
    "a range": ("affinity client-ip/24 1h", "53-54/udp"),
    "some clients": ("affinity client-ip 1h; allow-from 10.0.1.0/30 fd00:1::/126; masquerade always", "53/udp"),
}


def programs(*, node_port: bool = True) -> dict[str, str]:
    """Return programs by a word about each. All have one service, whose endpoints take turns, so that it is known who
    gets which. ``node_port``: whether it has one."""
    return {name: _program(*case, node_port=node_port) for name, case in _CASES.items()}


def _program(settings: str, port: str, *, node_port: bool) -> str:
    some = f" nodeport {30053 if port == '53/udp' else '30053-30054'}" if node_port else ""
    return f"""
cluster {{ prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64 }}
node one {{ address {" ".join(NODE)} }}
service dns {{
  vip 198.19.0.1 fd00:19::1; external-ip 203.0.113.1; port {port}{some}; scheduler rr
  {settings}
  endpoints {{ {_ENDPOINTS} }}
}}
"""


class Replaced:
    """The node. ``variant``: iptables' variant; ``ipvs``: whether the kernel has IPVS in place of nf_tables."""

    def __init__(self, state: Path, variant: str = "nft", *, ipvs: bool = False) -> None:
        self._namespace = Namespace("replaced")
        self._variant, self._ipvs = variant, ipvs
        self.world = World(self._namespace, state, variant, ipvs=ipvs, nft=not ipvs)
        with self.world.inside():
            _said("ip link add lan0 type veth peer name lan1")
            _said("ip link set lan1 up")
            _said("ip link set lan0 arp off up")
            for address in _CLIENTS:
                _said(f"ip address add {address}/{'64 nodad' if ':' in address else '24'} dev lan0")
            _said("ip route add default dev lan0")
            _said("ip -6 route add default dev lan0")

    def close(self) -> None:
        self._namespace.close()

    def told(self) -> dict[str, Any]:
        """Have every client send to every frontend; return what the kernel tells after that."""
        with self.world.inside():
            for address, port in _FRONTENDS:
                for client in sorted(one for one in _CLIENTS if (":" in one) == (":" in address)):
                    _send(client, address, port)
            return dict(self._lists())

    def _lists(self) -> Iterator[tuple[str, Any]]:
        for tool in ("iptables", "ip6tables"):
            saved = [line for line in _said(f"{tool}-{self._variant}-save").splitlines() if line[0] in "*-"]
            yield tool, [line for line in saved if not _ENTRY.match(line)]
            # They do not depend on each other, and stand as they came.
            yield f"entries of {tool}", sorted(filter(_ENTRY.match, saved))
        yield "recent", dict(_recent())
        yield "ipset", sorted(_MOVING.sub("", line) for line in _said("ipset save").splitlines())
        if self._ipvs:
            yield "ipvsadm", sorted(_said("ipvsadm -S -n").splitlines())
            connections = [line.split() for line in _said("ipvsadm -L -c -n").splitlines()[2:]]
            yield "clients", sorted(ends for _, _, _, *ends in connections if ends[0].endswith(":0"))
            held = re.findall(r"custom-ipvs0 +(.*)", _said("ip -o address"))
            yield "addresses", sorted(one for one in held if "fe80::" not in one)
        else:
            yield "nft", dict(_nft_objects())


def _send(client: str, address: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((client, 0))
        with suppress(PermissionError):  # where the client is not allowed
            one.sendto(b"x", (address, port))


def _recent() -> Iterator[tuple[str, list[str]]]:
    """Yield each list of xt_recent with the clients in it: their addresses under the list's mask."""
    for path in Path("/proc/thread-self/net/xt_recent").glob("*"):
        yield path.name, sorted(line.split()[0] for line in path.read_text().splitlines())


def _nft_objects() -> Iterator[tuple[str, Any]]:
    """Yield everything in nf_tables by its name, and the rules of each chain in order. Of what expires, the time that
    it has from the beginning is told."""
    rules: dict[str, list[Any]] = {}
    for entry in json.loads(_said("nft -j list ruleset"))["nftables"]:
        for kind, found in entry.items():
            name = " ".join((kind, found.get("family", ""), found.get("table", ""), found.get("name", "")))
            if kind == "rule":
                chain = " ".join((kind, found["family"], found["table"], found["chain"]))
                rules.setdefault(chain, []).append(found["expr"])
            elif kind != "metainfo":
                elements = sorted(re.sub(r', "expires": \d+', "", json.dumps(one)) for one in found.pop("elem", ()))
                yield name, (elements, {key: value for key, value in found.items() if key != "handle"})
    yield from rules.items()


def _said(words: str) -> str:
    return subprocess.run(words.split(), capture_output=True, text=True, check=True).stdout
