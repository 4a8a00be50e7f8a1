"""Tokens and certificates against real servers with TLS on this machine, and names with several addresses."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from support.followed_news import heard
from support.replayed_api import Exchange, Replayed, replaying
from svcc.kubernetes_api.access import Access
from svcc.kubernetes_api.errors import BadConfig
from svcc.kubernetes_api.http import Client

_LIST, _WATCH = (
    "GET /api/v1/services?limit=500",
    "GET /api/v1/services?watch=1&resourceVersion={}&allowWatchBookmarks=true",
)
_LISTED = {"kind": "ServiceList", "metadata": {"resourceVersion": "93"}, "items": []}
_SIMPLE = [Exchange(_LIST, body=[_LISTED])]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def serving(authority: trustme.CA, name: str = "127.0.0.1", *, asks: bool = False) -> ssl.SSLContext:
    """A server's TLS; ``asks``: clients have to have a certificate of the authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def said(
    access: Callable[[int], Access],
    context: ssl.SSLContext | None,
    exchanges: list[Exchange],
    number: int = 1,
    then: Callable[[str], object] = lambda _: None,
) -> tuple[list[str], Replayed]:
    async def replayed() -> tuple[list[str], Replayed]:
        async with replaying(exchanges, context) as server:
            return await heard(access(server.port), number, then=then), server

    return asyncio.run(replayed())


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_that_is_renewed_is_sent_from_then_on(tmp_path: Path, authority: trustme.CA) -> None:
    """The server refuses the old one; the kubelet has replaced the file meanwhile."""
    file = tmp_path / "token"
    file.write_text("old\n")
    gone = Exchange(_WATCH.format(93), 401, body=[{"kind": "Status", "code": 401, "reason": "Unauthorized"}])
    event = {"type": "ADDED", "object": {"kind": "Service", "metadata": {"name": "a", "resourceVersion": "94"}}}
    exchanges = [*_SIMPLE, gone, Exchange(_WATCH.format(93), body=[event], end="silence")]
    access = lambda port: Access(f"https://127.0.0.1:{port}", authority=pem(authority), token=file)  # noqa: E731
    renew = lambda news: file.write_text("new") if news.startswith("lost") else None  # noqa: E731
    news, server = said(access, serving(authority), exchanges, 4, renew)
    assert news == ["whole", "lost services: 401 Unauthorized", "found", "changed a"]
    assert [one["authorization"] for one in server.headers] == ["Bearer old", "Bearer old", "Bearer new"]


@pytest.mark.parametrize("content", [b"", b"  \n", b"a\nb", b"\xff"])
def test_a_file_without_a_token_is_told_and_read_again(tmp_path: Path, authority: trustme.CA, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    access = lambda port: Access(f"https://127.0.0.1:{port}", authority=pem(authority), token=file)  # noqa: E731
    news, _ = said(access, serving(authority), _SIMPLE, 2, lambda _: file.write_text("good"))
    assert news[0].endswith("/token: no token is in it")
    assert news[1] == "whole"


# -- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inline", [True, False])
def test_a_client_shows_its_certificate(tmp_path: Path, authority: trustme.CA, inline: bool) -> None:
    issued = authority.issue_cert("client.example")
    chain, key = issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode()
    (tmp_path / "crt").write_text(chain)
    (tmp_path / "key").write_text(key)
    mine: Any = (chain, key) if inline else (tmp_path / "crt", tmp_path / "key")

    def access(port: int) -> Access:
        return Access(f"https://127.0.0.1:{port}", authority=pem(authority), certificate=mine[0], key=mine[1])

    assert said(access, serving(authority, asks=True), _SIMPLE)[0] == ["whole"]


def test_a_certificate_of_nobody_that_is_trusted_is_refused(authority: trustme.CA) -> None:
    other = trustme.CA()
    access = lambda port: Access(f"https://127.0.0.1:{port}", authority=pem(other))  # noqa: E731
    news, server = said(access, serving(authority), _SIMPLE)
    assert "certificate verify failed" in news[0]
    assert server.asked == []


def test_an_authority_that_is_replaced_is_trusted_from_then_on(tmp_path: Path, authority: trustme.CA) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(pem(trustme.CA()))
    access = lambda port: Access(f"https://127.0.0.1:{port}", authority=file)  # noqa: E731
    replace = lambda _: file.write_text(pem(authority))  # noqa: E731
    news, _ = said(access, serving(authority), _SIMPLE, 2, replace)
    assert "certificate verify failed" in news[0]
    assert news[1] == "whole"


@pytest.mark.parametrize(("name", "passes"), [("kubernetes", True), ("other", False), (None, False)])
def test_the_name_of_a_certificate_may_be_another_than_the_hosts(
    authority: trustme.CA, name: str | None, passes: bool
) -> None:
    access = lambda port: Access(f"https://127.0.0.1:{port}", authority=pem(authority), server_name=name)  # noqa: E731
    news, _ = said(access, serving(authority, "kubernetes"), _SIMPLE)
    assert (news == ["whole"]) == passes


def test_who_wants_no_certificate_checked_gets_that(authority: trustme.CA) -> None:
    access = lambda port: Access(f"https://127.0.0.1:{port}", insecure=True)  # noqa: E731
    assert said(access, serving(authority, "other"), _SIMPLE)[0] == ["whole"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"authority": "garbage"}, "certificate-authority-data: "),
        ({"authority": Path("/none/ca.crt")}, "/none/ca.crt: No such file or directory"),
        ({"certificate": "garbage", "key": "garbage"}, "client-certificate-data: "),
        ({"certificate": Path("/none/a.crt"), "key": "garbage"}, "/none/a.crt: .*No such file"),
    ],
)
def test_certificates_of_no_use_are_told_at_once(more: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=f"^{words}"):
        Client(Access("https://127.0.0.1:1", **more))


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/proc/self/environ", "."])
@pytest.mark.parametrize("what", ["authority", "certificate", "key", "token"])
def test_files_that_may_never_end_are_not_read(tmp_path: Path, authority: trustme.CA, what: str, name: str) -> None:
    """Whoever wrote the kubeconfig named them."""
    os.mkfifo(tmp_path / "fifo")
    issued = authority.issue_cert("client.example")
    mine = {
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "key": issued.private_key_pem.bytes().decode(),
        what: tmp_path / name,
    }
    access = Access("https://127.0.0.1:1", **mine)  # type: ignore[arg-type]
    news = asyncio.run(heard(access, 1))[0] if what == "token" else _refused(access)
    assert re.search(r"/(fifo|zero|environ): it is not a regular file|: Is a directory", news)


def _refused(access: Access) -> str:
    with pytest.raises(BadConfig) as raised:
        Client(access)
    return str(raised.value)


# -- several servers --------------------------------------------------------------------------------------------------


def test_of_several_addresses_behind_a_name_one_is_enough(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens on the first."""
    real = socket.getaddrinfo

    def found(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host != "api.example":
            return real(host, port, *rest, **more)
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*stream, (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    access = lambda port: Access(f"https://api.example:{port}", authority=pem(authority))  # noqa: E731
    news, server = said(access, serving(authority, "api.example"), _SIMPLE)
    assert news == ["whole"]
    assert server.headers[0]["host"].startswith("api.example:")


def test_a_server_that_is_away_is_told() -> None:
    with socket.socket() as made:  # bound, so that nobody else takes the port, and without a listener
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
        news = asyncio.run(heard(Access(f"http://127.0.0.1:{port}"), 2))
    assert news[0].startswith(f"lost services: no answer from http://127.0.0.1:{port}: Connect")
    assert news[1].startswith("lost services: no answer")
