"""The two variants of iptables, legacy and nft, and their tools. Each has tables that the other does not see.

svcc uses the variant that has our chains. Where neither or both have any, it uses the variant of the machine's
``iptables`` (iptables-nft(8)).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from svcc.kernel import tools
from svcc.kernel.nft import generation, netlink
from svcc.kernel.ownership import Ours
from svcc.kernel.steps import StepError, ToolEnd
from svcc.kernel.xtables.state import Saved, parse_saved

LEGACY, NFT = "legacy", "nft"
_OTHER = {LEGACY: NFT, NFT: LEGACY}
#: Files with the names of the legacy tables that exist, one on each line. The tool would make a table that it is asked
#: for.
_NAMES = {"iptables": "ip_tables_names", "ip6tables": "ip6_tables_names"}

#: The families and tables of nf_tables that the nft variant uses (iptables-nft(8)).
_NFT_FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}
_NFT_TABLES = ("nat", "filter", "mangle", "raw", "security")


def other(variant: str) -> str:
    """Return the other variant: legacy for nft, nft for legacy."""
    return _OTHER[variant]


def default(family: str) -> str:
    """Return the variant of the tool ``iptables`` (or ip6tables). Before release 1.8 there was only legacy.

    ``family``: the tool's name. Errors: StepError where the tool does not come to its end.
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
    """Return the variant that a program says it is. Results are kept: a program says the same until its file changes.

    Errors: StepError.
    """
    done = tools.run([path, "--version"], name=family)
    if done.end is not ToolEnd.REFUSED:
        raise done.error(family, reading=True)
    return NFT if "nf_tables" in done.stdout else LEGACY


def tool(family: str, variant: str, verb: str) -> str:
    """Return the name of ``FAMILY-restore`` or ``FAMILY-save`` for a variant. Distributions with only one variant do
    not name it. ``verb``: restore or save. Errors: StepError."""
    named = f"{family}-{variant}-{verb}"
    return named if tools.find(named) or variant != default(family) else f"{family}-{verb}"


def saved(family: str, variant: str, ours: Ours) -> Saved:
    """Return our objects in one variant. Errors: StepError."""
    return Listing(family, variant).saved(ours)


class Listing:
    """A listing of one variant that was begun. Errors of all methods: StepError."""

    def __init__(self, family: str, variant: str) -> None:
        self._family = family
        self._running: tools.Running | None = None
        if has_nft_tables(family) if variant == NFT else has_legacy_tables(family):
            with suppress(FileNotFoundError):
                self._running = tools.Running([tool(family, variant, "save")])

    def data(self) -> bytes:
        """Wait for what iptables-save prints, and return it; nothing where there is no such variant."""
        if self._running is None:
            return b""
        done = self._running.ended
        if done.returncode:
            raise done.error(self._family, reading=True)
        if done.output and not done.output.lstrip().startswith((b"#", b"*")):
            raise StepError(self._family, f"{self._family}-save printed what svcc cannot read", reading=True)
        return done.output

    def saved(self, ours: Ours) -> Saved:
        """Wait for the listing, and return our objects in it."""
        with tools.understood(self._family, f"{self._family}-save"):
            return parse_saved(self.data().decode(errors="replace"), ours)


def has_nft_tables(family: str) -> bool:
    """Whether the nft variant may have tables. Where it has none, as on a kernel without nf_tables, its tool would
    print nothing."""
    return not netlink.lacks(_NFT_FAMILIES[family], *_NFT_TABLES)


def has_legacy_tables(family: str) -> bool:
    """Whether the legacy variant has tables. Errors: StepError."""
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
        """Run the tool with a script as its input. ``test``: whether it only tries the script. Errors: StepError where
        there is no such tool."""
        name = tool(self.family, self.variant, "restore")
        argv = [name, "--noflush", "-w", str(self.WAIT), *(["--test"] if test else [])]
        try:
            done = tools.run(argv, text)
        except FileNotFoundError:
            raise tools.missing(self.family, name) from None
        if self.variant == NFT and not test and not done.returncode:
            generation.count(text.count("\nCOMMIT\n"))  # each is one transaction
        return done
