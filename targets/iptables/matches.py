"""The matches with which a rule chooses among endpoints (iptables-extensions(8)), printed as iptables-save does."""

from __future__ import annotations

from dataclasses import dataclass

from svcc.targets.xtables import Match

#: The kernel keeps a probability as a number of 31 bits (xt_statistic).
CERTAIN = 1 << 31
#: The most buckets of ``-m cluster`` (XT_CLUSTER_NODES_MAX).
BUCKETS = 32


@dataclass(frozen=True, slots=True)
class Random(Match):
    """Holds ``share`` times in ``CERTAIN``."""

    share: int

    def __str__(self) -> str:
        return f"-m statistic --mode random --probability {self.share / CERTAIN:.11f}"


@dataclass(frozen=True, slots=True)
class Nth(Match):
    """Holds for the first of every ``every`` packets that reach it."""

    every: int

    def __str__(self) -> str:
        return f"-m statistic --mode nth --every {self.every} --packet 0"


@dataclass(frozen=True, slots=True)
class Bucket(Match):
    """A hash of the client's address falls into the first of ``total`` buckets. Each total has a hash of its own.

    Only the first: iptables 1.8 prints a bucket as a mask, and refuses to read a mask above 32 again.
    """

    total: int

    def __str__(self) -> str:
        buckets = f"--cluster-local-nodemask 0x00000001 --cluster-total-nodes {self.total}"
        return f"-m cluster {buckets} --cluster-hash-seed {self.total:#010x}"


@dataclass(frozen=True, slots=True)
class Remembered(Match):
    """The client was put on the list ``name`` (or last found there) in the last ``seconds``; it is so again now."""

    name: str
    version: int
    seconds: int

    def __str__(self) -> str:
        return f"-m recent --update --seconds {self.seconds} --reap {_list(self.name, self.version)}"


@dataclass(frozen=True, slots=True)
class Remember(Match):
    """Always holds, and puts the client on the list ``name``."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"-m recent --set {_list(self.name, self.version)}"


def _list(name: str, version: int) -> str:
    mask = "255.255.255.255" if version == 4 else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    return f"--name {name} --mask {mask} --rsource"
