"""One kind of kernel object: reading what is there, comparing it with an artifact, and the steps between the two.

There is a driver for each part of a target's output (nft; iptables and ip6tables; ipset; ipvsadm; ip; sysctl; modules).
A driver makes the live state equal to another; what the names of objects mean it asks the targets. Everything it does
happens in the network namespace of the calling thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from svcc.apply.scope import Scope
from svcc.kernel.steps import Change, FrontendAddress, Route, Step
from svcc.targets import find

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Transition:
    """From what to what all drivers are going together."""

    old: str | None  # the target that served before, as far as it is known
    new: str | None  # the target that is to serve; None: everything is taken down

    @property
    def from_balancer(self) -> bool:
        """Whether the kernel's own balancer served before, and no rules that translate."""
        return balances(self.old)

    @property
    def to_balancer(self) -> bool:
        """Whether it is to serve."""
        return balances(self.new)


def balances(name: str | None) -> bool:
    """Whether a target leaves it to the kernel's own balancer to forward packets, on addresses that a device holds."""
    target = None if name is None else find(name)
    return target is not None and not target.translates


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is recorded of a part in the kernel, so that its state is recognised later without being parsed."""

    digest: str  # of the listing: Reading.digest; "": there is none
    live_only: object  # Driver.live_only
    mark: str = ""  # Reading.mark


class Reading(ABC, Generic[State]):
    """A reading of what is ours in the kernel, begun, and going on by itself. Errors of all methods: StepError."""

    @abstractmethod
    def state(self, scope: Scope, wanted: State) -> State:
        """Waits for it; as :meth:`Driver.read`. ``scope``: that of the beginning, or one that knows of more bundles."""

    def digest(self, scope: Scope) -> str | None:
        """A digest of the listing that the state is read from; waits for it. What changes by itself, or is somebody
        else's, is left out as far as it can be. Two readings in one scope that have the same digest are of the same
        state, and the digest is quicker than parsing. None: there is no digest, or none is needed (:meth:`mark`).
        """
        return None

    def matches(self, fingerprint: Fingerprint, scope: Scope) -> bool:
        """Whether what is read is what ``fingerprint`` was recorded of; False also where that is not known."""
        digest = self.digest(scope)
        return digest is not None and digest == fingerprint.digest

    def mark(self) -> str:
        """The kernel's own number for the state that was read (nftables has a generation number). As long as the kernel
        still gives this number, nothing has changed and nothing need be read. "": the kernel has none, or the state
        changed while it was read.
        """
        return ""

    def mark_after(self) -> str:
        """The same number after the steps that the calling thread has taken since. "": somebody else may have changed
        something, too.
        """
        return ""

    def again(self) -> Reading[State] | None:
        """Read once more, for a session that goes on from there (:meth:`Driver.follow`). None: it may as well begin."""
        return None

    def became(self, earlier: Reading[State], have: State, want: State, scope: Scope) -> bool:
        """Whether, since an earlier reading, ``have`` became ``want`` and nothing else changed. What both states have
        may be missing in them (:class:`svcc.targets.interface.Difference`). False also where that is not known so
        quickly.
        """
        return False


class Driver(ABC, Generic[State]):
    """States are values: comparable with ``==``, in a canonical form that is the same for a live state and a text."""

    part: ClassVar[str]  # the part of a bundle that it takes
    translates: ClassVar[bool] = False  # its objects are rules that may translate packets
    balances: ClassVar[bool] = False  # or they are what the kernel's own balancer forwards by
    has_fingerprint: ClassVar[bool] = False  # a reading is recognised by its fingerprint (:meth:`Reading.matches`)
    can_ask: ClassVar[bool] = False  # the kernel can be asked for a few of them (:meth:`ask`)
    unowned: ClassVar[bool] = False  # they are nobody's (sysctls): only those that are wanted are read

    def made(self, state: object) -> State | None:
        """The state that a target made with an artifact, where it is one of this driver's (:class:`Artifact`)."""
        return None

    @abstractmethod
    def parse(self, text: str, scope: Scope) -> State:
        """The state that an artifact describes; of the empty text, the state in which nothing of ours is there.

        Errors: ValueError, with the line, for a text that svcc would not have written.
        """

    @abstractmethod
    def read(self, scope: Scope, wanted: State) -> State:
        """What is ours in the kernel now. Errors: StepError where it cannot be read.

        ``wanted`` is for objects that are nobody's (sysctls): those that it names are read.
        """

    def ask(self, have: State, want: State, scope: Scope) -> State | None:
        """What the kernel has of the objects that two states name (:class:`svcc.targets.interface.Difference`): for the
        few that differ it is asked, the others are taken to be there. Errors: StepError.

        None: the kernel cannot be asked for these.
        """
        return None

    def begin(self, scope: Scope, fingerprint: Fingerprint | None = None) -> Reading[State] | None:
        """Begin to read what is ours, where that takes long and something else can be done meanwhile.
        ``fingerprint``: the one recorded when the part held what it should.

        None: reading has no part that can be begun.
        """
        return None

    def follow(
        self, scope: Scope, fingerprint: Fingerprint, last: Reading[State] | None = None
    ) -> Reading[State] | None:
        """As :meth:`begin`, by a session that reads time and again. ``last``: what it was given the last time."""
        return self.begin(scope, fingerprint)

    @abstractmethod
    def changes(self, live: State, wanted: State) -> Iterator[Change]:
        """What differs, object by object, in a stable order."""

    @abstractmethod
    def steps(self, live: State, wanted: State, scope: Scope, transition: Transition) -> list[Step]:
        """What makes ``wanted`` of ``live``, and no more, in the order within each phase; for equal states, nothing."""

    def parse_differing(self, old: str, new: str, scope: Scope) -> tuple[State, State] | None:
        """Parse two artifacts, but leave out what they have in common. The states differ in the same objects, and have
        the same steps and routes, as if both were parsed whole. None: that would be no quicker than :meth:`parse`.
        """
        return None

    def live_only(self, state: State) -> object:
        """What a live state has that no artifact says and no comparison looks at, as JSON: the variant of iptables, and
        rules of others that lead to our chains."""
        return None

    def with_live_only(self, state: State, live_only: object) -> State:
        """The state of an artifact, with what :meth:`live_only` gave of a live one."""
        return state

    @abstractmethod
    def dump(self, state: State) -> object:
        """The state as JSON, for the journal."""

    @abstractmethod
    def load(self, data: object) -> State:
        """What :meth:`dump` made."""

    def obstacles(self, live: State, wanted: State, scope: Scope) -> Iterator[str]:
        """Why ``wanted`` cannot be had without changing what is somebody else's, a sentence each."""
        return iter(())

    def in_use(self, live: State, wanted: State) -> Iterator[str]:
        """The obstacles among :meth:`obstacles` that are rules of others which use what is to go. The states may be
        those of a :class:`svcc.targets.interface.Difference`."""
        return iter(())

    def routes(self, state: State) -> Iterator[Route]:
        """Where a state sends packets, if it does so at all."""
        return iter(())

    def served(self, state: State) -> Iterator[Route]:
        """Who gets new connections, also where packets get there as they are."""
        return self.routes(state)

    def serves(self, state: State, frontends: Collection[FrontendAddress]) -> set[FrontendAddress]:
        """The frontends, of those given, that a state serves."""
        return {route.frontend for route in self.routes(state)} & {*frontends} if frontends else set()

    def gone_routes(self, live: State, wanted: State) -> set[Route]:
        """The routes of ``live`` that ``wanted`` lacks."""
        return set(self.routes(live)) - set(self.routes(wanted))
