"""The interface of targets: a name, the parts, what the target can express, and a function from IR to artifacts.

A target is a module (or package) in this directory with a module-level ``TARGET`` of a :class:`Target` subclass. It
imports the compiler's IR side and this module's family only; nothing imports a target by name.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.compiler.frontends import View
from svcc.kernel.ipset import meaning as ipset
from svcc.kernel.requirements import Tool
from svcc.kernel.xtables import meaning as xtables
from svcc.targets.reading import Text


@dataclass(frozen=True, slots=True)
class Part:
    """One native file of a target's output."""

    name: str  # as in ``--part NAME`` and ``#: part NAME``
    file: str  # the file's name below ``-o DIR``
    tool: str  # the command that loads the file; it reads standard input unless it names the file
    repeatable: bool = True  # False: the tool fails where an object exists already, and does not change it
    #: Matches every text of the part, and as few texts of others as can be: svcc replaces no other file. None: none.
    form: re.Pattern[str] | None = None
    #: Whether the form has no prefix in it, so that a file of another program may have it, too.
    common: bool = False


@dataclass(frozen=True, slots=True)
class Artifact:
    """A rendered part. ``text`` is empty when the program leaves the part empty; else it ends in a newline."""

    part: Part
    text: str
    #: The objects of svcc.kernel that the text is printed from, as the part's driver compares them. None: there is only
    #: a text, which somebody gave or which is recorded.
    state: object | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """All parts of one program for one node, in load order."""

    target: str
    node: str | None
    artifacts: tuple[Artifact, ...]

    def artifact(self, part: str) -> Artifact | None:
        """Return the artifact of a part, or None where the program needs none."""
        return next((a for a in self.artifacts if a.part.name == part), None)

    @property
    def parts(self) -> dict[str, str]:
        """The texts of the parts that are not empty, by the parts' names, in load order."""
        return {artifact.part.name: artifact.text for artifact in self.artifacts if artifact.text}

    def __str__(self) -> str:
        """Return what ``svcc compile`` prints."""
        from svcc.targets import bundle, find  # here, because they import this module

        target = find(self.target)
        return bundle.bundle_text(self) if target is None else bundle.printed(target, self)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A bundle that somebody gave, read into the target's own objects and printed again from them."""

    artifacts: tuple[Artifact, ...]  # in load order
    # the prefix that it is for, as the cluster spells it; None: the bundle is empty, and does not say
    prefix: str | None
    device: str | None = None  # the device that carries the vips, where there is one


@dataclass(frozen=True, slots=True)
class ServiceNetworks:
    """Networks of service addresses. Traffic to addresses in them that no service has is rejected."""

    networks: frozenset[ir.Network] = frozenset()
    shared: frozenset[ir.Address] = frozenset()  # the ``shared`` addresses in these networks


@dataclass(frozen=True, slots=True)
class Shared:
    """What all services have in common: the cluster, the node that is rendered for, and all nodes."""

    cluster: ir.Cluster
    node: ir.Node | None = None
    nodes: tuple[ir.Node, ...] = ()
    view: View = field(init=False, compare=False, repr=False)  # of services, from the node

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", View(ir.Program(self.cluster, self.nodes), self.node))


