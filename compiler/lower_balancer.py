"""Turns a ``balancer`` block into IR."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related
from svcc.compiler.settings import Settings
from svcc.compiler.source import Span
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values

_CHOICES: dict[str, type[StrEnum]] = {"kind": ir.BalancerKind, "scheme": ir.Scheme}
#: The status codes that an answer may have: all except 1xx, which are not final, and 3xx, which need a location.
_STATUS = (*range(200, 300), *range(400, 600))
_BODY = 1_024  # characters


def lower_balancer(values: Values, block: syntax.Block) -> ir.Balancer:
    """Return the balancer of a block. Whether it fits the services is checked on the whole program."""
    assert block.name is not None
    settings = Settings(values)
    listeners: list[ir.Listener] = []
    routes: list[ir.Route] = []
    for statement in block.statements:
        assert isinstance(statement, syntax.Setting)
        keyword = str(statement.keyword)
        if keyword == "listen":
            listeners += _listener(values, statement)
        elif keyword == "route":
            routes += _route(values, statement)
        elif settings.begin(statement.keyword, keyword):
            _setting(settings, statement)
    if "network" not in settings.fields:
        hint = "say where it is: network NETWORK SUBNET…"
        values.error(Code.MISSING, f"balancer `{block.name}` has no `network` statement", block.name, hint)
    return ir.Balancer(
        values.name(block.name),
        **settings.fields,
        listeners=tuple(listeners),
        routes=tuple(routes),
        span=values.span(block.name),
        spans=settings.spans,
    )


def _setting(settings: Settings, statement: syntax.Setting) -> None:
    values, keyword, word = settings.values, str(statement.keyword), statement.values[0]
    if keyword in _CHOICES:
        settings.put(keyword, values.choice(word, _CHOICES[keyword], keyword), keyword, word)
        return
    names = _names(settings, statement)
    if keyword == "security":
        settings.put("security", tuple(names), keyword, word)
    else:
        settings.put("network", names[0], keyword, word)
        settings.fields["subnets"] = tuple(names[1:])


def _names(settings: Settings, statement: syntax.Setting) -> list[str]:
    """Return names in the cloud, each once, and note their places."""
    values, keyword = settings.values, str(statement.keyword)
    for word in statement.values:
        if (first := settings.spans.get(f"{keyword} {word}")) is not None:
            related = (Related("first here", first),)
            values.error(Code.DUPLICATE, f"`{word}` stands twice in one list", word, related=related)
        else:
            settings.spans[f"{keyword} {word}"] = values.span(word)
    return list(dict.fromkeys(map(str, statement.values)))


def _listener(values: Values, statement: syntax.Setting) -> list[ir.Listener]:
    spec, *answer = statement.values
    numbers, _, name = spec.partition("/")
    ports = values.ports(spec, numbers)
    protocol = values.choice(spec, ir.ListenProtocol, "protocol of a listener", Code.PROTOCOL, name)
    found = _answer(values, answer)
    if ports is None or protocol is None or found is None:
        return []
    if len(ports) > 1:
        values.error(Code.LISTENER, f"a balancer listens on one port, and `{numbers}` are {len(ports)}", spec)
        return []
    if answer and protocol is not ir.ListenProtocol.HTTP:
        message = f"a listener of {protocol} cannot answer"
        values.error(Code.LISTENER, message, answer[0], "only http has answers: a route says who takes the rest")
    return [ir.Listener(ports.first, protocol, found, values.span(spec))]


def _answer(values: Values, words: Sequence[Word]) -> ir.DefaultAnswer | None:
    """Return the answer of ``default STATUS "BODY"``. Report what is none, and return None."""
    if not words:
        return ir.DefaultAnswer()
    status = values.number(words[1], 0, 999, "a status")
    body = str(words[2]) if len(words) > 2 else None
    if status is not None and status not in _STATUS:
        values.error(Code.RANGE, f"{status} cannot be answered", words[1], "an answer is 200 to 299, or 400 to 599")
        return None
    if body is not None and len(body) > _BODY:
        values.error(Code.RANGE, f"the answer has {len(body)} characters", words[2], f"at most {_BODY}")
        return None
    return None if status is None else ir.DefaultAnswer(status, body or None)


def _route(values: Values, statement: syntax.Setting) -> list[ir.Route]:
    words = statement.values
    at = next(i for i, word in enumerate(words) if word.type in ("NAME", "SERVED", "STRING"))
    target = words[at]
    service, port = values.served(target)
    place = values.span(target)
    if words[0].type == "PORTS":
        ports = values.ports(words[0])
        if ports is None:
            return []
        if len(ports) > 1:
            values.error(Code.LISTENER, f"a route names one listener, and `{words[0]}` are {len(ports)}", words[0])
            return []
        spans = {"listener": values.span(words[0])}
        return [ir.Route(service, port, (), ports.first, place, spans)]
    spans = _paths(values, words[:at])
    return [ir.Route(service, port, tuple(spans), None, place, spans)]


def _paths(values: Values, words: Sequence[Word]) -> dict[str, Span]:
    paths: dict[str, Span] = {}
    for word in words:
        if word in paths:
            related = (Related("first here", paths[word]),)
            message = f"path {word} stands twice in one route"
            values.diagnostics.append(Diagnostic(Code.ROUTE_CLASH, message, values.span(word), None, related))
        else:
            paths[str(word)] = values.span(word)
    return paths
