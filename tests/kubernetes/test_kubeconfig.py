"""Kubeconfig files and the environment of a pod: what is understood, and what is refused with a word."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from svcc.kubernetes_api.access import Access, in_cluster
from svcc.kubernetes_api.errors import BadConfig
from svcc.kubernetes_api.kubeconfig import read_kubeconfig

_PEM = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


def config(
    cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {"name": "other", "context": {"cluster": "none", "user": "none"}},
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "nobody", "context": {"cluster": "c"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        **top,
    }


def changed(**top: Any) -> dict[str, Any]:
    return {**config(), **top}


def read(folder: Path, value: object, context: str | None = None) -> Access:
    file = folder / "config"
    file.write_text(value if isinstance(value, str) else yaml.safe_dump(value))
    return read_kubeconfig(file, context)


def test_certificates_and_tokens_of_files_count_from_the_kubeconfigs_folder(tmp_path: Path) -> None:
    cluster = {"certificate-authority": "ca.crt", "tls-server-name": "kubernetes"}
    user = {"client-certificate": "/etc/a.crt", "client-key": "keys/a.key", "tokenFile": "token", "token": "older"}
    assert read(tmp_path, config(cluster, user)) == Access(
        server="https://api.example:6443",
        authority=tmp_path / "ca.crt",
        server_name="kubernetes",
        certificate=Path("/etc/a.crt"),
        key=tmp_path / "keys/a.key",
        token=tmp_path / "token",
    )


def test_inline_data_comes_before_files(tmp_path: Path) -> None:
    data = base64.encodebytes(_PEM.encode()).decode()
    cluster = {"certificate-authority-data": data, "certificate-authority": "/none"}
    user = {"client-certificate-data": data, "client-key-data": data, "token": "secret"}
    found = read(tmp_path, config(cluster, user))
    assert (found.authority, found.certificate, found.key, found.token) == (_PEM, _PEM, _PEM, "secret")
    assert "secret" not in repr(found)
    assert "BEGIN" not in repr(found)


def test_a_context_without_a_user_and_a_server_below_a_path(tmp_path: Path) -> None:
    found = read(tmp_path, config({"server": "https://[fd00::1]:6443/k8s/c/"}, {"exec": {"command": "x"}}), "nobody")
    assert found == Access("https://[fd00::1]:6443/k8s/c")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "a kubeconfig is an object"),
        ("- a", "a kubeconfig is an object"),
        ("a: [", "not YAML: see line 1, column 5"),
        ('token: "secret', "not YAML: see line 1, column 15"),
        ("token: *secret", "not YAML: see line 1, column 8"),
        ("token: !!int secret", "not YAML: a value does not fit its tag"),
        ("a: \x01", "not YAML: unacceptable character"),
        ("x" * (1 << 21), "it has more than the 1048576 bytes that are read"),
        ("kind: !!bool maybe", "not YAML: "),
        ("kind: !!int ''", "not YAML: "),
        ("kind: !!timestamp now", "not YAML: "),
        ("kind: 1" + ":59" * 400 + ".5", "not YAML: "),
        ("kind: " + "1" * 5_000, "not YAML: "),
        ("kind: [Config]", "kind has to be a text"),
        (config(kind="Pod"), "kind is 'Pod', and a kubeconfig's is Config"),
        (changed(**{"current-context": ""}), "current-context is missing, so nothing says which cluster is meant"),
        (changed(**{"current-context": "none"}), "contexts has no context 'none'"),
        (changed(**{"current-context": 5}), "current-context has to be a text"),
        (changed(**{"current-context": "other"}), "clusters has no cluster 'none'"),
        (config(users=[]), "users has no user 'u'"),
        (config(users=[{"name": "u"}]), "users[0].user is missing"),
        (config(users={}), "users has to be a list"),
        (config(clusters=["c"]), "clusters[0] has to be an object"),
        (config({"server": ""}), "clusters[0].cluster.server is '', and has to be https://HOST"),
        (config({"server": "api.example:6443"}), "clusters[0].cluster.server is 'api.example:6443', and has to be"),
        (config({"server": "https://a:b:c"}), "clusters[0].cluster.server is 'https://a:b:c', and has to be"),
        (config({"server": "https://a:77777"}), "clusters[0].cluster.server is 'https://a:77777', and has to be"),
        (config({"server": "https://u:p@a"}), "clusters[0].cluster.server is 'https://…@a', and has to be"),
        (config({"server": "http://a"}, {"token": "t"}), "cluster.server has to be https://, as a token is sent to it"),
        (config({"proxy-url": "http://p"}), "clusters[0].cluster.proxy-url is not supported"),
        (config({"insecure-skip-tls-verify": "yes"}), "insecure-skip-tls-verify has to be true or false"),
        (config({"certificate-authority-data": "-----BEGIN"}), "certificate-authority-data has to be a certificate"),
        (config({"certificate-authority-data": 5}), "certificate-authority-data has to be a text"),
        (config(user={"exec": {"command": "aws"}}), "users[0].user.exec is not supported: a plugin is a program"),
        (config(user={"auth-provider": {"name": "gcp"}}), "users[0].user.auth-provider is not supported"),
        (config(user={"username": "a", "password": "b"}), "users[0].user.username is not supported: servers take no"),
        (config(user={"as": "root"}), "users[0].user.as is not supported: nobody is asked for"),
        (config(user={"client-certificate": "a.crt"}), "client-certificate and client-key belong together"),
        (config(user={"token": "a\nHost: b"}), "users[0].user.token has signs that cannot be printed"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(tmp_path: Path, value: object, words: str) -> None:
    with pytest.raises(BadConfig) as raised:
        read(tmp_path, value)
    assert str(raised.value).startswith(f"{tmp_path}/config: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "u:p" not in str(raised.value)


def test_what_anchors_repeat_is_not_written_out(tmp_path: Path) -> None:
    """It would be 3 ** 60 words."""
    rows = ["a0: &a0 x", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 60)), "kind: *a59"]
    with pytest.raises(BadConfig, match="kind has to be a text"):
        read(tmp_path, "\n".join(rows))


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/proc/self/environ", "."])
def test_only_regular_files_are_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadConfig, match=r"it is not a regular file|Is a directory"):
        read_kubeconfig(tmp_path / name)


def test_a_descriptor_of_a_shell_is_read() -> None:
    """`--kubeconfig <(command)`: that it is a pipe is how it should be."""
    reading, writing = os.pipe()
    os.write(writing, yaml.safe_dump(config()).encode())
    os.close(writing)
    assert read_kubeconfig(Path(f"/dev/fd/{reading}")).server == "https://api.example:6443"
    os.close(reading)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="none: No such file or directory"):
        read_kubeconfig(tmp_path / "none")


# -- in a cluster -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "server"), [("198.18.0.1", "198.18.0.1"), ("fd00::1", "[fd00::1]")])
def test_a_pod_finds_its_server_and_its_account(tmp_path: Path, host: str, server: str) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_text(_PEM)
    found = in_cluster({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    wanted = Access(f"https://{server}:443", authority=tmp_path / "ca.crt", token=tmp_path / "token")
    assert found == wanted


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "not in a cluster: KUBERNETES_SERVICE_HOST"),
        ({"KUBERNETES_SERVICE_HOST": "198.18.0.1"}, "not in a cluster"),
        ({"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "x"}, "which is no port"),
        ({"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"}, "token is not there: the pod has no"),
    ],
)
def test_who_is_in_no_cluster_is_told(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        in_cluster(environment, tmp_path)
