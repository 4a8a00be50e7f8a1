"""Running a delta: trying it first, again when another program was quicker, and saying what was refused."""

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
from svcc.kernel.xtables.state import Tables, leads_to, lines_of
from svcc.kernel.xtables.variant import NFT, Restore, saved

#: What iptables exits with when the ruleset changed under it (RESOURCE_PROBLEM); with other failures of the kernel too.
_RESOURCE_PROBLEM = 4
#: Pauses before further attempts, in seconds.
_PAUSES = (0.05, 0.2, 0.5)
_LINE = re.compile(r"\bline:? (\d+)")
_SET = re.compile(r"--(?:match|map)-set (\S+) (\S+)")
#: Set types by the number of fields that a rule asks for. The kernel asks no more of a set when it takes a rule.
_SET_TYPES = {1: "hash:ip", 2: "hash:ip,port", 3: "hash:ip,port,ip"}


#: The order in which tables are committed: what nat sends to no endpoint any more must not meet a filter that rejects
#: all that nat did not send anywhere; and the other way round when nat begins to. Rules beside the kernel's balancer
#: reject by sets, in filter and mangle.
BESIDE_BALANCER = ("mangle", "filter", "nat")
TRANSLATING = ("nat", "filter", "mangle")


@dataclass(frozen=True)
class Load:
    """Makes ``wanted`` of what is ours in one variant."""

    family: str  # iptables, ip6tables: the part, and what its tools' names begin with
    variant: str
    live: Tables
    wanted: Tables
    ours: Ours
    meaning: Meaning  # of the chains
    order: Sequence[str] = TRANSLATING  # in which tables are committed

    @cached_property
    def delta(self) -> Delta:
        """What leads from the live tables to the wanted ones."""
        return self._delta_from(self.live)

    def run(self) -> None:
        """Errors: StepError."""
        due = self.delta
        done = self._restore.run(str(due))
        for pause in _PAUSES:
            if done.returncode != _RESOURCE_PROBLEM or "xtables lock" in done.stderr:
                break
            # Tables may have been committed before: what is left to do is another delta.
            time.sleep(pause)
            due = self._delta_from(saved(self.family, self.variant, self.ours).tables)
            done = self._restore.run(str(due))
        self._judge(due, done)

    def check(self) -> None:
        """Errors: StepError, with what the tools say about the delta, or about all of it where it needs sets."""
        due = self.delta
        for table in due.tables:
            self._check_references(table)
        if _SET.search(str(due)):
            self._rehearse()
        else:
            self._judge(due, self._restore.run(str(due), test=True))

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _delta_from(self, live: Tables) -> Delta:
        """The legacy variant fetches and replaces the whole table for each commit: there one is best."""
        return delta(live, self.wanted, self.order, ahead=self.variant == NFT)

    @property
    def _restore(self) -> Restore:
        return Restore(self.family, self.variant)

    def _check_references(self, table: TableDelta) -> None:
        """The nft variant's ``--test`` takes jumps to chains that do not exist."""
        chains = self.wanted[table.table].chains if table.table in self.wanted else {}
        for chain, rules in table.written.items():
            for rule in rules:
                target = leads_to(rule)
                if target is not None and self.ours.owns(target) and target not in chains:
                    culprit = self._culprit(table.table, chain, rule)
                    raise StepError(
                        self.family, f"there is no chain {target}", culprit=culprit, line=f"-A {chain} {rule}"
                    )

    def _rehearse(self) -> None:
        """Load all of it where the sets can be made first: here they are another step's, which was not taken yet."""
        whole = self._delta_from({})
        with trial(self.family) as there:
            if not there:
                return
            _make_sets(self.family, self.wanted)
            done = self._restore.run(str(whole))
        self._judge(whole, done)

    def _judge(self, due: Delta, done: tools.Done) -> None:
        if not done.returncode:
            return
        said = done.words
        if "xtables lock" in said:
            said = f"another program held the xtables lock for {Restore.WAIT} seconds: {said}"
        found = _LINE.search(said)
        number = int(found[1]) if found else 0
        line = due.lines[number - 1] if 0 < number <= len(due.lines) else ""
        table = due.table_of(number)
        if line == "COMMIT":
            said = f"{said} (the whole table {table})"  # legacy: the kernel says no more
        culprit = self._culprit(table, *_chain_and_rule(line)) if line else None
        raise done.error(self.family, said, culprit=culprit, line=line)

    def _culprit(self, table: str, chain: str, rule: str) -> Change | None:
        """The change of a line; where the rule itself does not change, that of its chain."""
        found: Change | None = None
        for change in table_changes(self.family, self.meaning, table, self.live, self.wanted):
            if not _concerns(change, table, chain):
                continue
            if rule and change.subject.endswith(f" {chain} {rule}"):
                return change
            found = found or change
        return found


def _chain_and_rule(line: str) -> tuple[str, str]:
    """The chain and the rule of ``-A CHAIN RULE`` and ``:CHAIN - [0:0]``; nothing of other lines."""
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
