"""Reads a `check` that is written wrongly, and writes the one that is meant. Nothing that it says is lost: a hint that
drops the port or the kind of a check leads to endpoints that all fail it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.compiler.health_checks import OPTIONS, protocol

_KIND = r"(?P<kind>https?|tcp|dns|udp)"
_TIME = r"\d+(?:ms|[smhd])"
_STATUS = r"[1-5]\d\d(?:-[1-5]\d\d)?"
_PATH = r"(?P<path>/\S*)"
_HOST = r"(?P<server>\[[\da-fA-F:.]*\]|[\w-]+(?:\.[\w-]+)*)"
_OPTIONS = r"(?:every|timeout|fall|rise|expect|insecure)(?!\S)"

_EACH = "endpoints are asked each"
_WRITE = "write"
_EVERY = "the word is `every`"
_STATUSES = "the word is `expect`"

#: The pieces of such a statement, the first that fits counts; and what is wrong with each, None where nothing is.
_PIECES = tuple(
    (re.compile(rf"{pattern}(?!\S)\s*"), reason)
    for pattern, reason in (
        (rf"(?:(?:url|uri)(?:\s*[=:]\s*|\s+))?{_KIND}://{_HOST}?(?::(?P<port>\d+))?{_PATH}?", _EACH),
        (rf"{_KIND}:(?P<port>\d+)?{_PATH}?", _WRITE),
        (rf"{_KIND}", None),
        (rf"(?:port(?:\s*[=:]\s*|\s+)|:)(?P<port>\d+){_PATH}?", _WRITE),
        (r"(?P<port>\d+)/(?P<spoken>tcp|udp)", _WRITE),
        (rf"(?P<port>\d+)/{_KIND}", _WRITE),
        (rf"(?P<port>\d+){_PATH}", _WRITE),
        (r"(?P<number>\d+)", None),
        (rf"{_HOST}:(?P<port>\d+){_PATH}?", _EACH),
        (rf"(?:path|url|uri)(?:\s*[=:]\s*|\s+){_PATH}", _WRITE),
        (r"(?:GET|HEAD|OPTIONS)", "a check asks by GET alone"),
        (_PATH, None),
        (rf"(?:(?:inter|interval|period)(?:\s*[=:]\s*|\s+))?(?P<every>{_TIME})", _EVERY),
        (rf"(?:(?:status|code)(?:\s*[=:]\s*|\s+)|)(?P<status>{_STATUS})", _STATUSES),
        (rf"(?P<option>(?:every|timeout)\s+{_TIME}|(?:fall|rise)\s+\d+|expect\s+{_STATUS}|insecure)", None),
        (rf'host\s+(?P<host>"[^"\s]+"|(?!{_OPTIONS})[A-Za-z_][\w.-]*|\d+(?:\.\d+){{3}})', None),
        (r"(?P<name>[\w-]+(?:\.[\w-]+)+)", None),
    )
)


@dataclass(slots=True)
class _Meant:
    """What was read so far."""

    kind: str = ""
    spoken: str = ""
    port: str = ""
    path: str = ""
    host: str = ""
    server: str = ""
    name: str = ""
    options: list[str] = field(default_factory=list)
    reason: str = ""

    def take(self, found: dict[str, str], reason: str | None) -> bool:
        """Enter a piece. Return whether it fits to what there is."""
        if number := found.pop("number", ""):
            port = not self.path or number in ("80", "443") or not re.fullmatch(_STATUS, number)
            found["port" if port else "status"] = number
            reason = None if port else _STATUSES
        reason = self._misplaced(found) or reason
        if every := found.pop("every", ""):
            self.options.append(f"every {every}")
        if status := found.pop("status", ""):
            self.options.append(f"expect {status}")
        if option := found.pop("option", ""):
            self.options.append(" ".join(option.split()))
        self.reason = self.reason or reason or ""
        for key, value in found.items():
            if getattr(self, key) not in ("", value):
                return False
            setattr(self, key, value)
        return True

    def _misplaced(self, found: dict[str, str]) -> str | None:
        if "kind" in found and not self.kind and (self.port or self.path or self.options):
            return "how it is asked comes first"
        if "port" in found and (self.path or self.options):
            return "the port comes first"
        return "the path comes before the options" if "path" in found and self.options else None

    def text(self) -> str | None:
        """Return the hint; None where nothing was wrong, or no such check can be."""
        words = [option.split()[0] for option in self.options]
        kind = ir.CheckKind(self.kind or self._kind(words))
        http = "path" in OPTIONS[kind]
        said = {*words, *(key for key in ("path", "host") if getattr(self, key))} - {"every", "timeout", "fall", "rise"}
        if not said <= OPTIONS[kind] or len({*words}) < len(words) or (self.name and not OPTIONS[kind]):
            return None
        if self.spoken not in ("", protocol(kind)) or not 0 < int(self.port[:6] or 1) < 65_536:
            return None
        reason, name = self.reason, ""
        if self.name and http:
            reason, self.server = reason or "a path begins with `/`, and a host has its word", self.name
        elif self.name:
            reason, name = reason or "such a name is quoted", f'"{self.name}"'
        if not self.kind:
            reason = reason or "write how it is asked"
        host = self.host or (_named(self.server) if http else "")
        parts = [kind, self.port, self.path or name, *self.options, host and f"host {host}"]
        return f"{reason}: check {' '.join(filter(None, parts))}" if reason else None

    def _kind(self, options: list[str]) -> str:
        """Return the kind that the rest needs."""
        if "insecure" in options:
            return "https"
        return "http" if self.path or self.host or "expect" in options else self.spoken or "tcp"


def _named(server: str) -> str:
    """Return a server's name as a check's `host` has it; "" for an address, which is not the endpoints'."""
    try:
        ip_address(server.strip("[]"))
    except ValueError:
        return "" if server in ("", "localhost") else server if server[0].isalpha() else f'"{server}"'
    return ""


def meant(found: re.Match[str]) -> str | None:
    """Return what to write instead of a statement. Return None where it has something that is not understood."""
    text = re.sub(r"\s*,\s*", " ", found["rest"]).strip()
    made = _Meant(reason="" if text == found["rest"].strip() else "without commas")
    while text:
        fitting = ((piece.match(text), reason) for piece, reason in _PIECES)
        one, reason = next(((one, reason) for one, reason in fitting if one is not None), (None, None))
        if one is None or not made.take({key: value for key, value in one.groupdict().items() if value}, reason):
            return None
        text = text[one.end() :]
    return made.text()
