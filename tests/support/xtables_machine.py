"""For the tests of the xtables drivers: namespaces with rules of ours and of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from svcc.apply.driver import Driver, Transition
from svcc.apply.drivers import RULES
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.namespaces import Namespace
from svcc.kernel.xtables.state import State

VARIANTS = ("nft", "legacy")
FAMILIES = {driver.part: driver for driver in RULES}
TO_IPTABLES, TO_IPVS, DOWN = Transition("ipvs", "iptables"), Transition("iptables", "ipvs"), Transition("ipvs", None)

#: Docker's and an administrator's rules, and words in them that look like ours.
_OTHERS = """\
*mangle
:OTHER-GUARD - [0:0]
-A INPUT -j OTHER-GUARD
-A OTHER-GUARD -m mark --mark 0x7 -j DROP
COMMIT
*nat
:DOCKER - [0:0]
:OTHER - [0:0]
:PREFIXES - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -p tcp -m comment --comment "as -j PREFIX-SERVICES" -j OTHER
-A OUTPUT -m comment --comment "no target -j PREFIX-SERVICES"
-A POSTROUTING -s NETWORK ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination ADDRESS
-A OTHER -m comment --comment PREFIX-SERVICES -j RETURN
-A OTHER -p udp -j PREFIXES
-A OTHER -m statistic --mode nth --every 3 --packet 0 -j ACCEPT
COMMIT
*filter
:INPUT DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -i eth0 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -p tcp -m tcp --dport 80 -j LOG --log-prefix PREFIX-SERVICES
-A DOCKER-USER -j RETURN
COMMIT
"""
#: Rules that others put in front of our entries, once these are there.
_IN_FRONT = "*nat\n-I PREROUTING -i docker0 -j RETURN\nCOMMIT\n*filter\n-I INPUT -i lo -j ACCEPT\nCOMMIT\n"
_NETWORK = {"iptables": "172.17.0.0/16", "ip6tables": "fd17::/64"}
_ADDRESS = {"iptables": "172.17.0.2:80", "ip6tables": "[fd17::2]:80"}


@contextmanager
def namespace() -> Iterator[Namespace]:
    made = Namespace("xtables")
    try:
        with made.entered():
            yield made
    finally:
        made.close()


def must(command: str, text: str | None = None) -> str:
    done = tools.run(command.split(), text)
    assert done.returncode == 0, f"{command}: {done.stderr}\n{text}"
    return done.stdout


def load(family: str, variant: str, text: str) -> None:
    must(f"{family}-{variant}-restore --noflush -w", text)  # -w: the lock is the whole machine's


def load_others(family: str, variant: str, prefix: str, *, in_front: bool = False) -> None:
    text = _IN_FRONT if in_front else _OTHERS
    for word, value in (("PREFIX", prefix), ("NETWORK", _NETWORK[family]), ("ADDRESS", _ADDRESS[family])):
        text = text.replace(word, value)
    load(family, variant, text)


def others(family: str, variant: str, prefix: str) -> list[str]:
    """Return everything that is saved but our chains and what leads to them, without the counters of built-in
    chains."""
    ours = re.compile(rf"(-A |:){re.escape(prefix)}-|.* -[jg] {re.escape(prefix)}-[^\" ]+$|#")
    saved = must(f"{family}-{variant}-save").split("\n")
    return [re.sub(r" \[\d+:\d+\]$", "", line) for line in saved if not ours.match(line)]


def make_sets(family: str, *texts: str) -> None:
    """Make the sets that scripts of the ipvs target name."""
    types = {1: "hash:ip", 2: "hash:ip,port", 3: "hash:ip,port,ip"}
    inet = "inet" if family == "iptables" else "inet6"
    for name, fields in sorted({found for text in texts for found in re.findall(r"--match-set (\S+) (\S+)", text)}):
        must(f"ipset -exist create {name} {types[fields.count(',') + 1]} family {inet}")


def converge(driver: Driver[State], text: str, scope: Scope, transition: Transition) -> State:
    """Make the kernel equal to a text, and check that it is."""
    wanted = driver.parse(text, scope)
    bring(driver, wanted, scope, transition)
    return wanted


def bring(driver: Driver[Any], wanted: State, scope: Scope, transition: Transition) -> None:
    live = driver.read(scope, wanted)
    steps = driver.steps(live, wanted, scope, transition)
    assert bool(steps) == (live != wanted) == bool(list(driver.changes(live, wanted)))
    for step in steps:
        assert step.check is not None
        step.check()
    for step in steps:
        step.run()
    after = driver.read(scope, wanted)
    assert after == wanted
    assert driver.steps(after, wanted, scope, transition) == []
    assert list(driver.changes(after, wanted)) == []
