"""An error of svcc itself looks like nothing else: it has its own exit status, and prints what its authors need."""

from __future__ import annotations

import pytest

from svcc import command_line
from svcc.apply.machine import Machine
from svcc.apply.scope import Scope
from svcc.apply.states import UnreadableText
from svcc.applying import Cause, explained
from svcc.exits import Exit
from svcc.targets import targets
from svcc.targets.interface import Artifact, Bundle

_LAST = "svcc: this is an error of svcc itself; please report it with the lines above"


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), AssertionError(), RecursionError()])
def test_an_error_of_svcc_itself_has_its_status(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        with explained(Cause()):
            raise error

    monkeypatch.setattr(command_line, "_run", run)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert (ended.value.code, int(Exit.BUG)) == (Exit.BUG, 70)
    first, *_, kind, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", _LAST)
    assert kind.startswith(type(error).__name__)


@pytest.mark.parametrize("part", ["nft", "iptables", "ipvsadm", "ipset", "sysctl"])
def test_what_another_version_wrote_is_none_of_these(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = next(one for one in targets().values() for found in one.parts if found.name == part)
    kind = next(found for found in target.parts if found.name == part)
    kept = Bundle(target.name, None, (Artifact(kind, "of another version\n"),))
    machine = Machine(Scope("SVCC"))
    states = machine.parse(kept)
    (driver,) = (one for one in machine.drivers if one.part == part)
    with pytest.raises(UnreadableText, match=f"part {part} of a generation is not as this svcc writes it: "):
        states.of(driver)
    with pytest.raises(SystemExit) as ended, explained(Cause()):
        states.of(driver)
    assert ended.value.code == Exit.MACHINE
    assert "run `svcc apply` with its file, which writes it anew" in capsys.readouterr().err
