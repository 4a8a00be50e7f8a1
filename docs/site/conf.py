"""The documentation site, for Sphinx: the README and docs/ as they are, and nothing that is written for the site alone.

``make site`` builds it. The folder of its sources is the repository, so that links between pages, and from pages to
files of the repository, are those that work on GitHub, too: a file that is no page is copied, and offered as it is.
"""

from __future__ import annotations

import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_ROOT = Path(__file__).resolve().parents[2]

project = "svcc"
version = release = metadata.version("svcc")

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "editors/*/README.md"]
myst_heading_anchors = 4
# A block that does not say its language is a program, what a command printed, or a sketch.
highlight_language = "text"

html_theme = "furo"
html_title = f"svcc {version}"
html_static_path = ["svcc.css"]
html_css_files = ["svcc.css"]
html_use_index = False
html_copy_source = False
html_show_copyright = False
# Contrasts of 4.5 and more for all that the pages have, which the themes' own do not keep; a test looks at them.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

#: Behind the pages that the README leads to: those for who works on svcc.
_FURTHER = ("SECURITY", "CHANGELOG", "editors/vscode/README", "editors/vim/README", "editors/helix/README")


def _with_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the site's contents below the README: the pages of its own list, in that order, and the further ones."""
    if page == root_doc:
        named = re.findall(r"^- \[[\w/.-]+\]\(([\w/-]+)\.md\)", source[0], re.MULTILINE)
        pages = "\n".join((*named, *_FURTHER))
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def _with_a_front_page(app: Sphinx, failed: Exception | None) -> None:
    """The README is what a site's address alone shows."""
    if failed is None:
        shutil.copy(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _with_contents)
    app.connect("build-finished", _with_a_front_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
