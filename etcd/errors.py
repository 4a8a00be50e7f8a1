"""The errors of this package. Each says which member gave it.

::

    EtcdError
    ├── Unreachable          no member answered in time, or none has a leader; trying again later may help
    │   └── Uncertain        the same, but the change may have been made: read before you go on
    ├── Refused              etcd does not do what it was asked, and trying again does not help
    │   ├── NotAllowed       the user's roles do not allow it
    │   ├── NotAuthenticated no user, a wrong user or password, or a certificate that etcd does not take
    │   ├── GatewayOff       this etcd has no JSON gateway
    │   ├── NoLease          the lease has ended, or there never was one
    │   └── TooLarge         more than etcd, or this client, takes at once
    ├── History              what was read before is out of date, and cannot be continued
    │   ├── Compacted        etcd no longer has the revision from which a watch should go on
    │   ├── Restored         etcd is at an earlier revision than before: a backup was restored, or the data are gone
    │   └── AnotherCluster   a member answers that belongs to another cluster
    └── Malformed            an answer that no etcd gives
"""

from __future__ import annotations


class EtcdError(Exception):
    """The base of all errors of this package.

    ``member`` is the address of the member concerned, or "" where all of them are.
    """

    def __init__(self, message: str, *, member: str = "") -> None:
        super().__init__(f"etcd at {member}: {message}" if member else message)
        self.member = member


class Unreachable(EtcdError):
    """No member answered in time, or those that did have no leader. Trying again later may help.

    ``untouched``: whether it is certain that nothing of the request was done.
    """

    def __init__(self, message: str, *, member: str = "", untouched: bool = False) -> None:
        super().__init__(message, member=member)
        self.untouched = untouched


class Uncertain(Unreachable):
    """The answer to a transaction did not come: whether it took place is not known. Read before you go on."""


class Refused(EtcdError):
    """etcd does not do what it was asked. Trying again does not help.

    ``code`` is gRPC's (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), or 0 where there is none.
    """

    def __init__(self, message: str, *, member: str = "", code: int = 0) -> None:
        super().__init__(message, member=member)
        self.code = code


class NotAllowed(Refused):
    """The roles of the user do not allow it."""


class NotAuthenticated(Refused):
    """etcd wants a user where none was given, or does not accept this user, password, token or certificate."""


class GatewayOff(Refused):
    """This etcd serves no JSON gateway (``/v3`` gives 404)."""


class NoLease(Refused):
    """The lease has ended, or there never was one with this number."""


class TooLarge(Refused):
    """A value, a transaction or an answer is larger than etcd takes, or than this client takes at once."""


class History(EtcdError):
    """What was read before is out of date, and cannot be continued: list again."""


class Compacted(History):
    """etcd no longer has the history with which a watch should begin. ``revision`` is the oldest that it has, 0 where
    it does not say."""

    def __init__(self, message: str, *, member: str = "", revision: int) -> None:
        super().__init__(message, member=member)
        self.revision = revision


class Restored(History):
    """etcd is at an earlier revision than it was: a backup was restored, or the data are gone."""


class AnotherCluster(History):
    """The member belongs to another cluster than the one that answered before."""


class Malformed(EtcdError):
    """The answer is none that etcd gives: something else listens at the address, or is in between."""
