"""A bundle's parts, loaded one after the other into a node that has nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from svcc.compiler import ir
from svcc.targets.interface import Bundle
from svcc.verify.trace import ipset, ipvs, nft_tables, node_files, xt_script
from svcc.verify.trace.faults import Place, UnknownRule
from svcc.verify.trace.host import Host
from svcc.verify.trace.kernel import Kernel


@dataclass(slots=True)
class _Loading:
    kernel: Kernel
    sets: dict[str, ipset.IpSet] = field(default_factory=dict)


def load(bundle: Bundle, addresses: Iterable[ir.Address] = ()) -> Kernel:
    """The node with these addresses after every part was loaded with its tool. Errors: TraceError."""
    own = tuple(addresses)
    loading = _Loading(Kernel(Host(own, set(own))))
    for artifact in bundle.artifacts:
        name = artifact.part.name
        if name not in _READERS:
            raise UnknownRule(Place(name, 1), "nothing here reads this part")
        if artifact.text:
            _READERS[name](loading, name, artifact.text)
    return loading.kernel


def _modules(_: _Loading, part: str, text: str) -> None:
    node_files.read_modules(part, text)


def _sysctl(loading: _Loading, part: str, text: str) -> None:
    node_files.read_sysctl(part, text, loading.kernel.host)


def _ip(loading: _Loading, part: str, text: str) -> None:
    node_files.read_ip(part, text, loading.kernel.host)


def _ipset(loading: _Loading, part: str, text: str) -> None:
    loading.sets |= ipset.read(part, text)


def _ipvsadm(loading: _Loading, part: str, text: str) -> None:
    loading.kernel.balancer = ipvs.read(part, text)


def _xtables(version: int) -> Callable[[_Loading, str, str], None]:
    def read(loading: _Loading, part: str, text: str) -> None:
        loading.kernel.bases += xt_script.read(part, text, version, loading.sets, loading.kernel.host)

    return read


def _nft(loading: _Loading, part: str, text: str) -> None:
    loading.kernel.bases += nft_tables.read(part, text, loading.kernel.host)


#: Who reads a part, by its name: a part of the same name is of the same format, whatever the target.
_READERS: Mapping[str, Callable[[_Loading, str, str], None]] = {
    "modules": _modules,
    "sysctl": _sysctl,
    "ip": _ip,
    "ipset": _ipset,
    "ipvsadm": _ipvsadm,
    "iptables": _xtables(4),
    "ip6tables": _xtables(6),
    "nft": _nft,
}
