"""Find what this machine has and lacks for each target, and say how to get what it lacks.

The last finding is a trial: a small program with most kinds of rule is compiled for the target, and loaded into a
network namespace that is thrown away.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from svcc.apply.forwarding import forwarding
from svcc.apply.machine import DRIVERS
from svcc.apply.obstructions import no_ipv6, obstructions
from svcc.apply.rehearsal import rehearse
from svcc.apply.reverse_path import dropped_so_far, strict_devices
from svcc.apply.scope import Scope
from svcc.apply.summary import Summary
from svcc.compiler import ir
from svcc.kernel import tools
from svcc.kernel.ipvs.timeouts import USUAL, timeouts
from svcc.kernel.modules.loading import missing
from svcc.kernel.namespaces import NamespaceError
from svcc.kernel.requirements import IPTABLES, Tool
from svcc.kernel.rights import Capability, has_capability
from svcc.kernel.steps import StepError
from svcc.kernel.sysctl.settings import of_device
from svcc.kernel.xtables.state import State
from svcc.kernel.xtables.variant import default, saved
from svcc.targets import find
from svcc.targets.interface import Bundle, Target


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a target needs, and how the machine has it."""

    target: str
    subject: str
    state: str  # what was found
    remedy: str = ""  # how to put it right; "" where nothing is wrong
    fatal: bool = True  # where there is a remedy: whether the target cannot work without it

    @property
    def lacking(self) -> bool:
        """Whether something has to be done before the target works here."""
        return bool(self.remedy) and self.fatal


def examine(target: Target, served: Collection[Summary] = (), ours: Collection[str] = ()) -> Iterator[Finding]:
    """Yield a finding for each thing that the target needs, and for what stands in the way of the services.

    ``served``: the summaries of the services that this machine serves. ``ours``: the names of svcc's nftables tables,
    whose rules are not looked at.
    """
    for tool in target.tools:
        yield _examine_tool(target.name, tool)
    for module in target.modules:
        yield _examine_module(target.name, module)
    if {*IPTABLES} & {*target.tools}:
        yield from _examine_variants(target.name)
    yield from _examine_forwarding(target.name)
    trial = _trial_bundle(target) if os.geteuid() == 0 else None
    if trial is not None:
        yield from _examine_tables(target.name, trial)
        for one in obstructions(served, translated=target.translates, ours=ours):
            if not one.subject.endswith("forwarding"):  # forwarding has its finding already
                yield Finding(target.name, one.subject, one.state, one.remedy, fatal=False)
        if not target.translates:
            yield from _examine_memory(target.name)
    yield from _examine_reverse_paths(target.name)
    tried = _examine_by_trial(target.name, trial)
    if trial is not None and not tried.lacking:
        yield from _examine_listings(target.name)
    yield tried


def preflight(name: str) -> list[str]:
    """Return a sentence for each thing that a target cannot do without and this machine lacks, with how to get it.

    An apply asks for this before it changes anything. An unknown target lacks nothing.
    """
    target = find(name)
    if target is None:
        return []
    found = [_examine_tool(name, tool) for tool in target.tools if tools.find(tool.name) is None]
    found += [_examine_module(name, module) for module in target.modules]
    return [f"{one.subject}: {one.state} ({one.remedy})" for one in found if one.lacking]


def _examine_module(target: str, module: str) -> Finding:
    lacking = missing([module])
    remedy = f"a kernel with {module}, or its modules package; then: modprobe {module}" if lacking else ""
    return Finding(target, f"module {module}", "missing" if lacking else "there", remedy)


def _examine_tool(target: str, tool: Tool) -> Finding:
    path = tools.find(tool.name)
    if path is None:
        return Finding(target, tool.name, "missing", f"apt-get install {tool.package}")
    found = tools.version(tool.name)
    state = path if found is None else f"{path} {'.'.join(map(str, found))}"
    if found is not None and found < tool.oldest:
        oldest = ".".join(map(str, tool.oldest))
        return Finding(target, tool.name, state, f"{oldest} is the oldest that is tested", fatal=False)
    return Finding(target, tool.name, state)


def _examine_variants(target: str) -> Iterator[Finding]:
    """Say which variant of iptables is in use. Legacy and nft iptables see different rules, and a machine should use
    one of them (iptables-nft(8))."""
    if tools.find("iptables-save") is None:
        return
    version = tools.run(["iptables", "--version"]).stdout
    variant, other = ("nft", "legacy") if "nf_tables" in version else ("legacy", "nft")
    remedy = ""
    if os.geteuid() == 0 and _holds_rules(other):
        remedy = f"the {other} variant holds rules as well: move them, or both decide"
    yield Finding(target, "iptables variant", variant, remedy, fatal=False)


def _examine_listings(target: str) -> Iterator[Finding]:
    """Parts of the kernel that cannot be read: an apply looks at all of them, whatever the target."""
    scope = Scope(trial_program().cluster.prefix)
    for driver in DRIVERS:
        try:
            driver.read(scope, driver.parse("", scope))
        except StepError as error:
            yield Finding(target, f"{driver.part} as it is", str(error), "svcc has to read it before an apply")


def _examine_tables(target: str, trial: Bundle) -> Iterator[Finding]:
    """Tables of iptables that the target has rules in, and that iptables-save cannot read: no apply is tried there."""
    scope = Scope(trial_program().cluster.prefix)
    for artifact in trial.artifacts:
        if not isinstance(artifact.state, State):
            continue
        family = artifact.part.name
        with suppress(StepError):  # of a tool that is missing there is a line
            unreadable = saved(family, default(family), scope).unreadable
            for table in sorted(unreadable & artifact.state.tables.keys()):
                remedy = "move these to a table of their own (`nft list table` shows them), or serve by target nft"
                yield Finding(target, f"{family} table {table}", "holds rules of nft's own", remedy)


