"""Kubeconfig files: the server, the certificates and the token of a context.

The fields are those of kubernetes.io/docs/reference/config-api/kubeconfig.v1. A field that would need a program to be
run, or would change in whose name the client asks, is refused rather than ignored.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from svcc.kubernetes_api.access import Access, Pem
from svcc.kubernetes_api.errors import BadConfig, in_words
from svcc.kubernetes_api.files import read

#: What PyYAML raises. Where a text does not fit its tag (`!!bool maybe`, `!!timestamp now`), it may be any of these.
_NOT_YAML = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)

#: Fields of a user that are refused, and why.
_REFUSED_OF_USER = {
    "exec": "a plugin is a program, and none is run: take a `tokenFile`, or a certificate",
    "auth-provider": "such plugins are no more (Kubernetes 1.26): take a `tokenFile`, or a certificate",
    "username": "servers take no passwords any more (Kubernetes 1.19): take a token, or a certificate",
    "password": "servers take no passwords any more (Kubernetes 1.19): take a token, or a certificate",
    "as": "nobody is asked for in the name of another: take a user of its own",
    "as-uid": "nobody is asked for in the name of another: take a user of its own",
    "as-groups": "nobody is asked for in the name of another: take a user of its own",
    "as-user-extra": "nobody is asked for in the name of another: take a user of its own",
}


@dataclass(frozen=True, slots=True)
class _Fields:
    """The members of an object in a file. Errors: BadConfig."""

    file: Path
    path: str
    members: Mapping[object, object]

    def wrong(self, key: str, message: str) -> BadConfig:
        return BadConfig(f"{self.file}: {self.path}{key} {message}")

    def text(self, key: str) -> str:
        """Return a text; "" where there is none."""
        found = self.members.get(key)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self.wrong(key, "has to be a text")
        if not found.isprintable():
            raise self.wrong(key, "has signs that cannot be printed")
        return found

    def flag(self, key: str) -> bool:
        found = self.members.get(key)
        if found is not None and not isinstance(found, bool):
            raise self.wrong(key, "has to be true or false")
        return found is True

    def fields(self, key: str) -> _Fields:
        found = self.members.get(key)
        if not isinstance(found, dict):
            raise self.wrong(key, "is missing" if found is None else "has to be an object")
        return _Fields(self.file, f"{self.path}{key}.", found)

    def each(self, key: str) -> Iterator[_Fields]:
        found = self.members.get(key)
        if found is not None and not isinstance(found, list):
            raise self.wrong(key, "has to be a list")
        for i, member in enumerate(found or ()):
            if not isinstance(member, dict):
                raise self.wrong(f"{key}[{i}]", "has to be an object")
            yield _Fields(self.file, f"{self.path}{key}[{i}].", member)

    def named(self, key: str, name: str, what: str) -> _Fields:
        """Return the object ``what`` of the first member of a list that has this name."""
        for one in self.each(key):
            if one.text("name") == name:
                return one.fields(what)
        raise self.wrong(key, f"has no {what} {name!r}")

    def pem(self, key: str) -> Pem | None:
        """Return the PEM in ``key-data``, which is base64, or the file that ``key`` names. Where both are there, the
        data count."""
        if data := self.members.get(f"{key}-data"):
            if not isinstance(data, str):
                raise self.wrong(f"{key}-data", "has to be a text")
            try:
                return base64.b64decode("".join(data.split()), validate=True).decode("ascii")
            except (binascii.Error, ValueError):
                raise self.wrong(f"{key}-data", "has to be a certificate or key (PEM), in base64") from None
        name = self.text(key)
        return self.file.parent / name if name else None


def read_kubeconfig(file: Path, context: str | None = None) -> Access:
    """Return the access of a context; None: the current one. Names of files are relative to the kubeconfig's folder.

    Errors: BadConfig.
    """
    top = _Fields(file, "", _document(file))
    name = context or top.text("current-context")
    if not name:
        raise top.wrong("current-context", "is missing, so nothing says which cluster is meant")
    chosen = top.named("contexts", name, "context")
    cluster = top.named("clusters", chosen.text("cluster"), "cluster")
    user_name = chosen.text("user")
    user = top.named("users", user_name, "user") if user_name else _Fields(file, "", {})
    for refused, reason in _REFUSED_OF_USER.items():
        if user.members.get(refused):
            raise user.wrong(refused, f"is not supported: {reason}")
    if cluster.text("proxy-url"):
        raise cluster.wrong("proxy-url", "is not supported: the server is asked directly")
    certificate, key = user.pem("client-certificate"), user.pem("client-key")
    if (certificate is None) != (key is None):
        raise user.wrong("client-certificate", "and client-key belong together, and one of them is missing")
    token = _token(user)
    return Access(
        server=_server(cluster, secret=token is not None),
        authority=cluster.pem("certificate-authority"),
        insecure=cluster.flag("insecure-skip-tls-verify"),
        server_name=cluster.text("tls-server-name") or None,
        certificate=certificate,
        key=key,
        token=token,
    )


def _without_content(error: Exception) -> str:
    """Return what is wrong with a text, without a word of it: it may be a token, and messages get into logs."""
    if isinstance(error, yaml.reader.ReaderError):
        return in_words(error)
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        return f"see line {mark.line + 1}, column {mark.column + 1}"
    return "a value does not fit its tag"


def _document(file: Path) -> Mapping[object, object]:
    text = read(file, given=True)
    try:
        found = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise BadConfig(f"{file}: not YAML: {_without_content(error)}") from None
    if not isinstance(found, dict):
        raise BadConfig(f"{file}: a kubeconfig is an object, with `clusters`, `users` and `contexts`")
    kind = _Fields(file, "", found).text("kind")
    if kind not in ("", "Config"):
        raise BadConfig(f"{file}: kind is {in_words(kind, 40)!r}, and a kubeconfig's is Config")
    return found


def _server(cluster: _Fields, *, secret: bool) -> str:
    server = cluster.text("server")
    try:
        parts = urlsplit(server)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username:
        shown = re.sub("//.*@", "//…@", server)  # a user may have a password with it
        raise cluster.wrong("server", f"is {in_words(shown, 80)!r}, and has to be https://HOST[:PORT][/PATH]")
    if secret and parts.scheme == "http":
        raise cluster.wrong("server", "has to be https://, as a token is sent to it")
    return server.rstrip("/")


def _token(user: _Fields) -> str | Path | None:
    """Return the token, or its file. Where both are there, the file counts, as for every client."""
    if name := user.text("tokenFile"):
        return user.file.parent / name
    return user.text("token") or None
