"""Bundles as users give them: texts that a target has to accept or refuse."""

from __future__ import annotations

import json

from svcc.apply.scope import Scope
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import split_bundle
from svcc.targets.interface import Accepted, Bundle, Target
from svcc.targets.reading import RefusedText, Text


def accepted(bundle: Bundle) -> Accepted:
    """Return what the bundle's target reads from its texts. Errors: Refused."""
    texts = {a.part.name: Text(Source(a.part.file, a.text), 0, len(a.text)) for a in bundle.artifacts}
    return targets()[bundle.target].accept(texts)


def scope_of(bundle: Bundle) -> Scope:
    found = accepted(bundle)
    assert found.prefix is not None
    return Scope(found.prefix, found.device)


def refusal(text: str, target: Target, name: str = "bundle") -> str | None:
    """Return the message about a file with this text; None where it is accepted, and printed again unchanged."""
    try:
        given = split_bundle(Source(name, text), target)
        made = target.accept(given.texts)
    except RefusedText as error:
        return as_text([error.diagnostic])
    bundle = Bundle(target.name, given.node, made.artifacts)
    forms = [bundle, *(target.in_syntax(bundle, syntax) for syntax in target.syntaxes)]
    for part, given_text in given.texts.items():
        text = given_text.text
        found = [form.parts.get(part, "") for form in forms]
        assert text in found or (target.name == "nft" and json.loads(found[0]) == json.loads(text))
    return None
