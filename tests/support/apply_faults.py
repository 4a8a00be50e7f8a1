"""Interrupts applies: the programs, the nodes on which they are tried, and what may go wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.apply_world import World, killed_at
from svcc.apply.engine import Event
from svcc.apply.errors import Restored
from svcc.apply.generation import Draft
from svcc.kernel import tools
from svcc.kernel.namespaces import Namespace
from svcc.kernel.steps import StepError

_HEAD = "cluster { prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64 }\nnode n { address 10.0.0.4 fd00:10::4 }\n"
OLD = (
    _HEAD
    + """
service web { vip 198.19.10.1 fd00:19::1; port http 80/tcp -> 8080 nodeport 30080; port dns 53/udp
  endpoints { 100.64.0.1; 100.64.0.2 weight 2; fd00:64::1; fd00:64::2 } }
service gone { vip 198.19.10.2; external-ip 203.0.113.2; allow-from 10.0.0.0/8; affinity client-ip 5m
  port 443/tcp; endpoints { 100.64.0.3 } }
service turns { vip 198.19.10.3; scheduler rr; port 80/tcp; endpoints { 100.64.0.1; 100.64.0.2; 100.64.0.3 } }
"""
)
NEW = (
    _HEAD
    + """
service web { vip 198.19.10.1 fd00:19::1; port http 80/tcp -> 8080 nodeport 30080; port dns 53/udp
  endpoints { 100.64.0.2; 100.64.0.4; fd00:64::2 } }
service turns { vip 198.19.10.3; scheduler rr; port 80/tcp; endpoints { 100.64.0.1; 100.64.0.3 } }
service come { vip 198.19.10.4 fd00:19::4; port range 5000-5009/udp -> 6000; endpoints { 100.64.0.5; fd00:64::5 } }
"""
)
#: The same with a device for the vips.
OLD_OF_IPVS, NEW_OF_IPVS = (
    text.replace("prefix CUSTOM;", "prefix CUSTOM; vip-device custom-ipvs0;") for text in (OLD, NEW)
)
_Running = tools.Running
#: A target and a program; None where nothing of svcc is applied.
Side = tuple[str, str] | None


class Case:
    """A transition from one side to another, tried again and again, each time on a node of its own."""

    def __init__(self, old: Side, new: Side, variant: str, *, ipvs: bool = False, nft: bool = True) -> None:
        self.old, self.new, self._variant, self._ipvs, self._nft = old, new, variant, ipvs, nft
        self._sides: dict[str, Draft] = {}  # what is compared with the kernel; an apply gets one of its own

    @contextmanager
    def world(self) -> Iterator[World]:
        """Yield a node on which the old program is applied."""
        with TemporaryDirectory(dir="/dev/shm") as state, tools_of(self._variant):
            namespace = Namespace("faults")
            try:
                world = World(namespace, Path(state), self._variant, ipvs=self._ipvs, nft=self._nft)
                if self.old:
                    world.apply(self.old[1], self.old[0])
                yield world
            finally:
                namespace.close()

    def draft(self, world: World, side: Side) -> Draft:
        """Return the draft of a side; for None, one that removes all that the other side applies."""
        if side is not None:
            return world.draft(side[1], side[0])
        other = self.old or self.new
        assert other is not None
        draft = world.draft(other[1], other[0])
        return Draft(None, draft.scope, draft.summary, "")

    def check(self, world: World, others: dict[str, str], allowed: set[str]) -> str:
        """Check that the kernel holds exactly one of the allowed states, and that this one is recorded. Return its
        name."""
        drafts = self._sides = self._sides or {"old": self.draft(world, self.old), "new": self.draft(world, self.new)}
        with _each_tool_once():
            held = {
                name: not any(world.machine(*drafts.values()).differing(*world.states(draft, *drafts.values())))
                for name, draft in drafts.items()
            }
        assert sum(held.values()) == 1, held
        found = next(name for name, holds in held.items() if holds)
        assert found in allowed
        assert [name for name, draft in drafts.items() if world.records("custom", draft)] == [found]
        assert world.others() == others
        assert not world.store.installation("custom").journal.exists()
        return found


@contextmanager
def _each_tool_once() -> Iterator[None]:
    """Inside the ``with`` block, run each listing of a tool once, and reuse it. Nobody changes the kernel meanwhile."""
    begun: dict[tuple[str, ...], tools.Running] = {}

    def run(argv: Sequence[str], text: str | None = None, *, name: str = "") -> tools.Running:
        key = (text or "", *argv)
        if key not in begun:
            begun[key] = _Running(argv, text, name=name)
        return begun[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tools, "Running", run)
        yield


@contextmanager
def tools_of(variant: str) -> Iterator[None]:
    """Inside the ``with`` block, make ``iptables`` and ``ip6tables`` run the tools of a variant."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for tool in ("iptables", "ip6tables"):
            for action in ("", "-save", "-restore"):
                Path(folder, f"{tool}{action}").symlink_to(f"/usr/sbin/xtables-{variant}-multi")
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


