"""What an agent costs that follows a Kubernetes API, and how soon a changed slice is in the kernel.

The API is the tests' double: it has lists in pages, watches and a history. It holds what the other benchmarks' program
has: a Service and an EndpointSlice for each service, on twenty nodes. One pod after another is replaced.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from agents import Running, started
from measure import SVCC, Values, rounds
from programs import Size, endpoint, vip
from results import Part
from task import Task

from svcc.kernel.nft.generation import mark
from svcc.verify.lab.netns import Namespace

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

if TYPE_CHECKING:
    from support.kubernetes_double import Beside

#: How many slices change at most, one after another, and how many quiet seconds are before each.
_TURNS, _QUIET = 30, 0.3
_NODES = 20
#: The reference that a real API's endpoint has beside its address.
_POD = {"kind": "Pod", "namespace": "bench", "uid": "16560e38-9940-47ba-919f-67982374d6ce"}
_PORT = {"name": "http", "protocol": "TCP", "port": 8080}


def clusters(task: Task) -> Part:
    """Measure an agent of nft."""
    chosen = [target for target in task.targets if target.name == "nft"]
    return Part(
        str(task.size), rounds([partial(_case, task.size, min(task.turns, _TURNS)) for _ in chosen], task.rounds)
    )


def _case(size: Size, changes: int) -> Mapping[str, Values]:
    node = Namespace("node")
    try:
        node.ip(["link set lo up"])
        with _api(node, size) as api, TemporaryDirectory(prefix="svcc-bench-cluster-") as folder:
            config = Path(folder, "kubeconfig")
            config.write_text(json.dumps(_config(api.server.port)), encoding="utf-8")
            words = [*SVCC, "agent", "--kubernetes", str(config), "--node", "node-0", "-t", "nft", "--log", "json"]
            begun = time.monotonic()
            with started(node, [*words, "--state-dir", f"{folder}/state"], Path(folder, "log")) as running:
                running.until(lambda: running.taken() > 0, "the cluster")
                first = {"seconds": time.monotonic() - begun, "megabytes": _peak(running)}
                turns = [_turn(node, api, running, size, number) for number in range(changes)]
                rest = {"megabytes": running.usage()[1]}
    finally:
        node.close()
    served = {"to kernel": median(kernel for kernel, _ in turns), "recorded": median(whole for _, whole in turns)}
    return {"nft: all for the first time": first, "nft: one slice": served | rest}


def _turn(node: Namespace, api: Beside, running: Running, size: Size, number: int) -> tuple[float, float]:
    """Return the seconds from an object's change until the kernel's rules have changed, and until all is done and
    recorded."""
    time.sleep(_QUIET)
    taken, changed = running.taken(), _slice(size, number * 37 % size.services, number + 1)
    with node.entered():
        before, begun = mark(), time.monotonic()
        api.put("endpointslices", changed)
        running.until(lambda: mark() != before, "the change", pause=0.001)
        kernel = time.monotonic() - begun
    running.until(lambda: running.taken() > taken, "the change", pause=0.002)
    return kernel, time.monotonic() - begun


def _peak(running: Running) -> float:
    """Return the most memory that the agent's process ever had, in megabytes (2**20 bytes)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def _api(node: Namespace, size: Size) -> Iterator[Beside]:
    from support.kubernetes_double import Cluster, served_beside

    cluster = Cluster()
    for number in range(_NODES):
        status = {"addresses": [{"type": "InternalIP", "address": f"10.0.0.{number + 1}"}]}
        cluster.put("nodes", {"metadata": {"name": f"node-{number}"}, "spec": {}, "status": status})
    for number in range(size.services):
        cluster.put("services", _service(number))
        cluster.put("endpointslices", _slice(size, number))
    with node.entered():
        listening = socket.create_server(("127.0.0.1", 0))
    with served_beside(cluster, listening) as api:
        yield api


def _config(port: int) -> dict[str, Any]:
    cluster = {"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "bench", "context": {"cluster": "bench"}}
    return {"clusters": [cluster], "contexts": [context], "current-context": "bench"}


def _service(number: int) -> dict[str, Any]:
    address = vip(number)
    spec = {
        "type": "ClusterIP",
        "clusterIP": address,
        "clusterIPs": [address],
        "ports": [{**_PORT, "targetPort": 8080}],
    }
    return {"metadata": {"name": f"svc-{number:05}", "namespace": "bench"}, "spec": spec}


def _slice(size: Size, number: int, turn: int = 0) -> dict[str, Any]:
    """Return a service's slice. ``turn``: the number of the pod that replaces its last one; 0 where none does."""
    name = f"svc-{number:05}"
    hosts = [endpoint(k) for k in range(number * size.endpoints, (number + 1) * size.endpoints)]
    hosts[-1:] = [endpoint(size.services * size.endpoints + turn)] if turn else hosts[-1:]
    return {
        "metadata": {
            "name": f"{name}-x7k2p",
            "namespace": "bench",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [_PORT],
        "endpoints": [
            {
                "addresses": [host],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{k % _NODES}",
                "targetRef": _POD | {"name": f"{name}-{k}-abcdef"},
            }
            for k, host in enumerate(hosts)
        ],
    }
