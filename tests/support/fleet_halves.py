"""A fleet on two networks with a link between them that can be cut.

One network has a member of etcd and machine ``a``, the other two members, machine ``b`` and a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from support.apply_states import run
from support.etcd import RELEASES, Cluster
from support.fleet_site import Machine, Site, make_lan, plug_in
from support.fleet_traffic import Servers
from support.shell import Shell
from svcc.kernel.namespaces import Namespace

_MEMBERS = ("10.9.0.1", "10.9.0.2", "10.9.0.3")


class Halves(Site):
    """A site whose network can be cut. The person is on the larger half."""

    def __init__(self, small: Namespace, large: Shell, etcd: Cluster, machines: tuple[Machine, ...]) -> None:
        super().__init__(large, etcd, machines, tuple(etcd.urls))
        self._small = small

    def cut(self) -> None:
        """Cut the link: what one half sends to the other is lost."""
        with self._small.entered():
            run("ip link set between down")

    def large_serves(self) -> None:
        """Wait until etcd serves on the large half."""
        with self.switch.namespace.entered():
            for member in self.etcd.members[1:]:
                member.serving()

    def join(self) -> None:
        """Connect the halves again."""
        with self._small.entered():
            run("ip link set between up")


@contextmanager
def halves(folder: Path, *hosts: int) -> Iterator[Halves]:
    """Yield the site without agents, with a server for each of these endpoints on each half."""
    with ExitStack() as stack:
        small, large = (stack.enter_context(closing(Namespace(name))) for name in ("small", "large"))
        for side, addresses in ((small, _MEMBERS[:1]), (large, _MEMBERS[1:])):
            make_lan(side, *addresses)
        with small.entered():
            run(f"ip link add between master lan type veth peer name between netns {large.path}")
        with large.entered():
            run("ip link set between master lan up")
        etcd = Cluster(RELEASES[0], folder / "etcd", _MEMBERS, (), "http")
        stack.callback(etcd.end)  # ends after the agents, which report their end to etcd, and would wait for it
        made: list[Machine] = []
        for number, (name, side) in enumerate((("a", small), ("b", large)), 11):
            node = stack.enter_context(closing(Namespace(name)))
            plug_in(side, node, number)
            made.append(Machine(node, name, folder / name))
            stack.callback(made[-1].end)
            stack.callback(Servers(side, hosts, made[-1], gateway=_MEMBERS[number - 11]).end)
        (folder / "person").mkdir()
        found = Halves(small, Shell(large, folder / "person"), etcd, tuple(made))
        found.join()
        for member, side in zip(etcd.members, (small, large, large), strict=True):
            with side.entered():
                etcd.launch(member)
        with large.entered():
            for member in etcd.members:
                member.serving()
        for machine in made:
            machine.urls = tuple(etcd.urls)
        yield found
