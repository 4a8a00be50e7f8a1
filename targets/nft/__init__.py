"""The nft target: one document for ``nft -j``, which replaces our table in both families at once.

Services and endpoints are elements of maps; chains are shapes that all services of a kind share. A new connection
is looked up in ``services`` (or ``nodeports``), goes to a chain that draws a slot, and from there to the endpoint
that ``endpoint-SLOT`` has for the same key. It loads on nft 1.0.6 and later; rejecting needs Linux 5.9.

What ``nft list ruleset`` prints of it is for reading: nft 1.0.6 to 1.1.7 print ``map @endpoint-0:8080``, and read that
as the name of a map; and nft 1.0.6 refuses its own JSON listing of maps of verdicts. What loads is this document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.compiler.frontends import frontends
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Bundle, Part, Target
from svcc.targets.nft import hooks
from svcc.targets.nft.keys import FAMILIES
from svcc.targets.nft.limits import limits, table_name
from svcc.targets.nft.objects import Table
from svcc.targets.nft.read import TableCheck, read
from svcc.targets.nft.read_elements import check_elements
from svcc.targets.nft.table import TableBuilder
from svcc.targets.nft.text import document
from svcc.targets.reading import Text

#: The elements of the set of service addresses, whatever the white space between JSON's tokens is.
_ADDRESSES = re.compile(rf'"name":\s*{json.dumps(hooks.ADDRESSES.name)},\s*"elem":\s*\[([^\]]*)\]')

_PART = Part("nft", "nft.json", "nft -j -f -")


class Nft(Target):
    """See the module."""

    name = "nft"
    title = "nftables: one libnftables JSON document, for nft -j"
    parts = (_PART, vip_device.SYSCTL, vip_device.IP)
    alone = _PART
    features: ClassVar[Mapping[Feature, str]] = {
        Feature.VIP: "",
        Feature.EXTERNAL_IP: "",
        Feature.SHARED: "",
        Feature.ANNOUNCE: vip_device.ANNOUNCED,
        Feature.NODE_PORT: "on every local address but loopback",
        Feature.NODE_PORT_ADDRESSES: "",
        Feature.ALLOW_FROM: "",
        Feature.SCTP: "",
        Feature.PORT_RANGE: "",
        Feature.PORT_RANGE_SHIFT: "",
        Feature.WEIGHT: "",
        Feature.ENDPOINT_PORT: "",
        Feature.BACKUP: "",
        Feature.AFFINITY: "per vip, external ip and node port",
        Feature.EXTERNAL_LOCAL: "",
        Feature.INTERNAL_LOCAL: "",
        Feature.EXTERNAL_PREFER_LOCAL: "",
        Feature.INTERNAL_PREFER_LOCAL: "",
        Feature.EXTERNAL_PREFER_ZONE: "",
        Feature.INTERNAL_PREFER_ZONE: "",
        Feature.MASQUERADE_ALWAYS: "",
        Feature.MASQUERADE_NEVER: "",
        Feature.WHEN_EMPTY_DROP: "",
        Feature.WHEN_EMPTY_DRAINING: "",
        Feature.SCHEDULER_RANDOM: "the default",
        Feature.SCHEDULER_RR: "a chain with a counter per port",
        Feature.SCHEDULER_WRR: "likewise",
        Feature.SCHEDULER_SH: "a hash of the client's address",
    }

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        name = table_name(program.cluster)
        builders = {family.version: TableBuilder(family, program.cluster, node) for family in FAMILIES}
        led = list(frontends(program, node))
        for frontend in led:
            builders[frontend.version].add(frontend)
        text = document((Table(family.table, name), builders[family.version].objects()) for family in FAMILIES)
        device = vip_device.announcing(program.cluster, vip_device.announced(led))
        return Bundle(self.name, node.name if node else None, (Artifact(_PART, text), *device))

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        for artifact in bundle.artifacts:
            for elements in _ADDRESSES.findall(artifact.text):
                yield from map(ip_address, json.loads(f"[{elements}]"))

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        name, tables, printed = read(texts[_PART.name])
        for table in tables:
            check = TableCheck(table)
            check.run()
            check_elements(table, check)
        rules = Artifact(_PART, printed)
        own = {*self.exclusive_addresses(Bundle(self.name, None, (rules,)))}
        device = vip_device.read_device(texts[vip_device.IP.name])
        if device is not None and device.prefix.lower() != name:
            raise vip_device.another_prefix(texts[vip_device.IP.name], device, name.upper())
        announcing = vip_device.accept_announcing(texts, device, own)
        prefix = device.prefix if device else name.upper()
        return Accepted((rules, *announcing), prefix, device.name if device else None)

    def limits(self, program: ir.Program, node: ir.Node | None) -> Iterator[Diagnostic]:
        yield from limits(program)
        yield from vip_device.limits(program)


TARGET = Nft()
