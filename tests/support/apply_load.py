"""Clients that never stop connecting while rules change.

Between two changes nothing can happen to a connection: there they pause, and leave the processor to what plans the next
change and looks at what became of the last.
"""

from __future__ import annotations

import errno
import json
import os
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from support.apply_world import quietly
from support.held_connections import Held, ask
from support.waiting import LID
from svcc.apply import confirm, engine, planning
from svcc.apply.engine import Event
from svcc.apply.generation import Draft
from svcc.apply.scope import scope_of_program
from svcc.apply.store import Store
from svcc.apply.summary import Summary, summary
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.namespaces import Namespace
from svcc.targets import targets
from svcc.verify.lab import CLIENT, NODE, Lab

#: Every pod that any program of these tests names.
PODS = tuple(f"100.64.0.{host}" for host in range(10, 16))
WEB, DB, NODE_PORT = ("198.19.10.1", 80), ("198.19.10.2", 5432), ("10.0.0.4", 30080)
#: A shared address, one that only some clients may use, and a port of a range.
SHARED, EXTERNAL, RANGE = ("203.0.113.7", 80), ("203.0.113.8", 443), ("198.19.10.3", 5003)
DNS = ("198.19.10.4", 53)
#: Two ports of a service with an affinity that may cover both, and a service whose endpoints drain or are backups.
REMEMBERED, ALSO_REMEMBERED, SPARE = ("198.19.10.5", 80), ("198.19.10.5", 81), ("198.19.10.6", 80)
HEAD = "cluster { prefix CUSTOM; pods 100.64.0.0/24 }\nnode n { address 10.0.0.4 }\n"


def everything() -> str:
    """Return a program with all pods that there will ever be: the lab is built for it."""
    return _text(PODS, PODS, "", extra=True)


def some(dice: random.Random) -> str:
    """Return a program that serves what clients ask for, in one way or another."""
    web, db = (dice.sample(PODS, dice.randint(1, len(PODS))) for _ in range(2))
    scheduler = dice.choice(["", "scheduler rr;", "scheduler wrr;"])
    return _text([_weighted(pod, dice) for pod in web], db, scheduler, extra=dice.random() < 0.5)


def every_statement() -> str:
    """Return :func:`everything` with every statement of the language that connections pass through."""
    return everything() + _more(PODS, PODS, (), random.Random(0))


def some_of_every_statement(dice: random.Random) -> str:
    """Return :func:`some` with such statements. All pods serve DNS all the time, draining or not, so that its flows
    have no reason to move."""
    pods = dice.sample(PODS, len(PODS))
    draining = set(dice.sample(PODS, dice.randint(0, len(PODS) - 1)))
    cluster = (
        dice.choice(["", "services 198.19.0.0/16;"]),
        dice.choice(["", "nodeport-addresses 10.0.0.0/8;"]),
        dice.choice(["", "nodeports 30000-31000;"]),
        dice.choice(["", "mark 0x8000;"]),
    )
    head = f"cluster {{ prefix CUSTOM; pods 100.64.0.0/24; {' '.join(cluster)} }}\n"
    defaults = dice.choice(["", "when-empty drop", "when-failed empty"])
    head += f"node n {{ address 10.0.0.4; zone a }}\ndefaults {{ {defaults} }}\n"
    return some(dice).replace(HEAD, head) + _more(pods[: dice.randint(1, len(pods))], pods, draining, dice)


def _more(pods: Sequence[str], dns: Sequence[str], draining: Collection[str], dice: random.Random) -> str:
    settings = (
        *("", "scheduler rr;", "scheduler wrr;", "scheduler sh;", "affinity client-ip 2s;", "affinity client-ip;"),
        *("masquerade always;", "masquerade never;", "when-empty drop;", "traffic external local;"),
        *("masquerade 192.0.2.0/24;", "affinity client-ip/24/64 2s;", "traffic internal prefer-local;"),
        *("traffic external prefer-zone;", "check tcp every 5s; when-failed empty;"),
    )
    memories = ("", "affinity client-ip 2s per service;", "affinity client-ip/24/64 2s;", "affinity client-ip 1m;")
    leaving = dice.sample(pods, dice.randint(0, len(pods)))
    spare = "; ".join(pod + dice.choice([" draining", " backup"] if pod in leaving else [""]) for pod in pods)
    ours = "; ".join(f"{pod} weight {dice.randint(1, 3)} on n" for pod in pods)
    return f"""
service shared {{ external-ip {SHARED[0]} shared; port 80/tcp -> 8080; {dice.choice(settings)} endpoints {{ {ours} }} }}
service allowed {{ external-ip {EXTERNAL[0]}; port 443/tcp -> 8080; allow-from 192.0.2.0/24; {dice.choice(settings)}
  endpoints {{ {ours} }} }}
service range {{ vip {RANGE[0]}; port 5000-5007/tcp -> 6000; {dice.choice(settings)}
  endpoints {{ {ours} }} }}
service remembered {{ vip {REMEMBERED[0]}; port a 80/tcp -> 8080; port b 81/tcp -> 8080; {dice.choice(memories)}
  endpoints all-pods }}
service spare {{ vip {SPARE[0]}; port 80/tcp -> 8080; when-empty draining; endpoints {{ {spare} }} }}
endpoints all-pods {{ {ours} }}
service dns {{ vip {DNS[0]}; port 53/udp -> 5353; {dice.choice(settings[:4])}
  endpoints {{ {"; ".join(f"{pod} draining" if pod in draining else pod for pod in dns)} }} }}
"""


