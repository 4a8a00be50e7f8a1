"""Turns ``service`` and ``defaults`` blocks into IR."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related
from svcc.compiler.lets import Lets
from svcc.compiler.lower_check import lower_check
from svcc.compiler.lower_endpoints import Pools
from svcc.compiler.settings import Settings
from svcc.compiler.source import Span
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values

#: Statements whose value is one of a list: the IR's field, and its values.
_CHOICES: dict[str, tuple[str, type[StrEnum]]] = {
    "scheduler": ("scheduler", ir.Scheduler),
    "forward": ("forward", ir.Forward),
    "when-empty": ("when_empty", ir.WhenEmpty),
    "when-failed": ("when_failed", ir.WhenFailed),
}
_LISTS = {"vip": "vips", "external-ip": "external_ips"}
_YES_OR_NO = ("yes", "no")
#: Statements that `defaults` does not take.
ONLY_IN_SERVICES = ("vip", "external-ip", "port", "endpoints")


def service_settings(values: Values, block: syntax.Block, lets: Lets) -> Settings:
    """Return the settings of a ``service`` or ``defaults`` block, without its ports and endpoints."""
    settings = Settings(values)
    for statement in block.statements:
        keyword = str(statement.keyword)
        if block.keyword == "defaults" and keyword in ONLY_IN_SERVICES:
            message = f"`{keyword}` cannot be a default"
            values.error(Code.NOT_A_DEFAULT, message, statement.keyword, "each service says its own")
        elif isinstance(statement, syntax.Setting):
            name = _statement(statement)
            if settings.begin(statement.keyword, name):
                _setting(settings, statement, lets)
    return settings


def _setting(settings: Settings, statement: syntax.Setting, lets: Lets) -> None:
    values, keyword, word = settings.values, str(statement.keyword), statement.values[0]
    if keyword in _LISTS:
        _addresses(settings, statement, lets)
    elif keyword in ("announce", "one-packet"):
        if word in _YES_OR_NO:
            settings.put(keyword.replace("-", "_"), word == "yes", keyword, word)
        else:
            values.unknown(word, _YES_OR_NO, keyword)
    elif keyword == "allow-from":
        settings.put("allow_from", tuple(lets.networks(values, statement.values)), keyword, word)
    elif keyword == "snat":
        addresses = lets.addresses(values, statement.values, keyword)
        settings.put("snat", tuple(addresses), keyword, word)
        settings.spans |= {f"snat {address}": span for address, span in addresses.items()}
    elif keyword == "masquerade":
        _masquerade(settings, statement, lets)
    elif keyword in _CHOICES:
        field, choices = _CHOICES[keyword]
        settings.put(field, values.choice(word, choices, keyword), keyword, word)
        if keyword == "scheduler":
            _hashed(settings, statement)
    elif keyword == "affinity":
        _affinity(settings, statement)
    elif keyword == "check":
        lower_check(settings, statement)
    elif word not in ("external", "internal"):
        values.unknown(word, ("external", "internal"), "traffic")
    else:
        traffic = values.choice(statement.values[1], ir.Traffic, "traffic")
        settings.put(f"{word}_traffic", traffic, f"traffic {word}", statement.values[1])


def _hashed(settings: Settings, statement: syntax.Setting) -> None:
    """Set ``by address`` where the scheduler says nothing else: a ``by`` in the defaults belongs to the defaults'
    scheduler.
    """
    name, by = statement.values[0], statement.values[2] if len(statement.values) > 2 else None
    settings.put("scheduler_by", ir.HashBy.ADDRESS, "scheduler by", by or name)
    if by is not None:
        settings.put("scheduler_by", settings.values.choice(by, ir.HashBy, "scheduler by"), "scheduler by", by)
        if by == ir.HashBy.ADDRESS and name in [*ir.Scheduler] and name not in (ir.Scheduler.SH, ir.Scheduler.MH):
            # on the finished IR nobody sees that it was said, and not the default
            message = f"scheduler {name} hashes no clients: `by {by}` is for sh and mh"
            settings.values.error(Code.VALUE, message, by, "choose sh or mh")


def _statement(statement: syntax.Setting) -> str:
    """Return what may occur once in a block: ``vip``, ``vip … shared``, ``traffic external``, ``scheduler``, …"""
    keyword = str(statement.keyword)
    if keyword == "traffic":
        return f"{keyword} {statement.values[0]}"
    return f"{keyword} … shared" if statement.values[-1].type == "SHARED" else keyword


def _addresses(settings: Settings, statement: syntax.Setting, lets: Lets) -> None:
    """Read ``vip`` and ``external-ip``.

    A block may have one statement for addresses of its own, and one for ``shared`` ones.
    """
    values, keyword = settings.values, str(statement.keyword)
    field = _LISTS[keyword]
    shared = statement.values[-1].type == "SHARED"
    addresses = lets.addresses(values, statement.values[:-1] if shared else statement.values, keyword)
    before: tuple[ir.Address, ...] = settings.fields.get(field, ())
    for address in [a for a in addresses if a in before]:
        message = f"{address} stands in both `{keyword}` and `{keyword} … shared`"
        related = (Related("first here", settings.spans[f"{keyword} {address}"]),)
        values.diagnostics.append(Diagnostic(Code.DUPLICATE_ADDRESS, message, addresses.pop(address), None, related))
    settings.fields[field] = (*before, *addresses)
    settings.spans |= {f"{keyword} {address}": span for address, span in addresses.items()}
    settings.spans.setdefault(keyword, values.span(statement.values[0]))
    if shared:
        settings.fields["shared"] = (*settings.fields.get("shared", ()), *addresses)
        settings.spans.setdefault("shared", values.span(statement.values[-1]))


def _in_order(fields: dict[str, Any]) -> dict[str, tuple[ir.Address, ...]]:
    """Return the addresses as fields of the IR, with shared ones last, whichever statement comes first."""
    shared = fields["shared"]
    found = {name: tuple(sorted(fields.get(name, ()), key=lambda a: a in shared)) for name in _LISTS.values()}
    own = (*found["vips"], *found["external_ips"])
    return found | {"shared": tuple(address for address in own if address in shared)}


def _masquerade(settings: Settings, statement: syntax.Setting, lets: Lets) -> None:
    """Read ``masquerade``: a word, or the networks whose clients are masqueraded."""
    values, word = settings.values, statement.values[0]
    networks: tuple[ir.Network, ...] = ()
    chosen: StrEnum | None = ir.Masquerade.AUTO
    if word.type == "NAME":
        chosen = values.choice(word, ir.Masquerade, "masquerade")
    else:
        networks = tuple(lets.networks(values, statement.values))
    settings.fields["masquerade_from"] = networks
    settings.put("masquerade", chosen, "masquerade", word)


def _affinity(settings: Settings, statement: syntax.Setting) -> None:
    values, kind = settings.values, statement.values[0]
    of, *lengths = kind.split("/")
    if of != "client-ip" or len(lengths) > 2:
        values.unknown(kind, ("client-ip",), "affinity")
        return
    networks = [_length(values, kind, text, most) for text, most in zip(lengths, (32, 128), strict=False)]
    if None in networks:
        return
    settings.fields["affinity_networks"] = (*networks, *(32, 128)[len(networks) :])
    timeout = [word for word in statement.values if word.type == "DURATION"]
    settings.put("affinity", values.seconds(timeout[0]) if timeout else ir.DEFAULT_AFFINITY, "affinity", kind)
    settings.fields["affinity_per_service"] = False
    for word in statement.values:
        if word.type == "PER":
            settings.put("affinity_per_service", True, "affinity per service", word)


def _length(values: Values, kind: Word, text: str, most: int) -> int | None:
    """Return the prefix length of addresses, in ``client-ip/24/64``."""
    if text.isdecimal() and len(text) < 4 and 1 <= int(text) <= most:
        return int(text)
    message = f"`{text}` in {kind} is not the length of a prefix" if text else f"{kind} lacks the length of a prefix"
    hint = f"it is 1 to {most}: client-ip/24 is a network of IPv4 clients, client-ip/24/64 one of IPv6 clients too"
    values.error(Code.RANGE, message, kind, hint)
    return None


def lower_service(
    values: Values, block: syntax.Block, lets: Lets, pools: Pools, defaults: Settings | None
) -> ir.Service:
    """Return the service of a block, with the defaults applied; errors go to the diagnostics of ``values``."""
    assert block.name is not None
    settings = service_settings(values, block, lets)
    fields, spans = settings.fields, settings.spans
    if defaults is not None:
        fields = defaults.fields | fields
        own = "check" in spans  # if so, the places of the default's options do not count
        others = {name: span for name, span in defaults.spans.items() if not (own and name.startswith("check "))}
        spans = others | spans
    if "shared" in fields:
        fields = fields | _in_order(fields)
    ports = tuple(
        port
        for statement in block.statements
        if isinstance(statement, syntax.PortStatement) and (port := _port(values, statement)) is not None
    )
    return ir.Service(
        str(block.name),
        ports=ports,
        endpoints=_endpoints(settings, block, pools),
        registered=_registered(block, pools),
        **fields,
        span=values.span(block.name),
        spans=spans,
    )


def _port(values: Values, statement: syntax.PortStatement) -> ir.Port | None:
    ports, protocol = values.port_spec(statement.spec)
    if ports is None or protocol is None:
        return None
    spans: dict[str, Span] = {"ports": values.span(statement.spec)}
    target: ir.PortRange | None = ports
    nodeport: ir.PortRange | None = None
    if statement.target is not None:
        spans["target"] = values.span(statement.target)
        target = values.ports_like(statement.target, ports)
    if statement.nodeport is not None:
        spans["nodeport"] = values.span(statement.nodeport)
        nodeport = values.ports_like(statement.nodeport, ports)
        if nodeport is None:
            return None
    if statement.name is not None:
        spans["name"] = values.span(statement.name)
    if target is None:
        return None
    name = None if statement.name is None else values.name(statement.name)
    return ir.Port(name, protocol, ports, target.first, nodeport, values.span(statement.keyword), spans)


def _endpoints(settings: Settings, block: syntax.Block, pools: Pools) -> tuple[ir.Endpoint, ...]:
    values = settings.values
    endpoints: tuple[ir.Endpoint, ...] = ()
    for statement in _of_kind(block.statements):
        if settings.begin(statement.keyword, "endpoints"):
            for name in statement.pools:
                endpoints += pools.pool(values, name)
            endpoints += tuple(pools.endpoints(values, statement.lines))
            settings.spans["endpoints"] = values.span(statement.keyword)
    if "endpoints" not in settings.spans:
        assert block.name is not None
        hint = "list them: endpoints { 100.64.0.9 }, or say that there are none: endpoints { }"
        values.error(Code.MISSING, f"service `{block.name}` has no `endpoints` statement", block.name, hint)
    return endpoints


def _registered(block: syntax.Block, pools: Pools) -> tuple[ir.Registered, ...]:
    names = (name for statement in _of_kind(block.statements) for name in statement.pools)
    found = (pools.registered(name) for name in names)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _of_kind(statements: Iterable[object]) -> list[syntax.EndpointsStatement]:
    return [s for s in statements if isinstance(s, syntax.EndpointsStatement)]
