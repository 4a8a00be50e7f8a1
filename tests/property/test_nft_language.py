"""nft's own language says what the JSON document says, and is read as the same."""

from __future__ import annotations

import json
import re

from hypothesis import example, given

from support.bundles import accepted
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import printed, split_bundle
from svcc.targets.nft.read_language import commands_in_language
from svcc.targets.reading import Text

TARGET = targets()["nft"]


@example((ir.Program(ir.Cluster(), (), ()), None))
@given(programs_for(TARGET))
def test_both_languages_say_the_same(case: tuple[ir.Program, ir.Node | None]) -> None:
    bundle = TARGET.render(*case)
    other = TARGET.in_syntax(bundle, "nft")
    text = other.parts["nft"]
    commands = [value for _, _, value in commands_in_language(Text(Source("", text), 0, len(text)))]
    assert commands == json.loads(bundle.parts["nft"])["nftables"]
    assert accepted(other).artifacts == bundle.artifacts
    given_ = split_bundle(Source("", printed(TARGET, other)), TARGET)
    assert TARGET.accept(given_.texts).artifacts == bundle.artifacts


@given(programs_for(TARGET))
def test_one_line_for_each_endpoint(case: tuple[ir.Program, ir.Node | None]) -> None:
    """A reviewer sees which service an element is for: each line of an endpoint names it."""
    text = TARGET.in_syntax(TARGET.render(*case), "nft").parts["nft"]
    endpoints = re.findall(r"^ +[^ ]+(?: \. [^ ]+)+ : (?!goto|drop)[^ ]+,.*$", text, re.MULTILINE)
    assert [line for line in endpoints if " # " not in line] == []
