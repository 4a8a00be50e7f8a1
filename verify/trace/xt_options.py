"""Collects the options of a rule's matches and of its target, by the extension that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from svcc.verify.trace.faults import ArtifactLine, LoadError
from svcc.verify.trace.ipset import IpSet
from svcc.verify.trace.lines import Words

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """What surrounds a rule, as far as extensions need it."""

    version: int
    sets: Mapping[str, IpSet]


@dataclass(slots=True)
class Header:
    """What a rule says with the options that need no extension, as far as extensions need to know it."""

    protocol: int | None = None
    negated: bool = False


@dataclass(slots=True)
class Given:
    """The options given to one use of an extension: (negated, values) by name."""

    name: str
    place: ArtifactLine
    setting: Setting
    header: Header
    options: dict[str, tuple[bool, tuple[str, ...]]] = field(default_factory=dict)

    def __contains__(self, option: str) -> bool:
        return option in self.options

    def negated(self, option: str) -> bool:
        """Whether ``!`` stands before an option."""
        return option in self.options and self.options[option][0]

    def text(self, option: str, default: str | None = None) -> str:
        """Return the option's value. Errors: LoadError, where there is neither an option nor a default."""
        if option in self.options:
            return self.options[option][1][0]
        if default is None:
            raise LoadError(self.place, f"{self.name} needs {option}")
        return default

    def value(self, option: str, parse: Callable[[str], T], default: str | None = None) -> T:
        """Return the option's parsed value.

        Errors: LoadError, where it cannot be parsed, or is missing without a default.
        """
        text = self.text(option, default)
        try:
            return parse(text)
        except ValueError as error:
            raise LoadError(self.place, f"`{text}` cannot stand behind {option}: {error}") from None


@dataclass(frozen=True, slots=True)
class Extension(Generic[T]):
    """A match or a target: its options, with the number of words that follow each, and the function that makes it."""

    arity: Mapping[str, int]
    build: Callable[[Given], T]
    negatable: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def option(self, word: str) -> str | None:
        """Return the option's own name. Return None where it is no option of this extension."""
        name = self.aliases.get(word, word)
        return name if name in self.arity else None


def take(extension: Extension[T], given: Given, words: Words, name: str, negated: bool) -> None:
    """Take an option's values. In old syntax a value could be negated too (``--mark ! 1``): that is refused."""
    if name in given.options:
        raise words.refused(f"{name} is given twice")
    if negated and name not in extension.negatable:
        raise words.refused(f"{name} cannot be negated")
    values = tuple(words.take(f"the value of {name}") for _ in range(extension.arity[name]))
    if "!" in values:
        raise words.refused(f"`!` stands before {name}, not behind it")
    given.options[name] = (negated, values)


def set_named(given: Given, option: str) -> tuple[IpSet, tuple[str, ...]]:
    """Return the set that an option names, and the packet's fields to look up in it. Errors: LoadError."""
    name, sides = given.options.get(option, (False, ("", "")))[1]
    if not name:
        raise LoadError(given.place, f"set needs {option}")
    if name not in given.setting.sets:
        raise LoadError(given.place, f"there is no set {name}")
    fields = tuple(sides.split(","))
    if not set(fields) <= {"src", "dst"} or len(fields) > 6:
        raise LoadError(given.place, f"`{sides}` are not fields")
    return given.setting.sets[name], fields
