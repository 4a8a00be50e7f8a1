"""``svcc trace``: follow one packet through the rules."""

from __future__ import annotations

import re
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

import click

from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.read_addresses import glued_port
from svcc.exits import Exit
from svcc.help import examples
from svcc.inputs import read_input
from svcc.options import ParameterType, file_argument, format_option, loaded_target_option, node_option, quiet_option
from svcc.output import put
from svcc.targets.interface import Target
from svcc.verify.packet import Packet, Portless, Vantage
from svcc.verify.trace import TraceError, load, trace
from svcc.verify.trace.show import as_json, as_text

_SOCKET = re.compile(
    r"((?P<v4>[0-9.]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\]):(?P<port>[0-9]{1,5})/(?P<protocol>[a-z]+)", re.ASCII
)
_VANTAGES = {vantage.value: vantage for vantage in Vantage}


class _Address(ParameterType[ir.Address]):
    name = "address"

    def convert(self, value: str | ir.Address, param: click.Parameter | None, ctx: click.Context | None) -> ir.Address:
        if not isinstance(value, str):
            return value
        try:
            return _address(value)
        except ValueError:
            self.fail(f"`{value}` is no address", param, ctx)


def _address(text: str) -> ir.Address:
    """Parse an address that has no port, and warn where its end looks like one. Errors: ValueError."""
    address = ip_address(text)
    if (glued := glued_port(text)) is not None:
        click.echo(f"svcc: warning: {glued.message}", err=True)
    return address


class _Socket(NamedTuple):
    address: ir.Address
    port: int
    protocol: ir.Protocol | Portless


class _Destination(ParameterType[_Socket]):
    name = "destination"

    def convert(self, value: str | _Socket, param: click.Parameter | None, ctx: click.Context | None) -> _Socket:
        if isinstance(value, _Socket):
            return value
        try:
            return _socket(value)
        except ValueError:
            self.fail(
                f"`{value}` is not ADDR:PORT/PROTO, like 198.19.0.1:80/tcp or [fd00::1]:53/udp; a protocol without "
                f"ports ({', '.join(Portless)}) is ADDR/PROTO, like 198.19.0.1/icmp",
                param,
                ctx,
            )


def _socket(text: str) -> _Socket:
    """Parse ADDR:PORT/PROTO or ADDR/PROTO. Errors: ValueError."""
    address_text, _, protocol = text.rpartition("/")
    if protocol in Portless.__members__.values():
        return _Socket(_address(address_text), 0, Portless(protocol))
    found = _SOCKET.fullmatch(text)
    if found is None:
        raise ValueError(text)
    address = IPv4Address(found["v4"]) if found["v4"] else IPv6Address(found["v6"])
    port = int(found["port"])
    if not 0 < port < 65_536:
        raise ValueError(text)
    return _Socket(address, port, ir.Protocol(found["protocol"]))


@click.command("trace", epilog=examples("svcc trace svc.dsl -t nft --from 198.51.100.7 --to 198.19.10.0:8080/tcp"))
@file_argument
@loaded_target_option
@node_option
@click.option("--from", "source", type=_Address(), metavar="ADDR", required=True, help="Who sends the packet.")
@click.option(
    "--to", type=_Destination(), metavar="ADDR:PORT/PROTO", required=True, help="Where it is sent (a ping: ADDR/icmp)."
)
@click.option(
    "--in", "vantage", type=click.Choice([*_VANTAGES]), help="Where it enters the node.  [default: see above]"
)
@click.option("--local", type=_Address(), metavar="ADDR", multiple=True, help="A further address of the node's own.")
@click.option("--json", "to_json", is_flag=True, help="Print JSON.")
@format_option
@quiet_option
def command(
    file: str,
    target: Target,
    node: str | None,
    source: ir.Address,
    to: _Socket,
    vantage: str | None,
    local: tuple[ir.Address, ...],
    to_json: bool,
    form: str,
    quiet: bool,
) -> None:
    """Follow the first packet of a connection through the rules that FILE is compiled to.

    FILE is a program or a compiled bundle. The rules are read as the kernel would walk them: every way that
    chance may send the packet is printed, with its share, line by line and hook by hook.

    The node's own addresses are those that FILE declares, shared service addresses among them, those that the rules
    give it, and those given with --local.
    A packet from one of them is sent by the node, one from FILE's pod networks arrives from a pod, every
    other from a client outside.
    """
    if source.version != to.address.version:
        raise click.UsageError(f"{source} and {to.address} are of different families")
    given = read_input(file, target, node, form, quiet=quiet)
    _demand_node(given, to.address)
    held = given.program.held_by_others if given.program else ()
    own = (*(given.node.addresses if given.node else ()), *local, *held)
    entering = _VANTAGES[vantage] if vantage else _vantage(given, source, own)
    packet = Packet(source, to.address, to.protocol, to.port, entering)
    try:
        traced = trace(load(given.bundle, own), packet)
    except TraceError as error:
        click.echo(f"svcc: {error}", err=True)
        sys.exit(Exit.INPUT)
    put(as_json(traced) if to_json else as_text(traced))


def _demand_node(given: Wanted, address: ir.Address) -> None:
    """End the command where the address is one of a node of the program, and no node is chosen: node ports are served
    on the chosen node's addresses."""
    if given.node is not None or given.program is None:
        return
    for node in given.program.nodes:
        if address in node.addresses:
            raise click.UsageError(f"{address} is an address of node {node.name}: say --node {node.name}")


def _vantage(given: Wanted, source: ir.Address, own: tuple[ir.Address, ...]) -> Vantage:
    if source in own or source.is_loopback:
        return Vantage.NODE
    pods = given.program.cluster.pods if given.program else ()
    return Vantage.POD if any(source in network for network in pods) else Vantage.CLIENT
