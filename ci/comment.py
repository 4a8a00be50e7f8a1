#!/usr/bin/env python3
"""Write a comment on a pull request, or edit the one that was written before.

    ci/comment.py github OWNER/REPOSITORY NUMBER FILE
    ci/comment.py gitlab PROJECT-ID NUMBER FILE

FILE is the comment in Markdown. The server and the token come from the environment, as the two hosts set it for their
jobs: GITHUB_API_URL and GITHUB_TOKEN; CI_API_V4_URL and SVCC_GITLAB_TOKEN (a project's access token with scope `api`).
It needs nothing but Python. Exit status 1 and a line on standard error where the server refuses.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The first line of our comment, by which it is found again. Readers do not see it.
MARK = "<!-- svcc -->"
#: How many comments both hosts give at once at most.
_PAGE = 100
#: How many characters of a comment both hosts accept.
_MOST = 60_000


@dataclass(frozen=True)
class Host:
    """A host of pull requests: the addresses of its comments, and how they are requested."""

    comments: str  # URL of all comments of the pull request
    one: str  # URL of a comment, but for its number
    headers: Mapping[str, str]
    edit: str  # the method that changes a comment

    @classmethod
    def github(cls, project: str, number: str) -> Host:
        api = f"{os.environ['GITHUB_API_URL']}/repos/{project}/issues"
        headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
        return cls(f"{api}/{number}/comments", f"{api}/comments", headers, "PATCH")

    @classmethod
    def gitlab(cls, project: str, number: str) -> Host:
        notes = f"{os.environ['CI_API_V4_URL']}/projects/{project}/merge_requests/{number}/notes"
        return cls(notes, notes, {"PRIVATE-TOKEN": os.environ["SVCC_GITLAB_TOKEN"]}, "PUT")

    def ask(self, method: str, url: str, body: str | None = None) -> Any:
        """Send a request; return the JSON of the answer. Errors: HTTPError, URLError."""
        data = None if body is None else json.dumps({"body": body}).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
            return json.load(answer)

    def all_comments(self) -> Iterator[Any]:
        page = 1
        while found := self.ask("GET", f"{self.comments}?per_page={_PAGE}&page={page}"):
            yield from found
            page += 1


def write(host: Host, text: str) -> str:
    """Write or edit the comment; return what was done: ``written``, ``edited``, or ``as it was``."""
    cut = "" if len(text) <= _MOST else "\n\n… The rest is left out: `svcc diff` shows it.\n"
    body = f"{MARK}\n{text[:_MOST]}{cut}"
    before = next((one for one in host.all_comments() if str(one["body"]).startswith(MARK)), None)
    if before is None:
        host.ask("POST", host.comments, body)
        return "written"
    if before["body"] == body:
        return "as it was"
    host.ask(host.edit, f"{host.one}/{before['id']}", body)
    return "edited"


def main() -> int:
    kind, project, number, file = sys.argv[1:]
    try:
        host = {"github": Host.github, "gitlab": Host.gitlab}[kind](project, number)
        print(f"comment: {write(host, Path(file).read_text(encoding='utf-8'))}")
    except KeyError as error:
        print(f"comment.py: {error} is not set", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:  # HTTPError and URLError are OSErrors
        print(f"comment.py: the comment could not be written: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
