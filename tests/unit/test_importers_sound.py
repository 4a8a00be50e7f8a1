"""What svcc refuses in an imported program is left out and noted; the rest is unchanged."""

from __future__ import annotations

import pytest

from svcc.compiler.checks import check
from svcc.compiler.importers.interface import Imported, Note
from svcc.compiler.importers.sound import sound
from svcc.compiler.include import Reader
from svcc.compiler.lower import lower
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source

_FINE = "service fine { vip 198.19.0.9; port 80/tcp; endpoints { 100.64.0.1 } }\n"


def imported(text: str) -> Imported:
    """A program as an importer makes it: unchecked, with the places of all that is in it."""
    reader = Reader()
    reader.add(Source("x", text), None)  # type: ignore[arg-type]
    program, diagnostics = lower(reader.files)
    assert not diagnostics
    return Imported(program)


def noted(note: Note) -> tuple[str, str]:
    return note.span.source.text[note.span.start : note.span.end], note.reason


@pytest.mark.parametrize(
    ("text", "left", "notes"),
    [
        pytest.param(_FINE, _FINE, [], id="nothing"),
        pytest.param(
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 127.0.0.1; 100.64.0.1 } }",
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }",
            [("127.0.0.1", "endpoint 127.0.0.1 is a loopback address")],
            id="an endpoint",
        ),
        pytest.param(
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1; 100.64.0.1 weight 2 } }",
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }",
            [("100.64.0.1", "endpoint 100.64.0.1 stands twice in service a (see x:1:54)")],
            id="an endpoint that stands twice",
        ),
        pytest.param(
            "service a { vip 127.0.0.1 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }",
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }",
            [("127.0.0.1", "vip 127.0.0.1 is a loopback address")],
            id="an address",
        ),
        pytest.param(
            "service a { vip 127.0.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n" + _FINE,
            _FINE,
            [("127.0.0.1", "vip 127.0.0.1 is a loopback address")],
            id="a service by its only address",
        ),
        pytest.param(
            "service a { vip 198.19.0.1; port x 80/tcp; port y 80-81/tcp; endpoints { } }",
            "service a { vip 198.19.0.1; port x 80/tcp; endpoints { } }",
            [("80-81/tcp", "198.19.0.1 port 80/tcp is served twice (see x:1:36)")],
            id="a port",
        ),
        pytest.param(
            "service a { vip 198.19.0.1; port x 80/tcp; port x 81/tcp; endpoints { } }",
            "service a { vip 198.19.0.1; port x 80/tcp; endpoints { } }",
            [("x", "service a has two ports named `x` (see x:1:34)")],
            id="a port's name",
        ),
        pytest.param(
            "service a { vip 198.19.0.1; check tcp every 1s timeout 2s; port 80/tcp; endpoints { } }",
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { } }",
            [("1s", "a check every 1s cannot wait 2s for an answer")],
            id="a check",
        ),
        pytest.param(
            "service a { vip 198.19.0.1; allow-from ::ffff:10.0.0.0/104; port 80/tcp; endpoints { } }\n" + _FINE,
            _FINE,
            [
                (
                    "::ffff:10.0.0.0/104",
                    "allow-from ::ffff:10.0.0.0/104 is an IPv4 network written as IPv6: write 10.0.0.0/8",
                )
            ],
            id="a service, rather than what protects it",
        ),
        pytest.param(
            "node n { address 127.0.0.1 }\nservice a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 on n } }",
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }",
            [("127.0.0.1", "the node's 127.0.0.1 is a loopback address")],
            id="a node",
        ),
        pytest.param(
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 198.19.0.9 } }\n" + _FINE,
            "service a { vip 198.19.0.1; port 80/tcp; endpoints { 198.19.0.9 } }",
            [
                (
                    "198.19.0.9",
                    "198.19.0.9 cannot be both an endpoint of a and the vip of fine (see x:1:54)",
                )
            ],
            id="an address that is an endpoint as well",
        ),
    ],
)
def test_what_is_left(text: str, left: str, notes: list[tuple[str, str]]) -> None:
    result = sound(imported(text), check)
    assert program_text(result.program) == program_text(imported(left).program)
    assert [noted(note) for note in result.notes] == notes


def test_an_error_that_points_nowhere_is_a_fault() -> None:
    text = "cluster { prefix nat }\n" + _FINE
    with pytest.raises(
        ValueError, match="nothing of the program is at fault for: the prefix nat is the name of a table"
    ):
        sound(imported(text), check)
