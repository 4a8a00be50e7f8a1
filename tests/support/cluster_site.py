"""A node with an agent that follows a cluster's API, in its own process, with real rules, servers and connections."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from support.apply_world import World
from support.kubernetes_double import Beside, Cluster, served_beside
from support.shell import Shell
from support.svcc_forks import Process
from support.waiting import until
from svcc.kernel.namespaces import Namespace

VIP, OTHER_VIP = "198.19.10.1", "198.19.10.2"
#: A server that tells each client which endpoint it reached.
_SERVER = """\
import socket, sys
made = socket.create_server((sys.argv[1], 8080), backlog=1000)
while True:
    taken, _ = made.accept()
    taken.sendall(sys.argv[1].encode())
    taken.close()
"""


def service(*, name: str = "web", vip: str = VIP, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    settings = {"type": "ClusterIP", "clusterIP": vip, "clusterIPs": [vip], "ports": ports, **spec}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": settings}


def endpoint_slice(*hosts: int, of: str = "web", name: str = "web-1", node: str = "n") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": [
            {"addresses": [f"100.64.0.{host}"], "conditions": {"ready": True}, "nodeName": node} for host in hosts
        ],
    }


def node(name: str = "n", address: str = "10.0.0.4") -> dict[str, Any]:
    addresses = [{"type": "InternalIP", "address": address}]
    return {"metadata": {"name": name}, "spec": {"podCIDR": "100.64.0.0/24"}, "status": {"addresses": addresses}}


class Site:
    """A node with servers, svcc's agent, and an API server that can be stopped."""

    def __init__(self, shell: Shell, api: Beside) -> None:
        self.shell = shell
        self.api = api
        self.log = shell.folder / "agent.log"
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server.port}"}}
        context = {"name": "here", "context": {"cluster": "c"}}
        config = {"clusters": [cluster], "contexts": [context], "current-context": "here"}
        (shell.folder / "kubeconfig").write_text(json.dumps(config))

    def listening(self) -> socket.socket:
        with self.shell.namespace.entered():
            return socket.create_server(("127.0.0.1", self.api.server.port))

    @contextmanager
    def agent(self, *words: str, target: str = "nft") -> Iterator[Process]:
        with open(self.log, "ab") as log:
            process = self.shell.begin(
                "agent", "--kubernetes", "kubeconfig", "--node", "n", "-t", target, *words, log=log
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()

    def reached(self, vip: str = VIP) -> str:
        """Return the endpoint that a new connection reaches; "" where none does."""
        with self.shell.namespace.entered():
            try:
                with socket.create_connection((vip, 80), timeout=1) as made:
                    return made.recv(100).decode()
            except OSError:
                return ""

    def told(self, port: int) -> tuple[int, str | None, int] | None:
        """Return the status, header and number in the answer to a load balancer; None where nobody answers."""
        with self.shell.namespace.entered():
            connection = HTTPConnection("10.0.0.4", port, timeout=60)
            try:
                connection.request("GET", "/healthz")
                response = connection.getresponse()
                found = json.loads(response.read())
            except ConnectionError:
                return None
            finally:
                connection.close()
        assert found["service"] == {"namespace": "shop", "name": "web"}
        return response.status, response.getheader("X-Load-Balancing-Endpoint-Weight"), found["localEndpoints"]

    def leads_to(self, *hosts: int, vip: str = VIP) -> None:
        """Wait until twenty connections in a row reach only these endpoints, and each of them."""
        wanted = {f"100.64.0.{host}" for host in hosts} or {""}
        try:
            until(lambda: {self.reached(vip) for _ in range(20)} == wanted, f"{vip} leads to {wanted}")
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{self.said()}")

    def said(self) -> str:
        return self.log.read_text()

    def put(self, plural: str, *found: Mapping[str, Any]) -> None:
        self.api.put(plural, *found)

    def logged(self, words: str, times: int = 1) -> None:
        try:
            until(lambda: self.said().count(words) >= times, f"the agent says {words!r}")
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}\n{self.said()}")


@contextmanager
def a_site(folder: Path, *, ipvs: bool = False) -> Iterator[Site]:
    """Build a site. ``ipvs``: on a kernel that has IPVS, and no nf_tables."""
    with ExitStack() as stack:
        namespace = Namespace("agent")
        stack.callback(namespace.close)
        world = World(namespace, folder / "state", "legacy", ipvs=True, nft=False) if ipvs else None
        shell = Shell(namespace, folder, world)
        for host in range(1, 5):
            shell.run("ip", "address", "add", f"100.64.0.{host}/32", "dev", "lo")
        shell.run("ip", "address", "add", "10.0.0.4/32", "dev", "lo")
        shell.run("ip", "route", "add", "198.19.10.0/24", "dev", "lo")  # the node itself is a client of the vips
        with namespace.entered():
            # no port that a client may get while the server is stopped
            listening = socket.create_server(("127.0.0.1", 6443))
            for host in range(1, 5):
                server = subprocess.Popen([sys.executable, "-I", "-S", "-c", _SERVER, f"100.64.0.{host}"])
                stack.callback(server.wait)
                stack.callback(server.kill)
        api = stack.enter_context(served_beside(Cluster(), listening))
        api.put("nodes", node())
        yield Site(shell, api)


def follows(site: Site, target: str) -> None:
    """Check that traffic follows slices and services, even when the server stops and comes back, or forgets its
    history.

    What cannot be served is left out, and nothing else.
    """
    site.put("services", service(), service(name="dns", vip=OTHER_VIP))
    site.put("endpointslices", endpoint_slice(1), endpoint_slice(1, of="dns", name="dns-1"))
    with site.agent(target=target):
        site.leads_to(1)
        site.put("endpointslices", endpoint_slice(2, 3))
        site.leads_to(2, 3)
        site.put("endpointslices", endpoint_slice(4, name="web-2"))
        site.leads_to(2, 3, 4)
        site.api.delete("endpointslices", "shop/web-1")
        site.leads_to(4)
        site.put("services", service(name="young"))
        site.put("endpointslices", endpoint_slice(1, of="young", name="young-1"))
        site.logged('object="Service shop/young"')
        site.leads_to(4)
        site.api.stop()
        site.logged("the cluster cannot be followed; the rules stay as they are")
        site.leads_to(4)
        site.api.cluster.put("endpointslices", endpoint_slice(1, name="web-2"))
        site.api.cluster.delete("services", "shop/dns")
        site.api.cluster.compact()
        site.api.start(site.listening())
        site.leads_to(1)
        site.leads_to(vip=OTHER_VIP)
        assert re.search(r"the cluster is followed again", site.said())
        site.put("services", service(name="dns", vip=OTHER_VIP))
        site.leads_to(1, vip=OTHER_VIP)
        site.api.delete("endpointslices", "shop/web-2")
        site.leads_to()
        site.api.delete("services", "shop/web")  # the younger one has the address now
        site.leads_to(1)
    assert "Traceback" not in site.said()
