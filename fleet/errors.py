"""The errors of a fleet, as classes of svcc's own tree."""

from __future__ import annotations

from svcc.compiler.errors import SvccError


class FleetError(SvccError):
    """The root of a fleet's errors."""


class BadName(FleetError):
    """A key cannot hold this name of a fleet, a node or a pool."""


class BadDocument(FleetError):
    """etcd holds something that svcc does not write there, or that a newer svcc wrote."""


class BadProgram(FleetError):
    """A program cannot be a release: it does not fit, or has another hash."""


class BadSignature(FleetError):
    """A release is not signed by anybody who may sign, or cannot be signed."""