def _holds_rules(variant: str) -> bool:
    """Whether a variant of iptables holds rules. Legacy iptables is not called where that would load its module."""
    if variant == "legacy" and not _text("/proc/net/ip_tables_names"):
        return False
    tool = f"iptables-{variant}-save"
    return tools.find(tool) is not None and "\n-A " in tools.run([tool]).stdout


def _examine_forwarding(target: str) -> Iterator[Finding]:
    """Say whether the kernel forwards packets. A node that does not forward serves no client but itself (ip-sysctl)."""
    for family, name in ((4, "IPv4"), (6, "IPv6")):
        found = forwarding(family)
        state, remedy = ("off", f"{found.remedy()} (only if {name} is served)") if found.nowhere else ("on", "")
        if name == "IPv6" and (without := no_ipv6()):
            state, remedy = f"off: IPv6 is {without[0]}", f"{without[1].partition(' (')[0]} (only if IPv6 is served)"
        yield Finding(target, f"{name} forwarding", state, remedy, fatal=False)


def _examine_memory(target: str) -> Iterator[Finding]:
    """Say where IPVS forgets connections sooner than the kernel would by itself. Packets of a connection that it has
    forgotten reach nobody."""
    found = timeouts()
    if found is None or all(have >= usual for have, usual in zip(found, USUAL, strict=True)):
        return
    state = (
        f"forgets TCP that is idle for {found.tcp} s, half closed TCP after {found.tcpfin} s, UDP after {found.udp} s, "
        "sooner than the kernel does by itself; a connection that is idle for longer breaks"
    )
    remedy = " ".join(["ipvsadm --set", *(str(max(have, usual)) for have, usual in zip(found, USUAL, strict=True))])
    yield Finding(target, "IPVS' memory", state, remedy, fatal=False)


def _examine_reverse_paths(target: str) -> Iterator[Finding]:
    """Name the devices with a strict reverse path filter, but only where it has dropped packets. Strict devices do no
    harm as long as answers come back by the way that requests take."""
    strict, count = strict_devices(), dropped_so_far()
    if strict and count:
        state = f"dropped {count} packets that came by another device than the one that leads back"
        remedy = " ".join(["sysctl -w", *(f"{of_device(4, device, 'rp_filter')}=2" for device in strict)])
        yield Finding(target, "reverse path filter", state, remedy, fatal=False)


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _examine_by_trial(target: str, trial: Bundle | None) -> Finding:
    """Say whether this machine takes the trial program's rules. ``trial``: None where this process is not root."""
    subject = "loading a trial program"
    if trial is None:
        return Finding(target, subject, "not tried", "run as root: rules need CAP_NET_ADMIN")
    try:
        failures = rehearse(trial)
    except NamespaceError:
        return _not_tried(target, subject)
    if not failures:
        return Finding(target, subject, "taken by tools and kernel")
    failure = failures[0]
    return Finding(target, subject, f"{failure.tool} fails at part {failure.part}", failure.words)


def _not_tried(target: str, subject: str) -> Finding:
    """Where no namespace can be made. A container may be able to change rules all the same."""
    if not has_capability(Capability.NET_ADMIN):
        return Finding(target, subject, "not tried", "rules need CAP_NET_ADMIN (of a container: --cap-add NET_ADMIN)")
    if has_capability(Capability.SYS_ADMIN):  # and yet it may not: this network is another user namespace's
        return Finding(target, subject, "not tried", "run as root of the user namespace that has this network")
    remedy = "give it CAP_SYS_ADMIN, to try rules in a network namespace; they are applied without it"
    return Finding(target, subject, "not tried", remedy, fatal=False)


def _trial_bundle(target: Target) -> Bundle:
    program = trial_program()
    return target.render(program, program.nodes[0])


def trial_program() -> ir.Program:
    """Return a program with most kinds of rule, on documentation addresses (RFC 5737, RFC 3849)."""
    endpoints = tuple(ir.Endpoint(ip_address(a)) for a in ("192.0.2.9", "192.0.2.19", "2001:db8::9"))
    web = ir.Service(
        name="trial",
        vips=(ip_address("198.51.100.1"), ip_address("2001:db8:1::1")),
        external_ips=(ip_address("203.0.113.1"),),
        allow_from=(ip_network("198.51.100.0/24"),),
        ports=(
            ir.Port("web", ir.Protocol.TCP, ir.PortRange(80, 80), 8080, ir.PortRange(30080, 30080)),
            ir.Port("dns", ir.Protocol.UDP, ir.PortRange(53, 53), 53),
        ),
        endpoints=endpoints,
        affinity=60,
    )
    turns = ir.Service(
        name="trial-rr",
        vips=(ip_address("198.51.100.2"),),
        ports=(ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 8080),),
        endpoints=endpoints,
        scheduler=ir.Scheduler.RR,
    )
    empty = ir.Service(
        name="trial-empty",
        vips=(ip_address("198.51.100.3"),),
        ports=(ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 80),),
    )
    node = ir.Node("trial", (ip_address("192.0.2.1"),))
    cluster = ir.Cluster(prefix="SVCCTRIAL", pods=(ip_network("192.0.2.0/24"),), vip_device="svcctrial0")
    return ir.Program(cluster, (node,), (web, empty, turns))
