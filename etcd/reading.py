"""Listings: all keys that begin with a prefix, read in pages, all at one revision."""

from __future__ import annotations

from svcc.etcd.errors import Compacted, Malformed, Restored, TooLarge
from svcc.etcd.members import Members
from svcc.etcd.values import Entry, Listing
from svcc.etcd.wire import Message, Request, below, encoded, entries, header, key_bytes

#: How many keys a page has at first; fewer where these have too many bytes.
_PAGE = 1000
#: How many bytes a whole listing may have.
LARGEST_LISTING = 256 << 20
_TRIES = 3


async def listing(members: Members, prefix: str, *, names: bool = False) -> Listing:
    """Return all keys that begin with a prefix; with ``names`` without their values.

    It begins anew where its revision is compacted or lost before the last page.
    """
    for left in reversed(range(_TRIES)):
        try:
            return await _pages(members, prefix, names=names)
        except (Compacted, Restored):
            if not left:
                raise
    raise AssertionError("unreachable")


async def _pages(members: Members, prefix: str, *, names: bool) -> Listing:
    found: list[Entry] = []
    size, revision = 0, 0
    page = _PAGE
    while True:
        request: Request = {**below(prefix), "limit": str(page)} | ({"keys_only": True} if names else {})
        if found:
            request |= {"key": encoded(key_bytes(found[-1].key) + b"\0"), "revision": str(revision)}
        try:
            answer = await members.ask("kv/range", request)
        except TooLarge:
            if page == 1:
                raise
            page = max(1, page // 4)
            continue
        said = header(answer)
        revision = revision or said.revision
        more = _checked(answer, prefix, found[-1] if found else None)
        found += more
        size += sum(len(one.key) + len(one.value) for one in more)
        if size > LARGEST_LISTING:
            raise TooLarge(f"has more than {LARGEST_LISTING >> 20} MiB below {prefix}", member=answer.member)
        if not answer.flag("more"):
            return Listing(tuple(found), revision, said.cluster)
        if not more:
            raise Malformed(f"says that there are more keys below {prefix}, and gives none", member=answer.member)


def _checked(answer: Message, prefix: str, last: Entry | None) -> tuple[Entry, ...]:
    """Return the entries of a page, if they continue where the last page ended: else reading might never end."""
    page = entries(answer)
    before = None if last is None else key_bytes(last.key)
    for one in page:
        key = key_bytes(one.key)
        if not key.startswith(key_bytes(prefix)) or (before is not None and key <= before):
            raise Malformed(f"answers a key {one.key[:80]!r} that was not asked for", member=answer.member)
        before = key
    return page
