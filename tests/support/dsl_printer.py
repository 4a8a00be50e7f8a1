"""Write a program as text of the language, plainly or in any of the ways that have to mean the same.

Where something can be written in several ways, ``pick`` chooses from a list of them, the plain way first:

    program_text(program)               as a person would write it, in one file
    program_files(program, pick)        as pick chooses: lets, pools, defaults, several files, layout, spelling
    spellings(program)                  a hypothesis strategy of such files, which shrinks to the plain text
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from support.kept_strategies import sampled_from
from svcc.compiler import ir

T = TypeVar("T")

#: Texts of files by name; the first is the one to load.
Files = dict[str, str]

MAIN = "main.dsl"


class Pick(Protocol):
    """Chooses one of several ways to write the same thing."""

    def __call__(self, options: Sequence[T], /) -> T: ...


def plain(options: Sequence[T], /) -> T:
    return options[0]


def program_text(program: ir.Program) -> str:
    return program_files(program, plain)[MAIN]


def program_files(program: ir.Program, pick: Pick) -> Files:
    return _Printer(program, pick).files()


@st.composite
def spellings(draw: st.DrawFn, program: ir.Program) -> Files:
    def pick(options: Sequence[T], /) -> T:
        return draw(sampled_from(options))

    return program_files(program, pick)


def write_files(files: Files, folder: Path) -> Path:
    """Write the files below a folder; return the path of the one to load."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder / next(iter(files))


@dataclass(frozen=True, slots=True)
class _Block:
    head: str
    statements: tuple[str | _Block, ...]


_Statement = str | _Block

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOTE = '# a } note { of [ "all; $sorts é 漢'
_OPENINGS = ("\n", " ", ";", f" {_NOTE}\n", "\n\n", " \t")
_SEPARATORS = ("\n", "; ", f"  {_NOTE}\n", "\n\n;\n", " ;\n")


