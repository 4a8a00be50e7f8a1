"""What a fleet asks of its etcd, and how soon its nodes have what is wanted: all nodes in this process, with one real
etcd.

The nodes are the agent's own (:mod:`svcc.fleet.node`), without a machine below them: each fetches the release, checks
its hash, asks etcd once more, and reports. What a machine does by itself, compiling and loading, is left out and
measured elsewhere. The nodes share a processor, which machines do not, so times are upper bounds.
"""

from __future__ import annotations

import asyncio
import re
import resource
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from statistics import quantiles
from typing import cast

from measure import Failed, Values, rounds
from programs import program
from results import Part
from task import Task

from svcc.agent.log import Field, Level, Log
from svcc.agent.loop import Agent
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.etcd.client import Client
from svcc.etcd.values import Listing, Operation, Put
from svcc.fleet.documents import NodeState, Status, Want
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import Keys, last_part
from svcc.fleet.node import FleetNode
from svcc.fleet.publishing import publish
from svcc.fleet.reading import pieces_of, release_of
from svcc.fleet.registering import Member, MemberEndpoint
from svcc.fleet.release import ReleaseDraft, Taken, compile_for, compiled, draft
from svcc.targets import targets

KEYS = Keys("bench")
_NFT = targets()["nft"]
_FIRST = "n0"
#: Seconds over which an idle fleet's requests are counted: each node reads its keys anew once in them.
_WINDOW = 30.0
#: Seconds that everything may take. They only end what hangs.
_PATIENCE = 600.0
#: How many operations a transaction has: etcd takes 128.
_AT_ONCE = 100
_MEMBERS = 20
#: How many nodes have rules that differ.
_DIFFERING = 20
_METRICS = re.compile(r"(?m)^(\w+)(?:\{.*\})? ([0-9.e+-]+)$")
_COUNTED = {
    "requests": "grpc_server_started_total",
    "bytes": "etcd_network_client_grpc_sent_bytes_total",
    "percent": "process_cpu_seconds_total",
}


def fleets(task: Task) -> Part:
    """Measure a fleet. Errors: Failed where etcd cannot be had."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support.etcd import cluster
    from support.tools.debs import NoDebs

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # etcd inherits it

    def measured() -> Mapping[str, Values]:
        folder = task.folder / f"fleet-{time.monotonic_ns()}"
        try:
            with cluster(folder) as etcd:
                return asyncio.run(_measured(task, folder, etcd.members[0].url))
        except NoDebs as error:
            raise Failed(str(error)) from error

    return Part(f"{task.size}, {task.nodes} nodes", rounds([measured], task.rounds))


async def _measured(task: Task, folder: Path, url: str) -> Mapping[str, Values]:
    made, compiled_in = await asyncio.to_thread(_drafted, task)
    names = [f"n{number}" for number in range(task.nodes)]
    async with asyncio.timeout(_PATIENCE), Client([url], timeout=60) as etcd:
        began = time.perf_counter()
        await publish(etcd, KEYS, made, "", "", "")
        published = time.perf_counter() - began
        async with _nodes(folder, url, names) as nodes:
            await _until(etcd, KEYS.lives, names, lambda _: True)
            stage = names[: max(1, len(names) // 100)]
            first = await _roll(etcd, 1, stage)
            rest = await _roll(etcd, 1, names[len(stage) :])
            joined = await _joined(etcd, nodes)
            idle = await _idle(url, len(names))
    return {
        **compiled_in,
        "publish": {"seconds": published},
        f"want to applied, {len(stage)} at once": first,
        f"want to applied, {len(names) - len(stage)} at once": rest,
        f"{_MEMBERS} members to {len(names)} agents": joined,
        "idle, for each agent": idle,
    }


def _drafted(task: Task) -> tuple[ReleaseDraft, dict[str, Values]]:
    """Return a release for all nodes, and how long it takes from the program on.

    It is timed for one node, for all nodes, whose rules are alike, and for some whose rules differ: there services
    prefer the endpoints on their own node.
    """
    given = load_text(Source("bench.dsl", program(replace(task.size, mixed=False)))).program
    assert given is not None
    nodes = tuple(ir.Node(f"n{n}", (ip_address(0x0A00_0004 + n),)) for n in range(task.nodes))
    near = tuple(_near(number, service, task.nodes) for number, service in enumerate(given.services))
    some = nodes[:_DIFFERING]
    found: dict[str, Values] = {}
    for what, one in (
        ("for a node", replace(given, nodes=nodes[:1])),
        (f"for {len(some)} nodes that differ", replace(given, nodes=some, services=near)),
        (f"for {len(nodes)} nodes", replace(given, nodes=nodes)),
    ):
        began = time.perf_counter()
        made = draft(one, _NFT, {})
        found[f"compile and pack {what}"] = {"seconds": time.perf_counter() - began}
    return made, found


def _near(number: int, service: ir.Service, nodes: int) -> ir.Service:
    """Return a service with its endpoints spread over this number of nodes, which prefer their own endpoints."""
    places = (place % nodes for place in range(number * len(service.endpoints), (number + 1) * len(service.endpoints)))
    endpoints = tuple(
        replace(one, node=f"n{place}" if place < _DIFFERING else None)
        for one, place in zip(service.endpoints, places, strict=True)
    )
    return replace(service, endpoints=endpoints, internal_traffic=ir.Traffic.PREFER_LOCAL)


# ---- nodes


class _Silent(Log):
    def _say(self, level: Level, event: str, fields: Mapping[str, Field]) -> None:
        """Write nothing: nobody reads it."""


class _Node(FleetNode):
    """A node that compiles nothing."""

    async def _fetched(self, etcd: Client, number: int) -> Taken:
        release = await release_of(etcd, KEYS, number)
        packed = b"".join(await pieces_of(etcd, KEYS, release))
        if sha256(packed).hexdigest() != release.program:
            raise FleetError("the program has another hash")
        return _small(number)


@cache
def _small(number: int) -> Taken:
    """Return a small program that stands for a release on a machine."""
    found = load_text(Source("small.dsl", f"node {_FIRST} {{ address 10.0.{number}.4 }}\n")).program
    assert found is not None
    made = compile_for(found, _NFT, _FIRST)
    return Taken(found, _NFT, compiled(made.bundle), made)


class _Machine:
    """What a node has here instead of an agent and a kernel: everything that it is told comes true at once."""

    fault, down, drift = "", 0, 0

    def __init__(self, node: FleetNode) -> None:
        self._node, self._tasks = node, set[asyncio.Task[None]]()
        self.members: list[float] = []  # the times at which it was told that members changed

    def reload(self) -> None:
        task = asyncio.create_task(self._take())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def endpoints_changed(self) -> None:
        self.members.append(time.perf_counter())

    async def _take(self) -> None:
        if (taken := self._node.read()) is None:
            return
        if await self._node.agrees(taken):
            self._node.note_kept(taken)
        else:
            self._node.note_failed(taken, "etcd does not want it any more")


@asynccontextmanager
async def _nodes(folder: Path, url: str, names: list[str]) -> AsyncIterator[list[_Machine]]:
    machines: list[_Machine] = []

    async def live(node: FleetNode) -> None:
        await node.until_aimed()
        machine = _Machine(node)
        machines.append(machine)
        machine.reload()
        await node.beside(cast("Agent", machine), node.target)

    tasks = []
    for name in names:
        client = partial(Client, [url], timeout=60)
        node = _Node(client, KEYS, name, folder / name, _Silent(), seconds=120)
        tasks += [asyncio.create_task(one) for one in (node.obey(), node.gather(), node.show(), live(node))]
    try:
        yield machines
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# ---- what is measured


async def _until(etcd: Client, beginning: str, names: list[str], well: Callable[[bytes], bool]) -> dict[str, float]:
    """Return when each node's key became as it has to be."""
    wanted, found = {*names}, dict[str, float]()
    async with aclosing(etcd.follow(beginning)) as told:
        async for news in told:
            entries = news.entries if isinstance(news, Listing) else [one.entry for one in news.changes if one.entry]
            for entry in entries:
                name = last_part(beginning, entry.key)
                if name in wanted and name not in found and well(entry.value):
                    found[name] = time.perf_counter()
            if found.keys() == wanted:
                return found
    raise AssertionError("unreachable")


