"""Prints a program as text of the language, in one layout. :mod:`svcc.compiler.load` reads it as the same program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from svcc.compiler import ir
from svcc.compiler.check_health import seconds_text
from svcc.compiler.names import written
from svcc.compiler.values import MAX_ADDRESSES

_PLAIN_PATH = re.compile(r"/[^;{}\[\]#]*")
_INDENT = "  "
#: The most characters of the first words with which others are aligned.
_LONGEST_KEY = 40
#: The column, from 0, after which stands what follows an address, so that one more digit moves no other line.
_BEHIND = 15
#: From this many on, addresses are printed as a range.
_RUN = 3
#: From this many services on, common settings are printed as defaults.
_MANY = 3
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

#: The endpoints that several services share, and the name of the pool that holds them.
_Pools = Mapping[tuple[ir.Endpoint, ...], str]
#: A statement's keyword, and what follows it.
_Statement = tuple[str, str]


def program_text(program: ir.Program, *, by_name: bool = False) -> str:
    """Return the text of a program, with its services in the order of their places in the source, or by name.

    Endpoints that several services have, in the same order, become a pool with the first service's name. Settings that
    many services have, and none has otherwise, become defaults. Pools whose members register themselves keep their
    names, and hold nothing else.
    """
    services = list(program.services) if by_name else sorted(program.services, key=_place)
    pools, defaults = _pools(services), _defaults(services)
    blocks = [_cluster(program.cluster), *(_node(node) for node in program.nodes)]
    blocks.append(_block("defaults", _aligned(defaults)) if defaults else "")
    joined = {one.pool: one.networks for service in services for one in service.registered}
    for name, networks in joined.items():
        blocks.append(_block(f"endpoints {written(name)}", [f"registered {_list(networks)}"]))
    printed: set[str] = set()
    for service in services:
        pool = pools.get(service.endpoints)
        if pool is not None and pool not in printed:
            printed.add(pool)
            blocks.append(_block(f"endpoints {written(pool)}", _endpoints(service.endpoints, _INDENT)))
        blocks.append(_service(service, pool, defaults))
    blocks += [_block(f"balancer {written(one.name)}", _aligned(balancer_statements(one))) for one in program.balancers]
    return "\n".join(block for block in blocks if block)


def _place(service: ir.Service) -> tuple[str, int]:
    return ("", 0) if service.span is None else (service.span.source.name, service.span.start)


def _pools(services: Sequence[ir.Service]) -> _Pools:
    owners: dict[tuple[ir.Endpoint, ...], list[str]] = {}
    for service in services:
        owners.setdefault(service.endpoints, []).append(service.name)
    taken = {one.pool for service in services for one in service.registered}
    shared = [(endpoints, names[0]) for endpoints, names in owners.items() if len(names) > 1 and len(endpoints) > 1]
    found: dict[tuple[ir.Endpoint, ...], str] = {}
    for endpoints, name in shared:
        while name in taken:
            name += "-pool"
        taken.add(name)
        found[endpoints] = name
    return found


def _defaults(services: Sequence[ir.Service]) -> list[_Statement]:
    """Return the settings that every service has, where defaults make the text shorter."""
    if len(services) < _MANY:
        return []
    first, *others = ([*_settings(service)] for service in services)
    return [setting for setting in first if all(setting in other for other in others)]


def _block(head: str, lines: Iterable[str]) -> str:
    inner = "".join(f"{_INDENT}{line}\n" for line in lines)
    return f"{head} {{\n{inner}}}\n" if inner else f"{head} {{ }}\n"


def _aligned(statements: Sequence[_Statement], least: int = 0) -> Iterator[str]:
    """Return the lines of statements, with what follows the first words in one column, except behind long ones."""
    widths = (len(key) for key, rest in statements if rest and len(key) <= _LONGEST_KEY)
    width = max((max(width, least) for width in widths), default=0)
    return (f"{key:<{width}} {rest}" if rest else key for key, rest in statements)


def _cluster(cluster: ir.Cluster) -> str:
    default = ir.Cluster()
    statements: list[_Statement] = []
    if cluster.prefix != default.prefix:
        statements.append(("prefix", cluster.prefix))
    if cluster.pods:
        statements.append(("pods", _list(cluster.pods)))
    if cluster.services:
        statements.append(("services", _list(cluster.services)))
    if cluster.nodeports != default.nodeports:
        statements.append(("nodeports", str(cluster.nodeports)))
    if cluster.nodeport_addresses:
        statements.append(("nodeport-addresses", _list(cluster.nodeport_addresses)))
    if cluster.vip_device != default.vip_device:
        statements.append(("vip-device", cluster.vip_device or "none"))
    if cluster.mark != default.mark:
        statements.append(("mark", hex(cluster.mark)))
    return _block("cluster", _aligned(statements)) if statements else ""


def _node(node: ir.Node) -> str:
    statements = [("address", _list(node.addresses))]
    if node.zone is not None:
        statements.append(("zone", written(node.zone)))
    if node.instance is not None:
        statements.append(("instance", node.instance))
    return _block(f"node {written(node.name)}", _aligned(statements))


def balancer_statements(balancer: ir.Balancer) -> list[_Statement]:
    """Return keyword and values of each statement of a balancer."""
    statements: list[_Statement] = [
        ("kind", balancer.kind),
        ("scheme", balancer.scheme),
        ("network", " ".join((balancer.network, *balancer.subnets))),
    ]
    if balancer.security:
        statements.append(("security", " ".join(balancer.security)))
    for listener in balancer.listeners:
        words = [f"{listener.port}/{listener.protocol}"]
        if listener.answer != ir.DefaultAnswer():
            words.append(f"default {listener.answer.status}")
            words += [] if listener.answer.body is None else [f'"{listener.answer.body}"']
        statements.append(("listen", " ".join(words)))
    for route in balancer.routes:
        taken = route.paths or (str(route.listener),)
        names = [written(name) for name in (route.service, route.port) if name is not None]
        statements.append(("route", f"{' '.join(taken)} -> {':'.join(names)}"))
    return statements


def _service(service: ir.Service, pool: str | None, defaults: Sequence[_Statement]) -> str:
    settings = [setting for setting in _settings(service) if setting not in defaults]
    statements = [*_addresses(service), *map(_port, service.ports), *settings]
    names = [written(one.pool) for one in service.registered] + ([] if pool is None else [written(pool)])
    if pool is not None or (names and not service.endpoints):
        lines = [*_aligned([*statements, ("endpoints", " ".join(names))])]
    else:
        endpoints = [f"{_INDENT}{line}" for line in _endpoints(service.endpoints, 2 * _INDENT)]
        width = max((len(key) for key, rest in statements if rest and len(key) <= _LONGEST_KEY), default=0)
        head = " ".join((f"{'endpoints':<{width}}", *names)) if names else "endpoints"
        block = [f"{head} {{", *endpoints, "}"] if endpoints else [f"{head} {{ }}"]
        lines = [*_aligned(statements), *block]
    return _block(f"service {written(service.name)}", lines)


def _addresses(service: ir.Service) -> Iterator[_Statement]:
    for keyword, own in (("vip", service.vips), ("external-ip", service.external_ips)):
        for shared in (False, True):
            if some := [address for address in own if (address in service.shared) is shared]:
                yield keyword, " ".join(runs(some)) + (" shared" if shared else "")


def runs(addresses: Sequence[ir.Address]) -> Iterator[str]:
    """Return the addresses in their order; consecutive ones become ranges."""
    at = 0
    while at < len(addresses):
        first, count = addresses[at], 1
        while (
            at + count < len(addresses)
            and count < MAX_ADDRESSES
            and _is_at_distance(addresses[at + count], first, count)
        ):
            count += 1
        if count >= _RUN:
            yield f"{first}-{addresses[at + count - 1]}"
        else:
            yield from map(str, addresses[at : at + count])
        at += count


def _is_at_distance(address: ir.Address, first: ir.Address, distance: int) -> bool:
    return address.version == first.version and int(address) == int(first) + distance


def _port(port: ir.Port) -> _Statement:
    words = [f"{port.ports}/{port.protocol}"]
    if port.target != port.ports.first:
        words.append(f"-> {port.target}")
    if port.nodeport is not None:
        words.append(f"nodeport {port.nodeport.first}")
    return "port" if port.name is None else f"port {written(port.name)}", " ".join(words)


def _settings(service: ir.Service) -> Iterator[_Statement]:
    """Return the statements of a service beside its addresses, ports and endpoints."""
    default = ir.Service(service.name)
    if service.announce:
        yield "announce", "yes"
    if service.allow_from:
        yield "allow-from", _list(service.allow_from)
    if service.scheduler is not None:
        by = "" if service.scheduler_by == default.scheduler_by else f" by {service.scheduler_by}"
        yield "scheduler", f"{service.scheduler}{by}"
    if service.affinity is not None:
        memory = " per service" if service.affinity_per_service else ""
        yield "affinity", f"{affinity_kind(service)} {_duration(service.affinity)}{memory}"
    if service.external_traffic != default.external_traffic:
        yield "traffic", f"external {service.external_traffic}"
    if service.internal_traffic != default.internal_traffic:
        yield "traffic", f"internal {service.internal_traffic}"
    for keyword, own, usual in (
        ("masquerade", _list(service.masquerade_from) or service.masquerade, default.masquerade),
        ("snat", " ".join(runs(service.snat)), ""),
        ("forward", service.forward, default.forward),
        ("when-empty", service.when_empty, default.when_empty),
        ("when-failed", service.when_failed, default.when_failed),
    ):
        if own != usual:
            yield keyword, own
    if service.one_packet:
        yield "one-packet", "yes"
    if service.check is not None:
        yield "check", _check(service.check)


def affinity_kind(service: ir.Service) -> str:
    """Return ``client-ip``, ``client-ip/24`` or ``client-ip/24/64``."""
    ipv4, ipv6 = service.affinity_networks
    return f"client-ip/{ipv4}/{ipv6}" if ipv6 < 128 else f"client-ip/{ipv4}" if ipv4 < 32 else "client-ip"


def _check(check: ir.Check) -> str:
    default = ir.Check(check.kind)
    words = [str(check.kind)] if check.port is None else [str(check.kind), str(check.port)]
    if check.path != default.path:
        words.append(check.path if _PLAIN_PATH.fullmatch(check.path) else f'"{check.path}"')
    if check.name != default.name:
        words.append(written(check.name))
    for option, own, usual in (
        ("every", seconds_text(check.every), seconds_text(default.every)),
        ("timeout", seconds_text(check.timeout), seconds_text(default.timeout)),
        ("fall", str(check.fall), str(default.fall)),
        ("rise", str(check.rise), str(default.rise)),
        ("expect", str(ir.PortRange(*check.expect)), str(ir.PortRange(*default.expect))),
    ):
        if own != usual:
            words += [option, own]
    if check.host is not None:
        words += ["host", written(check.host)]
    return " ".join([*words, "insecure"] if check.insecure else words)


def _endpoints(endpoints: Iterable[ir.Endpoint], indent: str) -> Iterator[str]:
    return _aligned(
        [(_socket(endpoint), " ".join(_options(endpoint))) for endpoint in endpoints], _BEHIND - len(indent)
    )


def _socket(endpoint: ir.Endpoint) -> str:
    if endpoint.port is None:
        return str(endpoint.address)
    host = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)
    return f"{host}:{endpoint.port}"


def _options(endpoint: ir.Endpoint) -> Iterator[str]:
    if endpoint.draining:
        yield "draining"
    elif endpoint.weight != 1:
        yield f"weight {endpoint.weight}"
    if endpoint.backup:
        yield "backup"
    if endpoint.max_connections is not None:
        yield f"max-connections {endpoint.max_connections}"
    if endpoint.node is not None:
        yield f"on {written(endpoint.node)}"


def _list(values: Iterable[ir.Address | ir.Network]) -> str:
    return " ".join(map(str, values))


def _duration(seconds: int) -> str:
    unit, size = next((unit, size) for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // size}{unit}"
