"""The documentation site as a reader's browser has it: ``make site`` builds it and runs this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.browser import Browser, browser
from support.tools.project import ROOT
from support.waiting import until
from svcc.compiler.syntax_error import STATEMENTS

SITE = ROOT / "build" / "site"
PAGES = sorted(page for page in SITE.rglob("*.html") if not {"_static", "_downloads"} & set(page.parts))
#: Where the search begins, which is a page without text of its own.
SEARCH = SITE / "search.html"

#: Attributes by which a page loads something, or leads somewhere.
_LOADS = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
_LEADS = {("a", "href")}


@dataclass
class _Page(HTMLParser):
    """What a page loads, where it leads, and the places in it."""

    loads: list[str] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if (tag, name) in _LOADS:
                self.loads.append(value)
            if (tag, name) in _LEADS:
                self.leads.append(value)
            if name == "id":
                self.places.add(value)


@pytest.fixture(scope="module")
def read() -> dict[Path, _Page]:
    pages = {}
    for path in PAGES:
        pages[path] = _Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def test_every_page_of_the_repository_is_there() -> None:
    sources = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("editors/*/README.md")]
    assert len(sources) > 15
    made = {page.relative_to(SITE) for page in PAGES}
    assert {source.relative_to(ROOT).with_suffix(".html") for source in sources} <= made
    assert Path("index.html") in made


def _leads_nowhere(page: Path, link: str, read: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return False
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return True
    return bool(parts.fragment) and unquote(parts.fragment) not in read[target].places


def test_links_lead_somewhere(read: dict[Path, _Page]) -> None:
    links = [(path, link) for path, page in read.items() for link in page.leads]
    assert len(links) > 500
    assert [(path.name, link) for path, link in links if _leads_nowhere(path, link, read)] == []


def test_links_of_pages_to_files_of_the_repository_give_the_files(read: dict[Path, _Page]) -> None:
    page = SITE / "docs" / "operating.html"
    (link,) = {link for link in read[page].leads if link.endswith("plan.schema.json")}
    assert (page.parent / link).read_bytes() == (ROOT / "svcc" / "plan.schema.json").read_bytes()


def test_pages_load_nothing_from_elsewhere(read: dict[Path, _Page]) -> None:
    loads = [(path, link) for path, page in read.items() for link in page.loads]
    assert [(path.name, link) for path, link in loads if urlsplit(link).netloc] == []
    assert [(path.name, link) for path, link in loads if _leads_nowhere(path, link, read)] == []
    for sheet in SITE.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text, sheet
        assert "url(http" not in text, sheet
        assert "url(//" not in text, sheet


@pytest.fixture(scope="module")
def reader() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("pixels", [400, 1400])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_pages_fit_the_window(reader: Browser, page: Path, pixels: int) -> None:
    reader.narrow_to(pixels)
    reader.open(page)
    assert reader.overflow() == []
    assert reader.complaints() == []
    assert [address for address in reader.addresses() if not address.startswith(SITE.as_uri())] == []


@pytest.mark.parametrize("name", ["packet.svg", "house.svg", "fleet.svg"])
def test_texts_of_pictures_fit_their_boxes(reader: Browser, name: str) -> None:
    reader.narrow_to(1400)
    reader.open(ROOT / "docs" / "pictures" / name)
    assert reader.outside() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_text_and_code_can_be_read(reader: Browser, page: Path, scheme: str) -> None:
    """WCAG 2.2's level AA: a contrast of 4.5; and no letters that are smaller than 12 pixels."""
    reader.narrow_to(400)
    reader.prefer(scheme)
    reader.open(page)
    if (
        page != SEARCH
    ):  # which has none of its own; a browser with much to do lays a page out after it said that it is there
        until(lambda: len([*reader.texts("article")]) > 5, f"{page} shows its text")
    assert [text for text in reader.texts("article") if text.pixels < 12 or text.contrast < 4.5] == []


@pytest.mark.parametrize("word", sorted({word for words in STATEMENTS.values() for word in words}))
def test_the_search_finds_every_statement(reader: Browser, word: str) -> None:
    found = reader.found(SEARCH, word)
    assert any(address.startswith((SITE / "docs" / "language.html").as_uri()) for address in found), found


def test_the_search_finds_nothing_of_what_is_not_there(reader: Browser) -> None:
    assert reader.found(SEARCH, "frobnicator") == []
