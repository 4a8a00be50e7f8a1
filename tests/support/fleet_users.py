"""The users and roles of docs/fleet.md, and what etcd allows each of them."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from support.etcd import RELEASES, ask, text
from support.tools.debs import argv
from support.tools.project import ROOT

#: Each role of the page, with a user who has only this role, and the password.
USERS: Mapping[str, tuple[str, str]] = {
    "svcc-agent": ("agent", "secret-a"),
    "svcc-member": ("web", "secret-w"),
    "svcc-publisher": ("anna", "secret-b"),
    "svcc-reader": ("ben", "secret-r"),
}
ROOT_USER = ("root", "secret-c")


def make_users(run: Callable[..., object], url: str) -> None:
    """Do what the page says, with etcd's own tool. ``run``: runs it where etcd can be reached."""
    page = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    etcdctl = [*argv(RELEASES[0], "etcd-client", "etcdctl"), "--endpoints", url]
    commands = re.findall(r"^etcdctl ((?:role|user|auth) .+)$", page, re.MULTILINE)
    users = {f"{name}:{password}" for name, password in (*USERS.values(), ROOT_USER)}
    assert {command.split()[2] for command in commands if command.startswith("user add ")} == users
    assert commands[-1] == "auth enable"
    for command in commands:
        run(*etcdctl, *command.split())


class Denied(Exception):
    """etcd answers that the user may not do this."""


@dataclass(frozen=True, slots=True)
class Session:
    """A user who is logged in at a member of etcd."""

    url: str
    token: str

    @classmethod
    def of(cls, url: str, user: tuple[str, str]) -> Session:
        """Log in."""
        return cls(url, str(ask(url, "auth/authenticate", {"name": user[0], "password": user[1]})["token"]))

    def ask(self, path: str, request: object) -> dict[str, object]:
        """Return etcd's answer; the first message of a stream. Errors: Denied."""
        posted = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(request).encode())
        posted.add_header("Authorization", self.token)
        try:
            with urllib.request.urlopen(posted, timeout=60) as answer:
                said: dict[str, object] = json.loads(answer.readline())
        except urllib.error.HTTPError as error:
            words = error.read().decode()
            if "permission denied" in words:
                raise Denied from None
            raise AssertionError(f"{path}: HTTP {error.code}: {words}") from error
        if "permission denied" in json.dumps(said):  # a watch's answer is a message
            raise Denied
        return said

    def revision(self) -> str:
        """Return etcd's present revision."""
        header = self.ask("kv/range", {"key": text("x")})["header"]
        assert isinstance(header, dict)
        return str(header["revision"])

    def may(self, path: str, request: object) -> bool:
        """Whether etcd allows the user to do it. If so, it is done."""
        try:
            self.ask(path, request)
        except Denied:
            return False
        return True


def reading(key: str) -> Iterator[tuple[str, object]]:
    """Yield every way to read a key: the path of the request, and its body."""
    one, end = text(key), text(key + "\0")
    yield "kv/range", {"key": one}
    yield "kv/range", {"key": one, "range_end": end, "count_only": True}
    yield "kv/txn", {"success": [{"request_range": {"key": one}}]}
    yield "kv/txn", {"compare": [{"key": one, "target": "VERSION", "result": "GREATER", "version": "-1"}]}
    yield "watch", {"create_request": {"key": one}}
    yield "watch", {"create_request": {"key": one, "range_end": end}}


def writing(key: str, leases: Callable[[], str]) -> Iterator[tuple[str, object]]:
    """Yield every way to write a key. ``leases``: gives the number of a new lease of somebody else's, to which the key
    is bound."""
    one, end = text(key), text(key + "\0")
    put, delete = {"key": one, "value": text("x")}, {"key": one}
    yield "kv/put", put
    yield "kv/put", {**put, "lease": leases()}
    yield "kv/deleterange", delete
    yield "kv/deleterange", {**delete, "range_end": end}
    for branch in ("success", "failure"):
        yield "kv/txn", {branch: [{"request_put": put}]}
        yield "kv/txn", {branch: [{"request_delete_range": delete}]}
    yield "lease/revoke", {"ID": leases()}
