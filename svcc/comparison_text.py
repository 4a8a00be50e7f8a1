"""A comparison of two programs in words: a line for each change, and a last line for what is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from svcc.apply.served import Compared, Detail
from svcc.compiler.comparison import Comparison, TakenAway
from svcc.compiler.service_change import ServiceChange, What
from svcc.compiler.suggest import count

#: How many services are named where several change in the same way, and how many groups of them are shown, unless all
#: are asked for.
NAMED, GROUPS = 8, 100

#: The line for each kind of change: a sign (+, -, ~), and the change in words.
_WORDS: Mapping[What, Callable[[ServiceChange], str]] = {
    What.SERVICE_ADDED: lambda one: f"+ service {one.after} ({count(one.endpoints, 'endpoint')}){_at(one)}",
    What.SERVICE_REMOVED: lambda one: f"- service {one.before} ({count(one.endpoints, 'endpoint')}){_at(one)}",
    What.SERVICE_RENAMED: lambda one: f"~ service {one.before} -> {one.after}",
    What.FRONTENDS_TAKEN: lambda one: f"~ takes over {', '.join(one.frontends)} from {one.before}",
    What.ADDRESS_ADDED: lambda one: f"+ {one.after} {one.subject}",
    What.ADDRESS_REMOVED: lambda one: f"- {one.before} {one.subject}",
    What.ADDRESS_CHANGED: lambda one: f"~ {one.subject} {one.before} -> {one.after}",
    What.PORT_ADDED: lambda one: f"+ port {port_words(one, one.after)}",
    What.PORT_REMOVED: lambda one: f"- port {port_words(one, one.before)}",
    What.PORT_RENAMED: lambda one: f"~ port {one.subject} name {one.before} -> {one.after}",
    What.PORT_NUMBER: lambda one: f"~ port {one.subject} {one.before} -> {one.after}",
    What.PORT_TARGET: lambda one: f"~ port {one.subject} target {one.before} -> {one.after}",
    What.NODE_PORT: lambda one: f"~ port {one.subject} nodeport {one.before} -> {one.after}",
    What.ENDPOINT_ADDED: lambda one: f"+ {one.subject} {one.after}".rstrip(),
    What.ENDPOINT_REMOVED: lambda one: f"- {one.subject} {one.before}".rstrip(),
    What.ENDPOINT_MOVED: lambda one: f"~ {one.before} -> {one.after}",
    What.ENDPOINT_DRAINED: lambda one: f"~ {one.subject} weight {one.before} -> draining",
    What.ENDPOINT_RESUMED: lambda one: f"~ {one.subject} draining -> weight {one.after}",
    What.ENDPOINT_WEIGHT: lambda one: f"~ {one.subject} weight {one.before} -> {one.after}",
    What.ENDPOINT_PORT: lambda one: f"~ {one.subject} port {one.before} -> {one.after}",
    What.ENDPOINT_NODE: lambda one: f"~ {one.subject} node {one.before} -> {one.after}",
    What.ENDPOINT_BACKUP: lambda one: f"~ {one.subject} serves {one.before} -> {one.after}",
    What.ENDPOINT_LIMIT: lambda one: f"~ {one.subject} max-connections {one.before} -> {one.after}",
    What.ORDER: lambda one: f"~ {one.subject} in another order",
    What.SETTING: lambda one: f"~ {one.subject} {one.before} -> {one.after}",
    What.CLUSTER: lambda one: f"~ {one.subject} {one.before} -> {one.after}",
    What.NODE_ADDED: lambda one: f"+ node {one.subject} {one.after}",
    What.NODE_REMOVED: lambda one: f"- node {one.subject} {one.before}",
    What.NODE_CHANGED: lambda one: f"~ node {one.subject} {one.before} -> {one.after}",
    What.BALANCER_ADDED: lambda one: f"+ balancer {one.subject} {one.after}",
    What.BALANCER_REMOVED: lambda one: f"- balancer {one.subject} {one.before}",
    What.BALANCER_CHANGED: lambda one: (
        f"~ balancer {one.subject} {one.before or 'nothing'} -> {one.after or 'nothing'}"
    ),
}

#: Changes whose line names the service itself.
WHOLE = frozenset((What.SERVICE_ADDED, What.SERVICE_REMOVED, What.SERVICE_RENAMED))


def _at(change: ServiceChange) -> str:
    """Say where a service is reached, unless its name says that already."""
    where = ", ".join(change.frontends)
    return f": {where}" if where not in ("", change.before, change.after) else ""


def port_words(change: ServiceChange, port: str) -> str:
    """Return a port with its name, where it has one. A port without a name is called as it is written."""
    return port if port.startswith(change.subject) else f"{change.subject} {port}"


def change_line(change: ServiceChange) -> str:
    """Return a change as a line: "+ 100.64.0.39:8080 weight 4"."""
    return _WORDS[change.what](change)


def comparison_lines(comparison: Comparison, *, everything: bool = False) -> Iterator[str]:
    """Yield all changes, without the last line (:func:`total_line`). Services that change in the same way share
    lines."""
    yield from (f"cluster: {change_line(one)}" for one in comparison.shared)
    groups = groups_of(comparison, change_line)
    shown = groups if everything else groups[:GROUPS]
    for names, lines in shown:
        yield from _group(names, lines, everything=everything)
    if len(shown) < len(groups):
        left = sum(max(len(names), 1) for names, _ in groups[len(shown) :])
        yield f"… and {count(left, 'more service')} (--all shows them)"


def _group(names: Sequence[str], lines: Sequence[str], *, everything: bool) -> Iterator[str]:
    if not names:
        yield from lines
    elif len(lines) == 1:
        yield f"{names_text(names, everything=everything)}: {lines[0]}"
    else:
        yield names_text(names, everything=everything)
        yield from (f"  {line}" for line in lines)


def names_text(names: Sequence[str], *, everything: bool = False) -> str:
    """Return names of services as text: "web", "3 services (a, b, c)", "20 services (a, b, … and 12 more)"."""
    if len(names) == 1:
        return names[0]
    return f"{count(len(names), 'service')} ({listed(names, everything=everything)})"


def listed(names: Sequence[str], *, everything: bool = False) -> str:
    """Return names as text, the first of them where there are many: "a, b", "a, b, … and 12 more"."""
    shown = names if everything or len(names) <= NAMED + 1 else names[:NAMED]
    return f"{', '.join(shown)}{f' and {len(names) - len(shown):,} more' if len(shown) < len(names) else ''}"


def groups_of(comparison: Comparison, words: Callable[[ServiceChange], str]) -> list[tuple[list[str], list[str]]]:
    """Return names of services with the lines about them. Services with the same lines are one group; groups are in the
    order of their first service.

    A group without names holds lines that name their service themselves.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    ordered: list[tuple[list[str], list[str]]] = []
    for one in comparison.services:
        whole = [words(change) for change in one.changes if change.what in WHOLE]
        lines = tuple(words(change) for change in one.changes if change.what not in WHOLE)
        if whole:
            ordered.append(([], whole))
        if lines and lines not in found:
            found[lines] = []
            ordered.append((found[lines], [*lines]))
        if lines:
            found[lines].append(one.service)
    return ordered