class _Printer:
    """The printer of one program. It makes lets and pools when it prints the text that uses them."""

    def __init__(self, program: ir.Program, pick: Pick) -> None:
        self._program = program
        self._pick = pick
        self._lets: dict[str, str] = {}  # statement by name
        self._pools: dict[tuple[ir.Endpoint, ...], str] = {}  # name by content
        self._settings = _Defaults(program.services, pick)

    def files(self) -> Files:
        blocks: list[_Statement] = [*self._cluster()]
        blocks += [self._node(node) for node in self._program.nodes]
        defaults = [f"{keyword} {self._value(keyword, v)}" for keyword, v in self._settings.values.items()]
        blocks += [_Block("defaults", tuple(defaults))] if defaults else []
        blocks += [self._service(service) for service in self._program.services]
        blocks += [_Block(f"endpoints {name}", self._lines(pool)) for pool, name in self._pools.items()]
        joined = {one.pool: one.networks for service in self._program.services for one in service.registered}
        for name, networks in joined.items():
            blocks.append(_Block(f"endpoints {name}", (f"registered {' '.join(map(str, networks))}",)))
        blocks += [self._balancer(balancer) for balancer in self._program.balancers]
        blocks = self._shuffled([*self._lets.values(), *blocks])
        return self._distributed(blocks)

    # -- blocks ---------------------------------------------------------------------------------------------------

    def _cluster(self) -> Iterable[_Block]:
        cluster, default = self._program.cluster, ir.Cluster()
        statements = [
            *self._unless(cluster.prefix == default.prefix, f"prefix {cluster.prefix}"),
            *([f"pods {self._list(cluster.pods)}"] if cluster.pods else []),
            *([f"services {self._list(cluster.services)}"] if cluster.services else []),
            *self._unless(cluster.nodeports == default.nodeports, f"nodeports {cluster.nodeports}"),
            *([f"nodeport-addresses {self._list(addresses)}"] if (addresses := cluster.nodeport_addresses) else []),
            *self._unless(cluster.vip_device == default.vip_device, f"vip-device {cluster.vip_device or 'none'}"),
            *self._unless(cluster.mark == default.mark, f"mark {self._pick((hex(cluster.mark), str(cluster.mark)))}"),
        ]
        said: bool = bool(statements) or self._pick((False, True))
        if said:
            yield _Block("cluster", tuple(self._shuffled(statements)))

    def _node(self, node: ir.Node) -> _Block:
        statements = [f"address {self._list(node.addresses)}"]
        if node.zone is not None:
            statements.append(f"zone {self._name(node.zone)}")
        if node.instance is not None:
            statements.append(f"instance {node.instance}")
        return _Block(f"node {self._name(node.name)}", tuple(self._shuffled(statements)))

    def _service(self, service: ir.Service) -> _Block:
        settings: list[_Statement] = []
        for keyword, own in (("vip", service.vips), ("external-ip", service.external_ips)):
            for shared in (False, True):
                if some := [address for address in own if (address in service.shared) is shared]:
                    settings.append(f"{keyword} {self._addresses(some)}{' shared' if shared else ''}")
        addresses = len(settings)
        settings += [f"{k} {self._value(k, _setting(service, k))}" for k in self._settings.said(service)]
        settings = self._shuffled([*settings, self._endpoints(service)])
        ports = [self._port(port) for port in service.ports]
        at = self._pick((addresses, *range(len(settings) + 1)))
        return _Block(f"service {self._name(service.name)}", (*settings[:at], *ports, *settings[at:]))

    def _balancer(self, balancer: ir.Balancer) -> _Block:
        default = ir.Balancer("")
        settings = [
            *self._unless(balancer.kind == default.kind, f"kind {balancer.kind}"),
            *self._unless(balancer.scheme == default.scheme, f"scheme {balancer.scheme}"),
            f"network {' '.join((balancer.network, *balancer.subnets))}",
            *([f"security {' '.join(balancer.security)}"] if balancer.security else []),
        ]
        settings = self._shuffled(settings)
        listeners = [self._listener(listener) for listener in balancer.listeners]
        routes = [self._route(route) for route in balancer.routes]
        statements = self._pick(((*settings, *listeners, *routes), (*routes, *settings, *listeners)))
        return _Block(f"balancer {self._name(balancer.name)}", statements)

    def _listener(self, listener: ir.Listener) -> str:
        words = [f"listen {listener.port}/{listener.protocol}"]
        answer = listener.answer
        if listener.protocol is ir.ListenProtocol.HTTP:
            body = "" if answer.body is None else f' "{answer.body}"'
            words += self._unless(answer == ir.DefaultAnswer(), f"default {answer.status}{body}")
        return " ".join(words)

    def _route(self, route: ir.Route) -> str:
        words = ["route", *(route.paths or [str(route.listener)]), "->"]
        words.append(":".join(self._name(name) for name in (route.service, route.port) if name is not None))
        return " ".join(words)

    # -- statements -----------------------------------------------------------------------------------------------

    def _unless(self, default: bool, statement: str) -> list[str]:
        said: bool = not default or not self._pick((True, False))
        return [statement] if said else []

    def _value(self, keyword: str, value: object) -> str:
        if keyword in ("announce", "one-packet"):
            return "yes" if value else "no"
        if keyword == "affinity":
            assert isinstance(value, tuple)
            *client, per_service = value
            return self._affinity(*client) + (" per service" if per_service else "")
        if keyword in ("allow-from", "snat"):
            assert isinstance(value, tuple)
            return self._list(value)
        if keyword == "masquerade" and isinstance(value, tuple):
            return self._list(value)
        if keyword == "check":
            assert value is None or isinstance(value, ir.Check)
            return "none" if value is None else self._check(value)
        return str(value)

    def _check(self, check: ir.Check) -> str:
        default = ir.Check(check.kind)
        words = [str(check.kind)]
        if check.port is not None:
            words.append(str(check.port))
        what = check.name if check.kind is ir.CheckKind.DNS else check.path
        if (check.path, check.name) != (default.path, default.name):
            plain = re.fullmatch(r"/[^;{}\[\]#]*" if what.startswith("/") else _PLAIN, what)
            words.append(self._pick((what, f'"{what}"')) if plain else f'"{what}"')
        first, last = check.expect
        options = [
            *self._unless(check.every == default.every, f"every {self._time(check.every)}"),
            *self._unless(check.timeout == default.timeout, f"timeout {self._time(check.timeout)}"),
            *self._unless(check.fall == default.fall, f"fall {check.fall}"),
            *self._unless(check.rise == default.rise, f"rise {check.rise}"),
            *(
                []
                if check.expect == default.expect
                else [f"expect {first}" if first == last else f"expect {first}-{last}"]
            ),
            *([] if check.host is None else [f"host {self._name(check.host)}"]),
            *(["insecure"] if check.insecure else []),
        ]
        return " ".join([*words, *self._shuffled(options)])

    def _time(self, seconds: float) -> str:
        sizes = {"s": 1000, "ms": 1, "m": 60_000, "h": 3_600_000}
        ms = round(seconds * 1000)
        return self._pick([f"{ms // size}{unit}" for unit, size in sizes.items() if ms % size == 0])

    def _affinity(self, seconds: int, ipv4: int, ipv6: int) -> str:
        kinds = [f"client-ip/{ipv4}/{ipv6}"]
        kinds[:0] = [f"client-ip/{ipv4}"] if ipv6 == 128 else []
        kinds[:0] = ["client-ip"] if (ipv4, ipv6) == (32, 128) else []
        kind = self._pick(kinds)
        options = [kind] if seconds == ir.DEFAULT_AFFINITY else []
        units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
        options += [f"{kind} {seconds // size}{unit}" for unit, size in units.items() if seconds % size == 0]
        return self._pick(options)

    def _port(self, port: ir.Port) -> str:
        words = ["port"]
        if port.name is not None:
            words.append(self._name(port.name))
        words.append(f"{port.ports}/{port.protocol}")
        if port.target != port.ports.first or self._pick((False, True)):
            words.append(f"-> {self._pick((str(port.target), str(port.targets)))}")
        if port.nodeport is not None:
            words.append(f"nodeport {self._pick((str(port.nodeport.first), str(port.nodeport)))}")
        return " ".join(words)

    def _endpoints(self, service: ir.Service) -> _Block | str:
        """Print endpoints in a block of lines, as pools, or both."""
        names = [one.pool for one in service.registered]
        most = len(names) + 2
        own = service.endpoints
        while own and len(names) < most and self._pick((False, True)):
            count = self._pick(range(len(own), 0, -1))
            pool, own = own[:count], own[count:]
            names.append(self._pools.setdefault(pool, self._name(f"pool-{len(self._pools) + 1}")))
        head = " ".join(("endpoints", *names))
        return head if names and not own and self._pick((True, False)) else _Block(head, self._lines(own))

    def _lines(self, endpoints: Sequence[ir.Endpoint]) -> tuple[str, ...]:
        options = {replace(endpoint, address=endpoints[0].address, port=None) for endpoint in endpoints}
        if len(endpoints) > 1 and len(options) == 1 and self._pick((False, True)):
            addresses = [_socket(endpoint) for endpoint in endpoints]
            if not any(address.startswith("[") for address in addresses):
                return (self._endpoint_options(f"${self._let(addresses)}", endpoints[0]),)
        return tuple(self._endpoint_options(self._socket(endpoint), endpoint) for endpoint in endpoints)

    def _socket(self, endpoint: ir.Endpoint) -> str:
        if endpoint.port is not None:
            return _socket(endpoint)
        text = self._spelled(endpoint.address)
        return f"${self._let([text])}" if self._pick((False, True)) else text

    def _endpoint_options(self, address: str, endpoint: ir.Endpoint) -> str:
        weights = {0: ("draining", "weight 0", "weight 7 draining", "draining weight 7"), 1: ("", "weight 1")}
        weight = self._pick(weights.get(endpoint.weight, (f"weight {endpoint.weight}",)))
        node = f"on {self._name(endpoint.node)}" if endpoint.node else ""
        backup = "backup" if endpoint.backup else ""
        most = f"max-connections {endpoint.max_connections}" if endpoint.max_connections else ""
        words = self._pick(((weight, node, backup, most), (most, backup, node, weight)))
        return " ".join(word for word in (address, *words) if word)

    def _name(self, name: str) -> str:
        """Return a name, plain where that is possible."""
        return self._pick((name, f'"{name}"')) if _PLAIN.fullmatch(name) else f'"{name}"'

    # -- values ---------------------------------------------------------------------------------------------------

    def _list(self, values: Sequence[ir.Address | ir.Network]) -> str:
        """Return the values side by side, or some of them by a let."""
        words = [self._spelled(value) for value in values]
        if self._pick((False, True)):
            count = self._pick(range(len(words), 0, -1))
            name = self._let(words[:count])
            if self._pick((False, True)):
                name = self._let([f"${name}"])
            words = [f"${name}", *words[count:]]
        return self._pick((" ", "  ", "\t")).join(words)

    def _addresses(self, values: Sequence[ir.Address]) -> str:
        """Return addresses as a list, or with ranges of consecutive ones."""
        runs: list[list[ir.Address]] = []
        for value in values:
            if runs and runs[-1][-1].version == value.version and int(runs[-1][-1]) + 1 == int(value):
                runs[-1].append(value)
            else:
                runs.append([value])
        if len(runs) == len(values) or not self._pick((False, True)):
            return self._list(values)
        ends = ((self._spelled(run[0]), self._spelled(run[-1])) for run in runs)
        return " ".join(
            first if len(run) == 1 else f"{first}-{last}" for run, (first, last) in zip(runs, ends, strict=True)
        )

    def _let(self, words: Sequence[str]) -> str:
        name = f"let-{len(self._lets) + 1}"
        opening, comma, end = self._pick((("[", ", ", "]"), ("[\n ", f", {_NOTE}\n\t", ",\n]")))
        value = f"{opening}{comma.join(words)}{end}"
        self._lets[name] = (
            f"let {name} = {value}" if len(words) > 1 else f"let {name} = {self._pick((value, words[0]))}"
        )
        return name

    def _spelled(self, value: ir.Address | ir.Network) -> str:
        options = [str(value)]
        if value.version == 6:
            options += [value.exploded, str(value).upper()]
        if isinstance(value, (IPv4Network, IPv6Network)) and value.prefixlen == value.max_prefixlen:
            options.append(str(value.network_address))
        return self._pick(options)

    # -- layout ---------------------------------------------------------------------------------------------------

    def _shuffled(self, statements: Sequence[T]) -> list[T]:
        """Return the statements in the given order, or in another."""
        rest = list(statements)
        if len(rest) < 2 or not self._pick((False, True)):
            return rest
        found = []
        while rest:
            found.append(rest.pop(self._pick(range(len(rest)))))
        return found

    def _distributed(self, blocks: Sequence[_Statement]) -> Files:
        """Return the blocks in one file, or in several that include each other."""
        if not self._pick((False, True)):
            return {MAIN: self._file(blocks)}
        files: dict[str, list[_Statement]] = {name: [] for name in (MAIN, "lib/a.dsl", "lib/b.dsl", "lib/more/c.dsl")}
        for block in blocks:
            files[self._pick(tuple(files))].append(block)
        whole = self._pick((('include "lib/*.dsl"',), ('include "lib/b.dsl"', 'include "lib/a.dsl"')))
        files[MAIN] = self._shuffled([*whole, *files[MAIN]])
        files["lib/b.dsl"].insert(0, 'include "more/c.dsl"')
        if self._pick((False, True)):  # a second way to the same file
            files["lib/a.dsl"].append('include "./more/../more/?.dsl"')
        return {name: self._file(content) for name, content in files.items()}

    def _file(self, statements: Sequence[_Statement]) -> str:
        version = ["svcc 1"] if self._pick((False, True)) else []
        separator = self._pick(_SEPARATORS)
        text = separator.join(self._statement(s, "") for s in (*version, *statements))
        text = self._pick(("", f"{_NOTE}\n\n", "\t;")) + text + self._pick(("\n", "", f" {_NOTE}", ";;"))
        return self._pick(("", "\ufeff")) + text.replace("\n", self._pick(("\n", "\r\n")))

    def _statement(self, statement: _Statement, indent: str) -> str:
        if isinstance(statement, str):
            return statement
        deeper = indent + "  "
        opening, separator = self._pick((("\n", "\n"), (" ", "; "), None)) or (
            self._pick(_OPENINGS),
            self._pick(_SEPARATORS),
        )
        inner = [self._statement(s, deeper) for s in statement.statements]
        if "\n" in opening + separator:
            opening, separator = opening + deeper, separator + deeper
        end = self._pick(("\n" + indent, " ", ";", f"{_NOTE}\n")) if "\n" in opening else self._pick((" ", "; ", "\n"))
        if not inner:
            return f"{statement.head} {{{self._pick((' ', '', opening))}}}"
        return f"{statement.head}{self._pick((' ', ''))}{{{opening}{separator.join(inner)}{end}}}"


