"""A plan as data: what an apply would change. It can be saved, shown, and applied later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jsonschema import Draft202012Validator

from svcc.apply import wanted
from svcc.apply.errors import InvalidPlan
from svcc.apply.wanted import Wanted
from svcc.compiler.errors import InputError
from svcc.compiler.ir_from_json import from_json
from svcc.compiler.ir_to_json import to_json
from svcc.compiler.source import Source
from svcc.kernel.json_values import Json, integer, items, members, optional, string
from svcc.kernel.steps import Change, FrontendAddress, Verb
from svcc.targets import find
from svcc.targets.bundle import bundle_text, split_bundle
from svcc.targets.interface import Target
from svcc.targets.reading import RefusedText


@dataclass(frozen=True)
class Plan:
    """What an apply would change. A plan is applied only where its ``basis`` is still the same."""

    wanted: Wanted
    generation: int | None  # the number of the one in place when the plan was made; None: none was
    changes: tuple[Change, ...]
    basis: str  # a digest of what the machine's state differs by from the wanted one; see basis_of

    @property
    def empty(self) -> bool:
        """Whether the kernel holds already what is wanted."""
        return not self.changes

    def to_json(self) -> dict[str, object]:
        """The plan in JSON's own types; saved_plan.schema.json, beside this module, is the reference of the form."""
        given = self.wanted
        text = bundle_text(given.bundle)
        return {
            "svcc-plan": 1,
            "target": given.bundle.target,
            "node": given.bundle.node,
            "name": given.name,
            "generation": self.generation,
            "basis": self.basis,
            "bundle-hash": sha256(text.encode()).hexdigest(),
            "program": None if given.program is None else to_json(given.program),
            "bundle": text if given.program is None else None,
            "changes": [_change_to_json(change) for change in self.changes],
        }

    @classmethod
    def from_json(cls, data: object) -> Plan:
        """Return the plan that :meth:`to_json` gave. The data is checked as any input is, as it may have been edited.

        Errors: InvalidPlan; InputError where the program or the bundle in it is wrong.
        """
        if wrong := next(iter(_validator().iter_errors(data)), None):
            raise InvalidPlan(f"{wrong.json_path}: {wrong.message}"[:200])
        fields = members(data)
        given = replace(_wanted(fields), name=string(fields["name"]))
        if sha256(bundle_text(given.bundle).encode()).hexdigest() != fields["bundle-hash"]:
            raise InvalidPlan("this version of svcc makes other rules from it than the one that planned it: plan again")
        changes = tuple(_change_from_json(members(change)) for change in items(fields["changes"]))
        generation, basis = optional(_whole_number, fields["generation"]), string(fields["basis"])
        if basis != basis_of(generation, changes):
            raise InvalidPlan("its changes are others than those that were planned: plan again")
        return cls(given, generation, changes, basis)


def basis_of(generation: int | None, changes: Iterable[Change]) -> str:
    """Return the digest of what a plan was made from: the generation in place, and all that differs from the wanted
    state."""
    digest = sha256(f"{generation}\n".encode())
    for line in sorted(f"{change.part} {change}\n" for change in changes):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(files("svcc.apply").joinpath("saved_plan.schema.json").read_text()))


def _wanted(data: Mapping[str, Json]) -> Wanted:
    target = find(string(data["target"]))
    if target is None or not target.loads:
        raise InvalidPlan(f"{data['target']} is no target that a kernel loads")
    if data["program"] is not None:
        return _of_program(data["program"], target, optional(string, data["node"]))
    try:
        return wanted.from_bundle(split_bundle(Source("the plan's bundle", string(data["bundle"])), target).bundle())
    except RefusedText as error:
        raise InputError([error.diagnostic]) from error


def _of_program(document: Json, target: Target, node: str | None) -> Wanted:
    program, diagnostics = from_json(Source("the plan's program", json.dumps(document)))
    if program is None:
        raise InputError(diagnostics)
    return wanted.from_program(program, target, node)


def _change_to_json(change: Change) -> dict[str, object]:
    frontend = change.frontend
    return {
        "verb": change.verb.name.lower(),
        "part": change.part,
        "kind": change.kind,
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
        "place": frontend and {"address": frontend.address, "protocol": frontend.protocol, "port": frontend.port},
        "label": change.label,
    }


def _change_from_json(data: Mapping[str, Json]) -> Change:
    frontend = data["place"]
    return Change(
        Verb[string(data["verb"]).upper()],
        string(data["part"]),
        string(data["kind"]),
        string(data["subject"]),
        string(data["before"]),
        string(data["after"]),
        None if frontend is None else _frontend(members(frontend)),
        string(data["label"]),
    )


def _frontend(data: Mapping[str, Json]) -> FrontendAddress:
    return FrontendAddress(optional(string, data["address"]), string(data["protocol"]), _whole_number(data["port"]))


def _whole_number(value: object) -> int:
    """Return a number that is whole by JSON Schema (core 4.2.3), as 80.0 is also."""
    return integer(int(value) if isinstance(value, float) else value)
