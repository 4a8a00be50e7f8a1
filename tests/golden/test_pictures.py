"""The pictures of the README and of docs/."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from support.golden_files import compare
from support.tools.project import ROOT

PICTURES = ROOT / "docs" / "pictures"


def test_the_terminal_shows_what_svcc_prints(update_golden: bool) -> None:
    command = [sys.executable, str(PICTURES / "terminal.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    compare(PICTURES / "terminal.svg", printed, update_golden)


@pytest.mark.parametrize("name", sorted(path.name for path in PICTURES.glob("*.svg")))
def test_pictures_have_a_title_and_load_nothing(name: str) -> None:
    text = (PICTURES / name).read_text(encoding="utf-8")
    picture = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert picture.findtext(f"{space}title")
    assert re.findall(r"url\((?!#)|href=|@import|<script|<image", text) == []


def test_each_picture_is_shown() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
    shown = set(re.findall(r"!\[[^\]]+\]\((?:docs/)?pictures/([\w-]+\.svg)\)", pages))
    assert shown == {path.name for path in PICTURES.glob("*.svg")}
