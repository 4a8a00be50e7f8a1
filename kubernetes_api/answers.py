"""Servers' answers as checked values: JSON of limited size, objects, and what a server says about an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from svcc.kubernetes_api.errors import BadAnswer, Gone, Refused, TooLarge, in_words

#: An object of the API, of JSON's own types. It has ``metadata`` with a ``name``, and no half of a surrogate pair.
Object: TypeAlias = Mapping[str, object]

#: How many values one text may hold: Python takes some hundred bytes for each.
VALUES = 4_000_000
#: The field that says who wrote which fields: it is half of a server's answer, and of no use here.
_SKIPPED = "managedFields"
#: The type of a Status object's cause where a resourceVersion is newer than all that the server has.
_AHEAD = "ResourceVersionTooLarge"


class Key(NamedTuple):
    """The name of an object among those of its kind; ``namespace`` is "" where it has none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def parsed(text: bytes) -> dict[str, object]:
    """Parse a JSON object. Errors: BadAnswer; TooLarge for more than :data:`VALUES` values."""
    if max(text.count(b","), text.count(b"[") + text.count(b"{")) > VALUES:
        raise TooLarge(f"an answer has more than {VALUES} values")
    try:
        value = json.loads(text.decode(), parse_constant=_constant)
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no character
    except RecursionError:
        raise BadAnswer("an answer is not JSON that can be read: it nests too deep") from None
    except ValueError as error:
        raise BadAnswer(f"an answer is not JSON: {in_words(error, 100)}: {_beginning(text)}") from None
    if not isinstance(value, dict):
        raise BadAnswer(f"an answer is no object: {_beginning(text)}")
    return value


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _beginning(text: bytes) -> str:
    return in_words(text[:400].decode(errors="replace"), 80)


def object_in(value: object) -> tuple[Key, Object]:
    """Return an object's name, and the object without fields that nobody reads. Errors: BadAnswer."""
    if not isinstance(value, dict):
        raise BadAnswer(f"an object of the API is {_kind(value)}")
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise BadAnswer(f"an object has no `metadata`, but {_kind(metadata)}")
    metadata.pop(_SKIPPED, None)
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    if not isinstance(name, str) or not name or not isinstance(namespace, str):
        raise BadAnswer("an object has no name: `metadata.name` and `metadata.namespace` are texts")
    return Key(namespace, name), value


def version_in(value: Mapping[str, object], what: str) -> str:
    """Return the resourceVersion in ``metadata``, a text that has no meaning to a client. Errors: BadAnswer."""
    metadata = value.get("metadata")
    found = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(found, str) or not found or len(found) > 256:
        raise BadAnswer(f"{what} has no resourceVersion, which svcc needs to follow it")
    return found


def refusal(what: str, status: int, value: Mapping[str, object], wait: float = 0.0) -> Refused:
    """Return the error for a Status object, or for any other answer with a status that is not 200."""
    reason, message = value.get("reason"), value.get("message")
    words = f"{what}: {status}" + (f" {in_words(reason, 60)}" if isinstance(reason, str) and reason else "")
    if isinstance(message, str) and message:
        words = f"{words}: {in_words(message)}"
    kind = Gone if status == 410 or _is_ahead(value) else Refused
    return kind(words, status, reason if isinstance(reason, str) else "", wait)


def _is_ahead(value: Mapping[str, object]) -> bool:
    details = value.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return isinstance(causes, list) and any(isinstance(one, dict) and one.get("reason") == _AHEAD for one in causes)


def _kind(value: object) -> str:
    names: dict[type, str] = {str: "a text", bool: "true or false", list: "a list", dict: "an object"}
    return "nothing" if value is None else names.get(type(value), "a number")
