"""For the tests of the tracer: nodes from a few lines of a tool's input, and packets in a word."""

from __future__ import annotations

import json
from fractions import Fraction
from ipaddress import ip_address
from typing import Any

from svcc.compiler import ir
from svcc.targets.interface import Artifact, Bundle, Part
from svcc.verify.packet import Packet, Refusal, Vantage
from svcc.verify.trace import End, Kernel, Trace, load, trace

NODE = ip_address("10.0.0.4")
CLIENT = ip_address("192.0.2.1")


def node(*own: str, **parts: str) -> Kernel:
    """Return a node (10.0.0.4 by default) with these parts loaded, in this order."""
    artifacts = tuple(Artifact(Part(name, name, ""), text) for name, text in parts.items())
    return load(Bundle("test", None, artifacts), [ip_address(a) for a in own or ("10.0.0.4", "fd00:10::4")])


def table(name: str, *lines: str) -> str:
    """Return a table of iptables, committed."""
    return "\n".join([f"*{name}", *lines, "COMMIT"]) + "\n"


def document(*commands: dict[str, Any]) -> str:
    """Return an nft document with every command on a line of its own, the first on line 2."""
    return '{"nftables": [\n' + ",\n".join(json.dumps(c) for c in commands) + "\n]}\n"


def packet(to: str, source: str | None = None, vantage: Vantage = Vantage.CLIENT) -> Packet:
    """Return a packet to ``198.19.0.1:80/tcp``, say; by default from 192.0.2.1 or 2001:db8::1."""
    place, _, protocol = to.partition("/")
    host, _, port = place.rpartition(":")
    address = ip_address(host.strip("[]"))
    source = source or ("192.0.2.1" if address.version == 4 else "2001:db8::1")
    return Packet(ip_address(source), address, ir.Protocol(protocol), int(port), vantage)


def follow(kernel: Kernel, to: str, source: str | None = None, vantage: Vantage = Vantage.CLIENT) -> Trace:
    return trace(kernel, packet(to, source, vantage))


def ends(kernel: Kernel, to: str, source: str | None = None, vantage: Vantage = Vantage.CLIENT) -> dict[str, Fraction]:
    """Return where a packet may end, in words, with the shares: ``reject``, ``100.64.0.1:80``, ``100.64.0.1:80
    masqueraded``."""
    return {_words(end): share for end, share in follow(kernel, to, source, vantage).ends.items()}


def _words(end: End) -> str:
    if end.address is None:
        return (end.refusal or Refusal.UNTOUCHED).value
    return f"{end.address}:{end.port}" + " masqueraded" * end.masquerade
