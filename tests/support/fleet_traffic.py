"""Servers behind a fleet's machines, and clients on the machines that connect all the time."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from support.apply_load import Client
from support.apply_states import run
from support.fleet_site import ETCD, Machine, Site
from support.held_connections import Held, ask
from support.waiting import LID
from svcc.kernel.namespaces import Namespace

#: The vip of these tests' programs.
VIP = "198.19.10.1"
#: Run by a Python without `site` (-S), which starts in half the time: a test has several of these.
_SERVER = """
import socket, sys, threading
def answer(made):
    with made, made.makefile("rwb", 0) as wire:
        try:
            for _ in wire:
                wire.write(sys.argv[1].encode() + b"\\n")
        except ConnectionError:
            pass
made = socket.create_server((sys.argv[1], 8080), backlog=100)
print("serves", flush=True)
while True:
    threading.Thread(target=answer, args=made.accept()[:1], daemon=True).start()
"""
#: Seconds between a client's connections, so that its source ports do not run out.
_PACE = 0.01


class Servers:
    """Endpoints 100.64.0.HOST, port 8080, each of which can die. They are reached by ``gateway``."""

    def __init__(self, namespace: Namespace, hosts: tuple[int, ...], *machines: Machine, gateway: str = ETCD) -> None:
        self._namespace = namespace
        self._running: dict[int, subprocess.Popen[str]] = {}
        with namespace.entered():
            for host in hosts:
                run(f"ip address add 100.64.0.{host}/32 dev lo")
        for machine in machines:
            with machine.shell.namespace.entered():
                run(f"ip route add 100.64.0.0/24 via {gateway}")
                run(f"ip route add 198.19.10.0/24 via {gateway}")
        for host in hosts:
            self.start(host)

    def start(self, host: int) -> None:
        """Start a server, and wait until it serves."""
        words = [sys.executable, "-I", "-S", "-c", _SERVER, f"100.64.0.{host}"]
        with self._namespace.entered():
            made = self._running[host] = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert made.stdout is not None
        assert made.stdout.readline() == "serves\n"

    def end(self, *hosts: int) -> None:
        """Let some servers die; all of them where none is named."""
        for host in hosts or [*self._running]:
            process = self._running.pop(host)
            process.kill()
            process.communicate()


@contextmanager
def servers(made: Site, *hosts: int) -> Iterator[Servers]:
    """Yield endpoints beside etcd."""
    running = Servers(made.switch.namespace, hosts, *made.machines)
    try:
        yield running
    finally:
        running.end()


@contextmanager
def traffic(*machines: Machine) -> Iterator[None]:
    """Inside the ``with`` block, clients connect on each of these machines, and keep some connections open. All are
    answered, also at the end."""
    running = [Client(machine.shell.namespace, partial(_connect, VIP)) for machine in machines]
    seen: list[Counter[str]] = []
    try:
        yield
    finally:
        seen.extend(client.stop() for client in running)
    for machine, counted in zip(machines, seen, strict=True):
        assert set(counted) == {"answered", "held"}, (machine.name, counted)


def _connect(vip: str, stop: int) -> Counter[str]:
    counted: Counter[str] = Counter()
    held = Held()
    while not counted or not select.select([stop], [], [], _PACE)[0]:
        try:
            connection = socket.create_connection((vip, 80), timeout=LID)
            name = ask(connection)
        except OSError as error:
            counted[str(error)] += 1
            continue
        counted["answered"] += 1
        if counted["answered"] % 20 == 1:
            held.keep(connection, name)
        else:
            connection.close()
    return counted + held.end()
