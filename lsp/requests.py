"""Answers to requests about a place in a text: names, help, completion."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from svcc.lsp.answers import range_of
from svcc.lsp.completion import Proposal, Sort, proposals
from svcc.lsp.documents import Document, Documents
from svcc.lsp.lookup import Found, Refusal, name_at, occurrences, renamed
from svcc.lsp.manual import about
from svcc.lsp.names import Key, Kind, statements
from svcc.lsp.outline import Item
from svcc.lsp.programs import File, Programs
from svcc.lsp.text import Place

#: The most proposals of one answer. A longer word has fewer.
_PROPOSED = 500
#: The most lines of a declaration that are shown.
_LINES = 15
_SORTS = {
    Sort.KEYWORD: lsp.CompletionItemKind.Keyword,
    Sort.VALUE: lsp.CompletionItemKind.EnumMember,
    Sort.NAME: lsp.CompletionItemKind.Reference,
}


class Cursor:
    """A place in an open text about which an editor asks."""

    def __init__(self, programs: Programs, document: Document, place: lsp.Position) -> None:
        self.documents: Documents = programs.documents
        self.document = document
        self.offset = document.text.offset(Place(place.line, place.character))
        self._programs = programs

    @property
    def files(self) -> list[File]:
        """The files of all programs that the text is part of; only its own where no file includes it."""
        return self._programs.together(self.document.real, self.document.text.encoding)

    def name(self) -> tuple[Key, lsp.Range] | None:
        """Return the name at the place, and its range. Return None where there is none."""
        found = name_at(self.document.outline, self.offset)
        if found is None:
            return None
        item, name = found
        return name.key, range_of(self.document.text, item.start + name.start, item.start + name.end)

    def definitions(self) -> list[lsp.Location]:
        """Return where the name is declared; for an include, the files that it names."""
        found = self.name()
        if found is None:
            return []
        if found[0].kind is Kind.INCLUDE:
            start = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
            return [lsp.Location(self.documents.uri_of(path), start) for path in self._included(found[0].name)]
        return [self._location(one) for one in occurrences(found[0], self.files) if one.name.declares]

    def references(self, *, declarations: bool) -> list[lsp.Location]:
        """Return every place where the name is used, in all files of its programs."""
        found = self.name()
        places = [] if found is None else occurrences(found[0], self.files)
        return [self._location(one) for one in places if declarations or not one.name.declares]

    def _location(self, found: Found) -> lsp.Location:
        place = range_of(found.file.text, found.start, found.end)
        return lsp.Location(self.documents.uri_of(found.file.path), place)

    def _included(self, pattern: str) -> list[str]:
        return self._programs.named(self.document.real, pattern)

    # ---- another name

    def rename(self, new: str) -> lsp.WorkspaceEdit | None:
        """Return the edits that rename the name.

        Return None where there is none. Errors: JsonRpcInvalidParams, with the reason.
        """
        found = self.name()
        if found is None:
            return None
        try:
            if found[0].kind is Kind.INCLUDE:
                return self._rename_file(found[0], new.strip('"'))
            places = renamed(found[0], new, self.files)
        except Refusal as refusal:
            raise JsonRpcInvalidParams(str(refusal)) from None
        return lsp.WorkspaceEdit(document_changes=[self._edits(path, edits) for path, edits in places.items()])

    def _edits(self, path: str, edits: list[tuple[Found, str]]) -> lsp.TextDocumentEdit:
        document = self.documents.at(path)
        which = lsp.OptionalVersionedTextDocumentIdentifier(
            uri=self.documents.uri_of(path), version=None if document is None else document.version
        )
        changes = [lsp.TextEdit(range_of(one.file.text, one.start, one.end), text) for one, text in edits]
        return lsp.TextDocumentEdit(which, changes)

    def _rename_file(self, key: Key, new: str) -> lsp.WorkspaceEdit:
        """Rename an included file, and change the includes that name it. Only a file that is included by its name, and
        by no pattern, can be renamed.
        """
        paths = self._included(key.name)
        folder = os.path.dirname(self.document.real)
        if len(paths) != 1 or paths[0] != os.path.realpath(os.path.join(folder, key.name)):
            raise Refusal("a pattern is no file: only an include that names its one file gives it another name")
        target = os.path.normpath(os.path.join(folder, new))
        if not new or set(new) & set('"\n\0*?[') or os.path.lexists(target) or self.documents.at(target) is not None:
            raise Refusal(f"`{new}` cannot be the file's name, or there is one already")
        changes: list[lsp.TextDocumentEdit | lsp.RenameFile | lsp.CreateFile | lsp.DeleteFile] = []
        for file in self.files:
            here = os.path.dirname(file.path)
            edits = [
                (one, f'"{os.path.relpath(target, here)}"')
                for one in _includes(file)
                if os.path.realpath(os.path.join(here, one.name.key.name)) == paths[0]
            ]
            changes += [self._edits(file.path, edits)] if edits else []
        move = lsp.RenameFile(old_uri=self.documents.uri_of(paths[0]), new_uri=self.documents.uri_of(target))
        return lsp.WorkspaceEdit(document_changes=[*changes, move])

    # ---- help

    def hover(self) -> lsp.Hover | None:
        """Return what docs/language.md says about the word at the place, or the declaration of the name."""
        found = self.name()
        if found is not None and found[0].kind is not Kind.INCLUDE:
            shown = [_declaration(one) for one in occurrences(found[0], self.files) if one.name.declares]
            return _hover("\n".join(shown), found[1]) if shown else None
        item = self.document.outline.item_at(self.offset)
        return None if item is None else self._manual(item)

    def _manual(self, item: Item) -> lsp.Hover | None:
        at = self.offset - item.start
        text = self.document.text
        for statement in statements(text.content[item.start : item.end]):
            for number, word in enumerate(statement.words):
                if word.start <= at <= word.end:
                    block = statement.blocks[-1] if statement.blocks else ""
                    if number and block != "endpoints":
                        block = statement.words[0].text
                    said = about(block, word.text)
                    place = range_of(text, item.start + word.start, item.start + word.end)
                    return None if said is None else _hover(said, place)
        return None

    # ---- completion

    def completion(self) -> lsp.CompletionList:
        """Return what fits at the place.

        The list is incomplete where there are too many to send, so that the editor asks again.
        """
        text = self.document.text
        found = proposals(text.content, self.document.outline, self.offset, self.files)
        word = text.content[found.start : self.offset].lstrip('$"').lower()
        fitting = [one for one in found.found if word in one.word.lower()]
        place = range_of(text, found.start, self.offset)
        items = [_completion(one, place) for one in fitting[:_PROPOSED]]
        return lsp.CompletionList(is_incomplete=len(fitting) > _PROPOSED, items=items)


def _includes(file: File) -> Iterator[Found]:
    for item in file.outline.items:
        if item.scanned.name is not None and item.scanned.name.key.kind is Kind.INCLUDE:
            yield Found(file, item, item.scanned.name)


def _declaration(found: Found) -> str:
    text = found.file.text.content
    if found.name.key.kind is Kind.PORT:
        start = text.rfind("\n", 0, found.start) + 1
        lines = [text[start:].split("\n", 1)[0].strip()]
    else:
        lines = text[found.item.start : found.item.end].splitlines()
    shown = [*lines[:_LINES], *(["…"] if len(lines) > _LINES else [])]
    return "\n".join(("```svcc", *shown, "```"))


def _hover(markdown: str, place: lsp.Range) -> lsp.Hover:
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, markdown), place)


def _completion(proposal: Proposal, place: lsp.Range) -> lsp.CompletionItem:
    said = proposal.about
    return lsp.CompletionItem(
        proposal.word,
        kind=_SORTS[proposal.sort],
        detail=proposal.kind,
        documentation=None if said is None else lsp.MarkupContent(lsp.MarkupKind.Markdown, said),
        text_edit=lsp.TextEdit(place, proposal.word),
        filter_text=proposal.word,
    )
