"""Diagnostics while somebody types: programs are checked in the background, and of each only the latest text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from svcc.lsp.documents import Document
from svcc.lsp.findings import Finding, by_file
from svcc.lsp.jobs import Failed, Jobs
from svcc.lsp.programs import Programs
from svcc.lsp.work import CheckedProgram, check

#: How many seconds without a key press pass before a program is checked.
PAUSE = 0.1
_log = logging.getLogger(__name__)

#: Shows these findings for a file, which is given by its path with links followed.
Show = Callable[[str, list[Finding]], None]


class Checker:
    """Checks the programs that open texts are part of, and shows the findings of all these programs together."""

    def __init__(self, programs: Programs, jobs: Jobs, show: Show) -> None:
        self.encoding = "utf-16"
        self._programs = programs
        self._jobs = jobs
        self._show = show
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._checked: dict[str, CheckedProgram] = {}  # by the file that includes the others
        # for each open text, the programs that it is part of, each by the file that includes the others
        self._parts: dict[str, list[str]] = {}
        self._shown: dict[str, tuple[int | None, list[Finding]]] = {}

    def changed(self, documents: Iterable[Document]) -> None:
        """Check the programs of these changed texts again, and find out anew of which programs all texts are part."""
        self._parts = {one.real: self._programs.roots(one.real, self.encoding) for one in self._programs.documents}
        wanted = {root for roots in self._parts.values() for root in roots}
        for root in [root for root in (*self._tasks, *self._checked) if root not in wanted]:
            self._drop(root)
        for document in documents:
            for root in self._parts.get(document.real, ()):
                self._begin(root)
        for root in wanted - self._checked.keys() - self._tasks.keys():
            self._begin(root)
        self._publish()

    def findings(self, path: str) -> list[Finding]:
        """Return what is shown for a file now."""
        return self._shown.get(path, (None, []))[1]

    def end(self) -> None:
        """Cancel all checks that wait or run."""
        for task in self._tasks.values():
            task.cancel()

    def _drop(self, root: str) -> None:
        self._checked.pop(root, None)
        task = self._tasks.pop(root, None)
        if task is not None:
            task.cancel()

    def _begin(self, root: str) -> None:
        task = self._tasks.pop(root, None)
        if task is not None:
            task.cancel()
        self._tasks[root] = asyncio.get_running_loop().create_task(self._check(root))

    async def _check(self, root: str) -> None:
        await asyncio.sleep(PAUSE)
        try:
            checked = await self._jobs.run(check, root, self._programs.documents.unsaved(), self.encoding)
        except Failed as error:
            _log.error("cannot check %s: %s", root, error)
            return
        finally:
            if self._tasks.get(root) is asyncio.current_task():
                del self._tasks[root]
        self._checked[root] = checked
        self._publish()

    def _publish(self) -> None:
        """Show each file's findings, from all programs that it is part of, and take back those that are gone.

        Nothing is shown anew for an open text while one of its programs is still to be checked.
        """
        found = dict.fromkeys(finding for checked in self._checked.values() for finding in checked.findings)
        files = by_file(found)
        versions = {document.real: document.version for document in self._programs.documents}
        for path in dict.fromkeys((*files, *self._shown, *versions)):
            if self._tasks.keys() & self._parts.get(path, ()):
                continue
            now = versions.get(path), files.get(path, [])
            if now != self._shown.get(path, (None, [])):
                self._shown[path] = now
                self._show(path, now[1])
        self._shown = {path: shown for path, shown in self._shown.items() if path in versions or shown[1]}
