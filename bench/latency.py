"""How long a new connection takes through a node with rules, and how many connections there are in a second.

The client, the node and the sink are network namespaces in a row. The sink owns every endpoint's address. Two things
are timed: TCP's connect() on the client, which is the first packet through the node's rules and the answer back; and
whole connections, which are accepted and reset.
"""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, perf_counter_ns

from loads import our_loads, peer_load
from measure import Failed, Values, rounds, run
from programs import endpoint, vip
from results import Part
from task import Task

from svcc.verify.lab.netns import Namespace

DIRECT, TRACKED, NOT_OURS = "no rules", "only tracked", "unrelated"  # these are parts of the names of cases
BY_HAND = "one rule by hand"
FEW = 10  # services, with which many are compared
SOME = f"{FEW} of them"  # connections to a few of many services: their entries stay in the processor's caches
#: Connection tracking, which every node does that translates addresses or has a stateful firewall, before any rule.
_TRACKING = "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
_PORT = 8080
_CLIENT = "100.127.255.2"  # inside the pod networks, and not among the endpoints
_UNRELATED = "203.0.113.77"  # behind the node, too, and no service's address
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close without TIME_WAIT, so that ports do not run out
#: The least possible service: one address is translated into another.
_TRANSLATING = (
    f"*nat\n-A PREROUTING -d {vip(0)} -p tcp --dport {_PORT} -j DNAT --to-destination {endpoint(0)}\nCOMMIT\n"
)
_CONNECTIONS = 200  # in a turn
_UNTIMED = 20  # connections before these: the turn before left other things in the caches


class Row:
    """A client, a node and a sink, each in a namespace of its own, with a listener in the sink."""

    def __init__(self, stack: ExitStack) -> None:
        self.client, self.node, sink = (Namespace(name) for name in ("client", "node", "sink"))
        for namespace in (self.client, self.node, sink):
            stack.callback(namespace.close)
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
        self.tune()

    def tune(self) -> None:
        """Have reset connections forgotten at once, so that remains of other connections are not measured.

        Call it again after loading rules that make the kernel track connections.
        """
        self.node.sysctl(
            {
                "net/ipv4/ip_forward": 1,
                "net/ipv4/vs/conntrack": 1,
                "net/netfilter/nf_conntrack_tcp_timeout_close": 1,
            }
        )

    def connect(self, address: str) -> int:
        """Connect; return the nanoseconds that connect() takes. The calling thread is in the client's namespace."""
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.settimeout(5)
            begun = perf_counter_ns()
            client.connect((address, _PORT))
            took = perf_counter_ns() - begun
            self._listener.accept()[0].close()
        return took

    def turn(self, addresses: Sequence[str]) -> Values:
        """Make some connections in a row; return quantiles of connect() in µs, and how many there were per second."""
        with self.client.entered(), _first_in_line():
            for address in addresses[:_UNTIMED]:
                self.connect(address)
            begun = perf_counter()
            took = [self.connect(address) for address in addresses[_UNTIMED:]]
            seconds = perf_counter() - begun
        cuts = quantiles(took, n=100)
        found = {f"p{n}": cuts[n - 1] / 1000 for n in (50, 90, 99)}
        return found | {"per second": len(took) / seconds}


@contextmanager
def _first_in_line() -> Iterator[None]:
    """Run before all ordinary processes (sched(7)). Else p99 would show when the scheduler took the core away.

    Where that is not allowed, p99 does show that; cases are still compared with each other in the same rounds.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@dataclass(frozen=True, slots=True)
class Case:
    """A row with or without rules, and the addresses to connect to."""

    name: str
    row: Row
    addresses: Sequence[str]
    chosen: random.Random

    def turn(self) -> dict[str, Values]:
        return {self.name: self.row.turn(self.chosen.choices(self.addresses, k=_UNTIMED + _CONNECTIONS))}


def latency(task: Task) -> Part:
    """Measure turns of connections: with no rules, with each target's for few services and for all, and with the
    peers'.

    Addresses are IPv4, whatever the size says.
    """
    task = replace(task, size=replace(task.size, version=4))
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        cases = list(_cases(task, stack, failed))
        for case in cases:
            case.turn()
        found = rounds([partial(_shuffled, cases, random.Random(1))], task.turns)
    return Part(str(task.size), found, failed)


def _shuffled(cases: Sequence[Case], chosen: random.Random) -> dict[str, Values]:
    """Take one turn of each case, in a new order each time."""
    turns = {name: values for case in chosen.sample(cases, len(cases)) for name, values in case.turn().items()}
    return {case.name: turns[case.name] for case in cases}


def _cases(task: Task, stack: ExitStack, failed: dict[str, str]) -> Iterator[Case]:
    number = task.size.services * task.size.endpoints
    case = partial(Case, chosen=random.Random(1))
    every = [endpoint(k) for k in range(number)]
    for name, rules, addresses in (
        (DIRECT, "", every),
        (TRACKED, _TRACKING, every),
        (BY_HAND, _TRANSLATING, [vip(0)]),
    ):
        row = Row(stack)
        _load_xtables(row.node, rules)
        row.tune()
        yield case(name, row, addresses)
        yield case(f"{name}, {NOT_OURS}", row, [_UNRELATED])
    for name, count, into in _rules(task):
        row = Row(stack)
        try:
            into(row.node)
            row.tune()
            row.turn([vip(i % count) for i in range(_UNTIMED + 2)])
        except (Failed, OSError) as error:
            failed[name] = str(error)
        else:
            yield case(f"{name}, {count} services", row, [vip(i) for i in range(count)])
            if count > FEW:
                yield case(f"{name}, {count} services, {SOME}", row, [vip(i * count // FEW) for i in range(FEW)])
            yield case(f"{name}, {count} services, {NOT_OURS}", row, [_UNRELATED])


def _load_xtables(namespace: Namespace, rules: str) -> None:
    with TemporaryDirectory(prefix="svcc-bench-") as folder:
        file = Path(folder, "rules")
        file.write_text(rules, encoding="utf-8")
        run(["iptables-restore"], file, namespace=namespace)


def _rules(task: Task) -> Iterator[tuple[str, int, Callable[[Namespace], None]]]:
    """Yield the name of a load, for how many services it is, and how it is loaded."""
    for count in sorted({FEW, task.size.services}):
        size = replace(task.size, services=count)
        for target in task.targets:
            if target.loads:
                for load in our_loads(target, task.compiled(size, target)):
                    yield load.name, count, load.into
    for peer in task.peers:
        other = peer_load(peer, task.folder)
        yield other.name, task.size.services, other.into
