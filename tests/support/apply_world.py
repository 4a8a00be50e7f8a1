"""A node in a network namespace, with other people's objects on it, to which programs are applied."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from svcc.apply import confirm, engine, planning
from svcc.apply.drafts import make_draft
from svcc.apply.engine import Event, Tell
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft
from svcc.apply.machine import Machine
from svcc.apply.scope import scope_of_program
from svcc.apply.states import States
from svcc.apply.store import Store
from svcc.apply.wanted import from_program
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.namespaces import Namespace
from svcc.targets import targets

#: Other people's objects. All of them have to be there unchanged afterwards.
_OTHERS = """\
table inet others {
  set blocked { type ipv4_addr; flags timeout; elements = { 192.0.2.66 } }
  map ports { type inet_service : verdict; elements = { 22 : accept } }
  chain input { type filter hook input priority 0; policy accept
    ip saddr @blocked drop
    tcp dport vmap @ports
  }
}
table ip svcc-2 {
  chain CUSTOM-SERVICES { type nat hook prerouting priority -100
    tcp dport 8 dnat to 192.0.2.8
  }
}
"""
_OTHER_RULES = """\
*nat
:CUSTOMER - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "CUSTOM services, but not ours" -j CUSTOMER
-A OUTPUT -j KUBE-SERVICES
-A KUBE-SERVICES -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.2:80
COMMIT
*filter
-A INPUT -s 192.0.2.66/32 -j DROP
-A FORWARD -p tcp -m tcp --dport 25 -j REJECT
COMMIT
"""
_OTHER_SETS = (
    "create others hash:ip\nadd others 192.0.2.66\ncreate CUSTOMER-SET hash:ip,port\nadd CUSTOMER-SET 192.0.2.1,tcp:1\n"
)

_OTHER_DEVICE = "link add others0 type dummy\nlink set others0 up\naddress add 192.0.2.1/32 dev others0\n"
_OTHER_SERVERS = "-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 192.0.2.2:80 -m -w 3\n-A -f 7 -s wlc\n"


def quietly(_: Event) -> None:
    """Ignore an event."""


class World:
    """A node. ``variant``: iptables' variant, nft or legacy. ``ipvs``, ``nft``: whether the kernel has IPVS, and
    nf_tables."""

    def __init__(
        self, namespace: Namespace, state: Path, variant: str = "nft", *, ipvs: bool = False, nft: bool = True
    ) -> None:
        self.namespace = namespace
        self.store = Store(state)
        self._variant = variant
        self._ipvs = ipvs
        self._nft = nft
        namespace.bring_loopback_up()
        with self.inside():
            self._settle_in()

    def _settle_in(self) -> None:
        for tool in ("iptables", "ip6tables"):
            rules = _OTHER_RULES if tool == "iptables" else re.sub(r"(?m)^-A .*192.0.2.*\n", "", _OTHER_RULES)
            subprocess.run([f"{tool}-{self._variant}-restore", "-w"], input=rules, text=True, check=True)
        subprocess.run(["ipset", "restore"], input=_OTHER_SETS, text=True, check=True)
        if self._ipvs:
            subprocess.run(["ip", "-batch", "-"], input=_OTHER_DEVICE, text=True, check=True)
            subprocess.run(["ipvsadm", "-R"], input=_OTHER_SERVERS, text=True, check=True)
        if self._nft:
            subprocess.run(["nft", "-f", "-"], input=_OTHERS, text=True, check=True)

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self.namespace.entered():
            yield

    # ---- applying

    def draft(self, text: str, target: str) -> Draft:
        program = load_text(Source("test.dsl", text)).program
        assert program is not None
        node = program.nodes[0].name if program.nodes else None
        return make_draft(from_program(program, targets()[target], node, "test.dsl"), scope_of_program(program))

    def plan(self, draft: Draft) -> ExecutionPlan:
        with self.inside():
            return planning.make_plan(self.store.installation(draft.scope.table), draft)

    def apply(self, text: str, target: str, tell: Tell = quietly) -> ExecutionPlan:
        """Apply a program as the command does; return the plan that was carried out."""
        draft = self.draft(text, target)
        return self.carry_out(draft, tell)

    def carry_out(self, draft: Draft, tell: Tell = quietly) -> ExecutionPlan:
        installation = self.store.installation(draft.scope.table)
        with self.inside(), self.store.locked():
            confirm.settle(installation)
            plan = planning.make_plan(installation, draft)
            engine.check(plan, tell, every=False)
            engine.perform(plan, installation, draft, tell)
        return plan

    def settle(self) -> list[str]:
        """Do what every next command does first; return what it says."""
        with self.inside(), self.store.locked():
            return [said for one in self.store.installations() for said in confirm.settle(one)]

    # ---- looking

    def machine(self, *drafts: Draft) -> Machine:
        """Return the node as seen with the knowledge of all these drafts."""
        return Machine(drafts[0].scope.including(*(draft.bundle for draft in drafts)))

    def states(self, draft: Draft, *drafts: Draft) -> tuple[States, States]:
        """Return the state of the kernel, and the one that the first draft wants."""
        machine = self.machine(draft, *drafts)
        wanted = machine.parse(draft.bundle)
        with self.inside():
            return machine.read(wanted), wanted

    def recorded(self, name: str) -> str:
        """Return the hash of what the state directory records as being in the kernel."""
        current = self.store.installation(name).current
        return sha256(b"").hexdigest() if current is None else current.hash

    def records(self, name: str, draft: Draft) -> bool:
        """Whether the state directory records the result of a draft as being in the kernel."""
        installation = self.store.installation(name)
        current = installation.current
        if current is None or current.base is None:
            return self.recorded(name) == draft.hash
        return installation.is_bundle_of(current, draft)

    def others(self) -> dict[str, str]:
        """Return everything in the kernel that is not ours, as its tools print it, without counters."""
        with self.inside():
            found = self._others_of_ipvs() if self._ipvs else {}
            if self._nft:
                found["nft"] = _without_ours(_said("nft", "-j", "list", "ruleset"))
            found["ipset"] = _lines(_said("ipset", "save"), r"\S+ CUSTOM-|\S+ SVCC-")
            for tool in ("iptables", "ip6tables"):
                for variant in ("nft", "legacy") if self._nft else ("legacy",):
                    found[f"{tool}-{variant}"] = _lines(
                        _said(f"{tool}-{variant}-save"),
                        r":(CUSTOM|SVCC)-|-A (CUSTOM|SVCC)-|-A .*-[jg] (CUSTOM|SVCC)-|#",
                    )
        return found

    def _others_of_ipvs(self) -> dict[str, str]:
        servers = [
            line for line in _said("ipvsadm", "-S", "-n").splitlines() if " 192.0.2." in line or " -f 7 " in f"{line} "
        ]
        devices = [line for line in _said("ip", "-o", "address").splitlines() if "custom-ipvs0" not in line]
        return {"ipvsadm": "\n".join(servers), "ip": "\n".join(re.sub(r"^\d+: ", "", line) for line in devices)}


def killed_at(number: int, world: World, draft: Draft) -> bool:
    """Apply in a process that SIGKILL ends at event ``number``. Return False where the apply ended before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            world.carry_out(draft, Killer(number))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the apply failed by itself"
    return os.WIFSIGNALED(status)


