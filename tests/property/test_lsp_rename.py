"""A name that is changed by the language server is all that changes in what a program means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given
from hypothesis import strategies as st

from support.dsl_printer import Files, spellings, write_files
from support.strategies import programs
from svcc.compiler import ir
from svcc.compiler.load import load
from svcc.lsp.lookup import Refusal, occurrences, renamed
from svcc.lsp.names import Key, Kind
from svcc.lsp.outline import Outline
from svcc.lsp.programs import File
from svcc.lsp.text import Text

#: Some of them are words of the language, some need quotes.
_NEW = ("renamed", "service", "on", "endpoints", "shop/other", "9to5", "a@2b", "a;b{}", "_")


def _called(program: ir.Program, key: Key, new: str) -> ir.Program:
    """The program with one name in place of another. Lets are no part of it, pools only where members register."""

    def name(kind: Kind, old: str) -> str:
        return new if (kind, old) == (key.kind, key.name) else old

    def port(service: str, old: str | None) -> str | None:
        return new if (Kind.PORT, old, service) == key else old

    def endpoint(one: ir.Endpoint) -> ir.Endpoint:
        return one if one.node is None else replace(one, node=name(Kind.NODE, one.node))

    services = [
        replace(
            one,
            name=name(Kind.SERVICE, one.name),
            ports=tuple(replace(p, name=port(one.name, p.name)) for p in one.ports),
            endpoints=tuple(map(endpoint, one.endpoints)),
            registered=tuple(replace(r, pool=name(Kind.POOL, r.pool)) for r in one.registered),
        )
        for one in program.services
    ]
    balancers = [
        replace(
            one,
            name=name(Kind.BALANCER, one.name),
            routes=tuple(
                replace(r, service=name(Kind.SERVICE, r.service), port=port(r.service, r.port)) for r in one.routes
            ),
        )
        for one in program.balancers
    ]
    nodes = [replace(one, name=name(Kind.NODE, one.name)) for one in program.nodes]
    return ir.Program(
        program.cluster,
        tuple(sorted(nodes, key=lambda one: one.name)),
        tuple(sorted(services, key=lambda one: one.name)),
        tuple(sorted(balancers, key=lambda one: one.name)),
    )


def _read(files: Files) -> list[File]:
    return [
        File(name, text := Text(content.removeprefix("\ufeff")), Outline(text.content))
        for name, content in files.items()
    ]


def _meant(files: Files) -> ir.Program:
    with TemporaryDirectory() as folder:
        loaded = load(str(write_files(files, Path(folder))))
    assert loaded.program is not None, loaded.diagnostics
    return loaded.program


@given(programs(min_services=1).flatmap(spellings), st.data())
def test_another_name_is_all_that_changes(files: Files, data: st.DataObject) -> None:
    read = _read(files)
    keys = sorted(
        {n.key for f in read for i in f.outline.items for n in i.scanned.names if n.key.kind is not Kind.INCLUDE}
    )
    key, new = data.draw(st.sampled_from(keys)), data.draw(st.sampled_from(_NEW))
    before = _meant(files)
    try:
        places = renamed(key, new, read)
    except Refusal:
        assume(False)
    after = {file.path: file.text.content for file in read}
    for path, edits in places.items():
        for found, text in sorted(edits, key=lambda edit: -edit[0].start):
            after[path] = after[path][: found.start] + text + after[path][found.end :]
    assert _meant(after) == _called(before, key, new)
    assert not [*occurrences(key, _read(after))]
