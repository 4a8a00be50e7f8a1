"""A thousand members register and leave at random: after each burst, what is served is what etcd has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from random import Random

import pytest

from support.etcd import cluster, run
from support.fleet_site import FLEET, URL, Machine, site
from svcc.agent.log import Log
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.etcd.client import Client
from svcc.etcd.values import Delete, Put
from svcc.fleet.keys import Keys
from svcc.fleet.members import Members
from svcc.fleet.registering import Member, MemberEndpoint

KEYS = Keys(FLEET)
_TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
endpoints pool { 100.64.0.1; registered 100.64.0.0/20 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints pool }
"""
_FIXED = "100.64.0.1"
_MEMBERS = [f"100.64.{number // 250}.{2 + number % 250}" for number in range(1000)]
#: Operations of a transaction: etcd takes 128.
_AT_ONCE = 100


def _bursts(number: int) -> Iterator[dict[str, int]]:
    """Who is registered after each burst, with weights: all at first, then some leave, come back, or change."""
    dice = Random(number)
    there = dict.fromkeys(_MEMBERS, 1)
    yield dict(there)
    for _ in range(number):
        for address in dice.sample(_MEMBERS, dice.randint(1, len(_MEMBERS))):
            if dice.random() < 0.5:
                there.pop(address, None)
            else:
                there[address] = dice.randint(1, 3)
        yield dict(there)


async def _register(client: Client, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    writes: list[Put | Delete] = [
        Put(KEYS.registered("pool", address), Member(MemberEndpoint.parse(address), weight).text.encode())
        for address, weight in after.items()
        if before.get(address) != weight
    ]
    writes += [Delete(KEYS.registered("pool", address)) for address in before.keys() - after.keys()]
    Random(len(writes)).shuffle(writes)
    for start in range(0, len(writes), _AT_ONCE):
        await client.transact([], writes[start : start + _AT_ONCE])


def _served(program: ir.Program) -> dict[str, int]:
    return {str(one.address): one.weight for one in program.services[0].endpoints}


def test_the_program_has_whoever_is_registered(tmp_path: Path) -> None:
    program = load_text(Source("shop.dsl", _TEXT)).program
    assert program is not None
    members = Members(tmp_path, KEYS, Log())

    async def test(urls: list[str]) -> None:
        async with Client(urls) as client, aclosing(client.follow(KEYS.pools)) as told:
            before: dict[str, int] = {}
            members.hear(await anext(told))
            for after in _bursts(12):
                await _register(client, before, after)
                while _served(members.joined(program, "nft", "a")) != {_FIXED: 1, **after}:
                    members.hear(await anext(told))
                before = after
            assert members.refused == ""

    with cluster(tmp_path / "etcd") as etcd:
        run(test(etcd.urls))


def _holds(machine: Machine, wanted: set[str]) -> bool:
    return {*re.findall(r"100\.64\.\d+\.\d+", machine.shell.run("nft", "list", "table", "ip", "custom"))} == wanted


@pytest.mark.kernel
def test_the_kernel_has_whoever_is_registered(tmp_path: Path) -> None:
    with site(tmp_path, "a") as made:
        (a,) = made.machines
        made.publish(_TEXT)
        a.start()
        made.svcc("rollout", 1, "--soak", "0s", "--stage", "all")
        before: dict[str, int] = {}
        for after in _bursts(2):

            async def change(old: dict[str, int] = before, new: dict[str, int] = after) -> None:
                async with Client([URL]) as client:
                    await _register(client, old, new)

            with made.switch.namespace.entered():
                run(change())
            a.until(partial(_holds, a, {_FIXED, *after}), "the kernel has the members")
            before = after
        assert a.shell.svcc("history").stdout.count("release 1") == 1  # members are notes to it
