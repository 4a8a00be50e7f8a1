"""Users, tokens and TLS, against real members."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.etcd import RELEASES, Certificates, Cluster, Follower, ask, cluster, delete, loopback, run, with_users
from svcc.etcd.client import Client
from svcc.etcd.errors import GatewayOff, NotAllowed, NotAuthenticated
from svcc.etcd.values import Credentials, Put, Tls

_TOKENS_LAST = 1  # seconds: the shortest that etcd knows


@pytest.fixture(scope="module", params=RELEASES)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A member with users: u may do all below /u/."""
    folder, release = tmp_path_factory.mktemp("guarded"), str(request.param)
    with cluster(folder, "--auth-token-ttl", str(_TOKENS_LAST), release=release) as made:
        with_users(made.urls[0], ("u", "secret", "/u/"))
        yield made


def _u(made: Cluster, password: str = "secret") -> Client:
    return Client(made.urls, credentials=Credentials("u", password))


def test_a_user_may_do_what_its_roles_say(guarded: Cluster) -> None:
    async def within_and_without() -> None:
        async with _u(guarded) as etcd:
            await etcd.put("/u/1", b"1")
            assert [entry.key for entry in (await etcd.list("/u/")).entries] == ["/u/1"]
            for refused in (
                etcd.get("/x"),
                etcd.list("/"),
                etcd.put("/x", b""),
                delete(etcd, "/x"),
                etcd.transact((), [Put("/u/1", b""), Put("/x", b"")]),
                anext(etcd.watch("/x", 1)),
                anext(etcd.follow("/")),
            ):
                with pytest.raises(NotAllowed, match=f"{guarded.urls[0]}: etcdserver: permission denied"):
                    await refused
            assert (await etcd.transact((), [Put("/u/1", b"2")])).succeeded

    run(within_and_without())


def test_who_is_nobody_is_told_what_to_give(guarded: Cluster) -> None:
    async def nobody() -> None:
        async with Client(guarded.urls) as etcd:
            for refused in (etcd.get("/u/1"), etcd.put("/u/1", b""), anext(etcd.watch("/u/", 1))):
                with pytest.raises(NotAuthenticated, match=r"user name is empty .*give user and password"):
                    await refused
        async with _u(guarded, "wrong") as etcd:
            for refused in (etcd.get("/u/1"), anext(etcd.watch("/u/", 1))):
                with pytest.raises(NotAuthenticated, match="invalid user ID or password"):
                    await refused

    run(nobody())


def test_a_token_that_expired_is_renewed(guarded: Cluster) -> None:
    """For requests, transactions, and watches, whose refusal has another form."""

    def expired(etcd: Client) -> None:
        """To etcd, a token that it forgot is any that it does not know."""
        etcd._members._token = "A" * 16 + ".1"

    async def renewing() -> None:
        async with _u(guarded) as etcd:
            await etcd.put("/u/1", b"1")
            expired(etcd)
            await etcd.put("/u/1", b"2")
            expired(etcd)
            assert (await etcd.transact((), [Put("/u/1", b"3")])).succeeded
            entry = await etcd.get("/u/1")
            assert entry is not None
            expired(etcd)
            changes = await anext(etcd.watch("/u/", entry.mod_revision))
            assert [one.key for one in changes.changes] == ["/u/1"]

    run(renewing())


def test_a_token_that_is_newer_than_a_backup_is_renewed(guarded: Cluster) -> None:
    """A member waits for the revision that a token was made at, and answers nothing."""

    async def renewing() -> None:
        async with Client(guarded.urls, credentials=Credentials("u", "secret")) as etcd:
            etcd._members._token = "A" * 16 + ".1000000"
            await etcd.put("/u/1", b"1")

    run(renewing())


