"""Reads svcc's rules of one family from iptables-save, in both variants. Each variant has tables of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from svcc.kernel import tools
from svcc.kernel.nft import generation
from svcc.kernel.ownership import Ours
from svcc.kernel.steps import StepError
from svcc.kernel.xtables import kernels_copy
from svcc.kernel.xtables.listing_digest import digest, stable_lines
from svcc.kernel.xtables.passage import passes
from svcc.kernel.xtables.state import Saved, State, parse_saved
from svcc.kernel.xtables.variant import Listing, default, has_legacy_tables, other


class Listings:
    """The listings of both variants (legacy and nft) of one family. They run while the caller goes on, and each method
    waits for those that it needs. Errors of all methods: StepError.

    ``known``: a mark that the tables had earlier (:meth:`mark`). While they still have it, nothing is listed unless
    somebody asks for it. ``repeated``: whether more listings of this family follow; each of them gets the ``last``
    ones before it. As long as the kernel's copy of the legacy tables stays the same, they are not listed again.
    """

    def __init__(self, family: str, known: str = "", *, repeated: bool = False, last: Listings | None = None) -> None:
        self._family = family
        self._usual = default(family)
        self._first_mark = self._mark()
        self._lines: tuple[str, list[bytes | None] | None] | None = None
        self._copy = self._copied() if repeated and not self._first_mark else ""
        self._settled = False
        self.known = bool(known) and known == self._first_mark
        if last is not None and last._settled and self._copy == last._copy:
            self._lines, self._settled = last._lines, True
        elif not self.known:
            self._begin()

    def _begin(self) -> None:
        """Start both listings, which run at the same time."""
        _ = self._main, self._stray

    @cached_property
    def _main(self) -> Listing:
        return Listing(self._family, self._usual)

    @cached_property
    def _stray(self) -> Listing | None:
        """The listing of the variant that the machine's ``iptables`` is not. None where it cannot be listed, for
        instance because the kernel lacks it.
        """
        try:
            return Listing(self._family, other(self._usual))
        except StepError:
            return None

    def state(self, ours: Ours, needed: Callable[[str], bool]) -> State:
        """Return the state of svcc's rules in both variants.

        Errors: StepError, also where a tool cannot read a table that is ``needed``.
        """
        with tools.understood(self._family, f"{self._family}-save"):
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

    def digest(self, ours: Ours) -> str | None:
        """Return a digest of all lines about svcc's rules. Return None where a tool cannot show some of them."""
        lines = self._stable(ours)
        return None if lines is None else digest(self._usual, lines)

    def mark(self) -> str:
        """Return a mark of the listed tables, from the kernel's generation number: tables with other rules never get
        the same mark. Return "" where there is none, as for tables of the legacy variant, or where the tables changed
        while they were listed."""
        if not self._first_mark:
            return ""
        if not self.known:
            self._main.data()
            self._stray_data()
        return self._first_mark if self._mark() == self._first_mark else ""

    def settle(self) -> None:
        """Note that these listings are as expected, so that later ones may reuse them.

        The kernel's copy was read before the listing. So a later change is missed if somebody made the same change
        before the copy was read, byte by byte, and took it back before the listing. The next listing shows it.
        """
        self._settled = bool(self._copy and self._lines)

    def _copied(self) -> str:
        """Return a name for the tables as they are: of legacy ones by their bytes, of nf_tables by its generation.
        Return "" where they have none."""
        copied, called = kernels_copy.look(self._family), generation.mark()
        return copied and called and f"{self._usual} {called} {copied}"

    def mark_after(self, transactions: int) -> str:
        """Return the mark after this number of transactions of nf_tables, or "" where others happened since."""
        if not self._first_mark:
            return ""
        expected = generation.later(self._first_mark, transactions)
        return expected if self._mark() == expected else ""

    def _mark(self) -> str:
        called = "" if has_legacy_tables(self._family) else generation.mark()
        return called and f"{self._usual} {called}"

    def changed_exactly(self, earlier: Listings, have: State, want: State, ours: Ours) -> bool:
        """Whether these listings differ from earlier ones only in that the state ``have`` became ``want``. What both
        states have may be missing from both. Return False also where that is not known."""
        if self._usual != earlier._usual or have.strays or want.strays or have.variant is None:
            return False
        before, now = earlier._stable(ours), self._stable(ours)
        if before is None or now is None:
            return False
        at = 0 if have.variant == self._usual else 1
        old, new = before[at], now[at]
        same = before[1 - at] == now[1 - at]
        return same and old is not None and new is not None and passes(old, new, have.tables, want.tables)

    def _stable(self, ours: Ours) -> list[bytes | None] | None:
        """Return the lines about svcc's rules in both variants, the machine's usual variant first. Return None where a
        tool cannot show some of them."""
        if self._lines is None or self._lines[0] != ours.prefix:
            listings = [self._main.data(), self._stray_data()]
            self._lines = ours.prefix, stable_lines(listings, ours)
        return self._lines[1]

    def _stray_data(self) -> bytes | None:
        try:
            return self._stray.data() if self._stray else None
        except StepError:
            return None


def _saved(data: bytes, ours: Ours) -> Saved:
    return parse_saved(data.decode(errors="replace"), ours)
