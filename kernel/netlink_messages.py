"""What pyroute2 gives, which has no types."""

from __future__ import annotations

from typing import Protocol


class Message(Protocol):
    """A netlink message, or what is nested in one."""

    def __getitem__(self, field: str) -> object: ...

    def get_attr(self, name: str) -> object:
        """An attribute's value; None: the message has none of that name."""
