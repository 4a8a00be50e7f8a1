"""Reads one rule of an xtables table from its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from svcc.verify.trace import values
from svcc.verify.trace.chains import Call, Verdict
from svcc.verify.trace.faults import ArtifactLine
from svcc.verify.trace.flow import Flow
from svcc.verify.trace.host import Host
from svcc.verify.trace.ipset import IpSet
from svcc.verify.trace.lines import Words
from svcc.verify.trace.xt_extensions import extensions
from svcc.verify.trace.xt_matches import Address, Device, Match, Not, Protocol
from svcc.verify.trace.xt_options import Extension, Given, Header, Setting, take
from svcc.verify.trace.xt_targets import TARGETS, Nothing, Target, To


@dataclass(frozen=True, slots=True)
class XtRule:
    """A rule, and the line that adds it."""

    place: ArtifactLine
    text: str  # with its table
    matches: tuple[Match, ...]
    target: Target
    comes_in: bool  # has -i
    goes_out: bool  # has -o

    def apply(self, flow: Flow) -> Verdict:
        """Do what its target does, if all of its matches hold."""
        for match in self.matches:
            if not match.holds(flow):
                return None
        flow.note(self.text, self.place)
        return self.target.apply(flow)

    def calls(self) -> Iterable[str]:
        """Return the chains that it may lead to."""
        return self.target.calls()


class Builder:
    """Makes rules for one family."""

    def __init__(self, version: int, sets: Mapping[str, IpSet], host: Host) -> None:
        self._setting = Setting(version, sets)
        self._matches = extensions(host)

    def rule(self, words: Words, table: str, chain: str) -> XtRule:
        """Read a rule from the words behind the chain's name. Errors: TraceError."""
        draft = _Draft(words, self._setting, self._matches)
        while words:
            draft.option()
        text = words.text.split(None, 2)[2] if len(words.text.split(None, 2)) > 2 else ""
        devices = [m.inner if isinstance(m, Not) else m for m in draft.header_matches]
        return XtRule(
            words.place,
            f"{table} {chain}: {text}",
            draft.matches(),
            draft.target(),
            any(isinstance(m, Device) and not m.going_out for m in devices),
            any(isinstance(m, Device) and m.going_out for m in devices),
        )


@dataclass(slots=True)
class _Draft:
    """A rule whose words are being read."""

    words: Words
    setting: Setting
    known: Mapping[str, Extension[Match]]
    header: Header = field(default_factory=Header)
    header_matches: list[Match] = field(default_factory=list)
    used: list[tuple[Extension[Match], Given]] = field(default_factory=list)
    aim: Target | None = None
    aimed: tuple[Extension[Target], Given] | None = None

    def option(self) -> None:
        """Take one option with its values."""
        words = self.words
        word = words.take()
        negated = word == "!"
        if negated:
            word = words.take("what is negated")
        if word in _HEADER:
            self._add(_HEADER[word](self), negated)
        elif word in ("-m", "--match") and not negated:
            self._use(words.take("a match"))
        elif word in ("-j", "--jump", "-g", "--goto") and not negated:
            self._aim(words.take("a target"), word in ("-j", "--jump"))
        elif not self._give(word, negated):
            raise words.unknown(word)

    def _add(self, match: Match, negated: bool) -> None:
        if isinstance(match, Protocol):
            self.header.protocol, self.header.negated = match.number, negated
        if any(type(match) is type(m) and _kind(match) == _kind(m) for m in map(_inner, self.header_matches)):
            raise self.words.refused("an option is given twice")
        self.header_matches.append(Not(match) if negated else match)

    def _use(self, name: str) -> None:
        if name not in self.known:
            raise self.words.unknown(name)
        self.used.append((self.known[name], self._given(name)))

    def _given(self, name: str) -> Given:
        return Given(name, self.words.place, self.setting, self.header)

    def _aim(self, name: str, jump: bool) -> None:
        if self.aim is not None or self.aimed is not None:
            raise self.words.refused("two targets")
        if name in TARGETS and jump:
            self.aimed = TARGETS[name], self._given(name)
        elif name in TARGETS or name in _OTHER_TARGETS:
            raise self.words.unknown(name)
        else:
            self.aim = To(Call(name, back=jump))

    def _give(self, word: str, negated: bool) -> bool:
        """Give an option to the extension that knows it: the target, or the last match that has it.

        Return whether there was one.
        """
        if self.aimed is not None and (name := self.aimed[0].option(word)) is not None:
            take(*self.aimed, self.words, name, negated)
            return True
        for extension, given in reversed(self.used):
            if (name := extension.option(word)) is not None:
                take(extension, given, self.words, name, negated)
                return True
        implied = _IMPLIED.get(self.header.protocol or 0)
        if implied is None or any(given.name == implied for _, given in self.used):
            return False
        self._use(implied)
        return self._give(word, negated)

    def matches(self) -> tuple[Match, ...]:
        return (*self.header_matches, *(extension.build(given) for extension, given in self.used))

    def target(self) -> Target:
        if self.aimed is not None:
            return self.aimed[0].build(self.aimed[1])
        return self.aim or Nothing()


def _inner(match: Match) -> Match:
    return match.inner if isinstance(match, Not) else match


def _kind(match: Match) -> bool:
    """Return which of two header options with one class a match is."""
    return match.source if isinstance(match, Address) else isinstance(match, Device) and match.going_out


def _address(source: bool) -> Callable[[_Draft], Match]:
    def build(draft: _Draft) -> Match:
        words = draft.words
        network = words.value(words.take("an address"), values.network)
        if network.version != draft.setting.version:
            raise words.refused(f"{network} is of another family")
        return Address(words.place, network, source)

    return build


def _device(going_out: bool) -> Callable[[_Draft], Match]:
    return lambda draft: Device(draft.words.place, draft.words.take("a device"), going_out)


def _protocol(draft: _Draft) -> Match:
    return Protocol(draft.words.value(draft.words.take("a protocol"), values.protocol))


_HEADER: Mapping[str, Callable[[_Draft], Match]] = {
    **dict.fromkeys(("-s", "--source", "--src"), _address(source=True)),
    **dict.fromkeys(("-d", "--destination", "--dst"), _address(source=False)),
    **dict.fromkeys(("-i", "--in-interface"), _device(going_out=False)),
    **dict.fromkeys(("-o", "--out-interface"), _device(going_out=True)),
    **dict.fromkeys(("-p", "--protocol", "--proto"), _protocol),
}
#: The matches that -p loads by itself, where one of their options follows.
_IMPLIED = {6: "tcp", 17: "udp", 132: "sctp"}
#: Targets that exist, but that the tracer does not follow. No chain can have such a name.
_OTHER_TARGETS = frozenset(
    {"LOG", "SNAT", "REDIRECT", "NETMAP", "CT", "NOTRACK", "CONNMARK", "SET", "TPROXY", "NFLOG", "NFQUEUE", "QUEUE"}
)
