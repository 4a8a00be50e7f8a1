"""Headless Chromium, and what it shows of a page, by Selenium. Only the environment of ``make site`` has Selenium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from support.waiting import until

#: The contrast of an element with text: the ratio of its luminance to its background's, as WCAG 2.2 defines it.
_CONTRAST = """
const luminance = ([r, g, b]) => {
  const [R, G, B] = [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
};
const parts = colour => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
const behind = element => {
  if (!element) return [255, 255, 255];
  const own = parts(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own.slice(0, 3) : over(own, behind(element.parentElement));
};
const contrast = element => {
  const back = behind(element), text = over(parts(getComputedStyle(element).color), back);
  const [low, high] = [luminance(back), luminance(text)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
"""


@dataclass(frozen=True, slots=True)
class Text:
    """An element of a page that has text of its own."""

    begins: str
    pixels: float  # the size of its font
    contrast: float  # from 1, the same colour, to 21, black on white


@dataclass(frozen=True, slots=True)
class Browser:
    chromium: Chrome

    def narrow_to(self, pixels: int) -> None:
        """Make the window this many pixels wide; Chromium's own windows are never narrower than 500."""
        size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Ask pages for their light or dark colours."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, page: Path, query: str = "") -> None:
        self.chromium.get(f"{page.resolve().as_uri()}{query}")

    def overflow(self) -> list[str]:
        """Return the beginnings of the elements that end outside the window."""
        found: list[str] = self._ask("""
            const wide = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= wide) return [];
            return [...document.body.querySelectorAll("*")]
                .filter(one => one.getBoundingClientRect().right > wide).map(one => one.outerHTML.slice(0, 80));
        """)
        return found

    def outside(self) -> list[str]:
        """Return the texts of an SVG that do not fit into the picture, or into the box with which they are grouped."""
        found: list[str] = self._ask("""
            const fits = (one, box) => one.left >= box.left && one.right <= box.right
                && one.top >= box.top && one.bottom <= box.bottom;
            const frame = one => one.parentElement.querySelector(":scope > rect:not(.ground)") ?? document.rootElement;
            const outside = one => !fits(one.getBoundingClientRect(), frame(one).getBoundingClientRect());
            return [...document.querySelectorAll("text")].filter(outside).map(one => one.textContent);
        """)
        return found

    def texts(self, selector: str) -> Iterator[Text]:
        """Yield the elements with text of their own that a CSS selector finds, or that are inside of those."""
        found = self._ask(
            _CONTRAST
            + """
            const own = one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
            const found = [...document.querySelectorAll(arguments[0])];
            const all = found.flatMap(one => [one, ...one.querySelectorAll("*")]);
            return all.filter(one => own(one) && one.checkVisibility()).map(one =>
                [one.textContent.slice(0, 40), parseFloat(getComputedStyle(one).fontSize), contrast(one)]);
            """,
            selector,
        )
        return (Text(*one) for one in found)

    def complaints(self) -> list[str]:
        """Return the browser's complaints since the last call: missing files, errors of scripts."""
        return [entry["message"] for entry in self.chromium.get_log("browser")]

    def addresses(self) -> list[str]:
        """Return the addresses of everything that the page has loaded."""
        loaded: list[str] = self._ask('return performance.getEntriesByType("resource").map(one => one.name);')
        return loaded

    def found(self, search: Path, words: str) -> list[str]:
        """Return the addresses that the site's search finds for words."""
        self.open(search, f"?q={words}")
        # The heading says that the search goes on, and then that it is done.
        done = 'return document.querySelector("#search-results > h2")?.textContent === "Search Results";'
        until(lambda: self._ask(done), f"the search for {words}")
        links: list[str] = self._ask(
            'return [...document.querySelectorAll("#search-results li a")].map(one => one.href);'
        )
        return links

    def _ask(self, script: str, *given: object) -> Any:
        return self.chromium.execute_script(script, *given)


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a browser that can reach no network."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("headless=new", "host-resolver-rules=MAP * ~NOTFOUND", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{word}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to start as root with its sandbox
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = Chrome(options, ChromeService("/usr/bin/chromedriver"))
    try:
        yield Browser(chromium)
    finally:
        chromium.quit()
