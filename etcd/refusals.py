"""The meaning of etcd's refusals: from gRPC's code and etcd's own words (``api/v3rpc/rpctypes/error.go``) to an
error."""

from __future__ import annotations

import re

from svcc.etcd.errors import (
    Compacted,
    EtcdError,
    GatewayOff,
    NoLease,
    NotAllowed,
    NotAuthenticated,
    Refused,
    Restored,
    TooLarge,
    Unreachable,
)
from svcc.etcd.wire import Message

#: The codes that say "not now": cancelled, deadline exceeded, resource exhausted, internal, unavailable.
_NOT_NOW = frozenset({1, 4, 8, 13, 14})
_UNKNOWN, _INVALID, _OUT_OF_RANGE, _NOT_ALLOWED, _NOT_FOUND, _NOT_AUTHENTICATED = 2, 3, 11, 7, 5, 16
#: Words of a member that has done nothing of the request.
_UNTOUCHED = ("no leader", "too many requests", "not ready")
_TOO_LARGE = ("request is too large", "too many operations", "message larger than max")
_WHO = ("user name is empty", "authentication failed", "user name not found", "CommonName")
#: Words about a token that is not valid any more: it expired, its member was restarted, or users changed since.
_STALE = ("invalid auth token", "revision of auth store is old", "revision in header is old")

#: The names of codes in texts (gRPC's ``codes.Code``).
_CODES = {
    "Canceled": 1,
    "Unknown": 2,
    "InvalidArgument": 3,
    "DeadlineExceeded": 4,
    "NotFound": 5,
    "PermissionDenied": 7,
}
_CODES |= {"ResourceExhausted": 8, "FailedPrecondition": 9, "OutOfRange": 11, "Internal": 13, "Unavailable": 14}
_CODES |= {"Unauthenticated": 16}
_REASON = re.compile(r"rpc error: code = (\w+) desc = (.*)", re.DOTALL)

_GATEWAY_OFF = (
    "serves no JSON gateway (/v3), or only that of a release before 3.4: start it with --enable-grpc-gateway=true, or "
    "with enable-grpc-gateway: true in its configuration file"
)


class StaleToken(NotAuthenticated):
    """The token is not valid any more; user and password can get another."""


class AuthOff(Refused):
    """This etcd has no users, so it takes requests without a token."""


def refusal(member: str, code: int, words: str) -> EtcdError:
    """Return the error for gRPC's code and the words with it."""
    words = words.strip()[:500] or f"gRPC code {code}"
    if code == _NOT_AUTHENTICATED or any(stale in words for stale in _STALE):
        return StaleToken(words, member=member, code=code)
    if any(large in words for large in _TOO_LARGE):
        return TooLarge(words, member=member, code=code)
    if code in _NOT_NOW or (code == _UNKNOWN and "context deadline exceeded" in words):
        return Unreachable(words, member=member, untouched=any(one in words for one in _UNTOUCHED))
    if code == _NOT_ALLOWED:
        return NotAllowed(words, member=member, code=code)
    if any(who in words for who in _WHO):
        return NotAuthenticated(_who(words), member=member, code=code)
    return _of_request(member, code, words)


def _of_request(member: str, code: int, words: str) -> EtcdError:
    if code == _NOT_FOUND and "lease not found" in words:
        return NoLease(words, member=member, code=code)
    if code == _OUT_OF_RANGE and "compacted" in words:
        return Compacted(words, member=member, revision=0)
    if code == _OUT_OF_RANGE and "future revision" in words:
        return Restored(words, member=member)
    if "authentication is not enabled" in words:
        return AuthOff(words, member=member, code=code)
    return Refused(words, member=member, code=code)


def _who(words: str) -> str:
    """Return etcd's words, and what to do where they do not say it."""
    if "CommonName" in words:
        return f"{words} (show its gateway a certificate without a common name, and give user and password)"
    if "user name is empty" in words:
        return f"{words} (it has users: give user and password)"
    return words


def by_reason(member: str, reason: str) -> EtcdError:
    """Return the error for the ``cancel_reason`` of a watch: a text that contains the code's name."""
    if match := _REASON.fullmatch(reason):
        return refusal(member, _CODES.get(match[1], _UNKNOWN), match[2])
    return refusal(member, _UNKNOWN, reason or "ends the watch, and says no reason")


def by_answer(message: Message, status: int) -> EtcdError:
    """Return the error for an answer other than HTTP 200; its form differs between releases of etcd."""
    inner = message.child("error") if isinstance(message.fields.get("error"), dict) else message
    code = inner.number("grpc_code") or inner.number("code")
    words = inner.text("message") or f"HTTP {status}"
    if code == _NOT_FOUND and words == "Not Found":
        return gateway_off(message.member)
    if not code and status >= 500:  # from a proxy
        return Unreachable(f"answers HTTP {status}", member=message.member)
    return refusal(message.member, code or _UNKNOWN, words)


def gateway_off(member: str) -> GatewayOff:
    """Return the error for a member without a gateway."""
    return GatewayOff(_GATEWAY_OFF, member=member, code=_NOT_FOUND)
