"""The texts that an editor has open. They are used in place of the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from svcc.lsp.outline import Outline
from svcc.lsp.text import Text


class Document:
    """One open text. ``path`` is its file, which need not exist yet; in ``real`` links are followed."""

    def __init__(self, uri: str, path: str, text: Text, version: int) -> None:
        self.uri = uri
        self.path = path
        self.real = os.path.realpath(path)
        self.version = version
        self.text = text
        self._before: Outline | None = None

    def change(self, text: Text, version: int) -> None:
        """Take a new text. The outline of the old one helps to make the new one's."""
        self._before = self.outline
        self.text, self.version = text, version
        del self.outline

    @cached_property
    def outline(self) -> Outline:
        """What the text declares and refers to, and where. It is made when it is first needed."""
        return Outline(self.text.content, self._before)


class Documents:
    """All open texts."""

    def __init__(self) -> None:
        self.folder = os.getcwd()  # the folder in which texts without a file look for what they include
        self._by_uri: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter([*self._by_uri.values()])

    def open(self, uri: str, text: Text, version: int) -> Document:
        """Take a document that the editor has opened. From now on its text is used, and not the file's."""
        document = Document(uri, self.path_of(uri), text, version)
        self._by_uri[uri] = document
        return document

    def close(self, uri: str) -> None:
        """Forget a document: from now on its file is used again. A document that was not open is no error."""
        self._by_uri.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        """Return the open document of a URI, or None where it is not open."""
        return self._by_uri.get(uri)

    def at(self, path: str) -> Document | None:
        """Return the open text of a file, or None where it is not open."""
        real = os.path.realpath(path)
        return next((document for document in self._by_uri.values() if document.real == real), None)

    def unsaved(self) -> dict[str, bytes]:
        """Return the bytes to use in place of files, by the files' resolved paths."""
        return {one.real: one.text.content.encode(errors="surrogatepass") for one in self._by_uri.values()}

    def path_of(self, uri: str) -> str:
        """Return the file that a URI names. For a text without a file, return a path in the folder."""
        path = _path_of(uri)
        if path and "\0" not in path:
            return os.path.abspath(path)
        return str(Path(self.folder, f"{quote(uri[-60:], safe='', errors='replace')}.dsl"))

    def uri_of(self, path: str) -> str:
        """Return the URI of a file: the editor's own where the file is open."""
        document = self.at(path)
        return document.uri if document is not None else Path(os.path.abspath(path)).as_uri()


def _path_of(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        return os.fsdecode(unquote_to_bytes(parts.path)) if parts.scheme == "file" else None
    except ValueError:  # it is no URI
        return None
