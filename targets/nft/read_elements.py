"""Checks the elements of a table against its sets, its chains and each other."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from itertools import pairwise
from json import dumps

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable, unable_within
from svcc.kernel.addresses import Network, text_of
from svcc.kernel.json_values import Json, integer, items, members, string
from svcc.kernel.nft.parsing import NotRead, same
from svcc.kernel.nft.state import Declaration
from svcc.targets.nft import hooks
from svcc.targets.nft.read import Command, ReadTable
from svcc.targets.nft.read_checks import TableCheck
from svcc.targets.nft.shapes import NAME, kind_of_chain
from svcc.targets.reading import RefusedText, quoted

_PROTOCOLS = frozenset(protocol.value for protocol in ir.Protocol)
#: The most characters of a comment.
_COMMENT = 128


def check_elements(table: ReadTable, check: TableCheck) -> None:
    """Check the elements of a table. Errors: RefusedText."""
    read = {name: _read(table, name) for name in table.elements}
    for name, (kind, _, command) in table.sets.items():
        if kind not in ("affinity", "hairpin") and name not in read:
            raise command.refused(f"set {name} has no element", f'"{name}"')
        if kind == "affinity" and name in read:
            raise table.elements[name][0].refused(f"rules alone fill {name}", f'"{name}"')
    leading = ("services", "sources")
    fronts = {data for name, found in read.items() if table.sets[name][0] in leading for data in found.values()}
    check.unreached({front for front in fronts if front})
    _check_endpoints(table, check, read)
    _check_addresses(table, read)


def _read(table: ReadTable, name: str) -> dict[str, str]:
    """Return what each element of a set leads to, by its key; "" in a set that leads nowhere. Errors: RefusedText."""
    kind, found_set, _ = table.sets[name]
    declared = found_set.declaration
    command, listed = table.elements[name]
    found: dict[str, str] = {}
    networks: list[Network] = []
    if not listed:
        raise command.refused(f"no element of {name} is here", f'"{name}"')
    for item in listed:
        try:
            key, data = _element(item, kind, declared, table)
        except (NotRead, KeyError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, NotRead) else "not an element as the target writes one"
            raise _refused(command, item, f"{name}: {why}") from None
        if key in found:
            raise _refused(command, item, f"{name}: {key} stands twice")
        found[key] = data
        if declared.interval and declared.types == (table.family.address,):
            networks.append(ip_network(key))
    ports = [[*map(int, key.split("-"))] for key in found] if kind == "target-ports" else []
    if any(one[1] >= other[0] for one, other in pairwise(ports)):
        raise command.refused(f"the ports of {name} overlap, or are not in order", f'"{name}"')
    if name == hooks.SERVICE_NETWORKS.name:
        for network in networks:
            if others := unable_within(network):
                raise command.refused(f"{network} has {others} in it: it is no network of services", f'"{name}"')
    if _collapsed(networks) != networks:
        raise command.refused(f"the networks of {name} overlap, or are not in order", f'"{name}"')
    return found


def _collapsed(networks: list[Network]) -> list[Network]:
    """Return the fewest networks that hold the same addresses, in order. All are of one family."""
    v4 = (network for network in networks if isinstance(network, IPv4Network))
    v6 = (network for network in networks if isinstance(network, IPv6Network))
    return [*collapse_addresses(v4), *collapse_addresses(v6)]


def _refused(command: Command, item: Json, why: str) -> RefusedText:
    return command.refused(why, dumps(item))


def _element(item: Json, kind: str, declared: Declaration, table: ReadTable) -> tuple[str, str]:
    key, data = items(item) if declared.data is not None else (item, None)
    if kind == "services":
        element = members(members(key)["elem"])
        label = element["comment"]
        if not isinstance(label, str) or not NAME.fullmatch(label) or len(label) > _COMMENT:
            raise NotRead("a comment is the name of a service's port")
        inner = element["val"]
        if not same(key, {"elem": {"val": inner, "comment": label}}):
            raise NotRead("not an element as the target writes one")
        key = inner
    return _key(key, declared, table), _data(data, kind, table)


def _key(key: Json, declared: Declaration, table: ReadTable) -> str:
    types = declared.types
    if len(types) == 1:
        return _scalar(key, types[0], table, interval=declared.interval)
    parts = items(key["concat"]) if isinstance(key, dict) and [*key] == ["concat"] else ()
    if len(parts) != len(types):
        raise NotRead("a key has as many parts as its set says")
    ranges = declared.interval
    return " . ".join(
        _scalar(part, type, table, interval=ranges and type != table.family.address)
        for part, type in zip(parts, types, strict=True)
    )


def _scalar(value: Json, type: str, table: ReadTable, *, interval: bool) -> str:
    if type == "inet_proto":
        if value in _PROTOCOLS:
            return str(value)
    elif type == "inet_service":
        return _port(value, interval=interval)
    elif interval and isinstance(value, dict):
        prefix = members(value["prefix"])
        network = ip_network((string(prefix["addr"]), integer(prefix["len"])))
        address = str(network.network_address)
        if (
            network.version == table.family.version
            and network.prefixlen < network.max_prefixlen
            and same(value, {"prefix": {"addr": address, "len": network.prefixlen}})
        ):
            return str(network)
    else:
        return _address(value, table, serves=not interval)
    raise NotRead(f"{quoted(str(value))} is no {type}")


def _port(value: Json, *, interval: bool) -> str:
    first = last = value
    if interval and isinstance(value, dict):
        first, last = items(value["range"])
        if not same(value, {"range": [first, last]}) or first == last:
            raise NotRead("a range has a first port and a last one")
    if type(first) is not int or type(last) is not int or not 0 < first <= last < 1 << 16:
        raise NotRead(f"{quoted(str(value))} is no port")
    return f"{first}-{last}"


def _address(value: Json, table: ReadTable, *, serves: bool = True) -> str:
    """``serves``: it is a service's or an endpoint's, and no network of clients or pods that has but one address."""
    if not isinstance(value, str):
        raise NotRead("expected an address")
    address = ip_address(value)
    if address.version != table.family.version or text_of(address) != value:
        raise NotRead(f"{quoted(value)} is no IPv{table.family.version} address as the target writes it")
    if serves and (why := unable(address)):
        raise NotRead(f"{address} is {why}: no program has it")
    return value


def _data(data: Json, kind: str, table: ReadTable) -> str:
    if kind == "endpoint":
        return _address(data, table)
    if kind == "ports":
        return _port(data, interval=False)
    if kind not in ("services", "sources"):
        return ""
    if kind == "services" and same(data, {"drop": None}):
        return ""
    front = string(members(members(data)["goto"])["target"])
    led = "front" if kind == "services" else "snat"
    if not same(data, {"goto": {"target": front}}) or front not in table.chains or kind_of_chain(front) != led:
        raise NotRead(f"this leads to {quoted(front)}, which is no chain for it in this table")
    return front


# -- of different sets -------------------------------------------------------------------------------------------------


def _check_endpoints(table: ReadTable, check: TableCheck, read: dict[str, dict[str, str]]) -> None:
    """Check that a map of endpoints has exactly the frontends whose chain looks into it, in their order."""
    wanted: dict[str, list[str]] = {name: [] for name, (kind, _, _) in table.sets.items() if kind == "endpoint"}
    maps: dict[str, list[str]] = {}
    for name, found in read.items():
        if table.sets[name][0] != "services":
            continue
        for key, front in found.items():
            if front and front not in maps:
                maps[front] = check.maps_of(front)
            for endpoints in maps.get(front, ()):
                if table.sets[endpoints][1].declaration.types != table.sets[name][1].declaration.types:
                    raise table.elements[name][0].refused(f"{front} is of another key than {name}", f'"{front}"')
                wanted[endpoints].append(key)
    for name, keys in wanted.items():
        if [*read[name]] != keys:
            odd = next((k for k, w in zip([*read[name]], keys, strict=False) if k != w), "its end")
            raise table.elements[name][0].refused(f"{name} and the services differ at {odd}", f'"{name}"')


def _check_addresses(table: ReadTable, read: dict[str, dict[str, str]]) -> None:
    """Check that sets of addresses are in order, that endpoints have their hairpin, and service addresses a service."""
    services = {k for n, f in read.items() if table.sets[n][0] == "services" for k in f}
    served = {key.partition(" . ")[0] for key in services}
    for name, found in read.items():
        if table.sets[name][0] in ("declared", "sources") and (
            odd := next((key for key in found if key not in services), None)
        ):
            raise table.elements[name][0].refused(f"{odd} is no service's", f'"{name}"')
    endpoints = {a for n, f in read.items() if table.sets[n][0] == "endpoint" for a in f.values()}
    for name, found in read.items():
        if name not in ("addresses", "shared", "service-networks-shared", "hairpin"):
            continue
        command = table.elements[name][0]
        firsts = [key.partition(" . ")[0] for key in found]
        if firsts != sorted(firsts, key=lambda text: int(ip_address(text))):
            raise command.refused(f"the addresses of {name} are in the order of their numbers", f'"{name}"')
        if name != "hairpin" and (odd := next((a for a in firsts if a not in served), None)):
            raise command.refused(f"{odd} is no service's", f'"{odd}"')
        if name == "hairpin":
            if odd := next((key for key in found if key.partition(" . ")[::2] != (key.partition(" . ")[0],) * 2), None):
                raise command.refused(f"{odd} is not an endpoint with itself", f'"{name}"')
            if missing := endpoints - {*firsts}:
                raise command.refused(f"endpoint {min(missing)} is missing in {name}", f'"{name}"')
