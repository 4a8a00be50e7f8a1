"""Turns endpoint lines, and the pools that services share, into IR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.lets import Lets
from svcc.compiler.names import to_declare, written
from svcc.compiler.read_addresses import read_ipv4
from svcc.compiler.source import Span
from svcc.compiler.suggest import did_you_mean
from svcc.compiler.syntax import Word, word_at
from svcc.compiler.values import Values

MAX_WEIGHT = 65_535
#: Options without a value.
_ALONE = ("draining", "backup")


class Pools:
    """The pools of a program by name. Each is lowered once, however many services share it."""

    def __init__(self, declared: Mapping[str, tuple[Values, syntax.Pool]], lets: Lets, nodes: Iterable[str]) -> None:
        self.used: set[str] = set()
        self._declared = declared
        self._lets = lets
        self._nodes = frozenset(nodes)
        self._endpoints: dict[str, tuple[ir.Endpoint, ...]] = {}
        self._registered: dict[str, ir.Registered] = {}

    def lower_all(self) -> None:
        """Lower every pool, so that errors in unused ones are found too."""
        for name, (values, pool) in self._declared.items():
            self._endpoints[name] = tuple(self.endpoints(values, pool.lines))
            self._take_registered(name, values, pool)

    def _take_registered(self, name: str, values: Values, pool: syntax.Pool) -> None:
        """Note the networks of a pool's ``registered`` lines, each once."""
        words = [word for line in pool.registered for word in line.values]
        if networks := tuple(self._lets.networks(values, words)):
            self._registered[name] = ir.Registered(name, networks, values.span(pool.registered[0].keyword))

    def registered(self, name: Word) -> ir.Registered | None:
        """Return who may register in a pool. Return None where nobody may."""
        return self._registered.get(str(name))

    def pool(self, values: Values, name: Word) -> tuple[ir.Endpoint, ...]:
        """Return the endpoints of a pool that a service refers to."""
        self.used.add(str(name))
        if name in self._endpoints:
            return self._endpoints[str(name)]
        hint = did_you_mean(name, self._declared, written) or to_declare("endpoints", name)
        values.error(Code.UNDEFINED, f"there is no pool `{name}`", name, hint)
        return ()

    def endpoints(
        self, values: Values, lines: Iterable[syntax.EndpointLine | syntax.AddressLines]
    ) -> Iterator[ir.Endpoint]:
        """Yield the endpoints of a pool's or service's lines, in order. Wrong values are reported and left out."""
        for line in lines:
            if isinstance(line, syntax.AddressLines):
                yield from _of_addresses(values, line)
                continue
            options = self._options(values, line.options) if line.options else {}
            words = (
                ((values, line.address),)
                if line.address[0] != "$"
                else self._lets.expand(values, (line.address,), "endpoints")
            )
            for there, word in words:
                address, port = there.endpoint_address(word)
                if address is not None:
                    yield ir.Endpoint(address, port, span=there.span(word), **options)

    def _options(self, values: Values, options: tuple[Word, ...]) -> dict[str, Any]:
        """Return the fields of an endpoint that its options set."""
        found: dict[str, Any] = {}
        words = iter(options)
        seen: set[str] = set()
        for option in words:
            value = option if option in _ALONE else next(words)
            if option in seen:
                values.error(Code.REPEATED, f"a second `{option}` for one endpoint", option)
            seen.add(str(option))
            match str(option):
                case "draining":
                    pass
                case "backup":
                    found["backup"] = True
                case "weight":
                    weight = values.number(value, 0, MAX_WEIGHT, "a weight")
                    found["weight"] = 1 if weight is None else weight
                case "max-connections":
                    found["max_connections"] = values.number(value, 1, ir.MAX_CONNECTIONS, "a number of connections")
                case _:
                    found["node"] = self._node(values, value)
        return found | ({"weight": 0} if "draining" in seen else {})

    def _node(self, values: Values, name: Word) -> str:
        if name not in self._nodes:
            hint = did_you_mean(name, self._nodes, written) or to_declare("node", name, "{ address … }")
            values.error(Code.UNDEFINED, f"there is no node `{name}`", name, hint)
        return str(name)


def _of_addresses(values: Values, lines: syntax.AddressLines) -> list[ir.Endpoint]:
    source = values.source
    found: list[ir.Endpoint] = []
    for text, start in lines.words():
        span = Span(source, start, start + len(text))
        if (address := read_ipv4(text)) is not None:
            found.append(ir.plain_endpoint(address, span))
        else:
            other, port = values.endpoint_address(word_at("ADDRESS", text, start))
            if other is not None:
                found.append(ir.Endpoint(other, port, span=span))
    return found
