"""Documents in etcd: each is read as it was written, and anything else is refused with a message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fleet_documents import releases, statuses, wants
from svcc.fleet.documents import (
    Release,
    Status,
    Want,
    able_text,
    head_text,
    holder_text,
    plain,
    read_able,
    read_head,
    read_holder,
)
from svcc.fleet.errors import BadDocument

_Read: TypeAlias = Callable[[str, str], object]
_READERS: tuple[_Read, ...] = (Release.read, Want.read, Status.read, read_head)
#: One of each kind, as it stands in etcd.
_TEXTS = (
    '{"fleet":"shop","message":"","nodes":{"a":{"bundle":"' + "0" * 64 + '","target":"nft"}},"number":1,"pieces":1,'
    '"program":"' + "0" * 64 + '","signature":"","version":1,"when":"","who":""}',
    '{"epoch":1,"release":3,"version":1}',
    '{"down":0,"drift":0,"epoch":1,"followed":1,"release":3,"serves":3,"state":"applied","svcc":"","version":1,"words":""}',
    '{"release":3,"version":1}',
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(releases, wants, statuses, st.integers(1, 2**53 - 1))
def test_each_is_read_as_it_was_written(release: Release, want: Want, status: Status, head: int) -> None:
    assert Release.read("key", release.text) == release
    assert Want.read("key", want.text) == want
    assert Status.read("key", status.text) == status
    assert read_head("key", head_text(head)) == head


@given(st.frozensets(st.ip_addresses().map(str)), st.from_regex("[a-z0-9_]{1,20}", fullmatch=True))
def test_who_is_able_and_who_holds_are_read_as_they_were_written(able: frozenset[str], node: str) -> None:
    assert read_able("key", able_text(able)) == able
    assert read_holder("key", holder_text(node)) == node
    assert read_able("key", b"") == frozenset()  # of an svcc that holds none


@pytest.mark.parametrize("able", ["all", {}, ["192.0.2.1", 7], ["192.0.2.01"], ["a"]])
def test_what_is_no_list_of_addresses_is_refused(able: object) -> None:
    with pytest.raises(BadDocument, match=r"^key: `able` is .*, and not a list of addresses$"):
        read_able("key", json.dumps({"version": 1, "able": able}))


@pytest.mark.parametrize(("text", "read"), [*zip(_TEXTS, _READERS, strict=True)])
def test_the_form_stays(text: str, read: _Read) -> None:
    """What one svcc wrote, others read: a change of the form is a new version."""
    found = read("key", text)
    assert (head_text(found) if isinstance(found, int) else getattr(found, "text")) == text  # noqa: B009


@pytest.mark.parametrize(("text", "read"), [*zip(_TEXTS, _READERS, strict=True)])
@given(data=st.data())
def test_what_was_altered_is_read_or_refused(text: str, read: _Read, data: st.DataObject) -> None:
    """A member that is missing, unknown or of another type is named; a value that is possible is taken."""
    document = json.loads(text)
    name = data.draw(st.sampled_from([*document, "unknown"]))
    if data.draw(st.booleans()):
        document[name] = data.draw(_VALUES)
    else:
        document.pop(name, None)
    written = json.dumps(document)
    if _is_taken(read, written):
        assert document.keys() == json.loads(text).keys()
    else:
        assert written != json.dumps(json.loads(text))
        with pytest.raises(BadDocument, match=rf"^the key\b.*({re.escape(json.dumps(name))[1:-1]}|version|JSON)"):
            read("the key", written)


def _is_taken(read: _Read, text: str) -> bool:
    try:
        read("the key", text)
    except BadDocument:
        return False
    return True


@given(st.binary(max_size=20) | st.sampled_from([b"[" * 100_000, b'{"version":1,"version":1}', b'{"version":NaN}']))
def test_anything_is_refused_with_a_word(data: bytes) -> None:
    for read in (Release.read, Want.read, Status.read, read_head):
        with pytest.raises(BadDocument, match=r"^the key "):
            read("the key", data)


@pytest.mark.parametrize(("version", "words"), [(2, "a newer svcc wrote it"), (0, "no svcc writes that")])
def test_another_version_is_refused(version: int, words: str) -> None:
    with pytest.raises(BadDocument, match=words):
        Want.read("key", f'{{"version":{version},"what":"ever"}}')


@given(releases, releases)
def test_what_is_signed_says_everything_but_the_signature(one: Release, other: Release) -> None:
    same = one.signed("") == other.signed("")
    assert (one.canonical == other.canonical) == same
    assert one.signed("other").canonical == one.canonical


@given(st.text())
def test_any_text_can_be_made_plain(text: str) -> None:
    status = Status.read("key", Status(Want(1, 1), state=STATE, serves=0, words=plain(text)).text)
    assert status.words == plain(text)
    with suppress(UnicodeEncodeError):
        assert plain(status.words) == status.words


STATE = Status.read("key", _TEXTS[2]).state
