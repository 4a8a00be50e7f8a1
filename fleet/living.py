"""That the agent of a node lives: a key of etcd's that goes with its lease. Of two agents of one name the first has it.

Two machines of one name, as a copied file of settings makes them, would both answer for the addresses of that name.
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
    """What one agent shows of itself. Its leases are kept in STATE/fleet-lease, so that one that was killed and is
    started again knows its own key."""

    def __init__(self, keys: Keys, name: str, root: Path, log: Log) -> None:
        """Errors: OSError, where what was kept cannot be read."""
        self._key, self._name, self._file, self._log = keys.alive(name), name, root / "fleet-lease", log
        self._own = {0, *_kept(self._file)}  # 0: the key has no lease, and no agent made it
        self._other = 0  # the lease of another agent that was told of last

    async def show(self, etcd: Client, held: Held, able: frozenset[str]) -> bool:
        """Show that this agent lives, and what it is able to answer for; False: another one lives under its name.

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
    """The last lease of the agent before; none where nothing can be made of what was kept. Errors: OSError."""
    try:
        return [int(file.read_bytes()[:20])]
    except (FileNotFoundError, ValueError):
        return []
