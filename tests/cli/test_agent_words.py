"""Messages of ``svcc agent`` about arguments that do not go together, and about a kubeconfig that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import svcc

_CLUSTER = ("--kubernetes", "config", "--node", "n")


def said(*words: str) -> str:
    """What is said of a command line that is refused with exit status 2."""
    done = svcc("agent", *words, "-t", "nft")
    assert (done.status, done.out) == (2, b"")
    return " ".join(done.err.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "the agent follows a FILE, a cluster (--kubernetes) or a fleet (--fleet): one of them"),
        (["a.dsl", *_CLUSTER], "the agent follows a FILE, a cluster (--kubernetes) or a fleet (--fleet): one of them"),
        (["--kubernetes", "config"], "--kubernetes needs --node: the name that the cluster has for this machine"),
        (["a.dsl", "--prefix", "A"], "--context and --prefix go with --kubernetes: a FILE has its own prefix"),
        (["a.dsl", "--context", "a"], "--context and --prefix go with --kubernetes: a FILE has its own prefix"),
        ([*_CLUSTER, "--prefix", "nat"], "`nat` cannot be a prefix: tables of that name belong to iptables"),
        (["a.dsl", "--listen", "9" * 5_000], "does not end in a port"),
        (["a.dsl", "--listen", "::1:9100"], "`::1:9100`: an IPv6 address with a port stands in brackets: [::1]:9100"),
        (["a.dsl", "--listen", "::1"], "`::1`: an IPv6 address with a port stands in brackets: [::1]:9100"),
        (["a.dsl", "--confirm", "nan"], "`nan` is no number"),
        (["a.dsl", "--repair", "nan"], "it is 0 to 86400 seconds, or `never`"),
        (["-"], "the agent follows a file: standard input is read only once"),
    ],
)
def test_words_that_do_not_go_together(words: list[str], reason: str) -> None:
    assert reason in said(*words)


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({"exec": {"command": "aws"}}, "users[0].user.exec is not supported: a plugin is a program, and none is run"),
        ({"client-certificate": "a", "client-key": "b"}, "a: No such file or directory"),
    ],
)
def test_a_kubeconfig_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, object], reason: str
) -> None:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1"}}],
        "users": [{"name": "u", "user": user}],
    }
    monkeypatch.chdir(tmp_path)
    Path("config").write_text(json.dumps(config))
    assert said(*_CLUSTER).startswith("svcc: ")
    assert reason in said(*_CLUSTER)


def test_who_is_in_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    found = "svcc: not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
    assert said("--kubernetes", "in-cluster", "--node", "n") == found
    assert said("--node", "n", "--log", "json", "--kubernetes") == found
