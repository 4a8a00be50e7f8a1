"""The prefix that a session keeps, with the records of what was applied under it."""

from __future__ import annotations

from svcc.apply.drafts import scope_of
from svcc.apply.installation import Installation
from svcc.apply.keeper import Keeper
from svcc.apply.scope import Scope
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.apply.wanted import Wanted


class KeptPrefix:
    """No prefix at first, and then the first one that :meth:`keep` is given, until :meth:`release`. After that no other
    one can be kept."""

    def __init__(self, store: Store, what: str) -> None:
        """``what``: who keeps it, for the message to others that are refused."""
        self._store, self._what = store, what
        self._keeper: Keeper | None = None
        self._installation: Installation | None = None
        self._released = False

    @property
    def installation(self) -> Installation | None:
        """The installation of the prefix; None where none is kept yet."""
        return self._installation

    def keep(self, scope: Scope) -> Installation:
        """Keep the prefix of a scope, unless it is kept already. The store's lock is held.

        Errors: Kept, StoreError, OSError; ValueError after :meth:`release`.
        """
        if self._released:
            raise ValueError("the session is closed")
        if self._installation is None:
            installation = self._store.installation(scope.table)
            self._keeper = Keeper(installation, self._what)
            self._installation = installation
        if self._installation.name != scope.table:
            kept = self._installation.name
            raise StoreError(f"this session keeps prefix {kept}, and {scope.table} is another: use a session for each")
        return self._installation

    def release(self) -> None:
        """Keep no prefix any more, so that others may change objects under it."""
        if self._keeper is not None:
            self._keeper.release()
        self._keeper = self._installation = None
        self._released = True

    def scope_of(self, wanted: Wanted) -> Scope:
        """Return the scope of what is wanted. An empty bundle does not say which it is: then it is the scope of what is
        in place. Errors: StoreError where that is not known either."""
        if (scope := scope_of(wanted)) is not None:
            return scope
        current = None if self._installation is None else self._installation.current
        if current is None:
            raise StoreError("the bundle is empty, and does not say what prefix it is for")
        return Scope(current.prefix, current.device)
