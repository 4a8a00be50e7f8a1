"""Reads keepalived's checks of real servers as svcc's check of a service (keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from svcc.compiler import ir
from svcc.compiler.importers.interface import broken
from svcc.compiler.importers.keepalived_text import Statement
from svcc.compiler.importers.keepalived_words import IN_CHECK, IN_URL, reason
from svcc.compiler.importers.words import number, port
from svcc.compiler.lower_check import HOST, NAME, PATH
from svcc.compiler.source import Span

KINDS = {
    "TCP_CHECK": ir.CheckKind.TCP,
    "HTTP_GET": ir.CheckKind.HTTP,
    "SSL_GET": ir.CheckKind.HTTPS,
    "DNS_CHECK": ir.CheckKind.DNS,
    "UDP_CHECK": ir.CheckKind.UDP,
}
#: keepalived's defaults: seconds from check to check, seconds until a check gives up, and the number of retries.
_EVERY, _TIMEOUT, _RETRIES = 60.0, 5.0, {ir.CheckKind.DNS: 3}
_LONGEST = 3_600.0
_COUNT = 999

Notes = Callable[[Span, str], None]


@dataclass(frozen=True, slots=True)
class RealServerCheck:
    """The check of one real server, and its place."""

    check: ir.Check
    span: Span


def first_check(real: Statement, virtual: Statement, note: Notes) -> RealServerCheck | None:
    """Return the first check of a real server that svcc can express; the others are noted.

    Return None where there is none.
    """
    found: RealServerCheck | None = None
    for statement in real.all(*KINDS):
        if found is not None:
            note(statement.span, "svcc has one check for an endpoint")
        elif statement.keyword == "UDP_CHECK" and not statement.all("require_reply"):
            note(statement.span, "svcc's check udp passes only with an answer, and this one also without")
        else:
            check = _Reader(statement, (statement, real, virtual), note).check()
            found = None if check is None else RealServerCheck(check, statement.span)
    return found


def common_check(asked: Sequence[RealServerCheck | None], note: Notes) -> RealServerCheck | None:
    """Return the check that all real servers have.

    Where they differ, that is the first one's, and the others are noted.
    """
    checks = [one for one in asked if one is not None]
    for one in checks[1:]:
        if one.check != checks[0].check:
            note(one.span, "svcc has one check for a service: that of its first real server")
    return checks[0] if checks else None


class _Reader:
    """Reads one check. What the check does not say itself, its real server says, or else the virtual server."""

    def __init__(self, statement: Statement, places: Sequence[Statement], note: Notes) -> None:
        self._statement = statement
        self._places = places
        self._note = note
        self._kind = KINDS[statement.keyword]

    def check(self) -> ir.Check | None:
        """Return the check. Return None, and note it, where svcc has no such check."""
        for inner in self._statement.block or ():
            if (why := reason(IN_CHECK, inner.keyword)) is not None:
                self._note(inner.span, why)
        every = self._seconds("delay_loop", _EVERY)
        check = ir.Check(
            self._kind,
            self._port(),
            insecure=self._kind is ir.CheckKind.HTTPS,  # keepalived verifies no certificate
            every=every,
            timeout=self._timeout(every),
            fall=self._retries() + 1,
            rise=1,
        )
        if self._kind in (ir.CheckKind.HTTP, ir.CheckKind.HTTPS):
            return self._http(check)
        return self._dns(check) if self._kind is ir.CheckKind.DNS else check

    def _last(self, *keywords: str) -> Statement | None:
        """Return the statement that counts: the last one in the innermost block that has any."""
        for place in self._places:
            if found := place.all(*keywords):
                return found[-1]
        return None

    def _seconds(self, keyword: str, usual: float) -> float:
        statement = self._last(keyword)
        if statement is None:
            return usual
        word = statement.words[-1]
        try:
            seconds = round(float(word.text), 3)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e9:
            raise broken(f"`{word.text}` is no time", word.span, "it is in seconds")
        if not 0.01 <= seconds <= _LONGEST:
            self._note(statement.span, "the times of a check are 10 ms to an hour, and the program says the nearest")
        return min(max(seconds, 0.01), _LONGEST)

    def _timeout(self, every: float) -> float:
        timeout = self._seconds("connect_timeout", _TIMEOUT)
        statement = self._last("connect_timeout")
        if timeout > every and statement is not None:
            self._note(statement.span, "svcc waits for an answer no longer than till the next check")
        return min(timeout, every)

    def _retries(self) -> int:
        statement = self._last("retry", "nb_get_retry", "nb_sock_retry")
        if statement is None:
            return _RETRIES.get(self._kind, 1)
        found = number(statement.words[-1].text, 0, 10**9)
        if found is None:
            raise broken(f"`{statement.words[-1].text}` is no number of retries", statement.words[-1].span)
        return min(found, _COUNT)

    def _port(self) -> int | None:
        """Return the port that is asked. Return None for the real server's own."""
        statement = self._last("connect_port")
        if statement is None:
            return None
        found = port(statement.words[-1].text)
        if found is None:
            raise broken(f"`{statement.words[-1].text}` is no port", statement.words[-1].span)
        return None if [word.text for word in self._places[1].values[1:2]] == [str(found)] else found

    # -- what is asked --------------------------------------------------------------------------------------------

    def _http(self, check: ir.Check) -> ir.Check | None:
        urls = self._statement.all("url")
        for url in urls[1:]:
            self._note(url.span, "svcc asks for one path")
        url = urls[0] if urls else Statement(self._statement.words, [])
        for inner in url.block or ():
            if (why := reason(IN_URL, inner.keyword)) is not None:
                self._note(inner.span, why)
        self._places = (url, *self._places)
        expect, host = self._expect(url), self._text("virtualhost", HOST.fullmatch)
        path = self._text("path", PATH.fullmatch) if url.all("path") else check.path
        return None if path is None else replace(check, path=path, host=host, expect=expect)

    def _expect(self, url: Statement) -> tuple[int, int]:
        """Return the first and last status that pass. Without a status keepalived accepts those of success."""
        found = url.all("status_code")
        if not found:
            return 200, 299
        first, _, last = found[-1].words[-1].text.partition("-")
        codes = number(first, 100, 599), number(last or first, 100, 599)
        if codes[0] is None or codes[1] is None or codes[0] > codes[1] or len(found[-1].words) > 2:
            self._note(found[-1].span, "svcc expects a status or a range of them, here those of success")
            return 200, 299
        return codes[0], codes[1]

    def _dns(self, check: ir.Check) -> ir.Check:
        kind = self._last("type")
        if kind is not None and kind.words[-1].text.upper() != "SOA":
            self._note(kind.span, "svcc asks for the SOA record")
        return replace(check, name=self._text("name", NAME.fullmatch) or check.name)

    def _text(self, keyword: str, fits: Callable[[str], object]) -> str | None:
        statement = self._last(keyword)
        if statement is None or not statement.values:
            return None
        if fits(statement.values[0].text):
            return statement.values[0].text
        self._note(statement.span, f"a check of svcc cannot say this {keyword}")
        return None
