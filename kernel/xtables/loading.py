"""Checks a delta without loading it, loads it, tries again where another program was quicker, and reports what was
refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from svcc.kernel import tools
from svcc.kernel.ownership import Ours
from svcc.kernel.steps import Change, StepError
from svcc.kernel.trial import trial
from svcc.kernel.xtables.changes import table_changes
from svcc.kernel.xtables.delta import Delta, TableDelta, delta
from svcc.kernel.xtables.meaning import Meaning
from svcc.kernel.xtables.state import ForeignChain, Tables, leads_to, lines_of
from svcc.kernel.xtables.variant import NFT, Restore, saved

#: The exit status of iptables where the ruleset changed while it ran (RESOURCE_PROBLEM), and after some other failures
#: of the kernel.
_RESOURCE_PROBLEM = 4
#: Pauses before further attempts, in seconds.
_PAUSES = (0.05, 0.2, 0.5)
_LINE = re.compile(r"\bline:? (\d+)")
_SET = re.compile(r"--(?:match|map)-set (\S+) (\S+)")
#: Set types, by the number of fields that a rule looks up. The kernel checks no more than this number when it takes a
#: rule.
_SET_TYPES = {1: "hash:ip", 2: "hash:ip,port", 3: "hash:ip,port,ip"}


#: Orders in which tables are committed. The filter table rejects connections that nat sends to no endpoint. So while
#: nat stops sending connections to endpoints, filter must change before it; while nat begins to, filter must change
#: after it. Rules beside the kernel's balancer reject by sets, in filter and mangle.
BESIDE_BALANCER = ("mangle", "filter", "nat")
TRANSLATING = ("nat", "filter", "mangle")


@dataclass(frozen=True)
class Load:
    """Changes svcc's rules in one variant from ``live`` to ``wanted``."""

    family: str  # "iptables" or "ip6tables": the part, and the beginning of the names of its tools
    variant: str
    live: Tables
    wanted: Tables
    ours: Ours
    meaning: Meaning  # what the chains mean
    order: Sequence[str] = TRANSLATING  # the order in which tables are committed
    foreign: frozenset[ForeignChain] = frozenset()  # others' chains under our prefix, which stay

    @cached_property
    def delta(self) -> Delta:
        """The delta from the live tables to the wanted ones."""
        return self._delta_from(self.live)

    def run(self) -> None:
        """Load the delta. Errors: StepError."""
        due = self.delta
        done = self._restore.run(str(due))
        for pause in _PAUSES:
            if done.returncode != _RESOURCE_PROBLEM or "xtables lock" in done.stderr:
                break
            # Some tables may have been committed already, so the rest is another delta.
            time.sleep(pause)
            due = self._delta_from(saved(self.family, self.variant, self.ours).tables)
            done = self._restore.run(str(due))
        self._judge(due, done)

    def check(self) -> None:
        """Check the delta without loading it. Where its rules need sets, check all wanted rules instead.

        Errors: StepError, with the tool's message.
        """
        due = self.delta.without_first()
        for table in due.tables:
            self._check_references(table)
        if _SET.search(str(due)):
            self._rehearse()
        else:
            self._judge(due, self._restore.run(str(due), test=True))

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _delta_from(self, live: Tables) -> Delta:
        """Return the delta from live tables to the wanted ones.

        In the legacy variant each commit fetches and replaces a whole table, so there no chains are committed ahead.
        """
        return delta(live, self.wanted, self.order, ahead=self.variant == NFT)

    @property
    def _restore(self) -> Restore:
        return Restore(self.family, self.variant)

    def _check_references(self, table: TableDelta) -> None:
        """Check that rules lead to chains that exist. The nft variant's ``--test`` does not check that.

        Errors: StepError.
        """
        chains = self.wanted[table.table].chains if table.table in self.wanted else {}
        for chain, rules in table.written.items():
            for rule in rules:
                target = leads_to(rule)
                if target is None or target in chains or ForeignChain(table.table, target) in self.foreign:
                    continue
                if self.ours.owns(target):
                    culprit = self._culprit(table.table, chain, rule)
                    raise StepError(
                        self.family, f"there is no chain {target}", culprit=culprit, line=f"-A {chain} {rule}"
                    )

    def _rehearse(self) -> None:
        """Load all wanted rules in a namespace for trials, with the sets that they need. On the machine itself another
        step makes these sets, and that step was not taken yet. Errors: StepError.
        """
        whole = self._delta_from({})
        with trial(self.family) as possible:
            if not possible:
                return
            _make_sets(self.family, self.wanted)
            for table, chain in sorted(self.foreign):
                self._restore.run(f"*{table}\n:{chain} - [0:0]\nCOMMIT\n")
            done = self._restore.run(str(whole))
        self._judge(whole, done)

    def _judge(self, due: Delta, done: tools.Done) -> None:
        """Check that the tool took the delta. Errors: StepError."""
        if not done.returncode:
            return
        words = done.words
        if "xtables lock" in words:
            words = f"another program held the xtables lock for {Restore.WAIT} seconds: {words}"
        found = _LINE.search(words)
        number = int(found[1]) if found else 0
        line = due.lines[number - 1] if 0 < number <= len(due.lines) else ""
        table = due.table_of(number)
        if line == "COMMIT":
            words = f"{words} (the whole table {table})"  # for the legacy variant the kernel says no more
        culprit = self._culprit(table, *_chain_and_rule(line)) if line else None
        raise done.error(self.family, words, culprit=culprit, line=line)

    def _culprit(self, table: str, chain: str, rule: str) -> Change | None:
        """Return the change that a rule belongs to, or the first change of its chain where the rule does not change."""
        found: Change | None = None
        for change in table_changes(self.family, self.meaning, table, self.live, self.wanted):
            if not _concerns(change, table, chain):
                continue
            if rule and change.subject.endswith(f" {chain} {rule}"):
                return change
            found = found or change
        return found


def _chain_and_rule(line: str) -> tuple[str, str]:
    """Return the chain and the rule of ``-A CHAIN RULE`` or ``:CHAIN - [0:0]``; "" for what a line does not have."""
    if line.startswith(":"):
        return line[1:].split(" ", 1)[0], ""
    words = line.split(" ", 2)
    return (words[1], words[2] if len(words) > 2 else "") if line.startswith("-") and len(words) > 1 else ("", "")


def _concerns(change: Change, table: str, chain: str) -> bool:
    words = change.subject.split(" ", 3)
    return bool(chain) and words[0] == table and chain in words[1:3]


def _make_sets(family: str, wanted: Tables) -> None:
    text = "".join(f"{line}\n" for line in sorted(set(_create_lines(family, lines_of(wanted)))))
    try:
        done = tools.run(["ipset", "restore"], text)
    except FileNotFoundError:
        raise tools.missing(family, "ipset") from None
    if done.returncode:
        raise done.error(family)


def _create_lines(family: str, rules: Iterable[str]) -> Iterator[str]:
    inet = "inet" if family == "iptables" else "inet6"
    for rule in rules:
        for name, fields in _SET.findall(rule):
            yield f"create -exist {name} {_SET_TYPES[fields.count(',') + 1]} family {inet}"
