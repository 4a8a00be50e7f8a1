"""The steps between two states of virtual servers: a few commands go by netlink, many by a run of ``ipvsadm -R``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from svcc.kernel import tools
from svcc.kernel.ipvs import netlink, reading
from svcc.kernel.ipvs.difference import PART, Command, among, change_of, commands
from svcc.kernel.ipvs.servers import VirtualServers
from svcc.kernel.steps import Phase, Step, StepError, counted
from svcc.kernel.trial import trial

#: Up to so many commands go by netlink, each with its own answer; more go to one ``ipvsadm -R``.
_FEW = 200
#: Up to so many commands are all tried beforehand; where there are more, one of each kind is.
_TRIED = 5_000

_DONE = {"a": "added", "e": "changed", "d": "removed"}


def obstacles(live: VirtualServers, wanted: VirtualServers) -> Iterator[str]:
    """Yield a sentence for each wanted virtual server that exists already and is not ours. Errors: StepError."""
    new = wanted.keys() - live.keys()
    for key in sorted(new & reading.read_all().keys() if new else ()):
        yield f"virtual server {key} exists, and is not ours"


def steps(live: VirtualServers, wanted: VirtualServers) -> list[Step]:
    """Return a step for each phase in which anything changes. The step that adds servers can be tried beforehand."""
    return [_step(phase, some, live) for phase, some in commands(live, wanted).items()]


def _step(phase: Phase, some: list[Command], live: VirtualServers) -> Step:
    check = (lambda: _try(some, live)) if phase is Phase.SERVERS else None
    return Step(phase, PART, _title(some), len(some) == 1, len(some), lambda: _run(some, live), check)


def _title(some: Iterable[Command]) -> str:
    """Return the title of a step: "1 virtual server added, 10 real servers added"."""
    found = Counter(command.verb for command in some)
    kinds = [(verb, "virtual server" if verb[1].isupper() else "real server") for verb in found]
    return ", ".join(f"{counted(found[verb], noun)} {_DONE[verb[1].lower()]}" for verb, noun in kinds)


def _run(some: Sequence[Command], live: VirtualServers) -> None:
    if not reading.TABLE.exists():
        raise StepError(PART, "the kernel has no IPVS: module ip_vs is not loaded")
    if len(some) > _FEW or not netlink.can_say(some) or not netlink.available():
        _load(some, live)
        return
    try:
        netlink.send(some)
    except netlink.RefusedCommand as error:
        change = change_of(error.command, live)
        raise StepError(PART, error.words, culprit=change, line=str(error.command)) from error


def _load(some: Sequence[Command], live: VirtualServers) -> None:
    """Give all commands to one ``ipvsadm -R``, which goes on after a command that fails, and returns the result of the
    last one. Errors: StepError."""
    done = tools.attempt(PART, ["ipvsadm", "-R"], "".join(f"{command}\n" for command in some))
    if not done.returncode and not done.stderr:
        return
    failed = among(some, reading.read_all())
    if not failed:  # the refused commands asked for what was so already
        return
    words = next(iter(done.stderr.splitlines()), done.words)
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise StepError(PART, f"{words}{more}", culprit=change_of(failed[0], live), line=str(failed[0]))


def _try(some: Sequence[Command], live: VirtualServers) -> None:
    """Try commands that add and change servers in a namespace that is thrown away, after making the servers that they
    expect to be there. Errors: StepError."""
    if tools.find("ipvsadm") is None:
        raise tools.missing(PART, "ipvsadm")
    if not reading.TABLE.exists():  # the module is loaded in the phase of modules
        return
    tried = some if len(some) <= _TRIED else one_of_each(some)
    needed = {c.key: live[c.key] for c in tried if c.key in live}
    before = [Command("-A", key, options=virtual.settings) for key, virtual in needed.items()]
    before += [Command("-a", c.key, c.server, live[c.key].servers[c.server]) for c in tried if c.verb == "-e"]
    with trial(PART) as entered:
        if entered and before:
            _load(before, live)
        if entered:
            _load(tried, live)


def one_of_each(some: Sequence[Command]) -> list[Command]:
    """Return one command of each kind, as the kernel takes or refuses all of a kind alike, and the commands that make
    the virtual servers that these need."""
    kinds: dict[tuple[object, ...], Command] = {}
    for command in some:
        protocol, _, socket = command.key.partition(" ")
        kinds.setdefault((command.verb, protocol, "[" in socket or socket.endswith(" -6"), command.options), command)
    wanted, keys = set(map(id, kinds.values())), {command.key for command in kinds.values()}
    return [c for c in some if id(c) in wanted or (c.verb == "-A" and c.key in keys)]