# ---- the last line


def total_line(comparison: Comparison) -> str:
    """Return one line for a whole comparison: how many services are added, removed and changed, and what is taken
    away."""
    return f"{services_text(comparison)}. {taken_text(comparison.taken)}"


def services_text(comparison: Comparison) -> str:
    """Return how many services change, as text: "1 service added, 2 changed"."""
    added, removed = comparison.count(What.SERVICE_ADDED), comparison.count(What.SERVICE_REMOVED)
    renamed = comparison.count(What.SERVICE_RENAMED)
    changed = len(comparison.services) - added - removed - renamed
    counts = {"added": added, "changed": changed, "renamed": renamed, "removed": removed}
    parts = [f"{number:,} {what}" for what, number in counts.items() if number]
    if not parts:
        return "No service changes"
    number, what = parts[0].split(" ")
    noun = "service" if number == "1" else "services"
    return ", ".join([f"{number} {noun} {what}", *parts[1:]])


def taken_text(taken: TakenAway, quoted: Callable[[str], str] = str) -> str:
    """Return what is taken away: "Taken away: 1 service, 2 endpoints, 1 frontend (198.19.20.0:80/tcp)."

    ``quoted`` makes the text of each frontend.
    """
    nouns = {"service": taken.services, "endpoint": taken.endpoints, "frontend": len(taken.frontends)}
    parts = [count(number, noun) for noun, number in nouns.items() if number]
    if not parts:
        return "Nothing is taken away."
    named = [quoted(one) for one in taken.frontends[:NAMED]]
    more = ["…"] if len(taken.frontends) > NAMED else []
    where = f" ({', '.join([*named, *more])})" if named else ""
    return f"Taken away: {', '.join(parts)}{where}."


def limits_text(compared: Compared) -> str:
    """Say what was not compared; "" where everything was."""
    return {
        Detail.RULES: "Only rules are known of one side: names, weights, settings and what drains are not compared.",
        Detail.FRONTENDS: "The program of one side is not known: its settings are not compared.",
        Detail.PROGRAM: "",
    }[compared.detail]


def limits_of(detail: Detail) -> str:
    """Say what is not known of a generation; "" where everything is."""
    return {
        Detail.RULES: "It was applied from a bundle: only what its rules serve is known.",
        Detail.FRONTENDS: "It was recorded without its program: its settings are not known.",
        Detail.PROGRAM: "",
    }[detail]
