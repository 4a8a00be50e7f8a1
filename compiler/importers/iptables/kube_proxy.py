"""Reconstructs from kube-proxy's rules the objects that kube-proxy made them from.

Its comments name Service and port, and its chains have names that say what they do: KUBE-SVC-… has a port's endpoints,
KUBE-EXT-… takes what comes from outside, KUBE-SVL-… has the endpoints of this machine, KUBE-FW-… the clients of a load
balancer (KUBE-XLB-… in older releases), and KUBE-SEP-… one endpoint. Chains of one port end in the same word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from svcc.compiler import ir
from svcc.compiler.importers.interface import Note
from svcc.compiler.importers.iptables.choices import Front, NotRead, Reader
from svcc.compiler.importers.iptables.rules import Rule
from svcc.compiler.importers.kubernetes.fields import Word
from svcc.compiler.importers.kubernetes.objects import (
    EndpointSlice,
    Ingress,
    Service,
    ServicePort,
    SliceEndpoint,
    SlicePort,
)
from svcc.compiler.importers.kubernetes.remarks import Place
from svcc.compiler.importers.words import network
from svcc.compiler.source import Span

_COMMENT = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([A-Za-z0-9][\w.-]*))?(?: (.*))?")
_CHAIN = re.compile(r"KUBE-(SVC|EXT|SVL|XLB|FW)-([A-Z0-9]{1,24})")
_NOT_SERVED = re.compile(r"has no (?:local )?endpoints")
#: Matches the name of every chain of kube-proxy's and of the kubelet's.
OWN = re.compile(
    r"KUBE-(?:(?:SVC|SEP|EXT|SVL|XLB|FW)-[A-Z0-9]+|SERVICES|EXTERNAL-SERVICES|NODEPORTS|NODE-PORT|POSTROUTING"
    r"|MARK-MASQ|MARK-DROP|FORWARD|FIREWALL|PROXY-FIREWALL|PROXY-CANARY|KUBELET-CANARY)"
)
_NOWHERE = Word("", ())


def is_of_kube_proxy(rules: Sequence[Rule]) -> bool:
    """Whether a front's rules are kube-proxy's."""
    return all(_CHAIN.fullmatch(rule.target) and _COMMENT.fullmatch(rule.comment) for rule in rules)


@dataclass(slots=True)
class _Port:
    """A port of a Service, as far as the rules show it."""

    protocol: ir.Protocol
    span: Span
    number: int | None = None
    node_port: int | None = None
    endpoints: dict[tuple[ir.Address, int], Span] = field(default_factory=dict)


@dataclass(slots=True)
class _Service:
    span: Span
    cluster_ips: dict[ir.Address, Span] = field(default_factory=dict)
    external_ips: dict[ir.Address, Span] = field(default_factory=dict)
    balanced: dict[ir.Address, Span] = field(default_factory=dict)  # the addresses of load balancers
    ports: dict[tuple[str, ir.Protocol], _Port] = field(default_factory=dict)
    affinity: int | None = None
    sources: dict[ir.Network, None] = field(default_factory=dict)


class KubeProxy:
    """Collects what rules say about Services."""

    def __init__(self, notes: list[Note]) -> None:
        self.pods: dict[ir.Network, None] = {}
        self.masquerades = False  # whatever goes to a cluster IP is masqueraded
        self._notes = notes
        self._services: dict[str, _Service] = {}
        self._spans: list[Span] = []  # the objects' paths are indices into this list

    # -- rules --------------------------------------------------------------------------------------------------------

    def take(self, reader: Reader, front: Front, rules: Sequence[Rule]) -> None:
        """Take the rules of one front in the nat table."""
        rule = rules[0]
        found = _CHAIN.fullmatch(rule.target)
        reader.take(rules)
        service, port = self._service_and_port(front, rule)
        if found is None or service is None or port is None:
            return
        if any(name.startswith(("KUBE-SVL-", "KUBE-XLB-")) for name in _led_to(reader.chains, rule.target)):
            reason = "rules do not say which node they are for: all endpoints serve, as without a traffic policy"
            self._notes.append(Note(rule.span, reason))
        firewall = reader.chains.get(f"KUBE-FW-{found[2]}", ())
        service.sources |= {source: None for one in firewall for source in _sources(one)}
        for kind in ("SVC", "SVL", "XLB"):
            listed = reader.chains.get(f"KUBE-{kind}-{found[2]}")
            if listed is not None:
                self._take_endpoints(reader, front, listed, rule, service, port)
                return
        self._notes.append(Note(rule.span, f"no chain KUBE-SVC-{found[2]} is among the rules"))

    def take_unserved(self, front: Front, rule: Rule) -> bool:
        """Take a rule of the filter table for a Service without endpoints. Return False where it is no such rule."""
        found = _COMMENT.fullmatch(rule.comment)
        if found is None or not _NOT_SERVED.search(found[3] or ""):
            return False
        self._service_and_port(front, rule)
        return True

    def _service_and_port(self, front: Front, rule: Rule) -> tuple[_Service | None, _Port | None]:
        """Return the Service and port that a rule names, with the front added; (None, None) where it names none."""
        found = _COMMENT.fullmatch(rule.comment)
        if found is None or len(front.ports) != 1:
            return None, None
        service = self._services.setdefault(found[1], _Service(rule.span))
        port = service.ports.setdefault((found[2] or "", front.protocol), _Port(front.protocol, rule.span))
        if front.address is None:
            port.node_port = front.ports.first
            return service, port
        port.number = front.ports.first
        said = (found[3] or "").lower()
        kinds = {"external ip": service.external_ips, "load": service.balanced}
        addresses = next((kind for word, kind in kinds.items() if word in said), service.cluster_ips)
        if rule.target.startswith(("KUBE-EXT-", "KUBE-FW-", "KUBE-XLB-")) and addresses is service.cluster_ips:
            addresses = service.external_ips
        addresses.setdefault(front.address, rule.span)
        return service, port

    def _take_endpoints(
        self, reader: Reader, front: Front, listed: Sequence[Rule], rule: Rule, service: _Service, port: _Port
    ) -> None:
        for one in listed:
            if one.target == "KUBE-MARK-MASQ":
                self._take_masquerade(one)
        try:
            choice = reader.choice(front, listed, rule.span)
        except NotRead as error:
            self._notes.append(Note(error.span, error.reason))
            return
        service.affinity = service.affinity or choice.affinity
        for leaf, span in choice.spans.items():
            port.endpoints.setdefault((leaf.address, leaf.port or front.ports.first), span)

    def _take_masquerade(self, rule: Rule) -> None:
        for option in rule.options:
            if option.name == "--source":
                found = network(option.value)
                if found is not None and option.negated:
                    self.pods[found] = None
                return
        self.masquerades = True

    # -- objects ------------------------------------------------------------------------------------------------------

    def objects(self) -> Iterator[tuple[Service, list[EndpointSlice]]]:
        """Return the objects that the rules were made from, by name. The paths in them are numbers for :meth:`at`."""
        for name, found in sorted(self._services.items()):
            ports = [*self._ports(found)]
            if ports:
                yield self._object(name, found, ports), [*self._slices(name, found)]

    def at(self, place: Place) -> Span | None:
        """Return the place in the file for a place in the objects, whose paths are numbers of rules.

        Return None where there is none.
        """
        if place.path and isinstance(place.path[0], int):
            return self._spans[place.path[0]]
        return self._services[place.object.partition(" ")[2]].span

    def _number(self, span: Span) -> tuple[int]:
        self._spans.append(span)
        return (len(self._spans) - 1,)

    def _ports(self, found: _Service) -> Iterator[ServicePort]:
        for (name, protocol), port in sorted(found.ports.items()):
            if port.number is None:
                self._notes.append(Note(port.span, "no rule leads a cluster IP to this node port's Service"))
            else:
                path = self._number(port.span)
                yield ServicePort(name, protocol.upper(), port.number, None, port.node_port, path)

    def _words(self, addresses: Mapping[ir.Address, Span]) -> tuple[Word, ...]:
        ordered = sorted(addresses.items(), key=lambda item: (item[0].version, int(item[0])))
        return tuple(Word(str(address), self._number(span)) for address, span in ordered)

    def _object(self, name: str, found: _Service, ports: Sequence[ServicePort]) -> Service:
        return Service(
            name=name,
            type="LoadBalancer" if found.balanced else "ClusterIP",
            cluster_ips=self._words(found.cluster_ips),
            external_ips=self._words(found.external_ips),
            ingress=tuple(Ingress(word, _NOWHERE, "VIP") for word in self._words(found.balanced)),
            ports=tuple(ports),
            affinity=found.affinity,
            external_policy="Cluster",
            internal_policy="Cluster",
            distribution=_NOWHERE,
            source_ranges=tuple(found.sources),
            load_balancer_ip=_NOWHERE,
            health_check_port=None,
            publish_not_ready=False,
            topology_mode=_NOWHERE,
            proxy=None,
            unknown=(),
        )

    def _slices(self, name: str, found: _Service) -> Iterator[EndpointSlice]:
        for (port_name, protocol), port in sorted(found.ports.items()):
            targets: dict[tuple[int, int], list[SliceEndpoint]] = {}
            for (address, target), span in port.endpoints.items():
                path = self._number(span)
                endpoint = SliceEndpoint(Word(str(address), path), (), True, True, False, _NOWHERE, path)
                targets.setdefault((address.version, target), []).append(endpoint)
            for (version, target), endpoints in targets.items():
                bound = SlicePort(port_name, protocol.upper(), target, ())
                some = f"{name}-{port_name}-{protocol}-{version}-{target}"
                yield EndpointSlice(some, name, f"IPv{version}", None, (bound,), tuple(endpoints), ())


def _sources(rule: Rule) -> Iterator[ir.Network]:
    for option in rule.options:
        if option.name == "--source" and not option.negated and (found := network(option.value)) is not None:
            yield found


def _led_to(chains: Mapping[str, Sequence[Rule]], first: str) -> set[str]:
    """Return the names of the chains that a chain leads to, and its own."""
    found, waiting = set[str](), [first]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [rule.target for rule in chains.get(name, ()) if rule.target in chains]
    return found
