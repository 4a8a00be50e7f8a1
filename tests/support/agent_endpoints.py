"""Ten endpoints that an agent checks every second, with real servers that die, and connections through them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from difflib import ndiff
from pathlib import Path

from support.agent_clock import Clocked
from support.ipvs_kernel import program
from svcc.verify.lab import CLIENT, NODE, Lab, NoReply, Reply, Result

ENDS = tuple(f"100.64.0.{host}" for host in range(10, 20))
BACKUP = "100.64.0.30"
OPEN, EMPTY = "198.19.10.1", "198.19.10.2"
#: Both services have one probe for each endpoint.
TEXT = f"""\
cluster {{ prefix T; pods 100.64.0.0/24 }}
node n {{ address 10.0.0.4 }}
endpoints ten {{ {"; ".join(ENDS)} }}
service open  {{ vip {OPEN};  port 80/tcp; scheduler rr; check tcp every 1s timeout 1s fall 2 rise 2
  endpoints ten }}
service empty {{ vip {EMPTY}; port 80/tcp; scheduler rr; check tcp every 1s timeout 1s fall 2 rise 2
  when-failed empty; endpoints {{ {"; ".join(ENDS)}; {BACKUP} backup }} }}
"""
#: Within this time a death is in the kernel: after two checks, each a tenth late, and the time in which events are
#: collected.
SECONDS = 3.0


class Ends:
    """The lab, its agent, and its servers, which can die."""

    def __init__(self, lab: Lab, agent: Clocked) -> None:
        self.lab = lab
        self.agent = agent
        self._servers = {
            one.where: one for one in lab.plan.listeners if one.where in (*ENDS, BACKUP) and one.address.version == 4
        }

    def die(self, *ends: str) -> None:
        self.lab.stop(*(self._servers[one] for one in ends))

    def live(self, *ends: str) -> None:
        self.lab.resume(*(self._servers[one] for one in ends))

    def connections(self, vip: str, number: int = 3 * len(ENDS)) -> list[Result]:
        return self.lab.connect_many(CLIENT, vip, 80, count=number)

    def served_by(self, vip: str) -> set[str]:
        """Return which endpoints answer new connections, or the words for those that fail."""
        return {one.name if isinstance(one, Reply) else one.value for one in self.connections(vip)}

    def hold(self, stack: ExitStack, vip: str) -> Callable[[], list[Result]]:
        """Open connections that stay open, at least one to each endpoint; return a function that asks all of them."""
        held = [stack.enter_context(self.lab.open(CLIENT, vip, 80)) for _ in range(2 * len(ENDS))]
        return lambda: [one.ask() for one in held]


@contextmanager
def ends(target: str, folder: Path) -> Iterator[Ends]:
    """Build the lab, with all endpoints up in the kernel."""
    made = program(TEXT)
    file = folder / "ends.dsl"
    file.write_text(TEXT)
    with Lab.up(made, made.nodes[0]) as lab:
        agent = Clocked(lab.namespace(NODE), file, target, folder / "state")
        with agent.running():
            agent.advance(SECONDS)
            yield Ends(lab, agent)


def a_dead_endpoint(there: Ends) -> None:
    """Check that an endpoint that dies gets no new connection 3 s later, and that no other connection fails, even
    before that."""
    assert there.served_by(OPEN) == there.served_by(EMPTY) == {*ENDS}
    with ExitStack() as stack:
        ask = there.hold(stack, OPEN)
        known = ask()
        dead, died, said = ENDS[3], there.agent.now, len(there.agent.events)
        there.die(dead)
        results = Counter(one.name if isinstance(one, Reply) else one.value for one in there.connections(OPEN))
        assert results == {**dict.fromkeys((*ENDS[:3], *ENDS[4:]), 3), NoReply.REFUSED.value: 3}  # it has a share still
        there.agent.advance(SECONDS)
        assert there.served_by(OPEN) == there.served_by(EMPTY) == {*ENDS} - {dead}
        assert ask() == known
        news = there.agent.events[said:]
        assert [what for _, _, what, _ in news] == ["down", "in the kernel"]
        assert died < news[-1][0] <= died + SECONDS
        there.live(dead)
        there.agent.advance(SECONDS)
        assert there.served_by(OPEN) == there.served_by(EMPTY) == {*ENDS}
        assert ask() == known


def all_fail(there: Ends) -> None:
    """Check what serves when all endpoints fail: `open` serves on; `empty` uses the backup, and then when-empty.

    Servers that live again show where clients are led, as long as the agent's time stands still.
    """
    there.die(*ENDS)
    there.agent.advance(SECONDS)
    there.live(*ENDS)
    assert there.served_by(OPEN) == {*ENDS}
    assert there.served_by(EMPTY) == {BACKUP}
    there.die(*ENDS, BACKUP)
    there.agent.advance(SECONDS)
    there.live(*ENDS, BACKUP)
    assert there.served_by(OPEN) == {*ENDS}
    assert there.served_by(EMPTY) == {NoReply.REFUSED.value}
    there.agent.advance(SECONDS)
    assert there.served_by(OPEN) == there.served_by(EMPTY) == {*ENDS}


def flaps(there: Ends, number: int, listing: Callable[[Lab], list[str]], state: Path) -> None:
    """Check that ``number`` deaths, some at once, change nothing but which endpoints get new connections meanwhile."""
    dice = random.Random(number)
    before, files = listing(there.lab), {path.name for path in (state / "t").iterdir()}
    with ExitStack() as stack:
        ask = there.hold(stack, OPEN)
        known = ask()
        dead: set[str] = set()
        died = 0
        while died < number or dead:
            dead, new = _flap(there, dice, dead, over=died >= number)
            died += new
            there.agent.advance(SECONDS)
            assert there.served_by(OPEN) == there.served_by(EMPTY) == {*ENDS} - dead
        assert ask() == known
    differing = [line for line in ndiff(before, listing(there.lab)) if line[0] in "+-"]
    assert differing == [], differing
    numbers = {name.partition(".")[0] for name in (path.name for path in (state / "t").iterdir()) if name[0] == "0"}
    assert len(numbers) <= len({name.partition(".")[0] for name in files if name[0] == "0"}) + 2
    assert [what for _, _, what, _ in there.agent.events if what not in _EXPECTED] == []


_EXPECTED = ("read", "in the kernel", "up", "down", "the state was compacted")


def _flap(there: Ends, dice: random.Random, dead: Collection[str], *, over: bool) -> tuple[set[str], int]:
    """Let some endpoints die and others come back. Return which are dead afterwards, never all, and how many died."""
    back = {one for one in dead if over or dice.random() < 0.7}
    alive = [one for one in ENDS if one not in dead]
    new = [] if over else dice.sample(alive, dice.randint(1, max(1, len(alive) - 5)))
    there.live(*back)
    there.die(*new)
    return {*dead} - back | {*new}, len(new)
