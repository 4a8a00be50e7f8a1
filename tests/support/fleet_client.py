"""A client on the machines' network that asks which machine has an address, and connects to it."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from support.apply_states import run
from support.fleet_site import Machine, Site
from support.waiting import until
from svcc.kernel.link import arp, nd
from svcc.kernel.link.announcing import announce
from svcc.kernel.link.reading import links
from svcc.kernel.namespaces import Namespace

#: The addresses that are announced, in the machines' own networks.
FOUR, SIX = IPv4Address("10.9.0.100"), IPv6Address("fd00:9::100")
TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
node b { address 10.9.0.12 }
node c { address 10.9.0.13 }
service web {
  vip       10.9.0.100 fd00:9::100
  announce  yes
  port      80/tcp -> 8080
  endpoints { 100.64.0.1; fd00:64::1 }
}
"""
_Address: TypeAlias = IPv4Address | IPv6Address
_PORT = 80
_SOLICITATION = 135


class Client:
    """A client. ``machines``: the machines' names by their links' hardware addresses."""

    def __init__(self, namespace: Namespace, machines: dict[bytes, str]) -> None:
        self._namespace, self._machines = namespace, machines
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
            self._socket.bind(("lan", 3))
            own = json.loads(run("ip -json address show dev lan"))[0]
        self._mac = bytes.fromhex(own["address"].replace(":", ""))
        self._socket.settimeout(1)

    def close(self) -> None:
        self._socket.close()

    def run(self, command: str) -> str:
        """Run a command in the client's namespace; return what it prints."""
        with self._namespace.entered():
            return run(command)

    def claim(self, address: _Address) -> None:
        """Claim an address, as a host does that begins to use it."""
        with self._namespace.entered():
            announce([address], links())

    def answered_by(self, address: _Address) -> set[str]:
        """Return the machines that answer for an address.

        Each machine is then asked for an address of its own: when all have answered that, no answer for the first is
        still on its way.
        """
        own = [self._own(number, address.version) for number in range(11, 11 + len(self._machines))]
        waiting, found = {*own}, set[str]()
        for one in (address, *own):
            self._ask(one)
        while waiting:
            try:
                said, mac = self._answer(self._socket.recv(2048))
            except TimeoutError:  # a machine was not ready, or its link is down
                break
            waiting.discard(said)
            if said == address and mac in self._machines:
                found.add(self._machines[mac])
        return found

    def connects_to(self, address: _Address, port: int = _PORT, seconds: float = 0.5) -> str:
        """Return the machine that serves a new connection; "" where none does within ``seconds``."""
        try:
            with self._namespace.entered():
                made = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
            with made:
                made.settimeout(seconds)
                made.connect((str(address), port))
                return made.recv(64).decode()
        except OSError:
            return ""

    @staticmethod
    def _own(number: int, version: int) -> _Address:
        return ip_address(f"10.9.0.{number}" if version == 4 else f"fd00:9::{number}")

    def _ask(self, address: _Address) -> None:
        if isinstance(address, IPv4Address):
            frame = b"\xff" * 6 + self._mac + struct.pack("!H", arp.ETHERTYPE)
            frame += struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + self._mac + IPv4Address("10.9.0.2").packed
            self._socket.send(frame + bytes(6) + address.packed)
            return
        group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(address) & 0xFFFFFF)
        body = bytes(4) + address.packed + b"\x01\x01" + self._mac
        between = IPv6Address("fd00:9::2").packed + group.packed
        head = struct.pack("!BB", _SOLICITATION, 0)
        summed = nd.checksum(between + struct.pack("!II", 4 + len(body), 58) + head + bytes(2) + body)
        packet = (
            struct.pack("!IHBB", 6 << 28, 4 + len(body), 58, 255) + between + head + struct.pack("!H", summed) + body
        )
        self._socket.send(b"\x33\x33" + group.packed[-4:] + self._mac + struct.pack("!H", nd.ETHERTYPE) + packet)

    def _answer(self, frame: bytes) -> tuple[_Address | None, bytes]:
        """Return the address that a frame to this client is an answer for, and the sender."""
        (kind,) = struct.unpack("!H", frame[12:14])
        if frame[:6] == self._mac and kind == arp.ETHERTYPE and frame[20:22] == b"\x00\x02":
            return IPv4Address(frame[28:32]), frame[6:12]
        if frame[:6] == self._mac and kind == nd.ETHERTYPE and frame[20] == 58 and frame[54] == nd.ADVERTISEMENT:
            return IPv6Address(frame[62:78]), frame[6:12]
        return None, b""


@contextmanager
def client_of(made: Site) -> Iterator[Client]:
    """Yield a client beside a site's machines, each of which has a server that sends the machine's name."""
    with ExitStack() as stack:
        namespace = stack.enter_context(closing(Namespace("client")))
        with made.switch.namespace.entered():
            run(f"ip link add to-client master lan type veth peer name lan netns {namespace.path}")
            run("ip link set to-client up")
        with namespace.entered():
            run("ip link set lan up")
            run("ip address add 10.9.0.2/24 dev lan")
            run("ip address add fd00:9::2/64 dev lan nodad")
        for number, machine in enumerate(made.machines, 11):
            with machine.shell.namespace.entered():
                run(f"ip address add fd00:9::{number}/64 dev lan nodad")
                run("ip address add 100.64.0.1/32 dev lo")
                run("ip address add fd00:64::1/128 dev lo")
                run("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.neigh.lan.proxy_delay=0")
                run("sysctl -qw net.ipv4.ip_forward=1")
            stack.enter_context(_server(machine))
        yield stack.enter_context(closing(Client(namespace, _hardware(made))))


@contextmanager
def _server(machine: Machine) -> Iterator[None]:
    with machine.shell.namespace.entered():
        listening = socket.create_server(("", 8080), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve() -> None:
        while True:
            try:
                accepted = listening.accept()[0]
            except OSError:
                return
            with accepted:
                accepted.sendall(machine.name.encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _hardware(made: Site) -> dict[bytes, str]:
    found = {}
    for machine in made.machines:
        with machine.shell.namespace.entered():
            words = ["ip", "-json", "link", "show", "dev", "lan"]
            said = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)[0]["address"]
        found[bytes.fromhex(said.replace(":", ""))] = machine.name
    return found


def until_served(client: Client, address: _Address, *but: str) -> str:
    """Wait until a machine other than ``but`` serves an address; return its name."""
    return until(lambda: client.connects_to(address).strip("".join(but)), f"another machine serves {address}")
