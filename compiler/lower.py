"""Turns syntax into IR: it resolves names, applies lets, pools and defaults, and turns words into values.

What can only be judged on the finished IR (kinds of addresses, clashes between services) is in
:mod:`svcc.compiler.checks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related
from svcc.compiler.lets import Lets
from svcc.compiler.lower_balancer import lower_balancer
from svcc.compiler.lower_cluster import lower_cluster, lower_node
from svcc.compiler.lower_endpoints import Pools
from svcc.compiler.lower_service import lower_service, service_settings
from svcc.compiler.names import LET, LET_FORM, written
from svcc.compiler.source import Span, reading_place
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values

D = TypeVar("D", syntax.Let, syntax.Pool, syntax.Block)


def lower(files: Iterable[syntax.File]) -> tuple[ir.Program, list[Diagnostic]]:
    """Return the program that the files make together, and what is wrong with it.

    The program is valid only where no diagnostic is an error.
    """
    lowering = _Lowering()
    for file in files:
        lowering.declare(file)
    return lowering.program(), lowering.diagnostics


class _Lowering:
    """Collects the declarations of all files, then makes the program."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.lets = Lets()
        self.nodes: dict[str, tuple[Values, syntax.Block]] = {}
        self.pools: dict[str, tuple[Values, syntax.Pool]] = {}
        self.services: dict[str, tuple[Values, syntax.Block]] = {}
        self.balancers: dict[str, tuple[Values, syntax.Block]] = {}
        self.unnamed: dict[str, tuple[Values, syntax.Block]] = {}  # cluster, defaults

    def declare(self, file: syntax.File) -> None:
        values = Values(file.source, self.diagnostics)
        for position, item in enumerate(file.items):
            match item:
                case syntax.Setting(keyword) if keyword == "svcc":
                    _check_version(values, item, first=position == 0)
                case syntax.Let(_, name):
                    _declare(self.lets.declared, values, item, name, "let")
                    if not LET.fullmatch(name):
                        values.error(Code.NAME, f"`{name}` cannot be the name of a let", name, LET_FORM)
                        self.lets.used.add(str(name))
                case syntax.Pool(_, name):
                    _declare(self.pools, values, item, name, "pool")
                case syntax.Block(keyword, None):
                    _declare(self.unnamed, values, item, keyword, "block")
                case syntax.Block(keyword, name) if name is not None:
                    tables = {"service": self.services, "node": self.nodes, "balancer": self.balancers}
                    _declare(tables[keyword], values, item, name, str(keyword))

    def program(self) -> ir.Program:
        cluster = lower_cluster(*self.unnamed["cluster"], self.lets) if "cluster" in self.unnamed else ir.Cluster()
        nodes = tuple(lower_node(*self.nodes[name], self.lets) for name in sorted(self.nodes))
        pools = Pools(self.pools, self.lets, self.nodes)
        pools.lower_all()
        defaults = service_settings(*self.unnamed["defaults"], self.lets) if "defaults" in self.unnamed else None
        services = tuple(
            lower_service(*self.services[name], self.lets, pools, defaults) for name in sorted(self.services)
        )
        balancers = tuple(lower_balancer(*self.balancers[name]) for name in sorted(self.balancers))
        self._report_unused(pools)
        return ir.Program(cluster, nodes, services, balancers)

    def _report_unused(self, pools: Pools) -> None:
        for name, (values, let) in self.lets.declared.items():
            if name not in self.lets.used:
                values.warning(Code.UNUSED, f"`{name}` is never used", let.name, f"use it as ${name}, or remove it")
                self.lets.check_unused(values, let)
        for name, (values, pool) in self.pools.items():
            if name not in pools.used:
                hint = f"name it in a service: endpoints {written(name)}"
                values.warning(Code.UNUSED, f"pool `{name}` is never used", pool.name, hint)


def _declare(table: dict[str, tuple[Values, D]], values: Values, item: D, name: Word, what: str) -> None:
    key, here = values.name(name), values.span(name)
    known = table.setdefault(key, (values, item))
    if known[1] is item:
        return
    first, second = sorted((_name_of(*known, what), here), key=reading_place)
    if first == here:
        table[key] = values, item
    related = (Related("first declared here", first),)
    if what == "block":
        message, hint = f"a second `{name}` block", "there is one for all files"
        values.diagnostics.append(Diagnostic(Code.REPEATED, message, second, hint, related))
    else:
        message = f"{what} `{name}` is declared twice"
        values.diagnostics.append(Diagnostic(Code.DUPLICATE, message, second, None, related))


def _name_of(values: Values, item: syntax.Let | syntax.Pool | syntax.Block, what: str) -> Span:
    """Return the place of what an item declares."""
    word = item.name if what != "block" and item.name is not None else item.keyword
    return values.span(word)


def _check_version(values: Values, item: syntax.Setting, first: bool) -> None:
    word = item.values[0]
    if word != "1":
        values.error(Code.VERSION, f"this svcc does not know version {word} of the language", word, "write: svcc 1")
    elif not first:
        values.error(Code.VERSION, "the version comes first in a file", item.keyword)
