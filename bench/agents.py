"""What an agent costs, and how soon it takes out a server that died; compared with keepalived where there is IPVS.

The node and the sink are two network namespaces. The sink owns every endpoint's address, and one process there accepts
all connections. A server dies by a rule that resets connections to its address. One service in ten has a check of its
endpoints (with fewer than 1,000 services, every one): every 5 s, down after three failures. keepalived is configured
alike.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeAlias

from measure import SVCC, Failed, Values, rounds, run
from programs import Size, endpoint, program, vip
from results import Part
from task import Task

from svcc.targets.interface import Target
from svcc.verify.lab.netns import Namespace

#: How many services the smallest program has, which costs next to nothing.
FEW = 10
_CHECK = "  check tcp every 5s timeout 2s fall 3 rise 2\n"
#: How many servers die in a round, seconds from one to the next, and seconds until three checks of the last failed.
_DEATHS, _APART, _FAILED = 9, 1.0, 17.0
#: Seconds over which processor time is counted: each endpoint is checked twice in them.
_WINDOW = 10.0
#: Seconds that each wait may take. They only end what hangs.
_PATIENCE = 300.0
#: A line of the agent's log.
_Event: TypeAlias = Mapping[str, float | str]
_TICKS = os.sysconf("SC_CLK_TCK")
_SERVER = """
import socket
made = socket.create_server(("0.0.0.0", 8080), backlog=4096)
while True:
    made.accept()[0].close()
"""


def agents(task: Task) -> Part:
    """Measure an agent of nft and, where there is IPVS, an agent of ipvs and keepalived."""
    failed: dict[str, str] = {}
    chosen = [target for target in task.targets if target.name in ("nft", "ipvs") and _can(target)]
    cases: list[Callable[[], Mapping[str, Values]]] = []
    for target in chosen:
        cases += [partial(_few, task, target)] if task.size.services > FEW else []
        cases.append(partial(_many, task, target))
        if target.name == "ipvs" and (peer := keepalived(failed)):
            cases.append(partial(_peer, task, peer))
    return Part(str(task.size), rounds(cases, task.rounds), failed)


def _can(target: Target) -> bool:
    return target.name != "ipvs" or Path("/proc/net/ip_vs").exists()


def keepalived(failed: dict[str, str]) -> list[str]:
    """Return the words that run Debian's keepalived, which is unpacked and not installed; none where it cannot be
    had."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support.tools.debs import NoDebs, argv

    try:
        return argv("bookworm", "keepalived", "keepalived")
    except NoDebs as error:
        failed["keepalived"] = str(error)
        return []


# ---- what is checked


def _checked(size: Size) -> range:
    """Return the numbers of the services whose endpoints are checked."""
    return range(0, size.services, 10 if size.services >= 1_000 else 1)


def _text(size: Size, *, checks: bool) -> str:
    text = program(size)
    if not checks:
        return text
    head, *services = re.split(r"(?m)^(?=service )", text)
    checked = {*_checked(size)}
    made = (one.replace("  endpoints {", f"{_CHECK}  endpoints {{", 1) if i in checked else one
            for i, one in enumerate(services))  # fmt: skip
    return head + "".join(made)


def _configuration(size: Size) -> str:
    """Return the same services as a configuration of keepalived(8), also those without a check."""
    checked = {*_checked(size)}
    services = (_virtual(size, i, checks=i in checked) for i in range(size.services))
    return "global_defs {\nrouter_id bench\n}\n" + "".join(services)


_TCP_CHECK = "TCP_CHECK {\nconnect_timeout 2\nretry 2\ndelay_before_retry 5\n}\n"


def _virtual(size: Size, number: int, *, checks: bool) -> str:
    servers = "".join(
        f"real_server {endpoint(k)} 8080 {{\nweight 1\n{_TCP_CHECK if checks else ''}}}\n"
        for k in range(number * size.endpoints, (number + 1) * size.endpoints)
    )
    settings = "delay_loop 5\nlb_algo wrr\nlb_kind NAT\nprotocol TCP\n"
    return f"virtual_server {vip(number)} 8080 {{\n{settings}{servers}}}\n"


