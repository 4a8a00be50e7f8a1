"""The matches with which a rule chooses among endpoints (iptables-extensions(8)), printed as iptables-save does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from svcc.kernel.xtables.objects import Match
from svcc.targets.xtables_read import NotRead, Reader, Words

#: The kernel keeps a probability as a number of 31 bits (xt_statistic).
CERTAIN = 1 << 31
#: The most buckets of ``-m cluster`` (XT_CLUSTER_NODES_MAX).
BUCKETS = 32


_PROBABILITY = re.compile(r"0\.[0-9]{11}")


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


# -- reading ----------------------------------------------------------------------------------------------------------


def _statistic(words: Words, _: bool) -> Match:
    words.expect("--mode")
    if (mode := words.take()) == "nth":
        words.expect("--every")
        every = words.number()
        words.expect("--packet", "0")
        return Nth(every)
    if mode != "random":
        raise NotRead(f"`random` or `nth` comes here, not {mode}")
    words.expect("--probability")
    text = words.take()
    if not _PROBABILITY.fullmatch(text):
        raise NotRead("a probability is below 1, with eleven decimals")
    return Random(round(float(text) * CERTAIN))


def _cluster(words: Words, _: bool) -> Match:
    words.expect("--cluster-local-nodemask", "0x00000001", "--cluster-total-nodes")
    total = words.number()
    words.expect("--cluster-hash-seed")
    words.number(16)
    if not 2 <= total <= BUCKETS:
        raise NotRead(f"buckets are 2 to {BUCKETS}")
    return Bucket(total)


def _recent(words: Words, _: bool) -> Match:
    seconds = None
    if words.take() == "--update":
        words.expect("--seconds")
        seconds = words.number()
        words.expect("--reap")
    words.expect("--name")
    name = words.take()
    words.expect("--mask")
    version = 6 if ":" in words.take() else 4
    words.expect("--rsource")
    return Remember(name, version) if seconds is None else Remembered(name, version, seconds)


#: As in :data:`svcc.targets.xtables_read.MATCHES`.
READERS: dict[str, Reader] = {"-m statistic": _statistic, "-m cluster": _cluster, "-m recent": _recent}