async def _roll(etcd: Client, release: int, names: list[str]) -> Values:
    """Write what nodes shall have, as a stage of a rollout does, and wait for their reports."""
    began: dict[str, float] = {}

    def applied(text: bytes) -> bool:
        said = Status.read("status", text)
        if said.state not in (NodeState.APPLYING, NodeState.APPLIED):
            raise Failed(said.words)
        return said.state is NodeState.APPLIED and said.want.release == release

    waiting = asyncio.create_task(_until(etcd, KEYS.statuses, names, applied))
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        writes: list[Operation] = [Put(KEYS.want(name), Want(1, release).text.encode()) for name in some]
        began |= dict.fromkeys(some, time.perf_counter())
        await etcd.transact([], writes)
    found = await waiting
    return _spread([found[name] - began[name] for name in names])


async def _joined(etcd: Client, nodes: list[_Machine]) -> Values:
    """Return how long it takes until every agent is told of a new member."""
    took: list[float] = []
    for number in range(_MEMBERS):
        for node in nodes:
            node.members.clear()
        member = Member(MemberEndpoint.parse(f"100.64.0.{number + 1}"))
        began = time.perf_counter()
        await etcd.put(KEYS.registered("pool", str(member.endpoint)), member.text.encode())
        while not all(node.members for node in nodes):  # noqa: ASYNC110 - each node has a list of its own
            await asyncio.sleep(0.01)
        took += [node.members[0] - began for node in nodes]
    return _spread(took)


def _spread(seconds: list[float]) -> Values:
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
    return {"median": cuts[49], "most": cuts[98]}


async def _idle(url: str, nodes: int) -> Values:
    """Return what an agent asks of etcd while nothing happens, per second; ``percent`` is of etcd's processor time."""
    window = _WINDOW if nodes >= 100 else 1.0
    before, began = await asyncio.to_thread(_counters, url), time.perf_counter()
    await asyncio.sleep(window)
    after, seconds = await asyncio.to_thread(_counters, url), time.perf_counter() - began
    found = {name: (after[name] - before[name]) / seconds / nodes for name in _COUNTED}
    return {**found, "percent": 100 * found["percent"]}


def _counters(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        lines = _METRICS.findall(answer.read().decode())
    return {name: sum(float(value) for word, value in lines if word == metric) for name, metric in _COUNTED.items()}
