"""The objects of a cluster as they are now, and which Services and Nodes have to be mapped again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from svcc.compiler.importers.kubernetes.objects import EndpointSlice, Node, Service


class KnownObjects:
    """Services, EndpointSlices and Nodes by full name."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.slices: dict[str, EndpointSlice] = {}
        self.nodes: dict[str, Node] = {}
        self.touched: set[str] = set()  # Services, by name; "" stands for slices of no Service
        self.touched_hosts: set[str] = set()  # nodes, by name, on which endpoints came or went
        self.nodes_touched = False
        self._slices_of: dict[str, dict[str, EndpointSlice]] = {}
        self._slices_on: dict[str, set[str]] = {}  # by the name of the node that their endpoints are on

    def put(self, some: Service | EndpointSlice | Node) -> None:
        """Keep an object that is new or changed. One that is the same as before touches nothing."""
        match some:
            case Service():
                if self.services.get(some.name) != some:
                    self.services[some.name] = some
                    self.touched.add(some.name)
            case EndpointSlice():
                if self.slices.get(some.name) != some:
                    self.drop(EndpointSlice, some.name)
                    self._put_slice(some)
            case Node():
                if self.nodes.get(some.name) != some:
                    self.nodes[some.name] = some
                    self.nodes_touched = True

    def drop(self, kind: type[Service | EndpointSlice | Node], name: str) -> None:
        """Forget an object, if it was kept."""
        if kind is Service and self.services.pop(name, None) is not None:
            self.touched.add(name)
        if kind is Node and self.nodes.pop(name, None) is not None:
            self.nodes_touched = True
        if kind is EndpointSlice and (some := self.slices.pop(name, None)) is not None:
            self._drop_slice(some)

    def _put_slice(self, some: EndpointSlice) -> None:
        self.slices[some.name] = some
        self._slices_of.setdefault(some.service, {})[some.name] = some
        for node in {endpoint.node.text for endpoint in some.endpoints}:
            self._slices_on.setdefault(node, set()).add(some.name)
            self.touched_hosts.add(node)
        self.touched.add(some.service)

    def _drop_slice(self, some: EndpointSlice) -> None:
        of_service = self._slices_of[some.service]
        del of_service[some.name]
        if not of_service:
            del self._slices_of[some.service]
        for node in {endpoint.node.text for endpoint in some.endpoints}:
            self.touched_hosts.add(node)
            on_node = self._slices_on[node]
            on_node.discard(some.name)
            if not on_node:
                del self._slices_on[node]
        self.touched.add(some.service)

    def names(self, kind: type[Service | EndpointSlice | Node]) -> set[str]:
        """Return the names of the objects of a kind."""
        return {*(self.services if kind is Service else self.slices if kind is EndpointSlice else self.nodes)}

    def of(self, service: str) -> list[EndpointSlice]:
        """Return the slices of a Service, by name."""
        return [some for _, some in sorted(self._slices_of.get(service, {}).items())]

    def on(self, node: str) -> Iterator[EndpointSlice]:
        """Return the slices with endpoints on a node."""
        return (self.slices[name] for name in self._slices_on.get(node, ()))

    def hosts(self, services: Iterable[str]) -> set[str]:
        """Return the names of the nodes with endpoints of some Services."""
        slices = (some for service in services for some in self._slices_of.get(service, {}).values())
        return {endpoint.node.text for some in slices for endpoint in some.endpoints}

    def all_hosts(self) -> set[str]:
        """Return the names of all nodes with endpoints."""
        return {*self._slices_on}

    def take_touched(self) -> tuple[set[str], set[str]]:
        """Return the Services, and the nodes of endpoints, that were touched since the last call."""
        found = self.touched, self.touched_hosts
        self.touched, self.touched_hosts = set(), set()
        return found

    def take_nodes_touched(self) -> bool:
        """Whether a Node was touched since the last call."""
        found, self.nodes_touched = self.nodes_touched, False
        return found
