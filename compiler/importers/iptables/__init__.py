"""``svcc import iptables``: what ``iptables-save`` and ``ip6tables-save`` print, of kube-proxy or
hand-written rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.importers.interface import Imported, Importer, Note
from svcc.compiler.importers.iptables import dnat
from svcc.compiler.importers.iptables.choices import Front, NotRead, Reader
from svcc.compiler.importers.iptables.fronts import fronts
from svcc.compiler.importers.iptables.kube_proxy import OWN, KubeProxy, is_of_kube_proxy
from svcc.compiler.importers.iptables.rules import Rule, Ruleset, rulesets
from svcc.compiler.importers.kubernetes.mapping import services_of
from svcc.compiler.importers.names import Names
from svcc.compiler.importers.node_ports import node_ports
from svcc.compiler.source import Source, Span

#: Chains of the filter table in which kube-proxy refuses connections to Services without endpoints.
_UNSERVED = ("KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES")


class Iptables(Importer):
    """The importer for the output of iptables-save."""

    name: ClassVar[str] = "iptables"
    title: ClassVar[str] = "what `iptables-save` and `ip6tables-save` print: kube-proxy's rules, and rules of DNAT"

    def read(self, sources: Sequence[Source]) -> Imported:
        reading = _Reading()
        for source in sources:
            for ruleset in rulesets(source, reading.notes):
                reading.ruleset(ruleset)
        return reading.imported()


class _Reading:
    """The services and notes that were made of the rules so far."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._names = Names()
        self._services: list[ir.Service] = []
        self._kube_proxy = KubeProxy(self.notes)

    def ruleset(self, ruleset: Ruleset) -> None:
        reader = Reader(ruleset.chains("nat"))
        found = fronts(reader, "PREROUTING")
        self.notes += found.notes
        own: dict[Front, list[Rule]] = {}
        for front, rules in found.rules.items():
            if is_of_kube_proxy(rules):
                self._kube_proxy.take(reader, front, rules)
            else:
                own[front] = rules
        self._services += dnat.services(reader, own, self._names, self.notes)
        self._take_output(reader, found.rules)
        filters = Reader(ruleset.chains("filter"))
        for chain in _UNSERVED:
            for front, rules in fronts(filters, chain).rules.items():
                filters.read |= {rule.span for rule in rules if self._kube_proxy.take_unserved(front, rule)}
        self._note_others(ruleset, reader.read | filters.read)

    def _take_output(self, reader: Reader, known: Mapping[Front, Sequence[Rule]]) -> None:
        """Note where the machine's own connections meet other rules than connections that come in.

        A service has the same rules for both.
        """
        found = fronts(reader, "OUTPUT")
        self.notes += found.notes
        for front, rules in found.rules.items():
            reader.read |= {rule.span for rule in rules}
            if front not in known:
                reason = "a service takes connections that come in as well, not only those of this machine"
                self.notes.append(Note(rules[0].span, reason))
            elif rules != known[front] and not _same_shares(reader, front, rules, known[front]):
                reason = "the machine's own connections go where those that come in go"
                self.notes.append(Note(rules[0].span, reason))

    def _note_others(self, ruleset: Ruleset, read: set[Span]) -> None:
        """Add a note for every rule that is in no service, except those that kube-proxy needs beside its Services."""
        read = read | {note.span for note in self.notes}
        for table, chains in ruleset.tables.items():
            for chain, rules in chains.items():
                for rule in rules:
                    if rule.span not in read and not (OWN.fullmatch(chain) or OWN.fullmatch(rule.target)):
                        self.notes.append(Note(rule.span, _unread(table, chain)))

    def imported(self) -> Imported:
        kube_proxy = self._kube_proxy
        made = list[ir.Service]()
        for service, slices in kube_proxy.objects():
            mapped = services_of(service, slices, (), kube_proxy.at)
            for remark in mapped.remarks:
                if (span := kube_proxy.at(remark.place)) is not None:
                    self.notes.append(Note(span, remark.reason))
            made += mapped.services
        if kube_proxy.masquerades:
            made = [replace(service, masquerade=ir.Masquerade.ALWAYS) for service in made]
        services = sorted([*self._services, *made], key=lambda service: service.name)
        pods = tuple(sorted(kube_proxy.pods, key=lambda network: (network.version, network)))
        cluster = ir.Cluster(pods=pods, nodeports=node_ports(services))
        return Imported(ir.Program(cluster, (), tuple(services)), tuple(self.notes), by_name=bool(made))


def _same_shares(reader: Reader, front: Front, rules: Sequence[Rule], known: Sequence[Rule]) -> bool:
    try:
        return reader.choice(front, rules, rules[0].span).shares == reader.choice(front, known, known[0].span).shares
    except NotRead:
        return False


def _unread(table: str, chain: str) -> str:
    if table != "nat":
        return "import reads only the nat table: svcc filters and marks nothing but services"
    if chain == "POSTROUTING":
        return "svcc rewrites sources only for services, as `masquerade`, `snat` and `pods` say"
    return "no rule that was carried over leads here"


IMPORTER = Iptables()
