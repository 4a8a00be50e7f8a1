"""Our IPVS virtual servers, by netlink and with ipvsadm(8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.ipvs import messages
from svcc.apply.ipvs.call import trial
from svcc.apply.ipvs.ipset import read_sets
from svcc.apply.ipvs.sets import DECLARED, NODE_IP
from svcc.apply.ipvs.virtual import (
    Command,
    Virtual,
    Virtuals,
    additions,
    among,
    keys_of_sets,
    keys_of_text,
    parse_table,
    parse_virtuals,
    place_of,
    quiescing,
    removals,
    socket_of,
)
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.steps import Change, Phase, Place, Route, Step, StepError, Verb, counted

#: What there is where the calling thread's namespace has IPVS. Without, ipvsadm would load the module.
TABLE = Path("/proc/thread-self/net/ip_vs")
#: Up to so many changes go by netlink, each with an answer of its own; more than these go to one ``ipvsadm -R``.
_FEW = 200
#: Up to so many commands are all tried beforehand; of more, one of each kind.
_TRIED = 5_000

_VERBS = {"a": Verb.ADD, "e": Verb.CHANGE, "d": Verb.REMOVE}
_DONE = {"a": "added", "e": "changed", "d": "removed"}


class IpvsadmDriver(Driver[Virtuals]):
    """Virtual servers have no names. Ours are those of the bundles that may be in the kernel, and those that our live
    sets declare: these are there even where somebody loaded the artifacts by hand."""

    part: ClassVar[str] = "ipvsadm"

    def parse(self, text: str, scope: Scope) -> Virtuals:
        return parse_virtuals(text)

    def read(self, scope: Scope, wanted: Virtuals) -> Virtuals:
        found = _read_all()
        known = {key for text in _texts(scope) for key in keys_of_text(text)}
        if found.keys() - known:
            known.update(keys_of_sets(read_sets(scope, (*DECLARED, NODE_IP)), scope.prefix))
        return {key: virtual for key, virtual in found.items() if key in known}

    def changes(self, live: Virtuals, wanted: Virtuals) -> Iterator[Change]:
        for key in sorted(live.keys() | wanted.keys()):
            before, after = live.get(key), wanted.get(key)
            if before == after:
                continue
            place = place_of(key)
            if before is None or after is None:
                yield Change(Verb.ADD if after else Verb.REMOVE, self.part, "virtual server", key, place=place)
            elif before.options != after.options:
                options = before.options, after.options
                yield Change(Verb.CHANGE, self.part, "virtual server", key, *options, place)
            yield from _server_changes(key, before, after, place)

    def steps(self, live: Virtuals, wanted: Virtuals, scope: Scope, transition: Transition) -> list[Step]:
        phases = {
            Phase.SERVERS: [*additions(live, wanted), *quiescing(live, wanted)],
            Phase.SERVERS_OFF: [*removals(live, wanted)],
        }
        return [_step(phase, commands, live) for phase, commands in phases.items() if commands]

    def dump(self, state: Virtuals) -> Any:
        return {key: [virtual.options, dict(virtual.servers)] for key, virtual in state.items()}

    def load(self, data: Any) -> Virtuals:
        return {key: Virtual(options, servers) for key, (options, servers) in data.items()}

    def obstacles(self, live: Virtuals, wanted: Virtuals, scope: Scope) -> Iterator[str]:
        new = wanted.keys() - live.keys()
        for key in sorted(new & _read_all().keys() if new else ()):
            yield f"virtual server {key} exists, and is not ours"

    def routes(self, state: Virtuals) -> Iterator[Route]:
        """Those that rewrite the destination; the others leave it, and conntrack knows no endpoint."""
        for key, virtual in state.items():
            place = place_of(key)
            for server, options in virtual.servers.items():
                if place is not None and options.startswith("-m"):
                    yield Route(place, *socket_of(server))

    def left(self, live: Virtuals, wanted: Virtuals) -> set[Route]:
        """As for all drivers, but only virtual servers that differ are looked into: each has a place of its own."""
        before = {key: virtual for key, virtual in live.items() if wanted.get(key) != virtual}
        return super().left(before, {key: wanted[key] for key in before.keys() & wanted.keys()})


def _texts(scope: Scope) -> Iterator[str]:
    for bundle in scope.bundles:
        if artifact := bundle.artifact("ipvsadm"):
            yield artifact.text


def _read_all() -> dict[str, Virtual]:
    """Everybody's virtual servers. Errors: StepError."""
    if not TABLE.exists() or tools.find("ipvsadm") is None:
        return {}
    found = parse_virtuals(tools.read("ipvsadm", ["ipvsadm", "-S", "-n"]))
    return _with_thresholds(found) if found else {}


