"""Ask the kernel for single elements of sets, as a listing of a set takes time for all of its elements."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from svcc.kernel import tools
from svcc.kernel.ipset.difference import PART
from svcc.kernel.ipset.sets import Set, Sets, parse_sets, set_created_with

#: With more elements of a set than this, listing the set is as quick.
_FEW = 500
#: A set as ``ipset list -t`` prints it, without its elements.
_HEADER = re.compile(r"Name: (?P<name>\S+)\nType: (?P<type>\S+)\n(?:Revision: .*\n)?Header: (?P<options>.*)\n")


def ask(have: Sets, want: Sets) -> dict[str, Set]:
    """Return the sets and elements that the kernel has, of those that two states name. It is not asked for elements
    that are equal in both states: these count as there. Errors: StepError.
    """
    named = {name: _named(have.get(name), want.get(name)) for name in {**have, **want}}
    asked = {name: _differing(have.get(name), want.get(name)) for name in named}
    headers, answers = _answers({name: some for name, some in asked.items() if len(some) <= _FEW})
    found: dict[str, Set] = {}
    for name, elements in named.items():
        if (header := headers.get(name)) is None:
            continue
        held = _held(name, header["type"], asked[name], have, want, answers)
        if held is None:
            found[name] = _listed(name, elements)
        else:
            kept = {one: options for one, options in elements.items() if one in held or one not in asked[name]}
            found[name] = set_created_with(name, f"{header['type']} {header['options']}", kept)
    return found


def _named(before: Set | None, after: Set | None) -> dict[str, str]:
    """Return the elements of both states of a set."""
    return {**(before.elements if before else {}), **(after.elements if after else {})}


def _differing(before: Set | None, after: Set | None) -> set[str]:
    """Return the elements that only one of the states has, or that have other options in each."""
    old, new = before.elements if before else {}, after.elements if after else {}
    return {element for element, _ in old.items() ^ new.items()}


def _answers(asked: Mapping[str, Collection[str]]) -> tuple[Mapping[str, re.Match[str]], Collection[str]]:
    """Ask ipset about elements. Return the headers of all sets, by name, and the lines that it answers."""
    done = tools.attempt(PART, ["ipset", "-"], "".join(_questions(asked)))
    return {found["name"]: found for found in _HEADER.finditer(done.stdout)}, {*done.stderr.split("\n")}


def _questions(asked: Mapping[str, Collection[str]]) -> Iterator[str]:
    yield "list -t\n"
    yield from (f"test {name} {element}\n" for name, some in asked.items() for element in some)


def _held(
    name: str, type: str, asked: Collection[str], have: Sets, want: Sets, answers: Collection[str]
) -> set[str] | None:
    """Return those of the ``asked`` elements that the set holds; None where the answers do not tell.

    The answers do not tell what options an element has. Nor do they tell whether a set holds a host, or a network that
    the host is in.
    """
    old, new = ({*sets[name].elements} if name in sets else set() for sets in (have, want))
    if old & new & {*asked}:
        return None
    found: set[str] = set()
    for element in asked:
        is_in = f"Warning: {element} is in set {name}." in answers
        if is_in == (f"{element} is NOT in set {name}." in answers) or (is_in and "net" in type and "/" not in element):
            return None
        if is_in:
            found.add(element)
    return found


def _listed(name: str, elements: Collection[str]) -> Set:
    """List a set, and return it with those of ``elements`` that it holds. Errors: StepError."""
    whole = parse_sets(tools.read(PART, ["ipset", "save", name]))[name]
    return replace(whole, elements={one: options for one, options in whole.elements.items() if one in elements})
