"""Leases that are kept alive in the background."""

from __future__ import annotations

from svcc.etcd.values import Lease


class Held:
    """A lease that is kept alive. It may be lost all the same: etcd out of reach for longer than it lasts, or revoked."""

    lease: Lease

    @property
    def lost(self) -> bool:
        """Whether the lease has ended, or has to be taken for ended: nobody answered for as long as it lasts."""
        raise NotImplementedError

    async def until_lost(self) -> None:
        """Return when the lease is lost (at once where it is)."""
        raise NotImplementedError
