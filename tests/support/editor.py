"""An editor, as a language server sees it: a process of ``svcc lsp``, and the protocol on its standard streams."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

import pytest

from support.waiting import LID

_PROGRAM = "import sys; from svcc.__main__ import main; sys.argv[0] = 'svcc'; main()"
#: The capabilities that real editors' clients declare.
CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {
        "publishDiagnostics": {"relatedInformation": True, "tagSupport": {"valueSet": [1]}, "versionSupport": True},
        "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
        "hover": {"contentFormat": ["markdown"]},
        "rename": {"prepareSupport": True},
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}}},
    },
    "workspace": {"workspaceEdit": {"documentChanges": True, "resourceOperations": ["rename"]}},
}


class Refused(Exception):
    """The server answered a request with an error. ``args`` are its code and its message."""


class Editor:
    """An editor: it sends texts and requests, and keeps the last diagnostics of each file."""

    capabilities: dict[str, Any]  # the server's declared capabilities

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.told: dict[str, dict[str, Any]] = {}  # the last diagnostics of each file, by its URI
        self.versions: dict[str, int] = {}
        self._number = 0
        self._come: Queue[dict[str, Any] | None] = Queue()
        assert process.stdout is not None
        self._reader = Thread(target=_read, args=(process.stdout, self._come), daemon=True)
        self._reader.start()

    @contextmanager
    def in_folder(self, name: str) -> Iterator[None]:
        """Inside the ``with`` block, work in a folder of the workspace; what is opened there is closed at the end."""
        top, self.folder = self.folder, self.folder / name
        self.folder.mkdir()
        try:
            yield
        finally:
            self.folder = top
            for uri in [*self.versions]:
                self.close(uri)

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def ask(self, method: str, parameters: Any) -> Any:
        """Send a request, and return its answer. Errors: Refused."""
        number = self.begin(method, parameters)
        while (message := self._next(method)).get("id") != number or "method" in message:
            pass
        if "error" in message:
            raise Refused(message["error"]["code"], message["error"]["message"])
        return message["result"]

    def begin(self, method: str, parameters: Any) -> int:
        """Send a request, and go on without its answer. Return its number."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        return self._number

    def tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def open(self, name: str, text: str) -> str:
        """Open a text as a file's; return its URI."""
        uri = name if ":" in name else self.uri(name)  # an absolute URI names the file itself
        self.versions[uri] = 1
        item = {"uri": uri, "languageId": "svcc", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, *changes: dict[str, Any]) -> None:
        self.versions[uri] += 1
        document = {"uri": uri, "version": self.versions[uri]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [*changes]})

    def replace(self, uri: str, text: str) -> None:
        self.change(uri, {"text": text})

    def close(self, uri: str) -> None:
        del self.versions[uri]
        self.told.pop(uri, None)
        self.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def at(self, uri: str, line: int, unit: int, **more: Any) -> dict[str, Any]:
        """Return the parameters of a request about a place."""
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": unit}, **more}

    def diagnostics(self, uri: str, version: int | None = None) -> list[dict[str, Any]]:
        """Return the diagnostics of a file, as soon as there are some of its present text."""
        wanted = self.versions.get(uri) if version is None else version
        while uri not in self.told or self.told[uri].get("version") != wanted:
            self._next(f"diagnostics of {uri}")
        found: list[dict[str, Any]] = self.told[uri]["diagnostics"]
        return found

    def messages(self, uri: str) -> list[str]:
        """Return the messages of a file's diagnostics, without hints."""
        return [one["message"].split("\n")[0] for one in self.diagnostics(uri)]

    def until_told(self, uri: str, messages: Sequence[str]) -> None:
        """Wait until these are the messages of a file's diagnostics."""
        while [one["message"].split("\n")[0] for one in self.told.get(uri, {}).get("diagnostics", ())] != [*messages]:
            self._next(f"{messages} of {uri}, of which was told: {self.told.get(uri)}")

    def end(self) -> int:
        """Shut down as an editor does, and return the exit status."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(LID)

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def _next(self, awaited: str) -> dict[str, Any]:
        try:
            message = self._come.get(timeout=LID)
        except Empty:
            pytest.fail(f"not within {LID:.0f} s: {awaited}")
        if message is None:
            pytest.fail(f"the server ended before this: {awaited}")
        if message.get("method") == "textDocument/publishDiagnostics":
            self.told[message["params"]["uri"]] = message["params"]
        if message.get("method") == "window/showMessage":
            pytest.fail(f"the server complains: {message['params']['message']}")
        return message


def _read(stream: IO[bytes], come: Queue[dict[str, Any] | None]) -> None:
    while True:
        length = 0
        while (line := stream.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not line:
            come.put(None)
            return
        come.put(json.loads(stream.read(length)))


@contextmanager
def editor(folder: Path, *, workspace: bool = True, errors: IO[bytes] | None = None) -> Iterator[Editor]:
    """Yield an editor that works in a folder, with a server that is ready."""
    command = [sys.executable, "-P", "-c", _PROGRAM, "lsp", "--stdio"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors or subprocess.DEVNULL, cwd=folder
    )
    try:
        one = Editor(folder, process)
        folders = [{"uri": folder.as_uri(), "name": "folder"}] if workspace else None
        parameters = {"processId": None, "rootUri": None, "capabilities": CAPABILITIES, "workspaceFolders": folders}
        one.capabilities = one.ask("initialize", parameters)["capabilities"]
        one.tell("initialized", {})
        yield one
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        one._reader.join()
