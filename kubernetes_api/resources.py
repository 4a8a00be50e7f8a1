"""The resources of the API whose objects a client can read, with their groups and versions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource. ``kind``: of its objects; ``plural``: its name in paths; ``group``: "" for the core API.

    ``versions``: of the API, the best first; a server need not have all.
    """

    kind: str
    plural: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)

    def path(self, version: str) -> str:
        """Return the path of all its objects, in every namespace.

        >>> Resource("Pod", "pods").path("v1")
        '/api/v1/pods'
        """
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{version}/{self.plural}"


SERVICES = Resource("Service", "services")
#: v1 came with Kubernetes 1.21, v1beta1 went with 1.25.
ENDPOINT_SLICES = Resource("EndpointSlice", "endpointslices", "discovery.k8s.io", ("v1", "v1beta1"))
NODES = Resource("Node", "nodes")