def _socket(endpoint: ir.Endpoint) -> str:
    if endpoint.port is None:
        return str(endpoint.address)
    if endpoint.address.version == 6:
        return f"[{endpoint.address}]:{endpoint.port}"
    return f"{endpoint.address}:{endpoint.port}"


#: Settings that ``defaults`` may hold: by statement, the field of the IR, and its default.
_FIELDS: dict[str, tuple[str, object]] = {
    "scheduler": ("scheduler", None),
    "announce": ("announce", False),
    "allow-from": ("allow_from", ()),
    "affinity": ("affinity", None),
    "traffic external": ("external_traffic", ir.Traffic.CLUSTER),
    "traffic internal": ("internal_traffic", ir.Traffic.CLUSTER),
    "masquerade": ("masquerade", ir.Masquerade.AUTO),
    "snat": ("snat", ()),
    "forward": ("forward", ir.Forward.MASQUERADE),
    "when-empty": ("when_empty", ir.WhenEmpty.REJECT),
    "check": ("check", None),
    "when-failed": ("when_failed", ir.WhenFailed.OPEN),
    "one-packet": ("one_packet", False),
}


def _sayable(keyword: str, value: object) -> bool:
    """Whether a value can be written. Defaults of None or () cannot, except ``check none``."""
    return keyword == "check" or value not in (None, ())


