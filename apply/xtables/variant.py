"""The two variants of iptables, legacy and nft, and their tools. Each has tables that the other does not see.

The variant that holds our chains is the one that is used. With none there, or with chains in both, it is the one that
the machine's ``iptables`` is (iptables-nft(8)).
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from svcc.apply import tools
from svcc.apply.scope import Scope
from svcc.apply.steps import StepError
from svcc.apply.xtables.state import Saved, State, parse_saved

LEGACY, NFT = "legacy", "nft"
_OTHER = {LEGACY: NFT, NFT: LEGACY}
#: The legacy tables that there are, one name a line. Asking the tool for one that is not there would make it.
_NAMES = {"iptables": "ip_tables_names", "ip6tables": "ip6_tables_names"}


def other(variant: str) -> str:
    return _OTHER[variant]


def default(family: str) -> str:
    """The variant that the tool called ``iptables`` (or ip6tables) is. Before 1.8 there was only legacy."""
    try:
        return NFT if "nf_tables" in tools.run([family, "--version"]).stdout else LEGACY
    except FileNotFoundError:
        return NFT if tools.find(f"{family}-{NFT}-save") else LEGACY


def tool(family: str, variant: str, verb: str) -> str:
    """The name of ``FAMILY-restore`` or ``-save`` for a variant; distributions with one variant have one name."""
    named = f"{family}-{variant}-{verb}"
    return named if tools.find(named) or variant != default(family) else f"{family}-{verb}"


def read(family: str, scope: Scope, wanted: Collection[str] = ()) -> State:
    """What is ours in a family.

    Errors: StepError where the kernel does not let us see, or the tool cannot read one of the ``wanted`` tables, or one
    that may have been loaded.
    """
    usual = default(family)
    unusual = other(usual)
    found = {usual: saved(family, usual, scope), unusual: _saved_if_any(family, unusual, scope)}
    used = unusual if found[unusual].tables and not found[usual].tables else usual
    main, stray = found[used], found[other(used)]
    for table in sorted(main.unreadable | stray.unreadable):
        if table in wanted or _may_hold(family, scope, table):
            raise StepError(family, f"{family}-save cannot read table {table}: nft put rules of its own there")
    held = (*main.held, *(one._replace(stray=True) for one in stray.held))
    return State(main.tables, stray.tables, scope.prefix, used, held)


def _may_hold(family: str, scope: Scope, table: str) -> bool:
    """Whether a bundle that may be in the kernel has something in a table."""
    artifacts = (bundle.artifact(family) for bundle in scope.bundles)
    return any(f"*{table}\n" in artifact.text for artifact in artifacts if artifact is not None)


def saved(family: str, variant: str, scope: Scope) -> Saved:
    """What is ours in one variant. Errors: StepError."""
    if variant == LEGACY and not _has_legacy_tables(family):
        return Saved({})
    try:
        done = tools.run([tool(family, variant, "save")])
    except FileNotFoundError:
        return Saved({})
    if done.returncode:
        raise StepError(family, words(done))
    return parse_saved(done.stdout, scope)


def _saved_if_any(family: str, variant: str, scope: Scope) -> Saved:
    """The same for the variant that the machine's ``iptables`` is not: its kernel side may be missing."""
    try:
        return saved(family, variant, scope)
    except StepError:
        return Saved({})


def _has_legacy_tables(family: str) -> bool:
    try:
        return bool(Path("/proc/thread-self/net", _NAMES[family]).read_text().strip())
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise StepError(family, f"{error.filename}: only root may see which rules there are") from None


def words(done: subprocess.CompletedProcess[str]) -> str:
    """What a tool that failed said, or how it ended."""
    if done.returncode < 0:
        return f"{done.args[0]} was killed by {signal.Signals(-done.returncode).name}"
    return tools.last_words(done)


@dataclass(frozen=True, slots=True)
class Restore:
    """``iptables-restore --noflush`` of a family and variant."""

    family: str
    variant: str

    #: Seconds to wait while another program holds the lock of legacy iptables.
    WAIT = 60

    def run(self, text: str, *, test: bool = False) -> subprocess.CompletedProcess[str]:
        """Errors: StepError where there is no such tool."""
        name = tool(self.family, self.variant, "restore")
        argv = [name, "--noflush", "-w", str(self.WAIT), *(["--test"] if test else [])]
        try:
            return tools.run(argv, text)
        except FileNotFoundError:
            raise StepError(self.family, f"{name} is not installed") from None
