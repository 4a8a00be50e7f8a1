"""Follows rules from the hook where packets come in to those that translate them, and collects the addresses, protocols
and ports that they ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from svcc.compiler import ir
from svcc.compiler.importers.interface import Note
from svcc.compiler.importers.iptables.choices import Front, Reader, always, host, is_local, no_condition
from svcc.compiler.importers.iptables.rules import Option, Rule
from svcc.compiler.importers.words import ports

_PROTOCOLS = {protocol.value: protocol for protocol in ir.Protocol}
#: Options that ask for nothing.
_ALWAYS = frozenset(("--comment", "--jump", "--goto", "--reject-with"))
_OF_FRONT = frozenset(("--destination", "--protocol", "--dport", "--dports", "--dst-type"))
#: Further options that a front's own rules may have: see choices.
_OF_CHOICE = frozenset(
    (
        *("--mode", "--probability", "--every", "--packet"),
        *("--rcheck", "--update", "--seconds", "--reap", "--set", "--name", "--rsource", "--mask"),
        *("--to-destination", "--random", "--random-fully", "--persistent"),
    )
)


@dataclass(slots=True)
class Fronts:
    """What the rules of a hook lead to: rules by front, in the order in which packets meet them."""

    rules: dict[Front, list[Rule]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)  # about rules that ask for more than a front


def fronts(reader: Reader, hook: str) -> Fronts:
    """Return the fronts that a hook of table nat looks up, each with its rules, which go to chains or endpoints."""
    found = Fronts()
    _walk(reader, hook, found, local=False, seen=set())
    return found


def _walk(reader: Reader, chain: str, found: Fronts, *, local: bool, seen: set[tuple[str, bool]]) -> None:
    if (chain, local) in seen:
        return
    seen.add((chain, local))
    for rule in reader.chains.get(chain, ()):
        if reader.aside(rule):
            continue
        asked = [option for option in rule.options if option.name not in _ALWAYS and not always(option)]
        listed = [*_fronts(asked, local=local)]
        if listed:
            for front in listed:
                found.rules.setdefault(front, []).append(rule)
        elif rule.target in reader.chains and all(is_local(option) for option in asked):
            reader.read.add(rule.span)
            _walk(reader, rule.target, found, local=local or bool(asked), seen=seen)
        else:
            reader.read.add(rule.span)
            found.notes.append(Note(rule.span, _reason(asked, rule, led_on=rule.target in reader.chains)))


def _fronts(asked: Sequence[Option], *, local: bool) -> Iterator[Front]:
    """Return the fronts of a rule, or none where it asks for something else, or lacks a part of what makes a front."""
    by_name = {option.name: option for option in asked if option.name in _OF_FRONT}
    if any(option.negated for option in asked) or any(o.name not in _OF_FRONT | _OF_CHOICE for o in asked):
        return
    local = local or ("--dst-type" in by_name and is_local(by_name["--dst-type"]))
    where = by_name.get("--destination")
    address = None if where is None else host(where.value)
    protocol = _PROTOCOLS.get(by_name["--protocol"].value) if "--protocol" in by_name else None
    listed = by_name.get("--dports") or by_name.get("--dport")
    if protocol is None or listed is None or (address is None and (where is not None or not local)):
        return
    numbers = [ports(text, ":") for text in listed.value.split(",")]
    if None not in numbers:
        yield from (Front(address, protocol, one) for one in numbers if one is not None)


def _reason(asked: Sequence[Option], rule: Rule, *, led_on: bool) -> str:
    names = {option.name for option in asked}
    strange = [o for o in asked if o.negated or o.name not in _OF_FRONT | _OF_CHOICE]
    if rule.target != "DNAT" and not led_on:
        return f"svcc gives connections to endpoints, and does no {rule.target}"
    if strange:
        return no_condition(strange[0])
    missing = [name for name in ("-d", "-p", "--dport") if not names & _LONG[name]]
    return f"a service has an address, a protocol and ports: {' and '.join(missing) or 'one address'} is missing"


_LONG = {"-d": {"--destination"}, "-p": {"--protocol"}, "--dport": {"--dport", "--dports"}}
