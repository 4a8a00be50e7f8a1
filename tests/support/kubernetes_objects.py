"""Objects of a Kubernetes API from a few words, and a cluster of many for tests.

``python -m support.kubernetes_objects 200`` prints such a cluster in kubectl's YAML.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import TypeAlias

import yaml

Object: TypeAlias = dict[str, object]
#: A port of a service or slice: name, protocol, and its other fields.
Port: TypeAlias = Mapping[str, object]

_ZONES = ("eu-1a", "eu-1b", "eu-1c")


def service(
    name: str, ips: Sequence[str], ports: Sequence[Port], status: Object | None = None, **spec: object
) -> Object:
    """Return a Service. ``name`` is ``namespace/name``; without ``ips`` it is headless."""
    namespace, short = name.split("/")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": short, "namespace": namespace, "labels": {"app.kubernetes.io/name": short}},
        "spec": {
            "clusterIP": ips[0] if ips else "None",
            "clusterIPs": list(ips) or ["None"],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": [f"IPv{6 if ':' in ip else 4}" for ip in ips] or ["IPv4"],
            "ipFamilyPolicy": "PreferDualStack" if len(ips) > 1 else "SingleStack",
            "ports": [dict(port) for port in ports],
            "selector": {"app.kubernetes.io/name": short},
            "sessionAffinity": "None",
            "type": "ClusterIP",
            **spec,
        },
        "status": {"loadBalancer": status or {}},
    }


def endpoint(address: str, node: str | None = None, **conditions: bool) -> Object:
    """Return an endpoint, which is ready unless its conditions say otherwise."""
    found: Object = {
        "addresses": [address],
        "conditions": {"ready": True, "serving": True, "terminating": False} | conditions,
    }
    return found if node is None else found | {"nodeName": node}


def endpoint_slice(of: str, suffix: str, ports: Sequence[Port], endpoints: Sequence[Object]) -> Object:
    namespace, short = of.split("/")
    first = endpoints[0]["addresses"] if endpoints else [""]
    return {
        "addressType": "IPv6" if ":" in str(first) else "IPv4",
        "apiVersion": "discovery.k8s.io/v1",
        "endpoints": list(endpoints),
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{short}-{suffix}",
            "namespace": namespace,
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": short,
            },
        },
        "ports": [dict(port) for port in ports],
    }


def node(name: str, addresses: Sequence[str], zone: str | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone} if zone else {}},
        "spec": {},
        "status": {
            "addresses": [
                *({"address": address, "type": "InternalIP"} for address in addresses),
                {"address": name, "type": "Hostname"},
            ]
        },
    }


def cluster(count: int, random: Random) -> list[Object]:
    """Return ``count`` services with their slices, on a dozen nodes, in any order, with some of everything that
    clusters have."""
    nodes = [node(f"node-{i}", [f"10.0.0.{i + 1}", f"fd00::{i + 1:x}"], _ZONES[i % 3]) for i in range(12)]
    objects = [*nodes]
    for i in range(count):
        objects += _some_service(i, random)
    random.shuffle(objects)
    return objects


def _some_service(i: int, random: Random) -> Iterator[Object]:
    name = f"{random.choice(('shop', 'media', 'kube-system'))}/service-{i}"
    ips = [f"10.96.{i // 250}.{i % 250 + 1}", f"fd00:96::{i + 1:x}"][: random.choice((1, 1, 2))]
    ports = [
        {
            "name": f"port-{k}",
            "port": 80 + k,
            "protocol": random.choice(("TCP", "TCP", "UDP", "SCTP")),
            "targetPort": "x",
        }
        for k in range(random.choice((1, 1, 1, 2, 3)))
    ]
    spec = _some_settings(i, random)
    ingress = [{"ip": f"203.0.113.{i % 200 + 1}", "ipMode": "VIP"}]
    status: Object = {"ingress": ingress} if spec.get("type") == "LoadBalancer" and i < 200 else {}
    if spec.get("type"):
        ports = [port | {"nodePort": 30000 + 3 * i + k} for k, port in enumerate(ports)]
    yield service(name, ips, ports, status, **spec)
    for version, _ in enumerate(ips):
        for part in range(random.choice((0, 1, 1, 1, 2))):
            shift = random.choice((0, 0, 0, 1000))
            bound = [
                {"name": p["name"], "port": 8080 + shift + k, "protocol": p["protocol"]} for k, p in enumerate(ports)
            ]
            yield endpoint_slice(name, f"{version}{part}", bound, [*_some_endpoints(i, version, part, random)])


def _some_settings(i: int, random: Random) -> Object:
    spec: Object = {}
    kind = random.choice(("", "", "NodePort", "LoadBalancer"))
    if kind:
        spec |= {"type": kind, "externalTrafficPolicy": random.choice(("Cluster", "Local"))}
    if random.random() < 0.2:
        spec |= {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60 * (i + 1)}}}
    if random.random() < 0.1:
        spec["internalTrafficPolicy"] = "Local"
    if random.random() < 0.1:
        spec["trafficDistribution"] = random.choice(("PreferClose", "PreferSameZone", "PreferSameNode"))
    return spec


def _some_endpoints(i: int, version: int, part: int, random: Random) -> Iterator[Object]:
    for k in random.sample(range(1, 200), random.choice((0, 1, 2, 3, 10))):
        address = f"fd00:64:{i:x}::{100 * part + k:x}" if version else f"100.{64 + i // 250}.{i % 250}.{k}"
        state = random.choice(({}, {}, {}, {}, {"ready": False}, {"ready": False, "terminating": True}))
        yield endpoint(address, f"node-{random.randrange(12)}", **state)


def as_yaml(objects: Sequence[Object]) -> str:
    """Return the objects as ``kubectl get … -o yaml`` prints them."""
    document = {"apiVersion": "v1", "items": list(objects), "kind": "List"}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(document, Dumper=dumper, default_flow_style=False))


if __name__ == "__main__":
    sys.stdout.write(as_yaml(cluster(int(sys.argv[1]), Random(1))))
