"""What every target is: a name, its parts, what it can express, and a function from IR to artifacts.

A target is a module (or package) in this directory with a module-level ``TARGET`` of a :class:`Target`
subclass. It imports the compiler's IR side and this module's family only; nothing imports a target by name.
"""

from __future__ import annotations

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
    file: str  # its name below ``-o DIR``
    tool: str  # the command that loads it, from standard input unless it names the file
    repeatable: bool = True  # False: the tool fails on what is there already, and changes nothing of it


@dataclass(frozen=True, slots=True)
class Artifact:
    """A rendered part. ``text`` is empty when the program leaves the part empty; else it ends in a newline."""

    part: Part
    text: str
    #: The objects of svcc.kernel that the text is printed from, as the part's driver compares them. None: there is
    #: nothing but a text that somebody gave, or that is recorded.
    state: object | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """All parts of one program for one node, in load order."""

    target: str
    node: str | None
    artifacts: tuple[Artifact, ...]

    def artifact(self, part: str) -> Artifact | None:
        """The artifact of a part; None where the program needs none."""
        return next((a for a in self.artifacts if a.part.name == part), None)

    @property
    def parts(self) -> dict[str, str]:
        """The texts of the parts that are not empty, by the parts' names, in load order."""
        return {artifact.part.name: artifact.text for artifact in self.artifacts if artifact.text}

    def __str__(self) -> str:
        """What ``svcc compile`` prints."""
        from svcc.targets import bundle, find  # they import this module

        target = find(self.target)
        return bundle.bundle_text(self) if target is None else bundle.printed(target, self)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A bundle that somebody gave, read into the target's own objects and printed again from them."""

    artifacts: tuple[Artifact, ...]  # in load order
    prefix: str | None  # whose it is, as the cluster spells it; None: it is empty, and does not say
    device: str | None = None  # that carries the vips, where one does


@dataclass(frozen=True, slots=True)
class ServiceNetworks:
    """Networks of service addresses: what no service has in them is rejected."""

    networks: frozenset[ir.Network] = frozenset()
    shared: frozenset[ir.Address] = frozenset()  # of the ``shared`` addresses those in them


@dataclass(frozen=True, slots=True)
class Shared:
    """What all services have in common: the cluster, the node that is rendered for, and all nodes that there are."""

    cluster: ir.Cluster
    node: ir.Node | None = None
    nodes: tuple[ir.Node, ...] = ()
    view: View = field(init=False, compare=False, repr=False)  # of services, from the node

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", View(ir.Program(self.cluster, self.nodes), self.node))


class Contribution:
    """What one service adds to a target's output: objects of its own, and the shapes that it needs of those that
    services share. It depends on the service and on :class:`Shared` alone, and is compared with ``==``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change made of one part: the states before and after, of which may be missing what both have, as long as
    the driver's changes, steps and routes are those of the whole states."""

    before: object
    after: object


class Assembly(ABC):
    """The services of one program on one node, put together from their contributions, and kept up to date."""

    @abstractmethod
    def update(self, services: Mapping[str, ir.Service | None]) -> Mapping[str, Difference]:
        """Take services in by name, in place of those that are there; None: take one out. Gives what that makes of the
        parts, by name; parts that stay as they are may be left out. It takes time for what changes alone.
        """

    @abstractmethod
    def move(self, shared: Shared, services: Mapping[str, ir.Service]) -> None:
        """Make it the assembly of another node of the same program. ``services``: those whose contributions may be
        others there, of those that it has; see :meth:`TargetByService.at_addresses`.
        """

    @abstractmethod
    def bundle(self) -> Bundle:
        """Everything, as :meth:`Target.render` gives it of the same services."""