def kill_at_every_point(case: Case, every: int = 1) -> int:
    """Kill an apply at each of its events in turn, and check that the next command finishes or undoes it.

    ``every``: of so many events, only one is tried. Return how many were tried.
    """
    ends = list[str]()
    with case.world() as world:
        others = world.others()
        for number in count(1 + every // 2, every):
            if not killed_at(number, world, case.draft(world, case.new)):
                break
            world.settle()
            ends.append(case.check(world, others, {"old", "new"}))
            if ends[-1] == "new":
                world.carry_out(case.draft(world, case.old))
        case.check(world, others, {"new"})
    assert ends, "an apply has events"
    assert ends == sorted(ends, reverse=True), "once the new state is kept, a later kill does not lose it"
    return len(ends)


def fail_at_every_point(case: Case, every: int = 1) -> int:
    """Let each event of an apply fail in turn, and check that everything is put back.

    ``every``: of so many events, only one is tried. Return how many were tried.
    """
    with case.world() as world:
        others = world.others()
        for tried, number in enumerate(count(1 + every // 2, every)):
            failing = Failing(number)
            try:
                world.carry_out(case.draft(world, case.new), failing)
            except (Restored, OSError):
                case.check(world, others, {"old"})
                continue
            assert not failing.failed
            case.check(world, others, {"new"})
            assert tried, "an apply has events"
            return tried
    raise AssertionError("an apply has an end")


class Failing:
    """A receiver of events that raises ENOSPC at event number ``number``, as if the disk were full then."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.failed = False

    def __call__(self, _: Event) -> None:
        self._left -= 1
        if self._left == 0:
            self.failed = True
            raise OSError(28, "No space left on device")


#: What may go wrong with a call of a tool, as a shell script around the real one.
MISHAPS = {
    "fails": "echo 'out of order' >&2; exit 1",
    "is killed": "kill -KILL $$",
    "fails afterwards": '"$real" "$@"; echo "out of order" >&2; exit 1',
    "is killed afterwards": '"$real" "$@"; kill -KILL $$',
}


def break_every_call(case: Case, mishap: str, tools: tuple[str, ...], folder: Path, every: int = 1) -> int:
    """Let each call of some tools go wrong in turn, until an apply needs no more calls.

    Check each time what is applied. ``every``: of so many calls, only one is tried. Return how many went wrong.
    """
    with case.world() as world:
        others = world.others()
        for tried, calls in enumerate(count(1 + every // 2, every)):
            broken = folder / str(calls)
            with _broken(broken, calls, MISHAPS[mishap], tools):
                try:
                    world.carry_out(case.draft(world, case.new))
                except (Restored, StepError) as error:
                    words = str(error)
                    assert "out of order" in words or "SIGKILL" in words
                    case.check(world, others, {"old"})
                    continue
            case.check(world, others, {"new"})
            if not (broken / "used").exists():
                return tried  # otherwise the call was tried again, and then it worked
            world.carry_out(case.draft(world, case.old))
    raise AssertionError("an apply has an end")


@contextmanager
def _broken(folder: Path, at: int, mishap: str, tools: tuple[str, ...]) -> Iterator[None]:
    """Inside the ``with`` block, have tools on the PATH of which call number ``at`` goes wrong, all tools together."""
    folder.mkdir()
    (folder / "calls").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        for tool in tools:
            _wrap(folder, tool, at, mishap)
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


def _wrap(folder: Path, tool: str, at: int, mishap: str) -> None:
    path = folder / tool
    path.write_text(
        f"""#!/bin/sh
real=$(PATH=${{PATH#*:}} command -v {tool})
echo x >> {folder}/calls
if [ "$(wc -l < {folder}/calls)" = {at} ]; then touch {folder}/used; {mishap}; fi
exec "$real" "$@"
"""
    )
    path.chmod(0o755)