def _setting(service: ir.Service, keyword: str) -> object:
    if keyword == "masquerade" and service.masquerade_from:
        return service.masquerade_from
    if keyword == "affinity":
        if service.affinity is None:
            return None
        return service.affinity, *service.affinity_networks, service.affinity_per_service
    if keyword == "scheduler" and service.scheduler_by is not ir.HashBy.ADDRESS:
        return f"{service.scheduler} by {service.scheduler_by}"
    return getattr(service, _FIELDS[keyword][0])


@dataclass(slots=True)
class _Defaults:
    """Which settings a ``defaults`` block has, and which each service has to say itself."""

    services: Sequence[ir.Service]
    pick: Pick
    values: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.services or not self.pick((False, True)):
            return
        for keyword in _FIELDS:
            options = dict.fromkeys(_setting(service, keyword) for service in self.services)
            if all(_sayable(keyword, value) for value in options) and self.pick((False, True)):
                self.values[keyword] = self.pick(tuple(options))

    def said(self, service: ir.Service) -> Iterable[str]:
        """Yield the statements that the service needs, and some that it does not need."""
        for keyword, (_, unsaid) in _FIELDS.items():
            value = _setting(service, keyword)
            default = self.values.get(keyword, unsaid)
            if value != default or (_sayable(keyword, value) and self.pick((False, True))):
                yield keyword
