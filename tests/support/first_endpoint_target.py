"""A target as a newcomer would add it, in one module: iptables rules that send each vip to its first endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.features import Feature
from svcc.compiler.frontends import Kind, frontends
from svcc.targets.interface import Accepted, Artifact, Bundle, Part, Target
from svcc.targets.reading import Text

PART = Part("iptables", "iptables.rules", "iptables-restore --noflush -w")


class FirstEndpoint(Target):
    """A target for tests only: the other endpoints of a service get nothing."""

    name = "first"
    title = "the first endpoint of each vip, for tests"
    parts = (PART,)
    by_node = False
    features: ClassVar[Mapping[Feature, str]] = {Feature.VIP: ""}

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        chain = f"{program.cluster.prefix}-FIRST"
        rules = [*_rules(chain, program, node)]
        hooks = [f"-I {hook} -j {chain}\n" for hook in ("PREROUTING", "OUTPUT")]
        text = "".join(["*nat\n", f":{chain} - [0:0]\n", *rules, *hooks, "COMMIT\n"]) if rules else ""
        return Bundle(self.name, None, (Artifact(PART, text),))

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        raise texts[PART.name].refused("this target takes programs alone", 0, 0)


def _rules(chain: str, program: ir.Program, node: ir.Node | None) -> Iterator[str]:
    for one in frontends(program, node):
        if one.kind is Kind.VIP and one.version == 4 and one.endpoints:
            protocol, first = one.port.protocol.value, one.endpoints[0]
            match = f"-d {one.address}/32 -p {protocol} -m {protocol} --dport {one.ports.first}"
            yield f"-A {chain} {match} -j DNAT --to-destination {first.address}:{one.target(first)}\n"


TARGET = FirstEndpoint()
