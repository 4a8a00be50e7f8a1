"""What each role of docs/fleet.md may do with each key, tried on a real etcd; the page prints the result."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from support.etcd import RELEASES, cluster, text
from support.fleet_users import ROOT_USER, USERS, Session, make_users, reading, writing
from support.golden_files import compare
from support.tools.project import ROOT
from svcc.fleet.keys import Keys

KEYS = Keys("shop")
_HASH = "0" * 64
#: A key of each kind, by what the page calls it.
_LAYOUT = {
    "head": KEYS.head,
    "release/NUMBER": KEYS.release(1),
    "blob/HASH/PIECE": KEYS.blob(_HASH, 0),
    "want/NODE": KEYS.want("node-a"),
    "rollout": KEYS.rollout,
    "lock": KEYS.lock,
    "alive/NODE": KEYS.alive("node-a"),
    "status/NODE": KEYS.status("node-a"),
    "holder/ADDRESS": KEYS.holder("10.9.0.100"),
    "pool/POOL/ADDRESS": KEYS.registered("web-pool", "100.64.0.19"),
}
#: Keys that nobody has a use for, some as near to those as one can come.
_BESIDE = {
    "any other of the fleet": (KEYS.all, f"{KEYS.all}else", f"{KEYS.all}alive", f"{KEYS.all}poolside/x"),
    "all others": (KEYS.all[:-1], "/svcc/shop2/alive/node-a", "/svcc/shop0", "/svcc/", "/", "x"),
}
#: What is etcd's own, and what changes it or shows all of it.
_NAME = text("x")
_OWN: dict[str, list[tuple[str, object]]] = {
    "users, roles": [
        ("auth/user/add", {"name": "eve", "password": "eve"}),
        ("auth/user/list", {}),
        ("auth/user/changepw", {"name": "root", "password": "eve"}),
        ("auth/user/grant", {"user": "agent", "role": "root"}),
        ("auth/role/add", {"name": "eve"}),
        ("auth/role/grant", {"name": "svcc-agent", "perm": {"permType": "READWRITE", "key": _NAME}}),
        ("auth/role/delete", {"role": "svcc-agent"}),
        ("auth/disable", {}),
    ],
    "members, backup": [
        ("cluster/member/add", {"peerURLs": ["http://192.0.2.1:2380"]}),
        ("maintenance/snapshot", {}),
        ("maintenance/defragment", {}),
    ],
    "all keys at once": [
        ("kv/range", {"key": "AA==", "range_end": "AA==", "count_only": True}),
        ("kv/deleterange", {"key": "AA==", "range_end": "AA=="}),
        ("kv/deleterange", {"key": text("/svcc/"), "range_end": text("/svcc0")}),
    ],
}


def test_the_layout_is_all_of_it() -> None:
    """Each beginning and each key that a fleet has is of some kind."""
    made = {name: getattr(KEYS, name) for name in dir(Keys) if isinstance(getattr(Keys, name), property)}
    assert made.pop("all") == KEYS.all
    for name, key in made.items():
        assert any(of.startswith(key) for of in _LAYOUT.values()), name
    assert all(key.startswith(KEYS.all) for key in _LAYOUT.values())


@pytest.fixture(scope="module", params=RELEASES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An etcd with the users of the page."""
    with cluster(tmp_path_factory.mktemp("etcd"), release=request.param) as etcd:
        make_users(lambda *words: subprocess.run(words, check=True, capture_output=True), etcd.urls[0])
        yield etcd.urls[0]


def _may(root: Session, user: Session, key: str) -> str:
    """What somebody may do with a key, in whichever way; fails where it depends on the way."""

    def leases() -> str:
        lease = str(root.ask("lease/grant", {"TTL": 3600})["ID"])
        root.ask("kv/put", {"key": text(key), "value": text("x"), "lease": lease})
        return lease

    reads = {path: user.may(path, request) for path, request in reading(key)}
    writes = {path: user.may(path, request) for path, request in writing(key, leases)}
    assert len({*reads.values()}) == len({*writes.values()}) == 1, (key, reads, writes)
    return ", ".join(["reads"] * reads["kv/range"] + ["writes"] * writes["kv/put"]) or "–"


def _try_what_anybody_may(root: Session, user: Session) -> None:
    """The page names all of it, for it is no fleet's affair: etcd asks who it is, not for a permission."""
    lease = str(root.ask("lease/grant", {"TTL": 3600})["ID"])
    assert user.may("lease/keepalive", {"ID": lease})
    root.ask("kv/put", {"key": _NAME, "value": _NAME})
    assert user.may("kv/compaction", {"revision": root.revision()})
    for action in ("ACTIVATE", "DEACTIVATE"):
        assert user.may("maintenance/alarm", {"action": action, "alarm": "NOSPACE"})


def test_each_role_may_do_what_the_page_says_and_nothing_else(url: str, update_golden: bool) -> None:
    root = Session.of(url, ROOT_USER)
    users = {role: Session.of(url, user) for role, user in USERS.items()}
    rows = [["key", *users], ["---"] * (len(users) + 1)]
    for name, key in _LAYOUT.items():
        rows.append([f"`{name}`", *(_may(root, user, key) for user in users.values())])
    for name, beside in _BESIDE.items():
        found = [[_may(root, user, key) for user in users.values()] for key in beside]
        assert all(cells == found[0] for cells in found), found
        rows.append([name, *found[0]])
    for name, requests in _OWN.items():
        ways = [[user.may(*request) for request in requests] for user in users.values()]
        assert ways == [[False] * len(requests)] * len(users), (name, ways)
    for user in users.values():
        _try_what_anybody_may(root, user)
    page = ROOT / "docs" / "fleet.md"
    table = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    begin, end = "<!-- made from what etcd allows -->\n", "<!-- end -->"
    head, _, rest = page.read_text(encoding="utf-8").partition(begin)
    compare(page, f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}", update_golden)
