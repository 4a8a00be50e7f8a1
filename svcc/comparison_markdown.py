"""A comparison of two programs as Markdown, for a comment in a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from svcc.apply.served import Compared
from svcc.comparison_text import GROUPS, NAMED, groups_of, limits_text, port_words, services_text, taken_text
from svcc.compiler.comparison import Comparison
from svcc.compiler.service_change import ServiceChange, What
from svcc.compiler.suggest import count


def _code(text: str) -> str:
    """Return the text as code. Names and addresses hold no backquotes."""
    return f"`{text}`"


def _statements(text: str) -> str:
    """Return a balancer's statements as code. The answer that a check expects may hold a backquote, which would end the
    code."""
    return _code(text.replace("`", "'")) if text else "nothing"


def _codes(texts: Sequence[str]) -> str:
    return ", ".join(map(_code, texts))


def _from_to(change: ServiceChange) -> str:
    return f"{_code(change.before)} → {_code(change.after)}"


def _backup(change: ServiceChange) -> str:
    what = "serves only while no other can" if change.after == "backup" else "is no backup any more"
    return f"endpoint {_code(change.subject)} {what}"


def _moved_to(after: str) -> str:
    """Return an endpoint's new address as code, and its new node where that changes, too."""
    address, _, node = after.partition(" ")
    return f"{_code(address)}{_with(node)}"


def _with(words: str) -> str:
    return f", {words}" if words else ""


def _drains(change: ServiceChange) -> str:
    what = f"endpoint {_code(change.subject)} drains: it finishes what it has, and gets nothing new"
    return f"{what} (its weight was {change.before})"


_WORDS: Mapping[What, Callable[[ServiceChange], str]] = {
    What.SERVICE_ADDED: lambda one: f"**service {_code(one.after)} added**{_at(one)}",
    What.SERVICE_REMOVED: lambda one: f"**service {_code(one.before)} removed**{_at(one)}",
    What.SERVICE_RENAMED: lambda one: f"service {_code(one.before)} is called {_code(one.after)} now",
    What.FRONTENDS_TAKEN: lambda one: f"takes over {_codes(one.frontends)} from {_code(one.before)}",
    What.ADDRESS_ADDED: lambda one: f"{one.after} {_code(one.subject)} added",
    What.ADDRESS_REMOVED: lambda one: f"{one.before} {_code(one.subject)} **removed**",
    What.ADDRESS_CHANGED: lambda one: f"{_code(one.subject)}: {one.before} → {one.after}",
    What.PORT_ADDED: lambda one: f"port {_code(port_words(one, one.after))} added",
    What.PORT_REMOVED: lambda one: f"port {_code(port_words(one, one.before))} **removed**",
    What.PORT_RENAMED: lambda one: f"port {_code(one.subject)}: its name, {one.before} → {one.after}",
    What.PORT_NUMBER: lambda one: f"port {_code(one.subject)}: clients connect to {_from_to(one)}",
    What.PORT_TARGET: lambda one: f"port {_code(one.subject)}: endpoints listen on {_from_to(one)}",
    What.NODE_PORT: lambda one: f"port {_code(one.subject)}: node port {one.before} → {one.after}",
    What.ENDPOINT_ADDED: lambda one: f"endpoint {_code(one.subject)} added{_with(one.after)}",
    What.ENDPOINT_REMOVED: lambda one: f"endpoint {_code(one.subject)} **removed**{_with(one.before)}",
    What.ENDPOINT_MOVED: lambda one: f"endpoint {_code(one.before)} moves to {_moved_to(one.after)}",
    What.ENDPOINT_DRAINED: _drains,
    What.ENDPOINT_RESUMED: lambda one: f"endpoint {_code(one.subject)} drains no more: weight {one.after}",
    What.ENDPOINT_WEIGHT: lambda one: f"endpoint {_code(one.subject)}: weight {one.before} → {one.after}",
    What.ENDPOINT_PORT: lambda one: f"endpoint {_code(one.subject)}: its port, {one.before} → {one.after}",
    What.ENDPOINT_NODE: lambda one: f"endpoint {_code(one.subject)}: on node {one.before} → {one.after}",
    What.ENDPOINT_BACKUP: _backup,
    What.ENDPOINT_LIMIT: lambda one: f"endpoint {_code(one.subject)}: at most {one.before} → {one.after} connections",
    What.ORDER: lambda one: f"{one.subject} in another order",
    What.SETTING: lambda one: f"{one.subject}: {one.before} → {one.after}",
    What.CLUSTER: lambda one: f"cluster: {one.subject}, {one.before} → {one.after}",
    What.NODE_ADDED: lambda one: f"node {_code(one.subject)} added: {one.after}",
    What.NODE_REMOVED: lambda one: f"node {_code(one.subject)} removed: {one.before}",
    What.NODE_CHANGED: lambda one: f"node {_code(one.subject)}: {one.before} → {one.after}",
    What.BALANCER_ADDED: lambda one: f"balancer {_code(one.subject)} added: {_statements(one.after)}",
    What.BALANCER_REMOVED: lambda one: f"balancer {_code(one.subject)} removed: {_statements(one.before)}",
    What.BALANCER_CHANGED: lambda one: (
        f"balancer {_code(one.subject)}: {_statements(one.before)} → {_statements(one.after)}"
    ),
}


