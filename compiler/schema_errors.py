"""Says in svcc's own words how a JSON document differs from the IR's schema. Only such documents need it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.foreign_files import INSTEAD
from svcc.compiler.json_places import Path, key_place
from svcc.compiler.names import FORM as NAME_FORM
from svcc.compiler.prefix import FORM as PREFIX_FORM
from svcc.compiler.source import Source, Span
from svcc.compiler.suggest import did_you_mean, one_of, shorten

#: After this many errors, svcc looks for no more.
_ERRORS = 100
#: How many characters of a value are shown.
_SHOWN = 100
#: What a value of such a type is called.
_TYPES = {
    "array": "a list",
    "object": "an object",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
#: What a text has to be, by the key that has it.
_FORMS = {
    "prefix": PREFIX_FORM,
    "vip-device": "a device's name begins with a letter or `_`, and holds letters, digits, `_`, `.` and `-`",
    "path": "a path begins with `/`, and has printable ASCII characters without blanks and quotes",
    "paths": "a path begins with `/`, and has at most 128 characters, none of them a blank, a quote or one of {}[];#",
    "host": "a host is a name or an address, perhaps with a port",
    "body": "a text in one line, without quotes",
    "check name": "the name that is looked up: shop.example",
}
_CLOUD_NAMES = ("instance", "network", "subnets", "security")
_RANGES = {"ports": '"5000-5099"', "nodeport": '"30000-30099"', "nodeports": '"30000-32767"', "expect": '"200-299"'}


class _Fault(NamedTuple):
    message: str  # without the place, which comes before it
    hint: str | None = None
    key: str | int | None = None  # the member that is meant, by its key, or the value, by its index


def schema_errors(
    document: object, schema: Mapping[str, Any], source: Source, places: Mapping[Path, tuple[int, int]]
) -> Iterator[Diagnostic]:
    """Yield what is wrong with a document by the schema, each once and with its place. ``places``: those of its values
    in the source.
    """
    if isinstance(document, dict) and document and not document.keys() & schema["properties"].keys():
        span = Span(source, places[()][0], places[()][0] + 1)
        yield Diagnostic(
            Code.FOREIGN, "this looks like JSON of another program, which svcc does not read", span, INSTEAD
        )
        return
    ours = isinstance(document, dict) and "svcc" in document
    said: set[tuple[Path, _Fault]] = set()
    for error in islice(Draft202012Validator(schema).iter_errors(document), _ERRORS):
        path: Path = tuple(error.absolute_path)
        if path and not ours:
            continue  # one error is enough for what does not say that it is a program
        for fault in _faults(error, path):
            if (path, fault) not in said:
                said.add((path, fault))
                where = "".join(f"/{part}" for part in path) or "the document"
                message = f"{where}{fault.message}"
                yield Diagnostic(Code.IR_INVALID, message, _span(source, places, path, fault.key), fault.hint)


def _span(source: Source, places: Mapping[Path, tuple[int, int]], path: Path, key: str | int | None) -> Span:
    """Return the place of a value, or of the key or value in it that is meant."""
    if key is not None and (*path, key) in places:
        start, end = places[(*path, key)]
        return Span(source, *(key_place(source.text, start) if isinstance(key, str) else (start, end)))
    while path not in places:
        path = path[:-1]
    return Span(source, *places[path])


def _faults(error: ValidationError, path: Path) -> Iterator[_Fault]:
    """Yield what one of jsonschema's errors is about. Several of one object's may be about the same."""
    value: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    match str(error.validator):
        case "type":
            yield _Fault(f" is {_shown(value)}, and not {_TYPES.get(wanted, wanted)}")
        case "additionalProperties":
            known = schema["properties"]
            for key in (one for one in value if one not in known):
                hint = did_you_mean(key, known) or f"it can have {one_of([f'`{one}`' for one in known])}"
                yield _Fault(f" cannot have {_shown(key)}", hint, key)
        case "required":
            for key in wanted:
                if key not in value:
                    yield _Fault(f" has no `{key}`", 'a program begins with "svcc": 1' if key == "svcc" else None)
        case "enum":
            guess = did_you_mean(value, wanted) if isinstance(value, str) else None
            said = f"it is {one_of([f'`{one}`' for one in wanted])}"
            yield _Fault(f" cannot be {_shown(value)}", f"{guess} ({said})" if guess else said)
        case "const":
            yield _Fault(f" is {_shown(value)}, a version that this svcc does not know", f"write {wanted}")
        case "minimum" | "maximum":
            yield _out_of_range(value, [schema])
        case "pattern":
            yield _Fault(f" cannot be {_shown(value)}", _form(path))
        case "minLength" | "maxLength":
            yield _Fault(f" has {len(value)} characters", f"it has {_limits(schema, 'Length')}")
        case "minItems" | "maxItems":
            yield _Fault(f" has {len(value) or 'no'} values", f"it has {_limits(schema, 'Items')}")
        case "uniqueItems":
            twice = next(i for i, one in enumerate(value) if one in value[:i])
            yield _Fault(f" has {_shown(value[twice])} twice", None, twice)
        case "oneOf":
            yield from _none_of(error, path)
        case _:  # the schema has no others; jsonschema quotes what it refuses, which may be the whole document
            yield _Fault(f": {shorten(error.message, 200)}")


def _none_of(error: ValidationError, path: Path) -> Iterator[_Fault]:
    """Yield what a value lacks that is none of several alternatives, or more than one of them."""
    value: Any = error.instance
    alternatives: Any = error.validator_value
    if all("required" in one for one in alternatives):
        names = [f"`{name}`" for one in alternatives for name in one["required"]]
        both = all(name in value for one in alternatives for name in one["required"])
        yield _Fault(f" has {'both' if both else 'neither'} {one_of(names, 'and' if both else 'nor')}")
        return
    if all(one.keys() == {"minimum", "maximum"} for one in alternatives):
        yield _out_of_range(value, alternatives)
        return
    context = error.context or []
    others = {cause.schema_path[0] for cause in context if cause.validator == "type"}
    fitting = [cause for cause in context if cause.schema_path[0] not in others]
    if not fitting:
        yield _Fault(f" is {_shown(value)}, and neither a whole number nor a range such as {_RANGES[_key(path)]}")
    for cause in fitting[:1]:
        yield from _faults(cause, path)


def _out_of_range(value: object, allowed: list[dict[str, Any]]) -> _Fault:
    limits = one_of([f"{one['minimum']} to {one['maximum']}" for one in allowed])
    return _Fault(f": {_shown(value)} is out of range", f"it is {limits}")


def _limits(schema: Mapping[str, Any], what: str) -> str:
    """Return how long a text or list may be, in words."""
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if least == most:
        return str(least)
    return f"at least {least}" if most is None else f"at most {most}" if least is None else f"{least} to {most}"


def _key(path: Path) -> str:
    """Return the last key of a path: what the value, or the list that has it, is called."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _form(path: Path) -> str:
    """Return what a text has to be."""
    key = _key(path)
    if key in _RANGES:
        return f"a range is written {_RANGES[key]}"
    if key in _CLOUD_NAMES:
        return "an identifier of the cloud's, such as i-0123456789abcdef0"
    return _FORMS.get("check name" if path[-2:] == ("check", "name") else key, NAME_FORM)


def _shown(value: object) -> str:
    """Return a value for a message: a list or an object only by its kind, which may hold the whole document."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return shorten(json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable())), _SHOWN)
