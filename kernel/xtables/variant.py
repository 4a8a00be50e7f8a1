"""The two variants of iptables, legacy and nft, and their tools. Each has tables that the other does not see.

The variant that holds our chains is the one that is used. With none there, or with chains in both, it is the one that
the machine's ``iptables`` is (iptables-nft(8)).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from svcc.kernel import tools
from svcc.kernel.nft import generation
from svcc.kernel.ownership import Ours
from svcc.kernel.steps import StepError, ToolEnd
from svcc.kernel.xtables.state import Saved, parse_saved

LEGACY, NFT = "legacy", "nft"
_OTHER = {LEGACY: NFT, NFT: LEGACY}
#: The legacy tables that there are, one name a line. Asking the tool for one that is not there would make it.
_NAMES = {"iptables": "ip_tables_names", "ip6tables": "ip6_tables_names"}


def other(variant: str) -> str:
    """The variant that is not this one: legacy of nft, nft of legacy."""
    return _OTHER[variant]


def default(family: str) -> str:
    """The variant that the tool called ``iptables`` (or ip6tables) is. Before 1.8 there was only legacy.

    Errors: StepError where it does not come to its end.
    """
    try:
        path = tools.find(family)
        if path is None:
            raise FileNotFoundError(family)
        file = os.stat(path)
        return _variant_of(family, path, (file.st_dev, file.st_ino, file.st_mtime_ns, file.st_ctime_ns))
    except FileNotFoundError:
        return NFT if tools.find(f"{family}-{NFT}-save") else LEGACY


@cache
def _variant_of(family: str, path: str, _: tuple[int, ...]) -> str:
    """Each program is asked once: it says the same until another is put in its place. Errors: StepError."""
    done = tools.run([path, "--version"], name=family)
    if done.end is not ToolEnd.REFUSED:
        raise done.error(family, reading=True)
    return NFT if "nf_tables" in done.stdout else LEGACY


def tool(family: str, variant: str, verb: str) -> str:
    """The name of ``FAMILY-restore`` or ``-save`` for a variant; distributions with one variant have one name."""
    named = f"{family}-{variant}-{verb}"
    return named if tools.find(named) or variant != default(family) else f"{family}-{verb}"


def saved(family: str, variant: str, ours: Ours) -> Saved:
    """What is ours in one variant. Errors: StepError."""
    return Listing(family, variant).saved(ours)


class Listing:
    """A listing of one variant under way. Errors of all methods: StepError."""

    def __init__(self, family: str, variant: str) -> None:
        self._family = family
        self._running: tools.Running | None = None
        if variant == NFT or has_legacy_tables(family):
            with suppress(FileNotFoundError):
                self._running = tools.Running([tool(family, variant, "save")])

    def data(self) -> bytes:
        """Waits for what iptables-save prints; nothing where there is no such variant."""
        if self._running is None:
            return b""
        done = self._running.ended
        if done.returncode:
            raise done.error(self._family, reading=True)
        if done.output and not done.output.lstrip().startswith((b"#", b"*")):
            raise StepError(self._family, f"{self._family}-save printed what svcc cannot read", reading=True)
        return done.output

    def saved(self, ours: Ours) -> Saved:
        """Waits for the listing, and reads what is ours from it."""
        with tools.understood(self._family, f"{self._family}-save"):
            return parse_saved(self.data().decode(errors="replace"), ours)


def has_legacy_tables(family: str) -> bool:
    """Errors: StepError."""
    try:
        return bool(Path("/proc/thread-self/net", _NAMES[family]).read_text().strip())
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise StepError(family, f"{error.filename}: only root may see which rules there are", reading=True) from None


@dataclass(frozen=True, slots=True)
class Restore:
    """``iptables-restore --noflush`` of a family and variant."""

    family: str
    variant: str

    #: Seconds to wait while another program holds the lock of legacy iptables.
    WAIT = 60

    def run(self, text: str, *, test: bool = False) -> tools.Done:
        """Errors: StepError where there is no such tool."""
        name = tool(self.family, self.variant, "restore")
        argv = [name, "--noflush", "-w", str(self.WAIT), *(["--test"] if test else [])]
        try:
            done = tools.run(argv, text)
        except FileNotFoundError:
            raise tools.missing(self.family, name) from None
        if self.variant == NFT and not test and not done.returncode:
            generation.count(text.count("\nCOMMIT\n"))  # each is one transaction
        return done