class Killer:
    """A receiver of events that kills its own process at event ``number``."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, _: Event) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _lines(text: str, ours: str) -> str:
    """Return the lines without ours, comments, counters, and empty tables."""
    kept = [re.sub(r"\[\d+:\d+\]", "[0:0]", line) for line in text.splitlines() if not re.match(ours, line)]
    return "\n".join(_filled(kept))


def _filled(lines: list[str]) -> Iterator[str]:
    """Yield the tables of iptables-save that hold somebody's rule or chain. Empty ones come into being when a tool
    looks at them, or by our rules."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if line == "COMMIT":
            if any(one.startswith("-") or re.match(r":\S+ - ", one) for one in block):
                yield from block
            block = []
    yield from block


def _without_ours(listing: str) -> str:
    """Return nft's ruleset without our tables, and without those of iptables-nft, which are compared as iptables'
    own."""
    kept = [
        item
        for item in json.loads(listing)["nftables"]
        for fields in item.values()
        if "metainfo" not in item
        and (fields.get("table", fields.get("name")) not in ("custom", "svcc", "nat", "filter", "mangle"))
    ]
    return json.dumps(_without_handles(kept), indent=1)


def _without_handles(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_handles(inner) for key, inner in value.items() if key != "handle"}
    return [_without_handles(inner) for inner in value] if isinstance(value, list) else value