def _weighted(pod: str, dice: random.Random) -> str:
    return dice.choice([pod, f"{pod} weight {dice.randint(1, 5)}"])


def _text(web: Sequence[str], db: Sequence[str], scheduler: str, *, extra: bool) -> str:
    text = f"""{HEAD}
service web {{ vip {WEB[0]}; port 80/tcp -> 8080 nodeport 30080; {scheduler} endpoints {{ {"; ".join(web)} }} }}
service db {{ vip {DB[0]}; port 5432/tcp; endpoints {{ {"; ".join(db)} }} }}
"""
    if extra:
        text += f"service extra {{ vip 198.19.10.9; port 9/tcp; affinity client-ip 1m; endpoints {{ {PODS[0]} }} }}\n"
    return text


class Pace:
    """Whether clients connect without pause: while rules change, and before the first change that they meet."""

    #: Seconds from one connection to the next while nothing changes.
    _PAUSE = 0.02

    def __init__(self) -> None:
        self._quick, self._to_quick = os.pipe()  # a byte in it makes them quick
        self._is_quick = False

    def quicken(self) -> None:
        if not self._is_quick:
            os.write(self._to_quick, b"x")
            self._is_quick = True

    def slacken(self) -> None:
        if self._is_quick:
            os.read(self._quick, 1)
            self._is_quick = False

    def goes_on(self, stop: int) -> bool:
        """Wait, in a client, until it is time for the next connection. Return False when it has to stop, for which
        ``stop`` becomes readable."""
        return stop not in select.select([stop, self._quick], [], [], self._PAUSE)[0]

    def close(self) -> None:
        os.close(self._quick)
        os.close(self._to_quick)


@dataclass
class Node:
    """The lab's node, with its state directory."""

    lab: Lab
    store: Store
    pace: Pace
    applied: list[float] = field(default_factory=list)  # how many seconds each apply took

    def apply(self, text: str, target: str) -> None:
        self._carry_out(_draft(text, target))

    def take_down(self) -> None:
        self._carry_out(replace(_draft(everything(), "nft"), bundle=None, summary=Summary()))

    def _carry_out(self, draft: Draft) -> None:
        installation = self.store.installation("custom")
        began = time.monotonic()
        with self.lab.namespace(NODE).entered(), self.store.locked():
            confirm.settle(installation)
            plan = planning.make_plan(installation, draft, patience=5)
            engine.check(plan, quietly)
            engine.perform(plan, installation, draft, self._told)
        self.pace.slacken()
        self.applied.append(time.monotonic() - began)

    def _told(self, event: Event) -> None:
        """Rules change from the journal on, which is written before the first step, up to where they are read back;
        flows may be forgotten later."""
        if event.what in ("reading back", "finishing"):
            self.pace.slacken()
        else:
            self.pace.quicken()


def _draft(text: str, target: str) -> Draft:
    program = load_text(Source("load.dsl", text)).program
    assert program is not None
    bundle = targets()[target].render(program, program.nodes[0])
    return Draft(bundle, scope_of_program(program), summary(program, program.nodes[0]), "load.dsl")


@contextmanager
def node(state: Path, text: str = "") -> Iterator[Node]:
    """Build a lab whose node has no rules yet, for a program that names all pods of the later ones."""
    program = load_text(Source("load.dsl", text or everything())).program
    assert program is not None
    with Lab.up(program, program.nodes[0], bridge_netfilter=False) as lab, closing(Pace()) as pace:
        yield Node(lab, Store(state), pace)


