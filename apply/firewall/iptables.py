"""Read the rules of a table as iptables-save prints them (iptables-extensions(8)). A match on what is not known of a
packet becomes a condition that may hold or not."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from ipaddress import ip_address, ip_network

from svcc.apply.firewall.rules import Condition, Item, Kind, Rule, Rules, Span
from svcc.kernel.xtables.state import listed_lines

#: The field of the packet that an option matches.
_FIELDS = {
    **dict.fromkeys(("-s", "--source", "--src-range"), "source"),
    **dict.fromkeys(("-d", "--destination", "--dst-range"), "destination"),
    **dict.fromkeys(("--dport", "--dports"), "port"),
    **dict.fromkeys(("--sport", "--sports"), "source_port"),
    **dict.fromkeys(("--ctstate", "--state"), "state"),
    "--ctdir": "direction",
    "-p": "protocol",
}
#: Modules all of whose options are above, or match nothing.
_PLAIN = {"tcp", "udp", "sctp", "multiport", "conntrack", "state", "comment", "iprange"}
_ENDS = {
    "ACCEPT": Kind.ACCEPT,
    "DROP": Kind.DROP,
    "REJECT": Kind.DROP,
    "RETURN": Kind.RETURN,
    **dict.fromkeys(("DNAT", "REDIRECT", "NETMAP"), Kind.TRANSLATE),
}
#: Targets that decide nothing: the packet goes on to the next rule.
_GOES_ON = {"LOG", "NFLOG", "MARK", "CONNMARK", "SET", "TCPMSS", "ULOG", "AUDIT", "CHECKSUM", "CLASSIFY", "TRACE"}
#: Names in a match of states that are about how the connection was translated.
_STATUSES = ("DNAT", "SNAT")


def read(text: str, ours: Collection[str] = ()) -> tuple[Rules, dict[str, Kind]]:
    """Return the rules of each chain, and the policies of the built-in chains. Lines that are no rule are passed over.

    ``ours``: svcc's prefixes, in lower case. Chains whose names begin with one of them and a dash have no rules here.
    """
    own = tuple(f"{name}-" for name in ours)
    lines: dict[str, list[str]] = {}
    policies: dict[str, Kind] = {}
    for line in listed_lines(text):
        if line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            policies[name] = Kind.DROP if rest.startswith("DROP") else Kind.ACCEPT
        elif line.startswith("-A "):
            name, _, rule = line[3:].partition(" ")
            if not (own and name.lower().startswith(own)):
                lines.setdefault(name, []).append(rule)

    @cache
    def rules(chain: str) -> Sequence[Rule]:
        return [_rule(rule, number) for number, rule in enumerate(lines.get(chain, ()), 1)]

    return rules, policies


def _rule(text: str, number: int) -> Rule:
    try:
        words = shlex.split(text)
    except ValueError:
        return Rule((), Kind.NOTHING)
    for at, word in enumerate(words):
        if word in ("-j", "-g") and at + 1 < len(words):
            return Rule(tuple(_conditions(words[:at])), *_target(word, words[at + 1 :]), str(number))
    return Rule((), Kind.NOTHING)


def _target(option: str, words: Sequence[str]) -> tuple[Kind, str]:
    name = words[0]
    if name in _ENDS:
        return _ENDS[name], ""
    if name == "NOTRACK" or (name == "CT" and "--notrack" in words):
        return Kind.UNTRACK, ""
    if name in _GOES_ON:
        return Kind.NOTHING, ""
    return (Kind.GOTO if option == "-g" else Kind.JUMP), name


def _conditions(words: Sequence[str]) -> Iterator[Condition]:
    rest, negated = iter(words), False
    for word in rest:
        if word == "!":
            negated = True
            continue
        if word == "-m":
            if next(rest, "") not in _PLAIN:
                yield Condition()
        elif word == "--match-set":
            yield from _in_set(next(rest, ""), next(rest, ""), negated)
        elif word == "--comment":
            next(rest, None)
        elif word in _FIELDS:
            yield from _asked(_FIELDS[word], next(rest, ""), negated)
        else:
            yield Condition()
        negated = False


def _in_set(_: str, fields: str, negated: bool) -> Iterator[Condition]:
    """Yield the condition of a match on a set, whose elements are not known here."""
    yield Condition("destination" if "dst" in fields else "source", None, negated)


def _asked(field: str, value: str, negated: bool) -> Iterator[Condition]:
    if field == "state":
        yield _state(value.split(","), negated)
    elif field in ("source", "destination"):
        try:
            yield Condition(field, (_addresses(value),), negated)
        except ValueError:  # a mask with holes
            yield Condition(field, None, negated)
    elif field in ("protocol", "direction"):
        yield Condition(field, (value.lower(),), negated)
    else:
        yield Condition(field, tuple(map(_ports, value.split(","))), negated)


def _addresses(text: str) -> Item:
    """Return a network, or what `iprange` has: two addresses. Errors: ValueError."""
    first, dash, last = text.partition("-")
    return Span(ip_address(first), ip_address(last)) if dash else ip_network(text, strict=False)


def _state(names: Sequence[str], negated: bool) -> Condition:
    """Return the condition of a match on a connection's state. DNAT and SNAT among the names ask whether the connection
    was translated; other names ask for its state."""
    if any(name in _STATUSES for name in names):
        return Condition("status", tuple(name.lower() for name in names), negated) if len(names) == 1 else Condition()
    return Condition("state", tuple(name.lower() for name in names), negated)


def _ports(text: str) -> Item:
    first, colon, last = text.partition(":")
    if not (first.isdigit() and (last.isdigit() or not colon)):
        return text
    return Span(int(first), int(last)) if colon else int(first)
