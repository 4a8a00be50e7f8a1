"""Loads the parts of bundles, one after the other, into an empty node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from svcc.compiler import ir
from svcc.targets.interface import Bundle
from svcc.verify.trace import ipset, ipvs, node_files
from svcc.verify.trace.faults import ArtifactLine, UnknownRule
from svcc.verify.trace.host import Host
from svcc.verify.trace.kernel import Kernel
from svcc.verify.trace.nft_tables import Ruleset
from svcc.verify.trace.xt_script import Xtables


def load(bundles: Bundle | Iterable[Bundle], addresses: Iterable[ir.Address] = ()) -> Kernel:
    """Return the node after each part was loaded with its tool, one bundle on top of the other. ``addresses``: the
    node's.

    Errors: TraceError.
    """
    own = tuple(addresses)
    node = _Node(Host(own, set(own)))
    for bundle in [bundles] if isinstance(bundles, Bundle) else bundles:
        for artifact in bundle.artifacts:
            node.read(artifact.part.name, artifact.text)
    return node.kernel()


@dataclass(slots=True)
class _Node:
    """The state that the tools change."""

    host: Host
    sets: dict[str, ipset.IpSet] = field(default_factory=dict)
    balancer: ipvs.Ipvs = field(default_factory=ipvs.Ipvs)
    readers: Mapping[str, Callable[[str, str], None]] = field(init=False)
    tables: tuple[Xtables | Ruleset, ...] = field(init=False)

    def __post_init__(self) -> None:
        ip4, ip6 = (Xtables(version, self.sets, self.host) for version in (4, 6))
        ruleset = Ruleset(self.host)
        self.tables = ip4, ip6, ruleset
        # Parts of the same name have the same format, whatever the target.
        self.readers = {
            "modules": node_files.read_modules,
            "sysctl": partial(node_files.read_sysctl, host=self.host),
            "ip": partial(node_files.read_ip, host=self.host),
            "ipset": partial(ipset.read, sets=self.sets),
            "ipvsadm": partial(ipvs.read, ipvs=self.balancer),
            "iptables": ip4.read,
            "ip6tables": ip6.read,
            "nft": ruleset.read,
        }

    def read(self, part: str, text: str) -> None:
        if part not in self.readers:
            raise UnknownRule(ArtifactLine(part, 1), "nothing here reads this part")
        if text:
            self.readers[part](part, text)

    def kernel(self) -> Kernel:
        return Kernel(self.host, [base for tables in self.tables for base in tables.bases()], self.balancer)
