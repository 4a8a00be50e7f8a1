"""A plan as text: what changes by service, what was changed by hand, the steps, and which connections they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.fates import Fate, Fated, fates
from svcc.comparison_text import comparison_lines, limits_text, listed, names_text, services_text, taken_text
from svcc.compiler.comparison import ServiceChanges
from svcc.compiler.service_change import What
from svcc.compiler.suggest import count
from svcc.drift_text import drift_lines
from svcc.kernel.routes import Routes
from svcc.kernel.steps import Change, Verb, socket_text
from svcc.kernel_rows import Rows
from svcc.object_text import SHARED, by_service, object_lines
from svcc.review import Review
from svcc.targets import find

_AS_IT_IS = "The kernel holds what it should: rules say nothing of this, and stay as they are."

_AHEAD = (
    "The kernel holds what FILE says already, and the record does not: it is older than the kernel, or damaged. "
    "An apply only records it."
)


def plan_text(review: Review, *, objects: bool = False, everything: bool = False) -> str:
    """Return the plan as text, each line ended. ``objects``: also what changes in the kernel."""
    plan = review.plan
    if review.empty:
        return "Nothing to do: the kernel holds what it should.\n"
    if plan.empty:
        connections = _connections(review)
        lines = [*_services(review, everything=everything), "", *connections, *(connections and [""])]
        as_it_is = _AHEAD if review.ahead else _AS_IT_IS
        return "".join(f"{line}\n" for line in (*lines, as_it_is, _total(review)))
    below = object_lines(plan.changes, review.before, review.after, everything=everything) if objects else ()
    blocks = [
        [*_services(review, everything=everything)],
        [*_drift(review, everything=everything)],
        [*below],
        [*answered(plan, everything=everything)],
        _steps(plan),
        _connections(review),
        [_whole(plan.changes, plan), _total(review)],
    ]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks if block)


def _services(review: Review, *, everything: bool) -> Iterator[str]:
    comparison = review.compared.comparison
    transition = review.plan.transition
    moves = bool(transition.old and transition.new and transition.old != transition.new)
    if moves:
        yield f"All services move from {transition.old} to {transition.new}."
    yield from comparison_lines(comparison, everything=everything)
    if comparison.empty and not review.drift and not moves:
        touched = sum(bool(name) for name in by_service(review.plan.changes, review.before, review.after))
        what = f"rules of {count(touched, 'service')} change" if touched else f"only {SHARED[1:-1]} change"
        yield f"No service changes what it serves; {what} (--objects shows them)."
    if text := limits_text(review.compared):
        yield text


def _drift(review: Review, *, everything: bool) -> Iterator[str]:
    if review.drift:
        rows = Rows(review.plan, review.before, {}, review.drift)
        yield f"Changed by hand since generation {review.generation} was applied, and put right by this:"
        for line in drift_lines(review.drift, review.before, rows, everything=everything):
            yield f"  {line}"


def answered(plan: ExecutionPlan, *, everything: bool) -> Iterator[str]:
    """Yield a line for each family of addresses for which the machine begins or ceases to answer."""
    for verb, addresses in (("begins", plan.begins_to_answer), ("ceases", plan.ceases_to_answer)):
        by_number = sorted(map(ip_address, addresses), key=lambda one: (one.version, int(one)))
        for version, question in ((4, "ARP"), (6, "neighbour solicitations")):
            some = [str(one) for one in by_number if one.version == version]
            if some:
                yield f"This machine {verb} to answer {question} for {listed(some, everything=everything)}."


def _steps(plan: ExecutionPlan) -> list[str]:
    lines = ["Steps"]
    for number, step in enumerate(plan.steps, 1):
        atomic = "at once" if step.atomic else "one by one"
        lines.append(f"  {number}. {step.part}: {step.title} ({atomic})")
    return lines


def _connections(review: Review) -> list[str]:
    plan, services = review.plan, review.compared.comparison.services
    lasting = plan.lasting if plan.transition.old != plan.transition.new else Routes()
    touched = (one for one in fates(plan) if one.route not in lasting)
    lines = [*moved(plan), *released(plan), *forgotten(plan, services), *map(fate_text, touched)]
    return ["Connections", *(f"  {line}" for line in lines)] if lines else []


def released(plan: ExecutionPlan) -> Iterator[str]:
    """Yield a line for each IP version of which no rule of ours is left. Connections of IPVS end with their servers."""
    for version in () if plan.transition.from_balancer else sorted(plan.released):
        yield (
            f"no rule of svcc is left for IPv{version}: its connections go on only where something else keeps the "
            "kernel tracking and translating them"
        )


def moved(plan: ExecutionPlan) -> Iterator[str]:
    """Yield lines that say what happens to clients where another target takes over."""
    old, new = plan.transition.old, plan.transition.new
    if old is None or new is None or old == new:
        return
    if old == "ipvs":
        time = (
            f"have {plan.patience:.0f} s to end (--drain SECONDS)" if plan.patience else "end at once (--drain SECONDS)"
        )
        yield f"from ipvs to {new}: new connections go the new way at once, those that are open {time}"
    else:
        yield f"from {old} to {new}: new connections go the new way at once, those that are open go on as they are"
    yield f"clients that affinity remembers are not taken along: with {new} each chooses an endpoint anew"
    if new == "ipvs":
        yield (
            "for 120 s after a connection through a service, a client that connects to its endpoint itself from the "
            "same source port gets no answer (IPVS takes it for the old one)"
        )
        yield (
            "of two connections from one source port of a client, by two addresses to the same endpoint, the older one "
            "gets no answers (IPVS takes both for the newer one)"
        )


_FATES = {
    Fate.GOES_ON: "go on until they end, while the endpoint answers",
    Fate.RELEASED: "end, unless something else keeps them translated",
    Fate.ENDS: "end, as the endpoint leaves",
    Fate.MOVES: "forgotten, their next packet goes to another endpoint",
    Fate.FORGOTTEN: "forgotten, and no endpoint is left for their next packet",
    Fate.SERVED: "forgotten, their next packet goes to an endpoint",
}


def fate_text(one: Fated) -> str:
    """Say what becomes of connections."""
    number, frontend = count(one.number, "connection"), one.route.frontend
    if one.fate is Fate.SERVED:
        return f"{number} to {frontend}, which was not served: {_FATES[one.fate]}"
    return f"{number} from {frontend} to {socket_text(one.route.endpoint, one.route.port)}: {_FATES[one.fate]}"


def forgotten(plan: ExecutionPlan, services: Sequence[ServiceChanges]) -> Iterator[str]:
    """Yield a line that names the services whose clients choose anew because something has another name."""
    target = find(plan.transition.new) if plan.transition.new and plan.transition.old == plan.transition.new else None
    names = [
        one.service
        for one in services
        if target is not None
        and one.remembering is not None
        and one.renamed
        and target.forgets_renamed(one.remembering, port_alone=What.SERVICE_RENAMED not in one.renamed)
    ]
    if names and target is not None:
        yield (
            f"{names_text(names)}: clients that affinity remembers are not taken along to another name: with "
            f"{target.name} each chooses an endpoint anew"
        )


def _whole(changes: Sequence[Change], plan: ExecutionPlan) -> str:
    verbs = {verb: sum(change.verb is verb for change in changes) for verb in Verb}
    added = f"{count(verbs[Verb.ADD], 'object')} to add"
    parts = [added, f"{verbs[Verb.CHANGE]:,} to change", f"{verbs[Verb.REMOVE]:,} to remove"]
    whole = "all at once" if len(plan.steps) == 1 and plan.steps[0].atomic else "each step undone if a later one fails"
    return f"{', '.join(parts)}, in {count(len(plan.steps), 'step')}: {whole}."


def _total(review: Review) -> str:
    comparison = review.compared.comparison
    return f"{services_text(comparison)}. {taken_text(comparison.taken)}"
