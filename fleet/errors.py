"""What goes wrong with a fleet, as classes of svcc's own tree."""

from __future__ import annotations

from svcc.compiler.errors import SvccError


class FleetError(SvccError):
    """The root of what the fleet raises."""


class BadName(FleetError):
    """A fleet or a node has a name that no key can hold."""


class BadDocument(FleetError):
    """etcd holds something that is not what svcc writes there, or what a newer svcc wrote."""


class BadProgram(FleetError):
    """A program is no release: it does not fit, or is not what its hash says."""


class BadSignature(FleetError):
    """A release is not signed by anybody who may, or it cannot be signed."""
