"""What is ours in a family, as iptables-save shows it: in both variants, as each has tables that the other has not."""

from __future__ import annotations

from svcc.apply.driver import Reading
from svcc.apply.scope import Scope
from svcc.kernel.steps import StepError
from svcc.kernel.xtables.fingerprint import fingerprint
from svcc.kernel.xtables.state import Saved, State, parse_saved
from svcc.kernel.xtables.variant import Listing, default, other


class XtablesReading(Reading[State]):
    """The listings of both variants."""

    def __init__(self, family: str) -> None:
        self._family = family
        self._usual = default(family)
        self._main = Listing(family, self._usual)
        self._stray = _listing_if_any(family, other(self._usual))

    def state(self, scope: Scope, wanted: State) -> State:
        """Errors: StepError also where a tool cannot read a table that is wanted, or that may have been loaded."""
        usual, unusual = (_saved(data, scope) for data in (self._main.data(), self._stray_data() or b""))
        used, main, stray = self._usual, usual, unusual
        if unusual.tables and not usual.tables:
            used, main, stray = other(used), unusual, usual
        for table in sorted(main.unreadable | stray.unreadable):
            if table in wanted.tables or _may_hold(self._family, scope, table):
                raise StepError(
                    self._family,
                    f"{self._family}-save cannot read table {table}: nft put rules of its own there",
                    reading=True,
                )
        held = (*main.held, *(one._replace(stray=True) for one in stray.held))
        return State(main.tables, stray.tables, scope.prefix, used, held)

    def fingerprint(self, scope: Scope) -> str | None:
        return fingerprint(self._usual, [self._main.data(), self._stray_data()], scope)

    def _stray_data(self) -> bytes | None:
        try:
            return self._stray.data() if self._stray else None
        except StepError:
            return None


def _saved(data: bytes, scope: Scope) -> Saved:
    return parse_saved(data.decode(errors="replace"), scope)


def _listing_if_any(family: str, variant: str) -> Listing | None:
    """A listing of the variant that the machine's ``iptables`` is not: its kernel side may be missing."""
    try:
        return Listing(family, variant)
    except StepError:
        return None


def _may_hold(family: str, scope: Scope, table: str) -> bool:
    """Whether a bundle that may be in the kernel has something in a table."""
    artifacts = (bundle.artifact(family) for bundle in scope.bundles)
    return any(f"*{table}\n" in artifact.text for artifact in artifacts if artifact is not None)
