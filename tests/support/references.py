"""The references between chains in a script for iptables-restore."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from svcc.kernel.xtables.verdicts import EXTENSIONS

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def dangling(script: str) -> list[str]:
    """Return what is wrong with a script's references, a line of text for each fault; empty if nothing is.

    Every target has to be a chain that its table has declared before, every declared chain has to be reachable from a
    built-in chain, and no chain may be declared twice. ``iptables-nft-restore --test`` checks none of this.
    """
    return [fault for block in script.split("COMMIT\n")[:-1] for fault in _block_faults(block.splitlines())]


def _block_faults(lines: list[str]) -> list[str]:
    table, declared, entered = "", Counter[str](), list[str]()
    led: dict[str, list[str]] = {}
    unknown: list[str] = []
    for line in lines:
        verb, _, rest = line.partition(" ")
        if verb.startswith("*"):
            table = verb[1:]
        elif verb.startswith(":"):
            declared[verb[1:]] += 1
        elif verb in ("-A", "-I"):
            chain, targets = rest.partition(" ")[0], _chains(rest)
            if verb == "-I":
                entered += targets
            else:
                led.setdefault(chain, []).extend(targets)
            names = targets if verb == "-I" else [chain, *targets]
            unknown += [f"{name} is not declared before `{line}`" for name in names if name not in declared]
    reached = _reached(entered, led)
    faults = [f"{name} is declared {n} times" for name, n in declared.items() if n > 1]
    faults += [f"nothing leads to {name}" for name in declared if name not in reached]
    return [f"{table}: {fault}" for fault in unknown + faults]


def _chains(rule: str) -> list[str]:
    """Return the chains to which a rule's text leads: one or none."""
    words = _QUOTED.sub('""', rule).split() if '"' in rule else rule.split()
    targets = [after for word, after in pairwise(words) if word in ("-j", "-g")]
    return [target for target in targets if target not in EXTENSIONS]


def _reached(start: list[str], led: dict[str, list[str]]) -> set[str]:
    reached: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += led.get(name, [])
    return reached
