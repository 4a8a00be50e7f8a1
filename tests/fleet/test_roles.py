"""What each user may do in a fleet whose etcd has the users and roles of docs/fleet.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fleet_site import URL, Machine, Site, site
from support.fleet_users import USERS, make_users

pytestmark = pytest.mark.kernel

_TEXT = """\
cluster { prefix CUSTOM }
node a { address 10.9.0.11 }
service web { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.1; 100.64.0.2 } }
"""


def _as(made: Site, user: str, password: str) -> list[str]:
    """The options of a user."""
    file = made.switch.folder / f"{user}.password"
    file.write_text(f"{password}\n")
    return ["--etcd-user", user, "--etcd-password-file", str(file)]


def _roll(made: Site, *words: str, status: int = 0) -> str:
    return made.svcc("rollout", 1, "--soak", "0s", "--stage", "all", *words, status=status)


def test_agents_cannot_publish_and_whoever_publishes_can(tmp_path: Path) -> None:
    with site(tmp_path, "a") as made:
        a: Machine = made.machines[0]
        make_users(made.switch.run, URL)
        (made.switch.folder / "shop.dsl").write_text(_TEXT)
        agent, anna, ben = (_as(made, *USERS[f"svcc-{role}"]) for role in ("agent", "publisher", "reader"))
        assert "permission denied" in made.svcc("publish", "shop.dsl", "-t", "nft", *agent, status=3)
        assert "user name is empty" in made.svcc("publish", "shop.dsl", "-t", "nft", status=2)
        made.svcc("publish", "shop.dsl", "-t", "nft", *anna)
        a.start(*agent)
        assert "permission denied" in _roll(made, *agent, status=3)
        _roll(made, *anna)
        a.serves(1, 2)
        made.svcc("fleet", "status", *agent)
        made.svcc("fleet", "status", *ben)
        assert "permission denied" in made.svcc("rollout", "--back", *ben, status=3)
