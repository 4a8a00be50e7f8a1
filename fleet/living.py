"""A key in etcd that shows that a node's agent lives, by its lease. Of two agents with one name, the first has the key.

Two machines may have one name where a file of settings was copied. Both would answer for the addresses of that name.
"""

from __future__ import annotations

from pathlib import Path

from svcc.agent.log import Log
from svcc.apply import files
from svcc.etcd.client import Client
from svcc.etcd.leases import Held
from svcc.etcd.values import Put, as_read
from svcc.fleet.documents import able_text
from svcc.fleet.keys import Keys


class Living:
    """The sign of life of one agent. Its last lease is kept in STATE/fleet-lease, so that an agent that was killed and
    started again knows its own key."""

    def __init__(self, keys: Keys, name: str, root: Path, log: Log) -> None:
        """Read the lease that was kept. Errors: OSError."""
        self._key, self._name, self._file, self._log = keys.alive(name), name, root / "fleet-lease", log
        self._own = {0, *_kept(self._file)}  # 0: a key without a lease, which no agent wrote
        self._other = 0  # the lease of the other agent that was logged last

    async def show(self, etcd: Client, held: Held, able: frozenset[str]) -> bool:
        """Show that this agent lives, and for which addresses it can answer. Return False where another agent lives
        under its name.

        Errors: EtcdError.
        """
        entry = await etcd.get(self._key)
        if entry is not None and entry.lease not in self._own:
            if entry.lease != self._other:
                self._other = entry.lease
                self._log.error("another agent has the name of this node", node=self._name)
            return False
        self._keep(held.lease.id)
        put = Put(self._key, able_text(able).encode(), held.lease)
        return (await etcd.transact([as_read(self._key, entry)], [put])).succeeded

    def _keep(self, lease: int) -> None:
        if lease not in self._own:
            self._own.add(lease)
            try:
                files.make_directory(self._file.parent)
                files.write(self._file, f"{lease}\n")
            except OSError as error:
                self._log.error("the lease cannot be kept", reason=str(error))


def _kept(file: Path) -> list[int]:
    """Return the last lease of the agent before; none where the file makes no sense. Errors: OSError."""
    try:
        return [int(file.read_bytes()[:20])]
    except (FileNotFoundError, ValueError):
        return []
