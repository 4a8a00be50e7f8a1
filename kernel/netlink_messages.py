"""The type of a netlink message as pyroute2 gives it, which has no types itself."""

from __future__ import annotations

from typing import Protocol


class Message(Protocol):
    """A netlink message, or an attribute of one that has attributes itself."""

    def __getitem__(self, field: str) -> object: ...

    def get_attr(self, name: str) -> object:
        """Return an attribute's value; None where the message has no attribute of that name."""
