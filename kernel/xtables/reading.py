"""What is ours in a family, as iptables-save shows it: in both variants, as each has tables that the other has not."""

from __future__ import annotations

from collections.abc import Callable

from svcc.kernel.ownership import Ours
from svcc.kernel.steps import StepError
from svcc.kernel.xtables.fingerprint import fingerprint
from svcc.kernel.xtables.state import Saved, State, parse_saved
from svcc.kernel.xtables.variant import Listing, default, other


class Listings:
    """The listings of both variants, under way. Errors of all methods: StepError."""

    def __init__(self, family: str) -> None:
        self._family = family
        self._usual = default(family)
        self._main = Listing(family, self._usual)
        self._stray = _listing_if_any(family, other(self._usual))

    def state(self, ours: Ours, needed: Callable[[str], bool]) -> State:
        """Waits for them. Errors: StepError also where a tool cannot read a table that is ``needed``."""
        usual, unusual = (_saved(data, ours) for data in (self._main.data(), self._stray_data() or b""))
        used, main, stray = self._usual, usual, unusual
        if unusual.tables and not usual.tables:
            used, main, stray = other(used), unusual, usual
        for table in sorted(main.unreadable | stray.unreadable):
            if needed(table):
                raise StepError(
                    self._family,
                    f"{self._family}-save cannot read table {table}: nft put rules of its own there",
                    reading=True,
                )
        held = (*main.held, *(one._replace(stray=True) for one in stray.held))
        return State(main.tables, stray.tables, ours.prefix, used, held)

    def fingerprint(self, ours: Ours) -> str | None:
        """Waits for them: a digest of all that is ours. None: there is no telling."""
        return fingerprint(self._usual, [self._main.data(), self._stray_data()], ours)

    def _stray_data(self) -> bytes | None:
        try:
            return self._stray.data() if self._stray else None
        except StepError:
            return None


def _saved(data: bytes, ours: Ours) -> Saved:
    return parse_saved(data.decode(errors="replace"), ours)


def _listing_if_any(family: str, variant: str) -> Listing | None:
    """A listing of the variant that the machine's ``iptables`` is not: its kernel side may be missing."""
    try:
        return Listing(family, variant)
    except StepError:
        return None
