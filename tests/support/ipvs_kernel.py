"""For the tests of the ipvs target: programs from text, and a bundle's parts loaded into a lab's node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Bundle
from svcc.verify.lab import CLIENT, NODE, Lab

TARGET = targets()["ipvs"]

#: A service of each shape that treats packets differently.
EVERYTHING = """
cluster {
  prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64; nodeports 65500-65535; vip-device custom-ipvs0
  nodeport-addresses 10.0.0.0/24 fd00:10::/64
}
node node-a { address 10.0.0.4 172.31.0.4 fd00:10::4 }
endpoints both { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 }

service plain { vip 198.19.10.0 fd00:19::10; external-ip 203.0.113.7 2001:db8:7::7
                port 8080/tcp nodeport 65512; endpoints both }
service drains { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.29 draining } }
service weighs { vip 198.19.10.2; port 80/tcp; endpoints { 100.64.0.9 weight 3; 100.64.0.19 } }
service sticks { vip 198.19.10.3 fd00:19::3; port 80/tcp; affinity client-ip 20m; endpoints both }
service keeps  { vip 198.19.10.4; external-ip 203.0.113.4; port 53/udp nodeport 65514
                 masquerade never; endpoints { 100.64.0.9 } }
service snats  { vip 198.19.10.8 fd00:19::28; external-ip 203.0.113.19; port a 80/tcp nodeport 65524
                 port b 5010-5011/udp; snat 203.0.113.20-203.0.113.21 fd00:20::1; endpoints { 100.64.0.9; fd00:64::9 } }
service hides  { vip 198.19.10.5 fd00:19::5; port 80/tcp; masquerade always; endpoints { 100.64.0.9; fd00:64::9 } }
service local  { vip 198.19.10.6; external-ip 203.0.113.6; port 80/tcp nodeport 65516
                 traffic external local; endpoints { 100.64.0.9 on node-a; 100.64.0.19 } }
service some   { vip 198.19.10.7; external-ip 203.0.113.17; port 80/tcp nodeport 65517
                 allow-from 192.0.2.0/24 10.0.0.0/24; endpoints { 100.64.0.9 } }
service all    { vip fd00:19::8; external-ip 203.0.113.18 2001:db8:7::18; port 80/tcp
                 allow-from 0.0.0.0/0 ::/0; endpoints { 100.64.0.9; fd00:64::9 } }
service media  { vip 198.19.10.9 fd00:19::9; port 5000-5003/udp -> 6000 nodeport 65520-65523; endpoints both }
service stream { vip 198.19.10.20 fd00:19::20; port 9000/sctp nodeport 65530; endpoints { 100.64.0.9; fd00:64::9 } }
service own    { vip 198.19.10.21; port 80/tcp; endpoints { 100.64.0.9:9443 } }
service host   { vip 198.19.10.22 fd00:19::22; port 80/tcp -> 8022; endpoints { 10.0.0.4; fd00:10::4 } }
service none   { vip 198.19.10.30 fd00:19::30; port 80/tcp nodeport 65518; endpoints { } }
service gone   { vip 198.19.10.31; port 80/tcp nodeport 65519; when-empty drop; endpoints { } }
service last   { vip 198.19.10.32; port a 80/tcp; port b 80/udp; endpoints { 100.64.0.29 draining } }
service quiet  { vip 198.19.10.33; port 80/tcp; when-empty drop; endpoints { 100.64.0.29 draining } }
"""


def program(text: str) -> ir.Program:
    loaded = load_text(Source("test.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    return loaded.program


def in_the_guest(program: ir.Program) -> ir.Program:
    """Return a program without the scheduler that Debian's user-mode kernel lacks."""
    services = (
        replace(one, scheduler=ir.Scheduler.WLC) if one.scheduler is ir.Scheduler.TWOS else one
        for one in program.services
    )
    return replace(program, services=tuple(services))


def render(text: str, node: str | None = None) -> Bundle:
    """Return the bundle of a program that the target accepts."""
    made = program(text)
    chosen = made.node(node) if node else (made.nodes[0] if made.nodes else None)
    refused = check_target(made, TARGET, chosen)
    assert not refused, as_text(refused)
    return TARGET.render(made, chosen)


def part(bundle: Bundle, name: str) -> str:
    artifact = bundle.artifact(name)
    assert artifact is not None
    return artifact.text


def load_bundle(lab: Lab, bundle: Bundle) -> None:
    """Load every part into the lab's node with the part's own tool; each has to succeed."""
    for artifact in bundle.artifacts:
        if artifact.text:
            done = lab.run(NODE, ["sh", "-c", artifact.part.tool], input=artifact.text)
            assert (done.returncode, done.stderr) == (0, ""), f"{artifact.part.name}: {done}"


@contextmanager
def served(text: str, *, bridge_netfilter: bool = False, crowd: Iterable[ir.Address] = ()) -> Iterator[Lab]:
    """Yield a lab whose node has a program's parts loaded.

    The client's address is in 192.0.2.0/24 or 2001:db8:100::/48; ``crowd`` is one more client, with many addresses.
    """
    made = program(text)
    clients = {CLIENT: (ip_address("192.0.2.10"), ip_address("2001:db8:100::10")), "crowd": tuple(crowd)}
    node = made.nodes[0] if made.nodes else None
    with Lab.up(made, node, clients=clients, bridge_netfilter=bridge_netfilter) as lab:
        load_bundle(lab, render(text))
        yield lab


def loadable(text: str) -> str:
    """Return rules without the match that only a kernel with IPVS has (xt_ipvs)."""
    return text.replace(" -m ipvs --ipvs", "")


def live_sets(saved: str) -> str:
    """Return the output of ``ipset save`` as the artifact has it: without what the kernel adds to a hash."""
    return re.sub(r" bucketsize \d+ initval 0x[0-9a-f]+", "", saved)