class Target(ABC):
    """A target. ``render`` is a pure function: same program and node, same bytes."""

    name: ClassVar[str]
    title: ClassVar[str]  # one line for ``--help`` and the docs
    parts: ClassVar[tuple[Part, ...]]  # in load order
    #: The part that is printed without a heading where a program leaves all others empty; None: there is none.
    alone: ClassVar[Part | None] = None
    #: The languages that ``alone`` can be printed in, and what the part is in each; the first is its own.
    syntaxes: ClassVar[Mapping[str, Part]] = {}
    loads: ClassVar[bool] = True  # False: its output is for reading, no tool of the kernel's takes it
    #: What it is loaded with, and the modules that a kernel must have for it.
    tools: ClassVar[tuple[Tool, ...]] = ()
    modules: ClassVar[tuple[str, ...]] = ()
    #: Whether its output is for the program's balancers, which stand in front of the nodes.
    balances: ClassVar[bool] = False
    #: Whether its output depends on the node that it is for.
    by_node: ClassVar[bool] = True
    #: Whether its rules translate packets, which are forwarded then; False: the kernel's own balancer forwards them.
    translates: ClassVar[bool] = True
    #: Whether a client's affinity ends when its time has passed. False: it may last longer.
    affinity_ends_in_time: ClassVar[bool] = True
    #: What its ipsets are for; None: it makes none.
    sets: ClassVar[ipset.Meaning | None] = None
    #: How endpoints are chosen where a service does not say.
    default_scheduler: ClassVar[ir.Scheduler] = ir.Scheduler.RANDOM
    #: What the target expresses; the value says how, or with what limit ("" where there is nothing to add).
    features: ClassVar[Mapping[Feature, str]]
    #: Why it does not express others.
    lacks: ClassVar[Mapping[Feature, str]] = {}

    @abstractmethod
    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        """The program as native files. The program has passed the capability check and :meth:`limits`."""

    def chains(self, prefix: str) -> xtables.Meaning | None:
        """What its chains of iptables are for whose names begin with a prefix; None: none is named after a service."""
        return None

    def makes_chain(self, prefix: str, table: str, name: str, rules: Sequence[str]) -> bool:
        """Whether a chain of iptables could be one that the target makes under a prefix, by its name and the words of
        its rules (each as iptables-save has it, without ``-A CHAIN``)."""
        return False

    def makes_set(self, prefix: str, name: str, type: str) -> bool:
        """Whether an ipset could be one that the target makes under a prefix."""
        return False

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        """The service addresses of a bundle that lead to services alone: all but the ``shared`` ones."""
        return iter(())

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        """The networks of service addresses of a bundle."""
        return ServiceNetworks()

    @abstractmethod
    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        """What :meth:`render` printed, part by part (every part has a text, if only an empty one), and nothing else.

        A text that names other objects than the target would write, or writes them in another way, is refused.
        Errors: svcc.targets.reading.RefusedText, at the first place that the target would not print.
        """

    def in_syntax(self, bundle: Bundle, syntax: str) -> Bundle:
        """The bundle with its part ``alone`` in another language: one of ``syntaxes``."""
        return bundle

    def is_alone(self, start: str) -> bool:
        """Whether a text that begins so is the part that can be ``alone``, without a bundle's heading."""
        return False

    def asks_nothing(self, bundle: Bundle, prefix: str) -> bool:
        """Whether nothing is to be there: a bundle is what the target makes of a program without services."""
        nothing = ir.Program(ir.Cluster(prefix=prefix), (), ())
        return bundle.artifacts == self.render(nothing, None).artifacts

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        """What this target refuses for reasons of size or name, beyond its feature table: the same on all nodes."""
        return iter(())

    def needs_node(self, program: ir.Program) -> Iterator[Diagnostic]:
        """Why the output depends on a node's addresses (asked only when no node is given)."""
        return iter(())


class TargetByService(Target):
    """A target whose output is the sum of what its services contribute."""

    @abstractmethod
    def contribution(self, shared: Shared, service: ir.Service) -> Contribution:
        """What a service adds. A pure function."""

    @abstractmethod
    def asks_for_addresses(self, service: ir.Service) -> bool:
        """Whether :meth:`at_addresses` can be another on another node."""

    @abstractmethod
    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        """What it is about a node's own addresses that the output for a service depends on: where it is the same, the
        output for other addresses is the same. Besides, a contribution depends of a node on its name and zone alone,
        as far as :func:`svcc.compiler.frontends.frontends` does.
        """

    @abstractmethod
    def assembly(self, shared: Shared) -> Assembly:
        """One without services."""

    def assembled(self, program: ir.Program, node: ir.Node | None) -> Assembly:
        """All services of a program."""
        assembly = self.assembly(Shared(program.cluster, node, program.nodes))
        assembly.update({service.name: service for service in program.services})
        return assembly

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        return self.assembled(program, node).bundle()