def _with_thresholds(found: dict[str, Virtual]) -> dict[str, Virtual]:
    """Virtual servers with the limits of connections (-x, -y) that -S leaves out."""
    for key, server, columns in parse_table(tools.read("ipvsadm", ["ipvsadm", "-L", "-n", "--thresholds"])):
        if columns[:2] != ["0", "0"] and key in found and server in found[key].servers:
            limits = f"{found[key].servers[server]} -x {columns[0]} -y {columns[1]}"
            found[key] = replace(found[key], servers={**found[key].servers, server: limits})
    return found


def _server_changes(key: str, before: Virtual | None, after: Virtual | None, place: Place | None) -> Iterator[Change]:
    old, new = before.servers if before else {}, after.servers if after else {}
    for server in sorted(old.keys() - new.keys()):
        yield _server_change(Verb.REMOVE, key, server, place)
    for server, options in new.items():
        if server not in old:
            yield _server_change(Verb.ADD, key, server, place)
        elif old[server] != options:
            yield _server_change(Verb.CHANGE, key, server, place, old[server], options)


def _server_change(verb: Verb, key: str, server: str, place: Place | None, before: str = "", after: str = "") -> Change:
    return Change(verb, "ipvsadm", "real server", f"{key} -r {server}", before, after, place)


def _change_of(command: Command, live: Virtuals) -> Change:
    verb, place = _VERBS[command.verb[1].lower()], place_of(command.key)
    before, after = "", ""
    virtual = live.get(command.key)
    if verb is Verb.CHANGE and virtual is not None:
        before, after = virtual.servers[command.server] if command.server else virtual.options, command.options
    if command.server:
        return _server_change(verb, command.key, command.server, place, before, after)
    return Change(verb, "ipvsadm", "virtual server", command.key, before, after, place)


# -- steps ------------------------------------------------------------------------------------------------------------


def _step(phase: Phase, commands: list[Command], live: Virtuals) -> Step:
    check = (lambda: _try(commands, live)) if phase is Phase.SERVERS else None
    size = len(commands)
    return Step(phase, "ipvsadm", _title(commands), size == 1, size, lambda: _run(commands, live), check)


def _title(commands: Iterable[Command]) -> str:
    """ "1 virtual server added, 10 real servers added"."""
    found = Counter(command.verb for command in commands)
    kinds = [(verb, "virtual server" if verb[1].isupper() else "real server") for verb in found]
    return ", ".join(f"{counted(found[verb], noun)} {_DONE[verb[1].lower()]}" for verb, noun in kinds)


def _run(commands: Sequence[Command], live: Virtuals) -> None:
    if not TABLE.exists():
        raise StepError("ipvsadm", "the kernel has no IPVS: module ip_vs is not loaded")
    if len(commands) > _FEW or not messages.can_say(commands) or not messages.available():
        _load(commands, live)
        return
    try:
        messages.send(commands)
    except messages.Refused as error:
        change = _change_of(error.command, live)
        raise StepError("ipvsadm", error.words, culprit=change, line=str(error.command)) from error


def _load(commands: Sequence[Command], live: Virtuals) -> None:
    """All commands by one ``ipvsadm -R``, which goes on after those that fail and returns the last one's result."""
    done = tools.attempt("ipvsadm", ["ipvsadm", "-R"], "".join(f"{command}\n" for command in commands))
    if not done.returncode and not done.stderr:
        return
    failed = among(commands, _read_all())
    if not failed:  # what was refused was there already
        return
    words = next(iter(done.stderr.splitlines()), done.words)
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise StepError("ipvsadm", f"{words}{more}", culprit=_change_of(failed[0], live), line=str(failed[0]))


def _try(commands: Sequence[Command], live: Virtuals) -> None:
    """Load what is added and changed where it cannot hurt, after the virtual servers that it takes for granted."""
    if tools.find("ipvsadm") is None:
        raise StepError("ipvsadm", "ipvsadm is not installed")
    if not TABLE.exists():  # the module is loaded in the phase of modules
        return
    tried = commands if len(commands) <= _TRIED else _one_of_each(commands)
    needed = {c.key: live[c.key] for c in tried if c.key in live}
    before = [Command("-A", key, options=virtual.options) for key, virtual in needed.items()]
    before += [Command("-a", c.key, c.server, live[c.key].servers[c.server]) for c in tried if c.verb == "-e"]
    with trial("ipvsadm"):
        if before:
            _load(before, live)
        _load(tried, live)


def _one_of_each(commands: Sequence[Command]) -> list[Command]:
    """One command of each kind that the kernel may take or refuse, with the virtual server that it needs."""
    kinds: dict[tuple[str | bool, ...], Command] = {}
    for command in commands:
        protocol, _, socket = command.key.partition(" ")
        kinds.setdefault((command.verb, protocol, socket[:1] == "[", command.options), command)
    wanted, keys = set(map(id, kinds.values())), {command.key for command in kinds.values()}
    return [c for c in commands if id(c) in wanted or (c.verb == "-A" and c.key in keys)]