def _at(change: ServiceChange) -> str:
    """Say where a service is reached, unless its name says that already, and how many endpoints it has."""
    told = ", ".join(change.frontends) in ("", change.before, change.after)
    where = "" if told else f" at {_codes(change.frontends)}"
    return f"{where}, with {count(change.endpoints, 'endpoint')}"


def comparison_markdown(compared: Compared, *, everything: bool = False, instead: str = "") -> str:
    """Return a paragraph that counts the services, a list of changes, and what is taken away.

    ``instead``: the text for a comparison in which no service changes.
    """
    comparison = compared.comparison
    if comparison.empty:
        return "".join(f"{line}\n" for line in [instead or "No service changes.", *_limits(compared)])
    lines = [f"**{services_text(comparison)}.**", "", *_list(comparison, everything=everything), ""]
    lines += [taken_text(comparison.taken, _code), *_limits(compared)]
    return "".join(f"{line}\n" for line in lines)


def objects_markdown(lines: Sequence[str]) -> str:
    """Return the objects that change, in a folded section; "" where there are none."""
    if not lines:
        return ""
    body = "".join(f"{line}\n" for line in lines)
    return f"\n<details><summary>Objects in the kernel</summary>\n\n```\n{body}```\n\n</details>\n"


def _limits(compared: Compared) -> Iterator[str]:
    if text := limits_text(compared):
        yield from ("", f"_{text}_")


def _list(comparison: Comparison, *, everything: bool) -> Iterator[str]:
    yield from (f"- {_words(one)}" for one in comparison.shared)
    groups = groups_of(comparison, _words)
    shown = groups if everything else groups[:GROUPS]
    for names, lines in shown:
        if not names:
            yield from (f"- {line}" for line in lines)
        elif len(lines) == 1:
            yield f"- {_names(names, everything=everything)}: {lines[0]}"
        else:
            yield f"- {_names(names, everything=everything)}:"
            yield from (f"  - {line}" for line in lines)
    if len(shown) < len(groups):
        left = sum(max(len(names), 1) for names, _ in groups[len(shown) :])
        yield f"- … and {count(left, 'more service')}"


def _words(change: ServiceChange) -> str:
    return _WORDS[change.what](change)


def _names(names: Sequence[str], *, everything: bool) -> str:
    if len(names) == 1:
        return _code(names[0])
    shown = names if everything or len(names) <= NAMED + 1 else names[:NAMED]
    more = f" and {len(names) - len(shown):,} more" if len(shown) < len(names) else ""
    return f"{count(len(names), 'service')} ({_codes(shown)}{more})"
