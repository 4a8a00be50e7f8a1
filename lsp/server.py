"""The language server: what an editor sends, and how it is answered."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Any, BinaryIO

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter, lsp_method

from svcc.lsp import answers
from svcc.lsp.checker import Checker
from svcc.lsp.documents import Document, Documents
from svcc.lsp.findings import Finding
from svcc.lsp.jobs import Failed, Jobs
from svcc.lsp.programs import Programs
from svcc.lsp.requests import Cursor
from svcc.lsp.text import Place, Text
from svcc.lsp.work import laid_out

_log = logging.getLogger(__name__)


class _Protocol(LanguageServerProtocol):
    """The protocol with the server's own texts: pygls ends lines elsewhere, and is slow with large texts."""

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        server = self._server
        assert isinstance(server, Server)
        server.change(params)


def _converter() -> Any:
    """Return the converter of pygls (of cattrs' class), changed to leave plain answers as they are."""
    converter = default_converter()  # type: ignore[no-untyped-call]
    converter.register_unstructure_hook(answers.Plain, lambda plain: plain.data)
    return converter


class Server(LanguageServer):
    """Holds the open texts, the programs that they are part of, and the findings in them."""

    def __init__(self) -> None:
        super().__init__("svcc", version("svcc"), protocol_cls=_Protocol, converter_factory=_converter)
        self.encoding = "utf-16"
        self.documents = Documents()
        self.programs = Programs(self.documents)
        self.jobs = Jobs()
        self.checker = Checker(self.programs, self.jobs, self._show)

    def begin(self, params: lsp.InitializeParams) -> None:
        """Note what the editor is capable of, and the folders that it works on."""
        encoding = self.workspace.position_encoding or "utf-16"
        self.encoding = self.checker.encoding = str(getattr(encoding, "value", encoding))
        uris = [folder.uri for folder in params.workspace_folders or ()]
        uris += [params.root_uri] if params.root_uri and not uris else []
        self.programs.folders = [self.documents.path_of(uri) for uri in uris]
        self.documents.folder = next(iter(self.programs.folders), os.getcwd())

    def open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        """The editor opened a document."""
        item = params.text_document
        document = self.documents.open(item.uri, Text(item.text, self.encoding), item.version)
        self.programs.forget()
        self.checker.changed([document])

    def change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """The editor changed a document, in pieces or as a whole."""
        document = self.documents.get(params.text_document.uri)
        if document is None:
            return
        text = document.text
        for change in params.content_changes:
            if isinstance(change, lsp.TextDocumentContentChangePartial):
                text = text.edited(_place(change.range.start), _place(change.range.end), change.text)
            else:
                text = Text(change.text, self.encoding)
        document.change(text, params.text_document.version)
        self.checker.changed([document])

    def close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        """The editor closed a document."""
        self.documents.close(params.text_document.uri)
        self.look_again()

    def look_again(self) -> None:
        """Check again, because files came, went or changed."""
        self.programs.forget()
        self.checker.changed(self.documents)

    def end(self) -> None:
        """End all work that runs. No answer follows."""
        self.checker.end()
        self.jobs.end()

    def _show(self, path: str, found: list[Finding]) -> None:
        document = self.documents.at(path)
        uri = self.documents.uri_of(path)
        shown = [answers.diagnostic(finding, self.documents) for finding in found]
        number = None if document is None else document.version
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, shown, number))


def _place(position: lsp.Position) -> Place:
    return Place(position.line, position.character)


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether something went wrong. A refusal is no fault: it is an answer, which the editor shows."""
    return record.exc_info is None or not isinstance(record.exc_info[1], JsonRpcInvalidParams)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer what comes from ``source`` on ``sink``, until ``source`` ends or the editor says that it ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="svcc lsp: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_fault)
    server = Server()
    _add_synchronisation(server)
    _add_requests(server)
    _add_questions(server)
    try:
        server.start_io(source, sink)
    finally:
        server.end()


def _add_synchronisation(server: Server) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        server.begin(params)

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.open(params)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.close(params)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(_: lsp.DidSaveTextDocumentParams) -> None:
        server.look_again()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(_: lsp.DidChangeWatchedFilesParams) -> None:
        server.look_again()

    @server.feature(lsp.SHUTDOWN)
    def shutdown(*_: Any) -> None:
        server.end()


def _add_requests(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        document = server.documents.get(params.text_document.uri)
        return None if document is None else await _formatted(server, document)

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: lsp.DocumentSymbolParams) -> answers.Plain | None:
        document = server.documents.get(params.text_document.uri)
        return None if document is None else answers.symbols(document.text, document.outline)

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix]))
    def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        document = server.documents.get(params.text_document.uri)
        found = [] if document is None else server.checker.findings(document.real)
        return [] if document is None else answers.actions(document, found, params.range)


def _add_questions(server: Server) -> None:
    def asked(which: lsp.TextDocumentIdentifier, place: lsp.Position) -> Cursor | None:
        document = server.documents.get(which.uri)
        return None if document is None else Cursor(server.programs, document, place)

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def definition(params: lsp.DefinitionParams) -> list[lsp.Location]:
        return [] if (one := asked(params.text_document, params.position)) is None else one.definitions()

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        one = asked(params.text_document, params.position)
        return [] if one is None else one.references(declarations=params.context.include_declaration)

    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        found = None if (one := asked(params.text_document, params.position)) is None else one.name()
        return None if found is None else found[1]

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    def rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        return None if (one := asked(params.text_document, params.position)) is None else one.rename(params.new_name)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        return None if (one := asked(params.text_document, params.position)) is None else one.hover()

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["$", "/", '"', ":"]))
    def completion(params: lsp.CompletionParams) -> lsp.CompletionList | None:
        return None if (one := asked(params.text_document, params.position)) is None else one.completion()


async def _formatted(server: Server, document: Document) -> list[lsp.TextEdit] | None:
    text = document.text
    try:
        after = await server.jobs.run(laid_out, document.path, text.content.encode(errors="surrogatepass"))
    except Failed as error:
        _log.error("cannot lay out %s: %s", document.path, error)
        return None
    return None if after is None or document.text is not text else answers.replacement(text, after)
