"""Members that register themselves in a real etcd."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address

from support.etcd import Busy, Cluster, coming, delete, run
from svcc.fleet.keys import Keys
from svcc.fleet.registering import Member, MemberEndpoint, register

KEYS = Keys("shop")


def test_it_goes_on_with_another_lease_where_the_first_has_ended(etcd: Cluster) -> None:
    async def test() -> None:
        async with Busy(etcd.urls) as busy:
            await delete(busy, KEYS.all, below=True)
            said: list[str] = []
            member = Member(MemberEndpoint(ip_address("100.64.0.1"), 8080))
            registering = asyncio.create_task(register(busy, KEYS, "shop", member, said.append))
            try:
                await coming(lambda: registering.done() or len(said) == 2, "it is registered")
                assert not registering.done()
            finally:
                registering.cancel()
                with suppress(asyncio.CancelledError):
                    await registering
            first, second = said
            assert first.endswith(" is not registered: its lease had ended before")
            assert second.endswith(" is registered in pool shop")

    run(test())