# ---- where


@dataclass(frozen=True, slots=True)
class _Site:
    node: Namespace
    sink: Namespace

    def kill(self, address: str) -> None:
        rule = ["INPUT", "-d", address, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]
        run(["iptables", "-I", *rule], namespace=self.sink)

    def servers(self) -> str:
        """Return the kernel's listing of IPVS."""
        with self.node.entered():
            return Path("/proc/thread-self/net/ip_vs").read_text()


@contextmanager
def _site() -> Iterator[_Site]:
    node, sink = Namespace("node"), Namespace("sink")
    try:
        node.ip(
            [
                f"link add sink type veth peer name eth0 netns {sink.path}",
                "address add 192.0.2.1/30 dev sink",
                *(f"link set {device} up" for device in ("lo", "sink")),
                "route add 100.64.0.0/10 via 192.0.2.2",
            ]
        )
        sink.ip(
            [
                "address add 192.0.2.2/30 dev eth0",
                *(f"link set {device} up" for device in ("lo", "eth0")),
                "route add local 100.64.0.0/10 dev lo",
            ]
        )
        with sink.entered():
            server = subprocess.Popen([sys.executable, "-c", _SERVER], stderr=subprocess.DEVNULL)
        try:
            yield _Site(node, sink)
        finally:
            server.kill()
            server.wait()
    finally:
        node.close()
        sink.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A program that runs, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def usage(self) -> tuple[float, float]:
        """Return processor seconds so far, with those of programs that it ran, and resident megabytes of it and its
        children."""
        cpu, memory = 0.0, 0.0
        for number in (self.process.pid, *_children(self.process.pid)):
            with suppress(OSError):
                words = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                cpu += sum(map(int, words[11:15])) / _TICKS
                memory += int(words[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        return cpu, memory

    def at_rest(self) -> dict[str, float]:
        """Return what the program takes while nothing happens but checks."""
        began, (before, _) = time.monotonic(), self.usage()
        time.sleep(_WINDOW)
        after, memory = self.usage()
        return {"percent": 100 * (after - before) / (time.monotonic() - began), "megabytes": memory}

    def events(self) -> list[_Event]:
        found: list[_Event] = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def taken(self) -> int:
        """Return how often the kernel was changed."""
        return _taken(self.events())

    def until(self, condition: Callable[[], bool], what: str, pause: float = 0.01) -> None:
        """Wait until the condition holds; ask again after ``pause`` seconds. Errors: Failed."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{what} does not come; it said last: {self.log.read_text()[-500:]}")
            time.sleep(pause)


def _children(number: int) -> list[int]:
    return [int(word) for file in Path(f"/proc/{number}/task").glob("*/children") for word in file.read_text().split()]


@contextmanager
def started(node: Namespace, command: Sequence[str], log: Path) -> Iterator[Running]:
    with node.entered(), log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _agent(target: Target, size: Size, *, checks: bool) -> Iterator[tuple[_Site, Running, Path]]:
    with _site() as site, TemporaryDirectory(prefix="svcc-bench-agent-") as folder:
        file = Path(folder, "bench.dsl")
        file.write_text(_text(size, checks=checks), encoding="utf-8")
        state = str(Path(folder, "state"))
        words = [*SVCC, "agent", str(file), "-t", target.name, "--log", "json", "--state-dir", state]
        with started(site.node, words, Path(folder, "log")) as running:
            running.until(lambda: any(one["event"] == "in the kernel" for one in running.events()), "the first program")
            yield site, running, file


# ---- cases


def _few(task: Task, target: Target) -> Mapping[str, Values]:
    with _agent(target, replace(task.size, services=FEW), checks=False) as (_, running, _file):
        return {f"{target.name}, {FEW} services": running.at_rest()}


def _many(task: Task, target: Target) -> Mapping[str, Values]:
    """Measure an agent without checks, with checks, and when servers die."""
    size = task.size
    name, number = f"{target.name}, {size.services} services", len(_checked(size)) * size.endpoints
    with _agent(target, size, checks=False) as (site, running, file):
        found: dict[str, Values] = {name: running.at_rest()}
        draft = file.with_suffix(".new")
        draft.write_text(_text(size, checks=True), encoding="utf-8")
        draft.replace(file)
        running.until(lambda: _taken(running.events()) > 1, "the checks")
        time.sleep(_WINDOW)  # until each endpoint was checked once
        running.until(lambda: _last_taken(running.events()).get("down") == 0, "all to be up")
        checked = running.at_rest()
        return found | {f"{name}, {number} checks": checked | _deaths(site, running, size)}


def _deaths(site: _Site, running: Running, size: Size) -> dict[str, float]:
    """Let servers of different services die, one after another. Return medians in seconds: "removal" is from a death
    until the kernel has it, "to kernel" from the agent's event until then, and "recorded" until all is done and
    recorded."""
    said, died = len(running.events()), dict[str, float]()
    for number in _checked(size)[:_DEATHS]:
        address = endpoint(number * size.endpoints)
        died[f"tcp {address}:8080"] = _killed(site, address)
        time.sleep(_APART)
    time.sleep(_FAILED)  # reading the log again and again would keep a processor busy
    running.until(lambda: died.keys() <= _removals(running.events()[said:]).keys(), "the deaths", pause=1.0)
    removals = _removals(running.events()[said:])
    taken = {float(removals[probe]["time"]): removals[probe] for probe in died}.values()  # each once
    return {
        "to kernel": median(float(one["seconds"]) for one in taken),
        "recorded": median(float(one["recorded"]) for one in taken),
        "removal": median(float(removals[probe]["time"]) - when for probe, when in died.items()),
    }


def _removals(events: Sequence[_Event]) -> dict[str, _Event]:
    """Return by probe that went down the event when the kernel had that. No endpoint comes up meanwhile."""
    down: list[str] = []
    found: dict[str, _Event] = {}
    for one in events:
        if one["event"] == "down":
            down.append(str(one["probe"]))
        elif one["event"] == "in the kernel":
            for probe in down[: int(one["down"])]:
                found.setdefault(probe, one)
    return found


def _taken(events: Sequence[_Event]) -> int:
    """Return how often the kernel was changed."""
    return sum(one["event"] == "in the kernel" for one in events)


def _last_taken(events: Sequence[_Event]) -> _Event:
    return next((one for one in reversed(events) if one["event"] == "in the kernel"), {})


def _killed(site: _Site, address: str) -> float:
    """Let a server die; return when, in seconds since 1970."""
    site.kill(address)
    return time.time()


def _peer(task: Task, command: Sequence[str]) -> Mapping[str, Values]:
    size = task.size
    number = len(_checked(size)) * size.endpoints
    with _site() as site, TemporaryDirectory(prefix="svcc-bench-keepalived-") as folder:
        file = Path(folder, "keepalived.conf")
        file.write_text(_configuration(size), encoding="utf-8")
        os.chmod(file, 0o600)
        pids = [word for kind in "pc" for word in (f"-{kind}", str(Path(folder, f"{kind}.pid")))]
        words = [*command, "-n", "-l", "-C", "-f", str(file), *pids]
        with started(site.node, words, Path(folder, "log")) as running:
            running.until(lambda: site.servers().count(" -> ") >= size.services * size.endpoints, "all servers")
            time.sleep(_WINDOW)
            found = running.at_rest()
            there = f"{int.from_bytes(bytes(map(int, endpoint(0).split('.')))):08X}:"
            died = _killed(site, endpoint(0))
            running.until(lambda: there not in site.servers(), "a death")
            found["removal"] = time.time() - died
            return {f"keepalived, {size.services} services, {number} checks": found}
