"""`svcc man`: a manual page for each command, made from the command itself."""

from __future__ import annotations

import re

import pytest

from support.command_line import svcc
from svcc import __version__
from svcc.command_line import COMMANDS
from svcc.man_pages import pages


@pytest.mark.parametrize("name", ["", *COMMANDS, "fleet history"])
def test_each_command_has_a_page_with_all_that_its_help_says(name: str) -> None:
    page = svcc("man", *name.split()).text
    assert page.startswith(f'.TH {"-".join(["SVCC", *name.upper().split()])} 8 "" "svcc ')
    options = set(re.findall(r"--[a-z][a-z-]*", svcc(*name.split(), "--help").text)) - {"--help"}
    assert options <= {*re.findall(r"--[a-z][a-z-]*", page.replace("\\-", "-"))}


def test_no_line_of_a_page_is_a_request_by_mistake() -> None:
    requests = re.compile(r"\.(?:TH|SH|B|PP|TP|nf|fi)\b")
    for page in pages("1.0").values():
        assert [line for line in page.splitlines() if line[:1] in ".'" and not requests.match(line)] == []


def test_a_command_that_there_is_not_is_refused_with_the_one_that_is_meant() -> None:
    said = svcc("man", "fleet", "hist")
    assert (said.status, "did you mean `fleet history`?" in said.err) == (2, True)


@pytest.mark.parametrize("name", ["svcc", "svcc-fleet", "svcc-fleet-history"])
def test_a_page_has_its_own_name_as_well(name: str) -> None:
    page = svcc("man", name)
    assert (page.status, page.text) == (0, pages(__version__)[name])
