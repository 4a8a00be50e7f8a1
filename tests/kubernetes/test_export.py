"""``svcc export kubernetes``: the program of a cluster at this moment is what its objects import as."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from jsonschema import Draft202012Validator

from support.command_line import svcc
from support.kubernetes_double import Beside, Cluster, served_beside
from support.kubernetes_objects import as_yaml, cluster, service
from support.schemas import SCHEMAS, read

_PLURALS = {"Service": "services", "EndpointSlice": "endpointslices", "Node": "nodes"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Beside]:
    """A cluster, to which the file `config` leads."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        }
        Path("config").write_text(json.dumps(config), encoding="utf-8")
        with served_beside(Cluster(largest_page=7), listening) as beside:
            yield beside


@pytest.mark.parametrize("versions", [("v1", "v1beta1"), ("v1beta1",)])
def test_it_prints_what_the_objects_import_as(server: Beside, versions: tuple[str, ...]) -> None:
    objects = cluster(20, Random(1))
    server.cluster.versions = versions
    for some in objects:
        server.put(_PLURALS[str(some["kind"])], some)
    Path("objects.yaml").write_text(as_yaml(objects), encoding="utf-8")
    imported = svcc("import", "kubernetes", "objects.yaml")
    exported = svcc("export", "kubernetes", "--kubeconfig", "config")
    assert exported.text == imported.text
    assert exported.status == imported.status == 1
    *lines, last = exported.err.splitlines()
    *wanted, same = imported.err.splitlines()
    assert last == same
    assert sorted(map(_reason, lines)) == sorted(map(_reason, wanted))
    assert svcc("check", "-", stdin=exported.out).status == 0


def _reason(line: str) -> str:
    return line.rpartition(": ")[2]


@pytest.mark.usefixtures("server")
def test_it_writes_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "config")
    done = svcc("export", "kubernetes", "-o", "cluster.dsl")
    assert (done.status, done.out, done.err) == (0, b"", "svcc: 0 services with 0 endpoints; all of it carried over\n")
    assert Path("cluster.dsl").read_text(encoding="utf-8") == ""


def test_it_reports_as_json(server: Beside) -> None:
    """Two Services clash, and one is headless."""
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    for name, ips in (("a", ["10.96.0.1"]), ("b", ["10.96.0.1"]), ("c", [])):
        server.put("services", service(f"shop/{name}", ips, [port]))
    done = svcc("export", "kubernetes", "--kubeconfig", "config", "--json")
    found = json.loads(done.err)
    Draft202012Validator(read(SCHEMAS["export"])).validate(found)
    assert found == {
        "version": 1,
        "services": 1,
        "endpoints": 0,
        "notes": [
            {
                "object": "Service shop/b",
                "field": "spec.ports[0].port",
                "reason": "10.96.0.1 port 80/tcp is served by shop/a and shop/b",
                "usual": False,
                "clashes_with": "Service shop/a",
            },
            {
                "object": "Service shop/c",
                "field": "spec.clusterIP",
                "reason": "headless: its clients ask DNS for the endpoints",
                "usual": True,
                "clashes_with": None,
            },
        ],
    }


def test_what_may_not_be_read_is_told(server: Beside) -> None:
    server.cluster.forbidden.add("nodes")
    done = svcc("export", "kubernetes", "--kubeconfig", "config")
    assert (done.status, done.out) == (3, b"")
    assert "nodes is forbidden" in done.err
    server.stop()
    done = svcc("export", "kubernetes", "--kubeconfig", "config")
    assert (done.status, done.out) == (3, b"")
    assert done.err.startswith("svcc: http://127.0.0.1:")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--kubeconfig", "nowhere"], "nowhere: No such file or directory"),
        (["--in-cluster"], "not in a cluster"),
        (["--in-cluster", "--kubeconfig", "config"], "--in-cluster goes without a kubeconfig"),
    ],
)
def test_what_leads_to_no_cluster(words: list[str], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    done = svcc("export", "kubernetes", *words)
    assert (done.status, done.out) == (2, b"")
    assert reason in done.err


def test_whoever_has_no_home_is_told_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that no list of users has, without HOME in the environment: a container's, often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    done = svcc("export", "kubernetes")
    assert (done.status, done.err) == (2, "svcc: ~/.kube/config: No such file or directory\n")