def test_users_are_followed_past_their_tokens(guarded: Cluster) -> None:
    """Tokens last a second here, and a user's new roles make all of them stale."""

    async def following() -> None:
        async with _u(guarded) as etcd:
            follower = Follower(etcd, "/u/", reread=_TOKENS_LAST * 1.5)
            await follower.until(lambda: follower.news, "a listing")
            await follower.close()
            await delete(etcd, "/u/", below=True)
            follower = Follower(etcd, "/u/", reread=_TOKENS_LAST * 1.5)
            root = ask(guarded.urls[0], "auth/authenticate", {"name": "root", "password": "root"})["token"]
            ask(guarded.urls[0], "auth/role/add", {"name": f"r{guarded.urls[0]}"}, root)
            async with _u(guarded) as other:
                await other.put("/u/1", b"1")
            await follower.until_told({"/u/1": b"1"})
            assert follower.troubles == []
            await follower.close()

    run(following())


@pytest.mark.parametrize("release", RELEASES)
def test_users_that_come_while_a_client_runs(tmp_path: Path, release: str) -> None:
    with cluster(tmp_path, release=release) as made:

        async def without_and_with() -> None:
            async with _u(made) as etcd:
                await etcd.put("/u/1", b"1")
                with_users(made.urls[0], ("u", "secret", "/u/"))
                await etcd.put("/u/1", b"2")
                made.members[0].end()
                made.restart(made.members[0])  # its tokens are gone
                await etcd.put("/u/1", b"3")
                with pytest.raises(NotAllowed):
                    await etcd.get("/x")

        run(without_and_with())


def test_the_gateway_may_be_off(tmp_path: Path) -> None:
    """As it is when bookworm's etcd is started with a configuration file that does not say otherwise."""
    with cluster(tmp_path, "--enable-grpc-gateway=false") as made:

        async def asking() -> None:
            async with Client(made.urls) as etcd:
                for refused in (etcd.get("/"), etcd.list("/"), anext(etcd.watch("/", 1)), anext(etcd.follow("/"))):
                    with pytest.raises(GatewayOff, match="enable-grpc-gateway: true"):
                        await refused

        run(asking())


@pytest.mark.parametrize("release", RELEASES)
def test_tls_with_certificates_of_clients(tmp_path: Path, release: str) -> None:
    """A member's certificate has to have its name, a client's the right authority, and for the gateway no name."""
    (address,) = loopback(1)
    certificates = Certificates(tmp_path, address)
    options = certificates.options(ask_clients=True)
    with cluster(tmp_path, *options, release=release, scheme="https", address=address) as made:
        you = Credentials("u", "secret")

        async def asking() -> None:
            async with Client(made.urls, tls=certificates.tls(certificates.unnamed)) as etcd:
                await etcd.put("/u/1", b"1")
                follower = Follower(etcd, "/u/")
                await follower.until_told({"/u/1": b"1"})
                await follower.close()
            for tls in (certificates.tls(), Tls(None, *certificates.unnamed)):
                async with Client(made.urls, tls=tls) as etcd:
                    with pytest.raises(NotAuthenticated, match="TLS fails"):
                        await etcd.get("/u/1")
            with_users(made.urls[0], ("u", "secret", "/u/"), context=certificates.context())
            async with Client(made.urls, tls=certificates.tls(certificates.unnamed), credentials=you) as etcd:
                await etcd.put("/u/1", b"2")
            async with Client(made.urls, tls=certificates.tls(certificates.named), credentials=you) as etcd:
                with pytest.raises(NotAuthenticated, match="without a common name"):
                    await etcd.put("/u/1", b"3")

        run(asking())


def test_another_name_than_the_certificates_is_not_trusted(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path, "etcd.example")
    with cluster(tmp_path, *certificates.options(), scheme="https") as made:

        async def asking() -> None:
            async with Client(made.urls, tls=certificates.tls()) as etcd:
                with pytest.raises(NotAuthenticated, match=r"TLS fails.*not valid for"):
                    await etcd.get("/")

        run(asking())
