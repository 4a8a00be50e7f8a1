"""Each public definition says what it is for: users in other modules read it there."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from support.tools.code import Module, modules


def _function(member: object) -> FunctionType | None:
    """The function that a member of a class or module is made of; None for what is no function."""
    while True:
        match member:
            case FunctionType():
                wrapped = getattr(member, "__wrapped__", None)
                if not isinstance(wrapped, FunctionType):
                    return member
                member = wrapped
            case property():
                member = member.fget
            case cached_property() | partial():
                member = member.func
            case classmethod() | staticmethod():
                member = member.__func__
            case _:  # the callback of a command of click's, and what functools.cache makes
                inner = getattr(member, "callback", None) or getattr(member, "__wrapped__", None)
                if not isinstance(inner, FunctionType):
                    return None
                member = inner


def _describes(definition: type) -> bool:
    """Whether a class has words of its own. A dataclass without gets its signature for some."""
    words = vars(definition).get("__doc__")
    return isinstance(words, str) and not words.startswith(f"{definition.__name__}(")


def _fits(one: type, protocol: type) -> bool:
    """Whether a class has all members of a protocol."""
    return all(hasattr(one, member) for member, value in vars(protocol).items() if _function(value) is not None)


def undescribed(module: ModuleType) -> Iterator[str]:
    """The public classes, functions, methods and properties of a module that neither say what they are, nor override
    one that does, nor fill in one of a protocol of their module's that does."""
    protocols = [one for one in vars(module).values() if isinstance(one, type) and getattr(one, "_is_protocol", False)]
    for name, one in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(one, type) and one.__module__ == module.__name__:
            if not _describes(one):
                yield name
            for member, value in vars(one).items():
                if member.startswith("_") or _function(value) is None:
                    continue
                filled_in = [protocol for protocol in protocols if _fits(one, protocol)]
                bases = [*one.__mro__, *filled_in]
                overridden = (_function(vars(base)[member]) for base in bases if member in vars(base))
                if not any(function is not None and function.__doc__ for function in overridden):
                    yield f"{name}.{member}"
        elif not isinstance(one, type):
            function = _function(one)
            if function is not None and function.__module__ == module.__name__ and not function.__doc__:
                yield name


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_public_definitions_say_what_they_are(module: Module) -> None:
    assert [*undescribed(importlib.import_module(module.name))] == []


_SILENT = '''
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import click

@dataclass
class Silent:
    x: int

@dataclass
class Base:
    """Words."""

    def told(self): "Words."
    def untold(self): pass
    def _private(self): pass

class Derived(Base):
    """Words."""

    def told(self): pass
    @property
    def state(self): pass
    @cached_property
    def text(self): pass
    @classmethod
    def of(cls): pass
    @staticmethod
    def add(): "Words."

class Shape(Protocol):
    """Words."""

    def json(self): "Words."

class Word:
    """Words."""

    def json(self): pass
    def text(self): pass

@cache
def kept(): pass

@click.command()
def command(): pass

def described(): "Words."
'''


def test_what_says_nothing_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "drawn.py"
    path.write_text(_SILENT)
    spec = importlib.util.spec_from_file_location("drawn", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "drawn", module)  # dataclasses looks there for the module of a class
    spec.loader.exec_module(module)
    found = ["Silent", "Base.untold", "Derived.state", "Derived.text", "Derived.of", "Word.text", "kept", "command"]
    assert [*undescribed(module)] == found
