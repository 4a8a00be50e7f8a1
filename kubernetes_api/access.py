"""How an API server is reached: its address, and the client's credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from svcc.kubernetes_api.errors import BadConfig

#: A text in PEM, or the file that holds it, which is read again when it changes.
Pem: TypeAlias = str | Path

#: Where a pod finds its service account (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """How a client reaches an API server.

    ``server``: http(s)://HOST[:PORT][/PATH]. ``authority``: the authority that signs the server's certificate; None:
    those that the system trusts. ``insecure``: the server's certificate is not checked. ``server_name``: the name that
    it has to be for, where that is not the host. ``certificate`` and ``key``: the client's. ``token``: a text, or the
    file that holds it, which is read for each request: tokens that a cluster mounts change every hour or so.
    """

    server: str
    authority: Pem | None = field(default=None, repr=False)
    insecure: bool = False
    server_name: str | None = None
    certificate: Pem | None = field(default=None, repr=False)
    key: Pem | None = field(default=None, repr=False)
    token: str | Path | None = field(default=None, repr=False)


def in_cluster(environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> Access:
    """Return the access of a pod, from its environment and its mounted service account. Errors: BadConfig."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{word}", "") for word in ("HOST", "PORT"))
    if not host or not port:
        raise BadConfig("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65_536:
        raise BadConfig(f"KUBERNETES_SERVICE_PORT is {port[:20]!r}, which is no port")
    token, authority = account / "token", account / "ca.crt"
    for file in (token, authority):
        if not file.is_file():
            raise BadConfig(f"{file} is not there: the pod has no service account (automountServiceAccountToken)")
    return Access(f"https://{f'[{host}]' if ':' in host else host}:{port}", authority=authority, token=token)
