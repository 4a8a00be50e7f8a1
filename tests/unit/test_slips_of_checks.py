"""What is proposed for a `check` that is written wrongly: nothing that it says is lost, and it is valid."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from svcc.compiler.load import Loaded, load_text
from svcc.compiler.slips.checks import WHOLE
from svcc.compiler.source import Source

_PORTS = "port https 443/tcp -> 8443; port dns 53/udp"


def _loaded(statement: str) -> Loaded:
    text = f"service web {{ vip 198.19.0.1; {_PORTS}; endpoints {{ 100.64.0.9 }}; {statement}\n}}"
    return load_text(Source("a.dsl", text))


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize(
    "written",
    [
        "KIND://shop.example:8443/healthz every 7s",
        "KIND://[fd00::1]:8443/healthz every 7s",
        "KIND KIND://shop.example:8443/healthz every 7s",
        "KIND url KIND://shop.example:8443/healthz 7s",
        "KIND:8443/healthz every 7s",
        "KIND:8443 /healthz interval 7s",
        "KIND :8443/healthz every 7s",
        "KIND 8443/healthz every 7s",
        "KIND shop.example:8443/healthz every 7s",
        "KIND /healthz 8443 every 7s",
        "KIND /healthz every 7s port 8443",
        "KIND every 7s 8443 /healthz",
        "KIND port 8443 path /healthz every 7s",
        "KIND port=8443 path=/healthz every 7s",
        "KIND 8443 GET /healthz interval 7s",
        "KIND 8443 /healthz inter 7s",
        "KIND 8443 /healthz 7s",
        "KIND 8443, /healthz every 7s, expect 200",
        "KIND 8443/tcp /healthz every 7s",
        "8443 KIND /healthz every 7s",
        "8443/KIND /healthz every 7s",
    ],
)
def test_a_hint_keeps_what_a_check_says(written: str, kind: str) -> None:
    hint = _loaded(f"check {written.replace('KIND', kind)}").diagnostics[0].hint
    assert hint is not None
    meant = _loaded(hint.rpartition(": ")[2]).program
    assert meant is not None, hint
    check = meant.services[0].check
    assert check is not None
    assert (check.kind, check.port, check.path, check.every) == (kind, 8443, "/healthz", 7.0), hint


_PIECES = (
    "http https tcp udp dns http://a https://b:8443/x tcp:80 http:/x :80 8080 443 200 /x 53/udp 8443/https 80/tcp port "
    'path=/y /z?a=b GET 5s 500ms every interval 3 fall insecure expect 200-299 host shop.example 9a.b 10.0.0.1:80 "q" '
    "[::1]:8 , status 0 99999 every=5s foo foo: foo:80 $x timeout 2s"
)


@given(st.lists(st.sampled_from(_PIECES.split()), min_size=1, max_size=5))
def test_whatever_is_proposed_is_a_check(pieces: list[str]) -> None:
    (slip,) = WHOLE
    found = slip.pattern.search(f"check {' '.join(pieces)}")
    assert found is not None
    hint = slip.said_of(found)
    assume(hint is not None)
    assert hint is not None
    loaded = _loaded(hint.rpartition(": ")[2])
    own = ("is out of range", "cannot wait")  # a number that is wrong by itself stays
    assert [one.message for one in loaded.diagnostics if not any(words in one.message for words in own)] == [], hint


def test_what_is_right_or_not_understood_is_left_alone() -> None:
    (slip,) = WHOLE
    for words in ("http 8080 /healthz every 5s host shop.example", "tcp", "http /a /b", "tcp weight 5", "udp 53/tcp"):
        found = slip.pattern.search(f"check {words}")
        assert found is not None
        assert slip.said_of(found) is None, words
