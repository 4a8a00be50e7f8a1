"""The text of a program as a generation keeps it: the IR's JSON with a line for each service, sorted by their names.

svcc reads it like any other IR document. Equal services have equal lines. So two programs are compared without reading
what did not change.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from ipaddress import IPv4Address
from operator import attrgetter

from svcc.apply.state_files import bytes_of
from svcc.compiler import ir
from svcc.compiler.ir_from_json import from_own_json
from svcc.compiler.ir_to_json import endpoint_to_json, head_to_json, port_to_json, service_to_json
from svcc.kernel.addresses import text_of

_SERVICES = ',"services":[\n'
_END = "\n]}\n"
#: How many characters a text may have that is read.
_LIMIT = 256 << 20
#: Encodes a value as JSON without spaces.
_written = json.JSONEncoder(separators=(",", ":")).encode

#: The fields of an endpoint besides its address, and the values that most endpoints have there.
_beside = attrgetter(*(one.name for one in fields(ir.Endpoint) if one.compare and one.name != "address"))
_PLAIN = _beside(ir.Endpoint(IPv4Address(0)))
#: The fields of a service besides those that most services set, and the values that most services have there.
_further = attrgetter(
    *(one.name for one in fields(ir.Service) if one.compare and one.name not in ("name", "vips", "ports", "endpoints"))
)
_NOTHING_FURTHER = _further(ir.Service(""))


class KeptProgram:
    """A program and its text. Each is made from the other when it is first asked for.

    Programs that say the same have the same text, whatever the order of their services, nodes and balancers.
    Errors of an object that was made from a text: ValueError, where the text is no program's.
    """

    def __init__(self, made_of: ir.Program | str) -> None:
        self._made_of = made_of

    @cached_property
    def text(self) -> str:
        """The program as JSON, with a line for each service, sorted by name."""
        if isinstance(self._made_of, str):
            return self._made_of
        nodes = tuple(sorted(self._made_of.nodes, key=lambda node: node.name))
        balancers = tuple(sorted(self._made_of.balancers, key=lambda balancer: balancer.name))
        shared = ir.Program(self._made_of.cluster, nodes, balancers=balancers)
        head = json.dumps(head_to_json(shared), separators=(",", ":"))
        services = sorted(self._made_of.services, key=lambda service: service.name)
        return _text(head, map(service_line, services))

    @cached_property
    def hash(self) -> str:
        """The digest of the text."""
        return sha256(bytes_of(self.text)).hexdigest()

    def program(self, without: Collection[str] = ()) -> ir.Program:
        """Return the program without the services of these names."""
        if isinstance(self._made_of, str):
            return self._lines.program(without)
        services = self._made_of.services
        return replace(self._made_of, services=tuple(one for one in services if one.name not in without))

    @cached_property
    def _lines(self) -> _Lines:
        return _Lines.of(self.text)

    @cached_property
    def mark(self) -> int:
        """The cluster's ``mark``. Of a text, no service is parsed for it."""
        if isinstance(self._made_of, ir.Program):
            return self._made_of.cluster.mark
        head, _, _ = self._made_of.partition(_SERVICES)
        return _Lines(f"{head}}}", {}).program().cluster.mark

    @cached_property
    def rewriting(self) -> frozenset[str]:
        """The lines of the services that have ``snat``. Of a text, no service is parsed for it: quotes within a value
        have a backslash."""
        if isinstance(self._made_of, ir.Program):
            return frozenset(service_line(one) for one in self._made_of.services if one.snat)
        return frozenset(line.removesuffix(",") for line in self._made_of.split("\n") if '"snat":[' in line)

    def line(self, name: str) -> str | None:
        """Return the line of a service; None where there is no such service."""
        return self._lines.services.get(name)

    def changed(self, lines: Mapping[str, str | None]) -> KeptProgram:
        """Return the program with some services changed. ``lines``: their new lines, by name; None: without the
        service."""
        services = {**self._lines.services, **lines}
        return KeptProgram(_text(self._lines.head, [line for _, line in sorted(services.items()) if line is not None]))

    def differing_services(
        self, other: KeptProgram
    ) -> tuple[Mapping[str, ir.Service], Mapping[str, ir.Service]] | None:
        """Return the services that differ between this program and the other, by name: those of this one, and those of
        the other. Services whose lines are equal are not parsed. Return None where more than services differs."""
        if self._lines.head != other._lines.head:
            return None
        old, new = ({one.name: one for one in program.services} for program in self._without_the_same(other))
        return old, new

    def differing(self, other: KeptProgram) -> tuple[ir.Program, ir.Program]:
        """Return both programs, without the services whose lines are equal where lines are at hand."""
        if isinstance(self._made_of, ir.Program) and isinstance(other._made_of, ir.Program):
            return self._made_of, other._made_of
        return self._without_the_same(other)

    def _without_the_same(self, other: KeptProgram) -> tuple[ir.Program, ir.Program]:
        """Return both programs without the services whose lines are the same in both."""
        after = other._lines.services
        same = {name for name, line in self._lines.services.items() if after.get(name) == line}
        return self.program(same), other.program(same)


def _text(head: str, lines: Iterable[str]) -> str:
    return f"{head[:-1]}{_SERVICES}{f',{chr(10)}'.join(lines)}{_END}"


def service_line(service: ir.Service) -> str:
    """Return the line of a service."""
    endpoints = [
        f'{{"address":"{text_of(one.address)}"}}'  # most have nothing else, and there may be a hundred thousand
        if _beside(one) == _PLAIN
        else _written(endpoint_to_json(one))
        for one in service.endpoints
    ]
    return f'{_settings(service)[:-1]},"endpoints":[{",".join(endpoints)}]}}'


def _settings(service: ir.Service) -> str:
    """Return a service without its endpoints, as JSON. Most services have a name, vips and ports, and nothing else."""
    if not service.vips or _further(service) != _NOTHING_FURTHER:
        return _written(service_to_json(service))
    vips = '","'.join([text_of(vip) for vip in service.vips])
    ports = ",".join(map(_port, service.ports))
    return f'{{"name":{_written(service.name)},"vips":["{vips}"],"ports":[{ports}]}}'


@lru_cache(maxsize=1024)
def _port(port: ir.Port) -> str:
    """Return a port as JSON. Results are kept, because many services have equal ports."""
    return _written(port_to_json(port))


@dataclass(frozen=True)
class _Lines:
    """The text of a program, taken apart into lines."""

    head: str  # the document without its services
    services: Mapping[str, str]  # the line of each, by its name

    @classmethod
    def of(cls, text: str) -> _Lines:
        head, found, rest = text.partition(_SERVICES)
        if len(text) > _LIMIT or not found or not rest.endswith(_END):
            raise ValueError("it holds no program")
        lines = (line.removesuffix(",") for line in rest.removesuffix(_END).split("\n") if line)
        return cls(f"{head}}}", dict(cls._named(lines)))

    @staticmethod
    def _named(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield each line with the name of its service. A line begins with the name, which has no quotes and no
        backslashes in it."""
        for line in lines:
            if not line.startswith('{"name":"'):
                raise ValueError("it has a line that is no service")
            yield line[9 : line.index('"', 9)], line

    def program(self, without: Collection[str] = ()) -> ir.Program:
        lines = [line for name, line in self.services.items() if name not in without]
        try:
            document = json.loads(_text(self.head, lines))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        return from_own_json(document)
