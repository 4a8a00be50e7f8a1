"""Members of etcd on this machine's loopback, each cluster at addresses of its own, ended by their process ids.

etcd is Debian's, unpacked and not installed (:mod:`support.tools.debs`), so that no service of it is started here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import shutil
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme

from support.tools import debs
from support.waiting import LID, until
from svcc.etcd.client import Client
from svcc.etcd.errors import EtcdError
from svcc.etcd.leases import Held
from svcc.etcd.values import Changes, Delete, Entry, Listing, Tls

T = TypeVar("T")

#: Debian's releases whose etcd is tried: 3.4, which is the floor, and 3.5.
RELEASES = ("bookworm", "trixie")
_CLIENTS, _PEERS, _METRICS = 2379, 2380, 2381
#: Elections are quick, for quick tests, but not so quick that a busy leader counts as dead; so are passwords' checks.
_QUICK = (
    *("--heartbeat-interval", "100"),
    *("--election-timeout", "1000"),
    *("--bcrypt-cost", "4"),
    *("--log-level", "error"),
)

#: How many characters of a member's log are shown where it does not serve.
_TAIL = 4000


class Member:
    """One process of etcd, which can be ended, frozen and started again."""

    def __init__(self, release: str, folder: Path, address: str, options: Sequence[str], scheme: str) -> None:
        self.address, self.folder = address, folder
        self.url, self.peer = f"{scheme}://{address}:{_CLIENTS}", f"http://{address}:{_PEERS}"
        self._metrics = f"http://{address}:{_METRICS}"
        self._command = [*debs.argv(release, "etcd-server", "etcd"), *_QUICK, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The folder of the member's data."""
        return self.folder / "data"

    def start(self, *more: str) -> None:
        """Start the member, and do not wait."""
        words = [*self._command, "--data-dir", str(self.data), "--listen-metrics-urls", self._metrics]
        words += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        words += ["--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer, *more]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def runs(self) -> bool:
        """Whether the member was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def serving(self) -> None:
        """Wait until the member serves, with a leader."""
        try:
            until(self._healthy, f"etcd at {self.url} serves", process=self._process)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{(self.folder / 'log').read_text(errors='replace')[-_TAIL:]}")

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._metrics}/health", timeout=10) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, ValueError):
            return False

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the member, as a failing machine does or by a signal, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(number)
            if number == signal.SIGTERM:
                self._process.send_signal(signal.SIGCONT)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let the member hang: its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the member go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Cluster:
    """The members of one cluster."""

    def __init__(
        self, release: str, folder: Path, addresses: Sequence[str], options: Sequence[str], scheme: str
    ) -> None:
        self.members = [
            Member(release, folder / f"m{number}", address, options, scheme) for number, address in enumerate(addresses)
        ]
        peers = ",".join(f"m{number}={member.peer}" for number, member in enumerate(self.members))
        self._words = ["--initial-cluster", peers]

    @property
    def urls(self) -> list[str]:
        """The members' addresses for clients."""
        return [member.url for member in self.members]

    def start(self, *more: str) -> None:
        """Start all members, and wait until they serve."""
        for member in self.members:
            self.launch(member, *more)
        for member in self.members:
            member.serving()

    def launch(self, member: Member, *more: str) -> None:
        """Start one of the members, and do not wait."""
        member.start("--name", f"m{self.members.index(member)}", *self._words, *more)

    def restart(self, member: Member) -> None:
        """Start a member again that was ended, and wait until it serves."""
        self.launch(member)
        member.serving()

    def mend(self) -> None:
        """Start the members that have ended, let those go on that hang, and wait until all serve."""
        for member in self.members:
            member.thaw() if member.runs else self.launch(member)
        for member in self.members:
            member.serving()

    def end(self) -> None:
        """End all members."""
        for member in self.members:
            member.end()

    def leader(self) -> Member:
        """Return the leader. All members have to serve; while another leader is elected, none leads."""
        found = until(self._leading, "a member leads")
        assert found is not None
        return found

    def _leading(self) -> Member | None:
        for member in self.members:
            status = ask(member.url, "maintenance/status")
            if status.get("leader") == status["header"]["member_id"]:
                return member
        return None


@contextmanager
def cluster(
    folder: Path,
    *options: str,
    size: int = 1,
    release: str = RELEASES[0],
    scheme: str = "http",
    address: str = "",
) -> Iterator[Cluster]:
    """Yield a cluster that serves, inside the ``with`` block. ``address``: of its only member."""
    addresses = [address] if address else loopback(size)
    made = Cluster(release, folder, addresses, options, scheme)
    try:
        made.start()
        yield made
    finally:
        made.end()


def loopback(size: int) -> list[str]:
    """Return addresses of loopback that nobody else uses."""
    net = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
    return [f"{net}.{number + 1}" for number in range(size)]


def ask(url: str, path: str, request: object = None, token: str = "", context: ssl.SSLContext | None = None) -> Any:
    """Return a member's answer, asked without svcc."""
    posted = urllib.request.Request(f"{url}/v3/{path}", json.dumps(request or {}).encode())
    if token:
        posted.add_header("Authorization", token)
    try:
        with urllib.request.urlopen(posted, timeout=60, context=context) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path}: HTTP {error.code}: {error.read()!r}") from error