class Contribution:
    """What one service adds to a target's output: objects of its own, and the shared objects that it needs. It depends
    on the service and on :class:`Shared` alone, and is compared with ``==``.
    """


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change did to one part: its states before and after. What both states have may be missing from both, as
    long as the driver finds the same changes, steps and routes as for the whole states.
    """

    before: object
    after: object


class Assembly(ABC):
    """The services of one program on one node, put together from their contributions, and kept up to date."""

    @abstractmethod
    def update(self, services: Mapping[str, ir.Service | None]) -> Mapping[str, Difference]:
        """Put services in the place of those with the same names; None removes a service. Return the differences of the
        parts, by name; parts that stay the same may be missing. The time it takes depends on the change alone.
        """

    @abstractmethod
    def move(self, shared: Shared, services: Mapping[str, ir.Service]) -> None:
        """Make this the assembly of another node of the same program. ``services``: those services whose contributions
        may differ between the two nodes; see :meth:`TargetByService.at_addresses`.
        """

    @abstractmethod
    def bundle(self) -> Bundle:
        """Return the whole bundle, the same as :meth:`Target.render` gives for these services."""


class Target(ABC):
    """A target. ``render`` is a pure function: same program and node, same bytes."""

    name: ClassVar[str]
    title: ClassVar[str]  # one line for ``--help`` and the docs
    parts: ClassVar[tuple[Part, ...]]  # in load order
    #: The part that is printed without a heading where a program leaves all other parts empty. None: there is no such
    #: part.
    alone: ClassVar[Part | None] = None
    #: The languages in which ``alone`` can be printed, with the part in each language. The first is the part's own.
    syntaxes: ClassVar[Mapping[str, Part]] = {}
    loads: ClassVar[bool] = True  # False: its output is for reading, and no tool of the kernel loads it
    #: The tools that load its output, and the modules that a kernel must have for it.
    tools: ClassVar[tuple[Tool, ...]] = ()
    modules: ClassVar[tuple[str, ...]] = ()
    #: Whether its output is for the program's balancers, which stand in front of the nodes.
    balances: ClassVar[bool] = False
    #: Whether its output depends on the node that it is for.
    by_node: ClassVar[bool] = True
    #: Whether its rules translate packets, which the kernel then forwards. False: the kernel's own balancer (IPVS)
    #: forwards them.
    translates: ClassVar[bool] = True
    #: Whether a client's affinity ends when its time is over. False: it may last longer.
    affinity_ends_in_time: ClassVar[bool] = True
    #: What its ipsets are for. None: it makes none.
    sets: ClassVar[ipset.Meaning | None] = None
    #: How endpoints are chosen where a service does not say.
    default_scheduler: ClassVar[ir.Scheduler] = ir.Scheduler.RANDOM
    #: The features that the target can express. The value says how, or within which limit ("" where there is nothing to
    #: add).
    features: ClassVar[Mapping[Feature, str]]
    #: Why the target cannot express other features.
    lacks: ClassVar[Mapping[Feature, str]] = {}

    @abstractmethod
    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        """Return the program as native files. The program has passed the capability check and :meth:`limits`."""

    def chains(self, prefix: str) -> xtables.Meaning | None:
        """Return what its iptables chains with names under a prefix are for.

        Return None where it names no chain after a service.
        """
        return None

    def makes_chain(self, prefix: str, table: str, name: str, rules: Sequence[str]) -> bool:
        """Whether the target could have made an iptables chain under a prefix, to judge by its name and the words of
        its rules (each as iptables-save prints it, without ``-A CHAIN``).
        """
        return False

    def makes_set(self, prefix: str, name: str, type: str) -> bool:
        """Whether the target could have made an ipset of this name and type under a prefix."""
        return False

    def forgets_renamed(self, service: ir.Service, *, port_alone: bool) -> bool:
        """Whether the clients that a service with affinity remembers are forgotten when it gets another name.

        ``port_alone``: one of its ports gets another name, and not the service.
        """
        return False

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        """Return the service addresses of a bundle at which only services are reached: all but the ``shared`` ones."""
        return iter(())

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        """Return the networks of service addresses of a bundle."""
        return ServiceNetworks()

    @abstractmethod
    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        """Read what :meth:`render` printed, part by part, and accept nothing else. Every part has a text, which may be
        empty.

        A text that names other objects than the target would write, or writes them in another way, is refused. Errors:
        svcc.targets.reading.RefusedText, at the first place that the target would not print.
        """

    def in_syntax(self, bundle: Bundle, syntax: str) -> Bundle:
        """Return the bundle with its part ``alone`` in another language, which is one of ``syntaxes``."""
        return bundle

    def is_alone(self, start: str) -> bool:
        """Whether a text with this beginning is the part that can be ``alone``, without a bundle's heading."""
        return False

    def asks_nothing(self, bundle: Bundle, prefix: str) -> bool:
        """Whether the bundle is what the target makes of a program without services, so that no rules are needed."""
        nothing = ir.Program(ir.Cluster(prefix=prefix), (), ())
        return bundle.artifacts == self.render(nothing, None).artifacts

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        """Return what this target refuses for reasons of size or name, beyond its feature table.

        It is the same on all nodes.
        """
        return iter(())

    def needs_node(self, program: ir.Program) -> Iterator[Diagnostic]:
        """Return why the output depends on a node's addresses. It is called only where no node is given."""
        return iter(())


class TargetByService(Target):
    """A target whose output is the sum of what its services contribute."""

    @abstractmethod
    def contribution(self, shared: Shared, service: ir.Service) -> Contribution:
        """Return what a service adds. This is a pure function."""

    @abstractmethod
    def asks_for_addresses(self, service: ir.Service) -> bool:
        """Whether :meth:`at_addresses` may return different values for different nodes."""

    @abstractmethod
    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        """Return what the output for a service depends on in a node's own addresses: where two nodes' values are equal,
        their addresses make no difference. Apart from that, a contribution depends only on the node's name and zone,
        and only as far as :func:`svcc.compiler.frontends.frontends` does.
        """

    @abstractmethod
    def assembly(self, shared: Shared) -> Assembly:
        """Return an assembly without services."""

    def assembled(self, program: ir.Program, node: ir.Node | None) -> Assembly:
        """Return an assembly with all services of a program."""
        assembly = self.assembly(Shared(program.cluster, node, program.nodes))
        assembly.update({service.name: service for service in program.services})
        return assembly

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        return self.assembled(program, node).bundle()
