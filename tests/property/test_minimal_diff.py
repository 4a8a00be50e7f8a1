"""A small edit makes a small diff: what a reviewer sees of a program of a thousand services."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address, ip_network
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import large_programs
from support.waiting import LID
from svcc.compiler import ir
from svcc.targets import targets
from svcc.targets.capability import check_target

SERVICES = 1000
#: Changed lines for one more endpoint of a service with one vip and one port. nft: the service's slot count (a line
#: changed), the endpoint, its hairpin; iptables: the endpoint; ipvs: the endpoint, its hairpin, and the set's size.
ONE_MORE = {"nft": 4, "iptables": 2, "ipvs": 3}

_FEW = settings(max_examples=max(5, settings().max_examples // 10), suppress_health_check=list(HealthCheck))
_TARGETS = pytest.mark.parametrize("target", ONE_MORE)


def render(target: str, program: ir.Program) -> str:
    assert check_target(program, targets()[target], large_programs.NODE) == []
    bundle = targets()[target].render(program, large_programs.NODE)
    return "".join(f"#: part {a.part.name}\n{a.text}" for a in bundle.artifacts)


@cache
def before(target: str, kind: str) -> str:
    return render(target, PROGRAMS[kind]())


@cache
def _plain() -> ir.Program:
    return large_programs.plain(SERVICES)


@cache
def _varied() -> ir.Program:
    return large_programs.varied(SERVICES)


PROGRAMS: dict[str, Callable[[], ir.Program]] = {"plain": _plain, "varied": _varied}


# ---- differences


def _without_comma(text: str) -> str:
    """JSON has no comma before the first of a list: which of them is the first is not a difference."""
    return re.sub(r"^(?:    |  , )", "", text, flags=re.MULTILINE)


def changed_lines(first: str, second: str) -> list[str]:
    """The lines that diff marks with - and +."""
    with NamedTemporaryFile("w", suffix=".first") as one, NamedTemporaryFile("w", suffix=".second") as two:
        for file, text in ((one, first), (two, second)):
            file.write(_without_comma(text))
            file.flush()
        done = subprocess.run(["diff", one.name, two.name], capture_output=True, text=True, check=False, timeout=LID)
    assert done.returncode in (0, 1), done.stderr
    return [line[2:] for line in done.stdout.splitlines() if line.startswith(("<", ">"))]


@dataclass(frozen=True, slots=True)
class Shapes:
    """What only one of two outputs has: nft's chains, sets and maps, and ipsets, that are named by what they do."""

    objects: frozenset[tuple[str, str]]  # nft: family and name
    ipsets: frozenset[str]
    elements: bool  # whether some of nft's objects have elements

    @staticmethod
    def between(first: str, second: str) -> Shapes:
        objects = set(_NFT_OBJECT.findall(first)) ^ set(_NFT_OBJECT.findall(second))
        ipsets = set(_IPSET.findall(first)) ^ set(_IPSET.findall(second))
        return Shapes(
            frozenset((family, name) for _, family, name in objects),
            frozenset(ipsets),
            any(kind != "chain" for kind, _, _ in objects),
        )

    def mentioned(self, line: str) -> bool:
        """Whether a line declares one of them, is a rule of one or the frame of its elements."""
        if line == "  ]}}}":
            return self.elements
        found = _NFT_LINE.match(line)
        if found is not None:
            return found.groups() in self.objects
        return not self.ipsets.isdisjoint(line.split())


_NFT_OBJECT = re.compile(r'\{"add": \{"(chain|map|set)": \{"family": "(\w+)", "table": "[^"]+", "name": "([^"]+)"')
_NFT_LINE = re.compile(r', \{"add": \{"\w+": \{"family": "(\w+)", "table": "[^"]+", "(?:name|chain)": "([^"]+)"')
_IPSET = re.compile(r"^create (\S+)", re.MULTILINE)


# ---- one more endpoint


def test_there_are_the_three_targets_of_the_kernel() -> None:
    assert set(ONE_MORE) == {name for name, target in targets().items() if target.loads}


def _replaced(program: ir.Program, service: ir.Service) -> ir.Program:
    services = [service if s.name == service.name else s for s in program.services]
    return replace(program, services=tuple(services))


@_TARGETS
def test_one_more_endpoint_is_a_few_lines(target: str) -> None:
    @_FEW
    @given(st.integers(0, SERVICES - 1), st.booleans())
    def check(i: int, shared: bool) -> None:
        service = _plain().services[i]
        added = large_programs.endpoint(i + 1, 0) if shared else large_programs.endpoint(i, 31)
        after = render(target, _replaced(_plain(), replace(service, endpoints=(*service.endpoints, added))))
        shapes = Shapes.between(before(target, "plain"), after)
        lines = changed_lines(before(target, "plain"), after)
        assert 1 <= len([line for line in lines if not shapes.mentioned(line)]) <= ONE_MORE[target], lines

    check()