class Client:
    """A process that works in a namespace until it is told to stop.

    ``work`` gets the descriptor that becomes readable then, and returns counts of what happened to its connections.
    """

    def __init__(self, namespace: Namespace, work: Callable[[int], Counter[str]]) -> None:
        self._stop, stop = os.pipe()[::-1]
        found, self._found = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(self._stop)
                os.nice(5)  # on a single slow processor the apply has to go first
                with namespace.entered():
                    os.write(self._found, json.dumps(work(stop)).encode())
            finally:
                os._exit(0)
        os.close(stop)
        os.close(self._found)
        self._result = found

    def stop(self) -> Counter[str]:
        """Stop it; return how many connections were answered, and counts of each failure."""
        os.write(self._stop, b"x")  # closing is not enough: clients that were started later have it open as well
        os.close(self._stop)
        with open(self._result, encoding="utf-8") as file:
            counted = Counter[str](json.load(file))
        os.waitpid(self._child, 0)
        return counted


def connect(destinations: Sequence[tuple[str, int]], pace: Pace, stop: int, *, hold: bool) -> Counter[str]:
    """Connect as fast as the pace allows. ``hold``: some connections stay open, and are asked again at the end."""
    counted: Counter[str] = Counter()
    held = Held()
    number = 0
    while pace.goes_on(stop):
        destination = destinations[number % len(destinations)]
        number += 1
        try:
            connection = _connected(destination)
            name = ask(connection)
            if (lost := _sent_again(connection)) > 1:
                raise OSError(f"{lost} segments were lost")
        except OSError as error:
            counted[f"{destination[0]}:{destination[1]}: {error}"] += 1
            continue
        counted["answered"] += 1
        if hold and number % 50 == 0:
            held.keep(connection, name)
        else:
            connection.close()
    return counted + held.end()


def _connected(destination: tuple[str, int]) -> socket.socket:
    """Return a connection from a port that no other open socket has: IPVS takes the answers to two connections for
    one's if they come from one port to one endpoint, by whatever addresses. Once there is no such port, any will do."""
    try:
        return socket.create_connection(destination, timeout=LID, source_address=("", 0))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    return socket.create_connection(destination, timeout=LID)


def _sent_again(connection: socket.socket) -> int:
    """Return how many segments were sent again, including the SYN: tcpi_total_retrans (linux/tcp.h).

    A rule that drops packets shows in these rather than in seconds: the network is this machine's, so what is not
    dropped arrives, however busy it is. One segment may be sent again where a processor stands still for a second.
    """
    return int.from_bytes(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:104], sys.byteorder)


def send_datagrams(destination: tuple[str, int], pace: Pace, stop: int, *, flows: int = 40) -> Counter[str]:
    """Send flows of UDP, each from a source port of its own. The endpoint that answered a flow first has to answer all
    of it."""
    counted: Counter[str] = Counter()
    sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(flows)]
    names: dict[socket.socket, bytes] = {}
    for flow in sockets:
        flow.settimeout(LID)
        flow.connect(destination)
    while pace.goes_on(stop):
        for flow in sockets:
            try:
                name = ask(flow)
            except OSError as error:
                counted[f"datagram: {error}"] += 1
                continue
            counted["datagrams" if names.setdefault(flow, name) == name else "moved"] += 1
            names[flow] = name
    return counted


@contextmanager
def clients(
    node: Node,
    places: Sequence[tuple[str, int]] = (WEB, DB, NODE_PORT),
    datagrams: Sequence[tuple[str, int]] = (),
    *,
    held: bool = True,
) -> Iterator[list[Counter[str]]]:
    """Inside the ``with`` block, an outside client and a pod connect, without pause while rules change; then the list
    holds their counts."""
    within = [one for one in places if one not in (NODE_PORT, SHARED, EXTERNAL)]
    node.pace.quicken()
    running = [
        Client(node.lab.namespace(CLIENT), partial(connect, places, node.pace, hold=held)),
        Client(node.lab.namespace("100.64.0.10"), partial(connect, within, node.pace, hold=held)),
    ]
    if DNS in datagrams:
        running += [
            Client(node.lab.namespace(where), partial(send_datagrams, DNS, node.pace))
            for where in (CLIENT, "100.64.0.11")
        ]
    seen: list[Counter[str]] = []
    try:
        yield seen
    finally:
        seen.extend(client.stop() for client in running)


def seen_while_moving(old: str, new: str, state: Path, *, held: bool) -> list[Counter[str]]:
    """Return the counts of clients while another target takes over."""
    with node(state) as there:
        there.apply(everything(), old)
        with clients(there, held=held) as seen:
            there.apply(everything(), new)
    return seen


def all_answered(seen: list[Counter[str]], *, held: bool = True) -> bool:
    kinds = {"answered", "held"} if held else {"answered"}
    return all(set(counted) == kinds for counted in seen)
