"""Members that register themselves: an endpoint is in etcd exactly as long as a program runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from svcc.compiler.address_kinds import unable
from svcc.etcd.client import Client
from svcc.etcd.errors import EtcdError, NoLease, Refused
from svcc.etcd.leases import Held
from svcc.fleet.document_members import members_of, text_of
from svcc.fleet.errors import BadDocument
from svcc.fleet.keys import Keys

#: Seconds after which a member is removed whose machine died.
TTL = 10
_PAUSE = 1.0
_MAX_PORT, _MAX_WEIGHT = 65_535, 65_535
_FORM = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([^:]*))?")


@dataclass(frozen=True, slots=True)
class MemberEndpoint:
    """Where a member serves. Without a port it serves at the service's port."""

    address: IPv4Address | IPv6Address
    port: int | None = None

    def __str__(self) -> str:
        """Return the one form of the endpoint in keys."""
        if self.port is None:
            return str(self.address)
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> MemberEndpoint:
        """Read ``ADDRESS``, ``IPV4:PORT`` or ``[IPV6]:PORT``. Raises :class:`ValueError`, which says what is wrong."""
        found = _FORM.fullmatch(text)
        inside, plain, digits = (None, text, None) if found is None else found.groups()
        written = plain if inside is None else inside
        port: int | None = None
        if digits is not None:
            port = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else 0
            if not 1 <= port <= _MAX_PORT:
                raise ValueError(f"`{digits}` is not a port: ports are 1 to {_MAX_PORT}")
        try:
            address = ip_address(written)
        except ValueError:
            raise ValueError(f"`{written}` is not an IP address") from None
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise ValueError(f"`{written}` has a zone, which another machine does not know")
        if (kind := unable(address)) is not None:
            raise ValueError(f"endpoint {written} is {kind}")
        return cls(address, port)


@dataclass(frozen=True, slots=True)
class Member:
    """An endpoint of a pool that registered itself."""

    endpoint: MemberEndpoint
    weight: int = 1

    @property
    def text(self) -> str:
        """The document in etcd."""
        return text_of({"endpoint": str(self.endpoint), "weight": self.weight})

    @classmethod
    def read(cls, key: str, text: str | bytes) -> Member:
        """Read a member from its document; its key ends in its endpoint. Errors: BadDocument."""
        members = members_of(key, text)
        said, weight = members.text("endpoint"), members.number("weight")
        members.end()
        try:
            endpoint = MemberEndpoint.parse(said)
        except ValueError as error:
            raise BadDocument(f"{key}: {error}") from None
        if str(endpoint) != said or not key.endswith(f"/{said}"):
            raise BadDocument(f"{key}: its endpoint is {said}")
        if weight > _MAX_WEIGHT:
            raise BadDocument(f"{key}: weight {weight}, and weights end at {_MAX_WEIGHT}")
        return cls(endpoint, weight)


class Passes(Protocol):
    """Says whether a member may be registered."""

    async def until(self, *, up: bool) -> None:
        """Wait until it may be registered, or until it may not; return at once where that is so."""


async def register(
    etcd: Client, keys: Keys, pool: str, member: Member, told: Callable[[str], None], passes: Passes | None = None
) -> None:
    """Keep a member registered until this is cancelled, which removes it.

    ``told`` is called with troubles and their end. ``passes``: the member is registered only while it may be; None:
    always. Raises what etcd refuses until the member was registered once; after that it is tried without end.
    """
    key, ever = keys.registered(pool, str(member.endpoint)), False
    while True:
        if passes is not None:
            await passes.until(up=True)
        try:
            async with etcd.hold(TTL) as held:
                await etcd.put(key, member.text.encode(), held.lease)
                told(f"{member.endpoint} is registered in pool {pool}")
                ever = True
                failed = await _fails(passes, held)
            told(f"{member.endpoint} is no longer registered: its {'check fails' if failed else 'lease ended'}")
        except NoLease:  # it happens on a busy machine, and is no fault of the member's
            told(f"{member.endpoint} is not registered: its lease had ended before")
        except Refused:
            if not ever:
                raise
            told(f"{member.endpoint} cannot be registered again yet: etcd refuses it")
        except EtcdError as error:
            told(f"{member.endpoint} is not registered: {error}")
        await asyncio.sleep(_PAUSE)


async def _fails(passes: Passes | None, held: Held) -> bool:
    """Wait until a member must not be registered any more, or its lease is lost. Return whether it was the former."""
    if passes is None:
        await held.until_lost()
        return False
    both = [asyncio.ensure_future(one) for one in (passes.until(up=False), held.until_lost())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return not held.lost
    finally:
        for one in both:
            one.cancel()
