"""Plan how a draft is put into the kernel, and carry that out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from svcc.apply import confirm, drain, engine, planning
from svcc.apply.clashes import check_clashes
from svcc.apply.engine import Tell
from svcc.apply.errors import Unconfirmed
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.losses import losses, nothing_left
from svcc.apply.served import is_recorded
from svcc.apply.store import Store


@dataclass(frozen=True)
class PlannedDraft:
    """A draft, and the plan that leads to it from what the machine has. The store's lock is held."""

    store: Store
    installation: Installation
    draft: Draft
    plan: ExecutionPlan

    @classmethod
    def of(cls, store: Store, installation: Installation, draft: Draft, patience: float) -> Self:
        """Compare the machine with a draft, and plan.

        ``patience``: as of :mod:`svcc.apply.drain`. Connections that end because another target takes over are waited
        for in any case. Errors: Refused where the draft clashes with another prefix's; StepError, StoreError.
        """
        check_clashes(installation, draft)
        current = installation.current
        moves = current is not None and draft.bundle is not None and current.target != draft.bundle.target
        plan = planning.make_plan(installation, draft, drain.PATIENCE if moves else patience)
        return cls(store, installation, draft, plan)

    def check_serves(self, *, allow_empty: bool) -> None:
        """Check that a service is left, unless ``allow_empty``. Errors: Refused."""
        found = losses(self.plan, lambda: self.installation.summary(self.installation.current), self.draft)
        if found.everything and not allow_empty:
            raise nothing_left(len(found.services))

    def perform(self, tell: Tell, confirm_within: float | None) -> Generation:
        """Try the steps, take them, and return the new generation; where nothing changes, return the current one.

        ``confirm_within``: the seconds within which it has to be confirmed; None: it needs no confirmation.
        Errors: Unconfirmed; those of :func:`engine.check` and :func:`engine.perform`.
        """
        plan, installation, draft = self.plan, self.installation, self.draft
        if confirm.Pending.read(installation) is not None:
            raise Unconfirmed(installation.number)
        engine.warn_of_foreign(plan, tell)
        current = installation.current
        known = installation.instead is None and not plan.changes_services
        again = current is not None and known and is_recorded(installation, current, draft)
        if current is not None and again and plan.empty and not plan.forgotten_routes:
            engine.note_findings(plan, installation, draft)
            return current
        if current is not None and again and confirm_within is None:
            draft = replace(draft, of=current.reviewed)
        engine.check(plan, tell, every=False)
        with confirm.armed(self.store, installation, confirm_within):
            return engine.perform(plan, installation, draft, tell)