# ---- any edit of one service


@st.composite
def edits(draw: st.DrawFn, program: ir.Program) -> tuple[ir.Service | None, ir.Service | None]:
    """A service before and after (None: it was not there, it is no more)."""
    i = draw(st.integers(0, len(program.services) - 1))
    old = program.services[i]
    kind = draw(st.sampled_from(("append", "new", "gone", "remove", "weight", "drain", "port", "vip", "first")))
    some = draw(st.integers(0, len(old.endpoints) - 1))
    endpoint = old.endpoints[some]
    match kind:
        case "append":
            return old, replace(old, endpoints=(*old.endpoints, large_programs.endpoint(i, 31)))
        case "first":
            return old, replace(old, endpoints=(large_programs.endpoint(i, 31), *old.endpoints))
        case "new":
            new = large_programs.varied_service(draw(st.integers(SERVICES, SERVICES + 100)))
            return None, replace(new, name=draw(st.sampled_from(("a-new-one", new.name, "s00500-b", "zz"))))
        case "gone":
            return old, None
        case "remove":
            return old, replace(old, endpoints=old.endpoints[:some] + old.endpoints[some + 1 :])
        case "weight" | "drain":
            changed = replace(endpoint, weight=0 if kind == "drain" else endpoint.weight + 1)
            return old, replace(old, endpoints=(*old.endpoints[:some], changed, *old.endpoints[some + 1 :]))
        case "port":
            return old, replace(old, ports=(replace(old.ports[0], ports=ir.PortRange(81, 81)), *old.ports[1:]))
        case _:
            return old, replace(old, vips=(large_programs.vip(i + SERVICES), *old.vips[1:]))


def _edited(program: ir.Program, old: ir.Service | None, new: ir.Service | None) -> ir.Program:
    services = {s.name: s for s in program.services}
    if old is not None:
        del services[old.name]
    if new is not None:
        services[new.name] = new
    return replace(program, services=tuple(services[name] for name in sorted(services)))


class Words:
    """What lines about a service mention: its name, addresses, node ports, and networks and ranges around these."""

    def __init__(self, *services: ir.Service | None) -> None:
        present = [service for service in services if service is not None]
        self._names = [service.name for service in present]
        self._addresses = {
            address
            for service in present
            for address in (*service.vips, *service.external_ips, *(e.address for e in service.endpoints))
        }
        self._ports = {port.nodeport.first for service in present for port in service.ports if port.nodeport}
        self._schedulers = {"ip_vs_rr", "ip_vs_wrr"}

    def mentioned(self, line: str) -> bool:
        if any(re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w/.])", line) for name in self._names):
            return True
        if any(re.search(rf"[ :]{port}(?!\d)", line) for port in self._ports):
            return True
        return line in self._schedulers or any(self._is_ours(word) for word in _WORD.findall(line))

    def _is_ours(self, word: str) -> bool:
        first, _, last = word.partition("-") if "-" in word else word.partition(":")
        if first.isdigit() and last.isdigit():
            return any(int(first) <= port <= int(last) for port in self._ports)
        try:
            if "/" in word:
                return any(address in ip_network(word) for address in self._addresses)
            return ip_address(word) in self._addresses
        except ValueError:
            return False


#: Ranges of ports, addresses and networks.
_WORD = re.compile(r"(?<![\w.])\d+[-:]\d+(?![\w:.])|\d+(?:\.\d+){3}(?:/\d+)?|[0-9a-f]*:[0-9a-f]*:[0-9a-f:]*(?:/\d+)?")
#: A set's line of the ipvs target: how many elements it has room for.
_SIZED = re.compile(r"create \S+ hash:\S+ family inet6? hashsize \d+ maxelem \d+")


def _strangers(target: str, program: ir.Program, old: ir.Service | None, new: ir.Service | None) -> Iterator[str]:
    """Changed lines that say nothing of the service, and are not of a shape that came or went with it."""
    first, second = before(target, "varied"), render(target, _edited(program, old, new))
    words, shapes = Words(old, new), Shapes.between(first, second)
    for line in changed_lines(first, second):
        if not words.mentioned(line) and not shapes.mentioned(line) and not _SIZED.fullmatch(line):
            yield line


@_TARGETS
def test_an_edit_of_a_service_changes_lines_about_that_service(target: str) -> None:
    @_FEW
    @given(edits(_varied()))
    def check(edit: tuple[ir.Service | None, ir.Service | None]) -> None:
        assert list(_strangers(target, _varied(), *edit)) == []

    check()
