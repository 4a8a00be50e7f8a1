"""How long a new connection takes through a node with rules: ``python bench/latency.py --help``.

Client, node and sink are network namespaces in a row. The sink owns every endpoint's address. What is timed is TCP's
connect() on the client: the first packet there, through the node's rules, and the answer back.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter_ns

import click
from loads import Load, our_loads, peer_load
from measure import Failed, run
from programs import Size, program, vip
from report import machine
from rich.console import Console
from rich.table import Table

from svcc.targets import targets
from svcc.verify.lab.netns import Namespace

_PORT = 8080
_CLIENT = "100.127.255.2"  # inside the pod networks, and not among the endpoints
_UNRELATED = "203.0.113.77"  # behind the node as well, and no service's
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close without TIME_WAIT, so that ports do not run out


class Row:
    """Client, node and sink, each in a namespace of its own, with a listener in the sink."""

    def __init__(self, stack: ExitStack) -> None:
        self.client, self.node, sink = (Namespace(name) for name in ("client", "node", "sink"))
        for namespace in (self.client, self.node, sink):
            stack.callback(namespace.close)
        self.node.sysctl({"net/ipv4/ip_forward": 1})
        self.node.ip(
            [
                f"link add client type veth peer name eth0 netns {self.client.path}",
                f"link add sink type veth peer name eth0 netns {sink.path}",
                "address add 100.127.255.1/30 dev client",
                "address add 192.0.2.1/30 dev sink",
                *(f"link set {device} up" for device in ("lo", "client", "sink")),
                "route add 100.64.0.0/11 via 192.0.2.2",
                f"route add {_UNRELATED}/32 via 192.0.2.2",
            ]
        )
        self.client.ip(
            [f"address add {_CLIENT}/30 dev eth0", "link set eth0 up", "route add default via 100.127.255.1"]
        )
        sink.ip(
            [
                "address add 192.0.2.2/30 dev eth0",
                *(f"link set {device} up" for device in ("lo", "eth0")),
                "route add default via 192.0.2.1",
                "route add local 100.64.0.0/11 dev lo",
                f"route add local {_UNRELATED}/32 dev lo",
            ]
        )
        with sink.entered():
            self._listener = stack.enter_context(socket.create_server(("0.0.0.0", _PORT), backlog=16))

    def connect(self, address: str) -> int:
        """Nanoseconds of one connection to an address."""
        with self.client.entered():
            client = socket.socket()
        with client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.settimeout(5)
            begun = perf_counter_ns()
            client.connect((address, _PORT))
            took = perf_counter_ns() - begun
            self._listener.accept()[0].close()
        return took


@dataclass(frozen=True, slots=True)
class Case:
    """A row with rules, or with none, and the addresses to try in turn."""

    name: str
    row: Row
    addresses: Sequence[str]


def cases(stack: ExitStack, counts: Sequence[int], names: Sequence[str], peers: Sequence[str]) -> Iterator[Case]:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="svcc-bench-")))
    yield Case("no rules", Row(stack), [_UNRELATED])
    for count in counts:
        loads = [load for name in names for load in _loads(name, count, folder)]
        if count == max(counts):
            loads += [peer_load(peer, folder) for peer in peers]
        for load in loads:
            row = Row(stack)
            for step in load.steps:
                run(step.command, step.file, namespace=row.node)
            name = load.steps[0].name if load.peer else load.name
            yield Case(f"{name}, {count} services", row, [vip(i) for i in range(count)])
            yield Case(f"{name}, {count} services, unrelated", row, [_UNRELATED])


def _loads(name: str, count: int, folder: Path) -> Iterator[Load]:
    file, parts = folder / f"{count}.dsl", folder / f"{name}-{count}"
    file.write_text(program(Size(count, 10)), encoding="utf-8")
    run([sys.executable, "-P", "-m", "svcc", "compile", str(file), "-t", name, "-o", str(parts)])
    return our_loads(targets()[name], parts)


def measure(found: Sequence[Case], number: int) -> dict[str, list[int]]:
    """Nanoseconds by case: ``number`` connections of each, to services chosen at random.

    One of each in turn, and never in the same order: a case pays for what the one before it did to the caches.
    """
    chosen = random.Random(1)
    took: dict[str, list[int]] = {case.name: [] for case in found}
    for i in range(number + number // 10):
        for case in chosen.sample(found, len(found)):
            nanoseconds = case.row.connect(chosen.choice(case.addresses))
            if i >= number // 10:  # the first tenth warms up
                took[case.name].append(nanoseconds)
    return took


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--services", "counts", multiple=True, default=(10, 10_000), show_default=True, help="How many services.")
@click.option("--connections", default=2_000, show_default=True, help="How many are timed in each case.")
@click.option("--target", "names", multiple=True, default=("nft", "iptables"), show_default=True, help="Which targets.")
@click.option("--peer", "peers", metavar="NAME=FILE:TOOL", multiple=True, help="Another program's rules.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    counts: tuple[int, ...], connections: int, names: tuple[str, ...], peers: tuple[str, ...], as_json: bool
) -> None:
    """Time new connections through a node; needs root. Peers are for the largest number of services."""
    try:
        with ExitStack() as stack:
            took = measure(list(cases(stack, counts, names, peers)), connections)
    except (Failed, OSError) as error:
        raise click.ClickException(str(error)) from error
    percentiles = {name: _percentiles(values) for name, values in took.items()}
    if as_json:
        click.echo(
            json.dumps({"machine": machine(), "connections": connections, "microseconds": percentiles}, indent=2)
        )
        return
    table = Table("", title=f"µs per connection, of {connections}", title_justify="left", box=None, pad_edge=False)
    for column in ("p50", "p90", "p99"):
        table.add_column(column, justify="right")
    for name, values in percentiles.items():
        table.add_row(name, *(f"{values[column]:.1f}" for column in ("p50", "p90", "p99")))
    Console().print(table)


def _percentiles(nanoseconds: Sequence[int]) -> dict[str, float]:
    cuts = quantiles(nanoseconds, n=100)
    return {f"p{n}": cuts[n - 1] / 1000 for n in (50, 90, 99)}


if __name__ == "__main__":
    main()
