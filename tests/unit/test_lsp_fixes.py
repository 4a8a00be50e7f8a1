"""A quick fix mends the finding for which it is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.files import ERRORS
from svcc.lsp.findings import Finding
from svcc.lsp.work import check

_FILES = sorted([*ERRORS.glob("*.dsl"), *ERRORS.glob("foreign/*.dsl")])


def _found(path: Path, text: str) -> list[Finding]:
    return [*check(str(path), {str(path.resolve()): text.encode()}, "utf-16").findings]


def _said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in found]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_what_is_fixed_is_said_no_more(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    before = _found(path, text)
    for finding in before:
        if finding.fix is not None and finding.spot.path == str(path):
            spot = finding.spot
            after = _said(_found(path, text[: spot.start] + finding.fix + text[spot.end :]))
            assert after.count((finding.code, finding.message)) < _said(before).count((finding.code, finding.message))


def test_most_slips_of_one_word_have_a_fix() -> None:
    """So that the test above has something to look at."""
    fixes = [one.fix for path in _FILES for one in _found(path, path.read_text(encoding="utf-8")) if one.fix]
    assert len(fixes) > 20


@pytest.mark.parametrize(
    ("on", "served", "wrong", "right"),
    [("9node", "9to5", '"9node"', '"9-node"'), ("9-node", "9to6", '"9to6":http', '"9to5":http')],
)
def test_a_fix_has_the_quotes_that_a_name_needs(tmp_path: Path, on: str, served: str, wrong: str, right: str) -> None:
    text = (
        'node "9-node" { address 10.0.0.4 }\n'
        f'service "9to5" {{ vip 198.19.0.1; port http 80/tcp nodeport 30080; endpoints {{ 100.64.0.9 on "{on}" }} }}\n'
        "balancer b { kind application; network vpc-1 subnet-1 subnet-2; listen 80/http\n"
        f'  route / -> "{served}":http\n}}\n'
    )
    found = [(text[one.spot.start : one.spot.end], one.fix) for one in _found(tmp_path / "names.dsl", text)]
    assert found == [(wrong, right)]
