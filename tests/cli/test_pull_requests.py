"""What runs in pull requests: the scripts in ci/, a real repository, and a server that answers as the two hosts do."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
import yaml

from support.command_line import PROGRAM
from support.tools.project import ROOT

BEFORE = """\
service web {
  vip  198.19.0.1
  port 80/tcp
  endpoints {
    100.64.0.1
    100.64.0.2
  }
}
"""
AFTER = BEFORE.replace("100.64.0.2\n", "100.64.0.3\n")
_ENVIRONMENT = {
    **os.environ,
    "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_{what}": "svcc@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True, env=_ENVIRONMENT).stdout.strip()


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository with a program, its rules, and a file that it includes; the commit of it."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    Path("web.dsl").write_text(BEFORE)
    Path("all.dsl").write_text('include "web.dsl"\n')
    subprocess.run(["svcc", "compile", "web.dsl", "-t", "nft", "-o", "rules"], check=True, env=_ENVIRONMENT)
    git("add", ".")
    git("commit", "--quiet", "--message", "before")
    return git("rev-parse", "HEAD")


def review(base: str, *files: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "ci/review.sh", base, *files],
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRONMENT | environment,
    )


def test_the_comment_says_what_changes_through_includes_too(base: str) -> None:
    Path("web.dsl").write_text(AFTER)
    Path("new.dsl").write_text(BEFORE)
    done = review(base, "web.dsl", "all.dsl", "new.dsl")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    comment = Path("comment.md").read_text()
    parts = dict(re.findall(r"### (\S+)\n\n((?:(?!###).*\n?)*)", comment))
    assert {"100.64.0.2", "100.64.0.3"} <= {*re.findall(r"100\.64\.0\.\d+", parts["web.dsl"])}
    assert parts["all.dsl"].strip() == parts["web.dsl"].strip()
    assert parts["new.dsl"].strip() == "This file is new."
    assert git("worktree", "list").count("\n") == 0


def test_an_error_is_an_annotation(base: str) -> None:
    Path("web.dsl").write_text(BEFORE.replace("vip", "vpi"))
    done = review(base, "web.dsl")
    assert done.returncode == 2
    assert done.stdout.startswith("::error file=web.dsl,line=2,")
    assert Path("comment.md").read_text() == (
        "### web.dsl\n\nIt cannot be compared: it has errors, or had some before.\n\n"
    )


def test_rules_that_are_older_than_the_file_and_another_layout(base: str) -> None:
    rules = {"SVCC_TARGET": "nft", "SVCC_RULES": "rules"}
    assert review(base, "web.dsl", **rules).returncode == 0
    Path("web.dsl").write_text(AFTER)
    assert review(base, "web.dsl", **rules).returncode == 1
    subprocess.run(["svcc", "compile", "web.dsl", "-t", "nft", "-o", "rules"], check=True, env=_ENVIRONMENT)
    assert review(base, "web.dsl", **rules).returncode == 0
    Path("web.dsl").write_text(AFTER.replace("  vip", "vip"))
    done = review(base, "web.dsl")
    assert (done.returncode, done.stdout) == (1, "web.dsl\n")


class _Comments(BaseHTTPRequestHandler):
    """A host with comments by number: GitHub's or GitLab's, which differ in how one is changed."""

    comments: ClassVar[dict[int, str]]
    asked: ClassVar[list[str]]

    def _said(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def _answer(self, document: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def do_GET(self) -> None:
        page = int(re.findall(r"[?&]page=(\d+)", self.path)[0])
        rows = [{"id": number, "body": body} for number, body in self.comments.items()]
        self._answer(rows[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        self.asked.append(f"POST {self.path}")
        self.comments[max(self.comments, default=0) + 1] = self._said()
        self._answer({})

    def _change(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.comments[int(self.path.rpartition("/")[2])] = self._said()
        self._answer({})

    do_PATCH = do_PUT = _change  # noqa: N815 - http.server calls them so

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    _Comments.comments, _Comments.asked = dict.fromkeys(range(1, 151), "somebody's"), []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Comments) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def comment(kind: str, project: str, url: str, text: str) -> subprocess.CompletedProcess[str]:
    Path("comment.md").write_text(text)
    environment = {"GITHUB_API_URL": url, "GITHUB_TOKEN": "t", "CI_API_V4_URL": url, "SVCC_GITLAB_TOKEN": "t"}
    return subprocess.run(
        [ROOT / "ci/comment.py", kind, project, "7", "comment.md"],
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRONMENT | environment,
    )


@pytest.mark.parametrize(
    ("kind", "project", "asked"),
    [
        ("github", "we/ours", ["POST /repos/we/ours/issues/7/comments", "PATCH /repos/we/ours/issues/comments/151"]),
        ("gitlab", "42", ["POST /projects/42/merge_requests/7/notes", "PUT /projects/42/merge_requests/7/notes/151"]),
    ],
)
def test_one_comment_that_is_edited_in_place(
    host: str, kind: str, project: str, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = [comment(kind, project, host, text).stdout for text in ("one", "one", "two", "ü" * 70_000)]
    assert said == [f"comment: {what}\n" for what in ("written", "as it was", "edited", "edited")]
    assert _Comments.asked == [*asked, asked[1]]
    assert _Comments.comments[151].startswith("<!-- svcc -->\nüü")
    assert len(_Comments.comments[151]) < 65_536


def test_a_host_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = comment("github", "we/ours", "http://127.0.0.1:9", "one")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("comment.py: the comment could not be written: ")
    assert done.stderr.count("\n") == 1


def test_what_the_hosts_read_names_what_is_there() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    runs = "".join(step["run"] for step in action["runs"]["steps"])
    used = {*re.findall(r"inputs\.(\w+)", (ROOT / "action.yml").read_text())}
    assert used == {*action["inputs"]}
    job = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())["svcc"]
    for text in (runs, "".join(job["script"])):
        assert {*re.findall(r"ci/[\w.]+", text)} == {"ci/review.sh", "ci/comment.py"}
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        done = subprocess.run([*hook["entry"].split(), "--help"], capture_output=True, check=False, env=_ENVIRONMENT)
        assert done.returncode == 0
        assert re.search(hook["files"], "services/web.dsl")
