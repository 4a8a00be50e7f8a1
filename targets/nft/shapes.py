"""The shapes of this target: its sets by name, and which rules each kind of chain has.

Rules are written as words, with a semicolon after each rule. A pattern matches all rules of a chain together. ``key``
is a key, ``client`` a client, ``@kind`` a set, and ``goto:kind`` a chain to go to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from svcc.compiler import ir
from svcc.kernel.nft.state import Hook
from svcc.targets.nft import hooks
from svcc.targets.nft.choice import Shift
from svcc.targets.nft.fronts import PODS, ports_map
from svcc.targets.nft.keys import Family, Key
from svcc.targets.nft.objects import Set
from svcc.targets.nft.sources import REWRITE, REWRITE_NODEPORTS
from svcc.targets.nft.table import natural

#: The chains with fixed names.
HOOKS: Mapping[str, Hook | None] = {
    "dispatch-nodeports": None,
    "dispatch": None,
    "nat-prerouting": Hook("nat", "prerouting", hooks.DSTNAT),
    "nat-output": Hook("nat", "output", hooks.DSTNAT),
    "refuse": None,
    "unserved": None,
    "invalid": None,
    "filter-prerouting": Hook("filter", "prerouting", hooks.AFTER_DSTNAT),
    "filter-output": Hook("filter", "output", hooks.AFTER_DSTNAT),
    REWRITE_NODEPORTS: None,
    REWRITE: None,
    "nat-postrouting": Hook("nat", "postrouting", hooks.SRCNAT),
    "nat-input": Hook("nat", "input", hooks.SRCNAT),
}

_KEY = r"(?:nodeport-)?(?:(?:tcp|udp|sctp)-range-)?"
_AFFINITY = r"(?:service-)?affinity-[0-9]+[smhd]-(?:net[0-9]+-)?"
_LANDING = re.compile(rf"{_KEY}(?:{_AFFINITY})?to-[0-9]+-.+")
_FRONT = re.compile(
    rf"empty(?:-.+)?|{_KEY}(?:external-)?(?:allowed-)?(?:masquerade-|keep-|from-)?(?:{_AFFINITY})?(?:spread|hash|rr|wrr)-.+"
    r"|.{53}-[0-9a-f]{10}"  # cut, perhaps within these words
)
NAME = re.compile(r"[A-Za-z0-9_./-]+")

_SERVING = r"daddr!=loopback (daddr!=@addresses )?(daddr!=@shared )?(daddr=@nodeport-addresses )?fib=local "
_IN_NETWORKS = "(daddr=@service-networks (daddr!=@service-networks-shared )?{0};)?"
_OURS = rf"(daddr=@addresses {{0}};)?(key=@declared {{0}};)*({_SERVING}nodeport-key=@declared {{0}};)*{_IN_NETWORKS}"
_FILTER = r"(ct-state~new \(ct-status & dnat\)=0 goto:unserved;)?(ct-state~invalid l4proto=tcp goto:invalid;)?"
_PROTOCOL = r"l4proto=(?:\{tcp udp sctp\}|tcp|udp|sctp) "
_OPENED = r"opened-to!=loopback (opened-to!=@addresses )?(opened-to!=@shared )?(opened-to=@nodeport-addresses )?"
PATTERNS = {
    kind: re.compile(pattern)
    for kind, pattern in {
        "landing": r"dnat;|remember;goto:landing;",
        "front": r"(saddr!=@allow drop;)?((saddr!=@pods |saddr=@from )?set-mark:on;)?(client=@affinity goto:landing;)*"
        r"(goto:landing;|choose;|(turn=[0-9]+ goto:landing;)+goto:landing;)?",
        "dispatch-nodeports": r"(vmap:nodeport;)+",
        "dispatch": rf"(vmap:service;)*({_SERVING}goto:dispatch-nodeports;)?",
        "nat-prerouting": r"jump:dispatch;",
        "nat-output": r"jump:dispatch;",
        "refuse": r"l4proto=tcp reject:tcp reset;l4proto=udp reject:unreachable;l4proto=sctp reject:unreachable;",
        "unserved": _OURS.format("goto:refuse"),
        "invalid": _OURS.format("drop") + r"(source=@hairpin tcp-sport=@target-ports \(tcp-flags & 6\)=0 drop;)?",
        "filter-prerouting": _FILTER,
        "filter-output": _FILTER,
        "snat": r"snat;",
        REWRITE_NODEPORTS: rf"({_PROTOCOL}vmap:nodeport-source;)+",
        REWRITE: rf"({_PROTOCOL}vmap:source;)*({_OPENED}jump:{REWRITE_NODEPORTS};)?masquerade;",
        "nat-postrouting": r"ct-status~dnat marked set-mark:off fib!=local (REWRITE);"
        r"ct-status~dnat hairpin=@hairpin fib!=local \1;".replace("REWRITE", f"masquerade|goto:{REWRITE}"),
        "nat-input": r"ct-status~dnat marked set-mark:off;",
    }.items()
}

_ADDRESSES = (
    hooks.ADDRESSES.name,
    hooks.SHARED.name,
    hooks.SERVICE_NETWORKS_SHARED.name,
    hooks.HAIRPIN.name,
    hooks.TARGET_PORTS.name,
)


def kind_of_chain(name: str) -> str | None:
    """Return the kind of a chain. Return None where no chain of this target has that name."""
    if name in HOOKS:
        return name
    if NAME.fullmatch(name) is None:
        return None
    if name.startswith("snat-"):
        return "snat"
    return "landing" if _LANDING.fullmatch(name) else "front" if _FRONT.fullmatch(name) else None


def keys(family: Family) -> Iterator[Key]:
    """Return the keys for which a table of the family can have maps."""
    for nodeport in (False, True):
        for ranges in (None, *ir.Protocol):
            yield Key(family, nodeport, ranges)


def set_of(name: str, family: Family) -> tuple[str, Set] | None:
    """Return kind and declaration of the set or map with that name. Return None where this target has none."""
    address = family.address
    fixed = {
        hooks.ADDRESSES.name: Set.of(hooks.ADDRESSES.name, (address,)),
        hooks.SHARED.name: Set.of(hooks.SHARED.name, (address,)),
        hooks.SERVICE_NETWORKS_SHARED.name: Set.of(hooks.SERVICE_NETWORKS_SHARED.name, (address,)),
        hooks.SERVICE_NETWORKS.name: Set.of(hooks.SERVICE_NETWORKS.name, (address,), interval=True),
        hooks.HAIRPIN.name: Set.of(hooks.HAIRPIN.name, (address, address)),
        hooks.TARGET_PORTS.name: Set.of(hooks.TARGET_PORTS.name, ("inet_service",), interval=True),
        PODS.name: Set.of(PODS.name, (address,), interval=True),
        hooks.NODEPORT_ADDRESSES.name: Set.of(hooks.NODEPORT_ADDRESSES.name, (address,), interval=True),
    }
    if name in fixed:
        return name, fixed[name]
    if NAME.fullmatch(name) is None:
        return None
    if name.startswith(("allow-", "from-")):
        return name.partition("-")[0], Set.of(name, (address,), interval=True)
    if shift := re.fullmatch(r"ports-([0-9]{1,5})-([0-9]{1,5})-to-([0-9]{1,5})", name):
        made = ports_map(Shift(int(shift[1]), int(shift[2]), int(shift[3])))
        return ("ports", made) if made.name == name else None
    if slot := re.fullmatch(r"service-affinity-(0|[1-9][0-9]{0,5})-.+", name):
        return "affinity", Set(name, family.affinity(int(slot[1]), "").declaration)
    return _keyed(name, family)


def _keyed(name: str, family: Family) -> tuple[str, Set] | None:
    for key in keys(family):
        if name == key.services.name:
            return "services", key.services
        if name == key.declared.name:
            return "declared", key.declared
        if name == key.sources.name:
            return "sources", key.sources
        rest = name.removeprefix(key.prefix)
        if len(rest) + len(key.prefix) != len(name):
            continue
        if slot := re.fullmatch(r"endpoint-(0|[1-9][0-9]{0,5})", rest):
            return "endpoint", key.endpoint(int(slot[1]))
        if slot := re.fullmatch(r"affinity-(0|[1-9][0-9]{0,5})(-.+)?", rest):
            return "affinity", Set(name, key.affinity(int(slot[1]), "").declaration)
    return None


def rank_of_set(name: str, kind: str, family: Family) -> tuple[object, ...]:
    """Return a sort key for a set among those of its table. The elements come in the same order."""
    for key in keys(family):
        if kind in ("services", "endpoint", "sources", "declared"):
            own = name in (key.services.name, key.sources.name, key.declared.name) or name.startswith(
                f"{key.prefix}endpoint-"
            )
            if own:
                place = ("services", "endpoint", "sources", "declared").index(kind)
                return 0, key.nodeport, key.ranges or "", place, natural(name)
    if kind == "affinity":
        return 1, natural(name)
    if kind == "ports":
        return 2, name
    return (3, _ADDRESSES.index(name)) if name in _ADDRESSES else (4, name)
