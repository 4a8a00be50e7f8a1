"""Edits that reviewers see every day, and what svcc says of them: as text, and as a comment in a pull request."""

from __future__ import annotations

import re

import pytest

from support.command_line import svcc
from support.files import REVIEWS
from support.golden_files import compare

EDITS = sorted(path.name.removesuffix(".old.dsl") for path in REVIEWS.glob("*.old.dsl"))
#: Words that nobody has to know who reviews services.
_OF_RULES = re.compile(r"\b(nft|iptables|ipvs\w*|chain|element|map|set|verdict|rules?|table|hook|spread|dnat)\b")


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize(("form", "suffix"), [("markdown", "md"), ("text", "txt")])
def test_an_edit(edit: str, form: str, suffix: str, update_golden: bool) -> None:
    said = svcc("diff", REVIEWS / f"{edit}.old.dsl", REVIEWS / f"{edit}.new.dsl", "--format", form)
    assert (said.status, said.err) == (1, "")
    compare(REVIEWS / f"{edit}.{suffix}", said.text, update_golden)


@pytest.mark.parametrize("edit", EDITS)
def test_a_comment_can_be_read_without_knowing_any_rules(edit: str) -> None:
    assert _OF_RULES.findall((REVIEWS / f"{edit}.md").read_text(encoding="utf-8")) == []


def test_ten_edits_are_shown() -> None:
    assert len(EDITS) == 10
