"""The upkeep of a session (:mod:`svcc.apply.upkeep`), for as long as what it knows is known to be so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from svcc.apply import whole
from svcc.apply.engine import Tell
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.store import Store
from svcc.apply.upkeep import Upkeep
from svcc.compiler import ir
from svcc.compiler.errors import InputError


@dataclass(frozen=True)
class LongRecord:
    """A generation that is recorded as a change which has become long, so that it pays to write it whole."""

    upkeep: Upkeep
    generation: Generation
    served: ir.Program  # the program that it serves

    @property
    def installation(self) -> Installation:
        """The installation that records the generation."""
        return self.upkeep.installation


class ValidUpkeep:
    """An upkeep or none. The upkeep is valid until somebody else takes the store's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._upkeep: Upkeep | None = None
        self._stamp = ""  # the store's, since this object saw its lock taken last; "": somebody else took it since

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock. The upkeep stays valid where nobody else took the lock since it was valid."""
        with self._store.locked():
            self._stamp = self._store.own if self._stamp and self._stamp == self._store.stamp else ""
            yield

    def start(self, upkeep: Upkeep | None) -> None:
        """Have this upkeep from here on; None: none can be had. The store's lock is held."""
        self._upkeep, self._stamp = upkeep, self._store.own

    def end(self) -> None:
        """Have no upkeep any more: whole states have to be compared next."""
        self._upkeep = None

    def follow(self, program: ir.Program, served: ir.Program, name: str, tell: Tell) -> Generation | None:
        """Do what :meth:`svcc.apply.session.Session.follow` does, by the upkeep. Return None, and do nothing, where
        that is not possible."""
        if self._upkeep is None:
            return None
        with self.locked():
            upkeep = self._upkeep
            if self._stamp != self._store.own:
                return None
            self._upkeep = None  # it is of no use after an error
            try:
                generation = upkeep.follow(program, served, name, tell)
            except InputError:
                self._upkeep = upkeep
                raise
            self._upkeep = upkeep
            return generation

    def kernel_is_as_left(self, stamp: str) -> bool:
        """Whether everything under the prefix is known to be as the session left it. ``stamp``: the store's; its lock
        is held, at least together with others that only read. Errors: StepError."""
        valid = self._stamp != "" and self._stamp == stamp
        return valid and self._upkeep is not None and self._upkeep.kernel_is_as_left()

    @property
    def due(self) -> bool:
        """Whether there is a :meth:`long_record`."""
        return self._upkeep is not None and self._upkeep.due

    def long_record(self) -> LongRecord | None:
        """Return the record of the generation in place, where it has become long; None where it has not."""
        upkeep = self._upkeep
        if upkeep is None or not upkeep.due:
            return None
        return LongRecord(upkeep, upkeep.generation, upkeep.served)

    def take_over(self, record: LongRecord, digest: str) -> bool:
        """Have a generation recorded whole, which :mod:`svcc.apply.whole` wrote meanwhile. The store's lock is held.

        ``digest``: that of its bundle. Return whether that was done: it is not where so much has changed since that the
        generation is not kept any more. Errors: OSError, StoreError.
        """
        installation, number = record.installation, record.generation.number
        kept = installation.generation(number) if number in installation.numbers() else None
        if self._upkeep is not record.upkeep or kept != record.generation:
            whole.discard(installation, number)
            return False
        record.upkeep.take_over(record.generation, record.served, digest)
        return True
