"""The interface of a driver, which handles one kind of kernel object. It reads the kernel's state, compares it with
that of an artifact, and gives the steps from one to the other.

There is a driver for each part of a target's output (nft; iptables and ip6tables; ipset; ipvsadm; ip; sysctl; modules).
Drivers ask the targets what the names of objects mean. Everything that a driver does happens in the network namespace
of the calling thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from svcc.apply.scope import Scope
from svcc.kernel.routes import Frontends, Route, Routes
from svcc.kernel.steps import Change, Step
from svcc.targets import find

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Transition:
    """The target that served before an apply, and the one that is to serve after it."""

    old: str | None  # None: nothing of ours served, or the target is not known
    new: str | None  # None: everything of ours is removed

    @property
    def from_balancer(self) -> bool:
        """Whether the kernel's own balancer (IPVS) served before, rather than rules that translate."""
        return balances(self.old)

    @property
    def to_balancer(self) -> bool:
        """Whether the kernel's own balancer is to serve."""
        return balances(self.new)


def balances(name: str | None) -> bool:
    """Whether a target has the kernel's own balancer (IPVS) forward packets, which come to addresses of a device."""
    target = None if name is None else find(name)
    return target is not None and not target.translates


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A record of the state of a part in the kernel, by which the same state is recognised later without parsing it."""

    digest: str  # of the listing, as Reading.digest returns it; "": there is none
    live_only: object  # as Driver.live_only returns it
    mark: str = ""  # as Reading.mark returns it


class Reading(ABC, Generic[State]):
    """A reading of our objects in the kernel that was begun, and goes on in the background.

    Errors of all methods: StepError.
    """

    @abstractmethod
    def state(self, scope: Scope, wanted: State) -> State:
        """Wait for the reading to end, and return the state, as :meth:`Driver.read` does.

        ``scope``: the one that the reading was begun with, or one that knows of more bundles.
        """

    def digest(self, scope: Scope) -> str | None:
        """Wait for the listing that the state is read from, and return a digest of it. Values that change by themselves
        and objects of others are left out as far as possible. Two readings in one scope that have the same digest are
        of the same state, and the digest is quicker than parsing. Return None where there is no digest, or where none
        is needed (see :meth:`mark`).
        """
        return None

    def matches(self, fingerprint: Fingerprint, scope: Scope) -> bool:
        """Whether the state that is read is the one that ``fingerprint`` was recorded of; False also where that is not
        known."""
        digest = self.digest(scope)
        return digest is not None and digest == fingerprint.digest

    def mark(self) -> str:
        """Return the kernel's own number for the state that was read (nftables has a generation number). As long as the
        kernel still gives this number, nothing has changed and nothing need be read. Return "" where the kernel has no
        such number, or where the state changed while it was read.
        """
        return ""

    def mark_after(self) -> str:
        """Return the kernel's number after the steps that the calling thread has taken since. Return "" where somebody
        else may have changed something as well.
        """
        return ""

    def again(self) -> Reading[State] | None:
        """Read once more, for a session that goes on from there (:meth:`Driver.follow`). None: it may as well begin."""
        return None

    def changed_exactly(self, earlier: Reading[State], have: State, want: State, scope: Scope) -> bool:
        """Whether ``have`` became ``want`` since an earlier reading, and nothing else changed. Objects that are in both
        states may be left out of them (:class:`svcc.targets.interface.Difference`). False also where that cannot be
        told without parsing.
        """
        return False


class Driver(ABC, Generic[State]):
    """A driver reads, compares and changes the kernel objects of one part of a bundle.

    Its states are values that are compared with ``==``. A state that is read from the kernel has the same canonical
    form as one that is read from a text.
    """

    part: ClassVar[str]  # the name of the part
    translates: ClassVar[bool] = False  # whether its objects are rules that may translate packets
    balances: ClassVar[bool] = False  # whether the kernel's own balancer forwards by its objects
    has_fingerprint: ClassVar[bool] = False  # whether a reading can match a fingerprint (:meth:`Reading.matches`)
    can_ask: ClassVar[bool] = False  # whether the kernel can be asked for a few objects alone (:meth:`ask`)
    unowned: ClassVar[bool] = False  # whether its objects belong to nobody (sysctls): only those wanted are read

    def from_target(self, state: object) -> State | None:
        """Return the state that a target made together with an artifact (:class:`Artifact`); None where it made none
        that this driver knows."""
        return None

    @abstractmethod
    def parse(self, text: str, scope: Scope) -> State:
        """Return the state that an artifact's text describes. The empty text describes the state without any of our
        objects.

        Errors: ValueError, with the line, where svcc would not have written the text.
        """

    @abstractmethod
    def read(self, scope: Scope, wanted: State) -> State:
        """Return the state of our objects in the kernel now. Errors: StepError where it cannot be read.

        ``wanted``: of objects that belong to nobody (sysctls), those that this state names are read.
        """

    def ask(self, have: State, want: State, scope: Scope) -> State | None:
        """Return the state of the objects that two states name (:class:`svcc.targets.interface.Difference`). The kernel
        is asked for the few that differ; the others are taken to be there. Return None where the kernel cannot be asked
        for these objects alone. Errors: StepError.
        """
        return None

    def begin(self, scope: Scope, fingerprint: Fingerprint | None = None) -> Reading[State] | None:
        """Begin to read our objects, where that takes long and something else can be done meanwhile. Return None where
        nothing can be begun early.

        ``fingerprint``: the one recorded when the part held what it should.
        """
        return None

    def follow(
        self, scope: Scope, fingerprint: Fingerprint, last: Reading[State] | None = None
    ) -> Reading[State] | None:
        """As :meth:`begin`, by a session that reads time and again. ``last``: what it was given the last time."""
        return self.begin(scope, fingerprint)

    @abstractmethod
    def changes(self, live: State, wanted: State) -> Iterator[Change]:
        """Yield what differs between two states, object by object, in a stable order."""

    @abstractmethod
    def steps(self, live: State, wanted: State, scope: Scope, transition: Transition) -> list[Step]:
        """Return the steps that turn ``live`` into ``wanted``, and do no more. Steps of one phase are in the order in
        which they are taken. There are none for equal states."""

    def live_only(self, state: State) -> object:
        """Return what a live state holds that is in no artifact and is never compared, in JSON's types: the variant of
        iptables, and rules of others that lead to our chains."""
        return None

    def with_live_only(self, state: State, live_only: object) -> State:
        """Return an artifact's state with what :meth:`live_only` returned of a live one."""
        return state

    def foreign(self, live_only: object) -> Iterator[str]:
        """Yield sentences that name what others have under our names: no state holds it, and no step changes it.

        ``live_only``: what :meth:`live_only` returned of a live state.
        """
        return iter(())

    @abstractmethod
    def dump(self, state: State) -> object:
        """Return the state in JSON's types, for the journal."""

    @abstractmethod
    def load(self, data: object) -> State:
        """Return the state that :meth:`dump` was given. Errors: LookupError, TypeError, ValueError, AttributeError."""

    def obstacles(self, live: State, wanted: State, scope: Scope) -> Iterator[str]:
        """Yield the reasons why ``wanted`` cannot be reached without changing objects of others, each as a sentence.
        What is :meth:`foreign` is one only where it has the name of an object that is to be made."""
        return iter(())

    def in_use(self, live: State, wanted: State) -> Iterator[str]:
        """Yield those of the :meth:`obstacles` that are rules of others which use objects that are to be removed. The
        states may be those of a :class:`svcc.targets.interface.Difference`."""
        return iter(())

    def leaving_used(self, live: State, wanted: State) -> tuple[State, tuple[str, ...]]:
        """Return a wanted state in which objects that others use (:meth:`in_use`) are left behind without effect, and a
        sentence for each of them: for going back, which nothing of others may keep from its end."""
        return wanted, ()

    def routes(self, state: State) -> Iterator[Route]:
        """Yield the routes by which a state sends packets; none where the driver's objects send none."""
        return iter(())

    def tracks(self, state: State) -> set[int]:
        """Return the IP versions of which the kernel tracks and translates connections because of a state's rules. It
        ceases to do so with the last rule that asks for it, whoever's that is (nf_ct_netns_put, nf_nat_unregister_fn),
        and connections that were translated lead nowhere then."""
        return set()

    def served(self, state: State) -> Iterator[Route]:
        """Yield the routes by which new connections go, also those whose packets are passed on untranslated."""
        return self.routes(state)

    def announced(self, state: State) -> set[str]:
        """Return the addresses for which a state has the machine answer ARP and neighbour solicitations."""
        return set()

    def serves(self, state: State, frontends: Frontends) -> Frontends:
        """Return those of the given frontends that a state serves."""
        return Routes.of(self.routes(state)).frontends & frontends if frontends else frontends

    def gone_routes(self, live: State, wanted: State) -> Routes:
        """Return the routes of ``live`` that ``wanted`` lacks."""
        return Routes.of(self.routes(live)) - Routes.of(self.routes(wanted))