def text(word: str) -> str:
    """Return a key in the gateway's form."""
    return base64.b64encode(word.encode()).decode()


def compact(url: str) -> int:
    """Forget the history up to the present revision; return that revision."""
    revision = ask(url, "kv/range", {"key": text("x")})["header"]["revision"]
    ask(url, "kv/compaction", {"revision": revision, "physical": True})
    return int(revision)


def with_users(url: str, *users: tuple[str, str, str], context: ssl.SSLContext | None = None) -> None:
    """Have etcd require users: root with password root, and users with a password who may do everything below a
    prefix."""
    for name, password, prefix in (("root", "root", ""), *users):
        ask(url, "auth/user/add", {"name": name, "password": password}, context=context)
        ask(url, "auth/role/add", {"name": name}, context=context)
        if prefix:
            end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            allowed = {"permType": "READWRITE", "key": text(prefix), "range_end": text(end)}
            ask(url, "auth/role/grant", {"name": name, "perm": allowed}, context=context)
        ask(url, "auth/user/grant", {"user": name, "role": name}, context=context)
    ask(url, "auth/enable", context=context)


class Certificates:
    """An authority, a member's certificate, and clients' with and without a common name, in a folder."""

    def __init__(self, folder: Path, *addresses: str) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.member = self._issued(folder / "member", authority.issue_cert(*addresses))
        self.unnamed = self._issued(folder / "unnamed", authority.issue_cert("client.example"))
        self.named = self._issued(folder / "named", authority.issue_cert("u.example", common_name="u"))

    @staticmethod
    def _issued(stem: Path, issued: trustme.LeafCert) -> tuple[Path, Path]:
        certificate, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    def options(self, *, ask_clients: bool = False) -> list[str]:
        """Return the options for a member."""
        words = ["--cert-file", str(self.member[0]), "--key-file", str(self.member[1])]
        return [*words, "--client-cert-auth", "--trusted-ca-file", str(self.ca)] if ask_clients else words

    def context(self) -> ssl.SSLContext:
        """Return the TLS context for a client of the standard library."""
        made = ssl.create_default_context(cafile=self.ca)
        made.load_cert_chain(*self.unnamed)
        return made

    def tls(self, client: tuple[Path, Path] | tuple[None, None] = (None, None)) -> Tls:
        """Return the TLS settings for svcc's client."""
        return Tls(self.ca, *client)


async def delete(client: Client, key: str, *, below: bool = False) -> None:
    """Delete a key, or ``below`` it all keys that begin with it, as the fleet does."""
    await client.transact((), [Delete(key, prefix=below)])


@asynccontextmanager
async def empty(etcd: Cluster, prefix: str) -> AsyncIterator[Client]:
    """Yield a client of a cluster that has nothing below a prefix."""
    async with Client(etcd.urls) as client:
        await delete(client, prefix, below=True)
        yield client


def run(coroutine: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end, within the time limit of a test."""

    async def limited() -> T:
        async with asyncio.timeout(LID):
            return await coroutine

    return asyncio.run(limited())


class Busy(Client):
    """A client on a machine so busy that its first lease has ended before it is used."""

    often = 0

    @asynccontextmanager
    async def hold(self, ttl: int) -> AsyncIterator[Held]:
        async with super().hold(ttl) as held:
            self.often += 1
            if self.often == 1:
                await self.revoke(held.lease)
            yield held


class Follower:
    """A task that follows a prefix, and keeps what it was told."""

    def __init__(self, client: Client, prefix: str, *, reread: float = 3600) -> None:
        self.news: list[Listing | Changes] = []
        self.troubles: list[EtcdError] = []
        self._stream: AsyncGenerator[Listing | Changes, None]
        self._stream = client.follow(prefix, trouble=self.troubles.append, reread=reread)
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for one in self._stream:
            self.news.append(one)

    def told(self) -> dict[str, bytes]:
        """Return the keys and values, as known from what was told."""
        entries: dict[str, Entry] = {}
        for one in self.news:
            if isinstance(one, Listing):
                entries = dict(one.by_key())
                continue
            for change in one.changes:
                entries.pop(change.key, None)
                entries |= {change.key: change.entry} if change.entry else {}
        return {key: entry.value for key, entry in entries.items()}

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; fail where following ends before."""
        await coming(lambda: condition() or self._task.done(), what)
        if self._task.done():
            self._task.result()

    async def until_told(self, wanted: dict[str, bytes]) -> None:
        """Wait until exactly this was told."""
        await self.until(lambda: self.told() == wanted, f"{wanted} is told")

    async def close(self) -> None:
        """Stop following."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._stream.aclose()


async def coming(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition. The caller has a time limit (:func:`run`)."""
    try:
        while not condition():  # noqa: ASYNC110 - the condition is whatever a test looks at
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        raise AssertionError(f"this did not come: {what}") from None


def backed_up(member: Member, folder: Path) -> None:
    """Copy the data of a member that was ended."""
    shutil.copytree(member.data, folder)


def restored(member: Member, folder: Path) -> None:
    """Give a member that was ended the data of a backup."""
    shutil.rmtree(member.data)
    shutil.copytree(folder, member.data)


def wiped(member: Member) -> None:
    """Delete the data of a member that was ended."""
    shutil.rmtree(member.data)
