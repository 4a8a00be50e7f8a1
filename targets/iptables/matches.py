"""The matches with which a rule chooses among endpoints (iptables-extensions(8)), printed as iptables-save does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from svcc.kernel.xtables.matches import Match
from svcc.targets.iptables.weights import BUCKETS
from svcc.targets.xtables_read.matches import Reader
from svcc.targets.xtables_read.words import NotRead, Words

#: The kernel keeps a probability as a number of 31 bits (xt_statistic).
CERTAIN = 1 << 31


_PROBABILITY = re.compile(r"0\.[0-9]{11}")


@dataclass(frozen=True, slots=True)
class Random(Match):
    """Matches ``share`` of every ``CERTAIN`` packets, at random."""

    share: int

    def __str__(self) -> str:
        return f"-m statistic --mode random --probability {self.share / CERTAIN:.11f}"


@dataclass(frozen=True, slots=True)
class Nth(Match):
    """Matches the first of every ``every`` packets that reach it."""

    every: int

    def __str__(self) -> str:
        return f"-m statistic --mode nth --every {self.every} --packet 0"


@dataclass(frozen=True, slots=True)
class Bucket(Match):
    """Matches where a hash of the client's address falls into the first of ``total`` buckets. The hash differs for each
    total.

    It is always the first bucket, because iptables 1.8 prints a bucket as a mask, and cannot read masks above 32 again.
    """

    total: int

    def __str__(self) -> str:
        buckets = f"--cluster-local-nodemask 0x00000001 --cluster-total-nodes {self.total}"
        return f"-m cluster {buckets} --cluster-hash-seed {self.total:#010x}"


@dataclass(frozen=True, slots=True)
class Remembered(Match):
    """Matches, and starts the time again, where the client was put on the list ``name`` in the last ``seconds``."""

    name: str
    version: int
    seconds: int
    network: int | None = None  # the prefix length of what counts as one client; None: its address

    def __str__(self) -> str:
        return f"-m recent --update --seconds {self.seconds} --reap {_list(self.name, self.version, self.network)}"


@dataclass(frozen=True, slots=True)
class Remember(Match):
    """Matches always, and puts the client on the list ``name``."""

    name: str
    version: int
    network: int | None = None

    def __str__(self) -> str:
        return f"-m recent --set {_list(self.name, self.version, self.network)}"


def _list(name: str, version: int, network: int | None) -> str:
    mask = _mask(version, network)
    return f"--name {name} --mask {mask} --rsource"


@lru_cache(maxsize=256)
def _mask(version: int, network: int | None) -> str:
    if version == 4:
        return str(IPv4Network((0, 32 if network is None else network)).netmask)
    return str(IPv6Network((0, 128 if network is None else network)).netmask)


# -- reading ----------------------------------------------------------------------------------------------------------


def _statistic(words: Words, _: bool) -> Match:
    words.expect("--mode")
    if (mode := words.take()) == "nth":
        words.expect("--every")
        every = words.number()
        words.expect("--packet", "0")
        return Nth(every)
    if mode != "random":
        raise NotRead(f"expected `random` or `nth`, not {mode}")
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
        raise NotRead(f"the number of buckets has to be 2 to {BUCKETS}")
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
    version, network = _network(words.take())
    words.expect("--rsource")
    if seconds is None:
        return Remember(name, version, network)
    return Remembered(name, version, seconds, network)


def _network(mask: str) -> tuple[int, int | None]:
    """Return the family of a mask, and the length of its prefix. Errors: NotRead."""
    version, most = (6, 128) if ":" in mask else (4, 32)
    length = next((length for length in range(1, most + 1) if _mask(version, length) == mask), None)
    if length is None:
        raise NotRead(f"{mask} is no mask of clients' addresses")
    return version, None if length == most else length


#: The readers that this target adds to :data:`svcc.targets.xtables_read.matches.MATCHES`.
READERS: dict[str, Reader] = {"-m statistic": _statistic, "-m cluster": _cluster, "-m recent": _recent}
