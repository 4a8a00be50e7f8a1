"""What a plan says of who answers for which address, and of a move to ipvs."""

from __future__ import annotations

import pytest

from support.schemas import follows
from support.shell import Shell

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

QUIET = "service web { external-ip 198.51.100.100; port 80/tcp; endpoints { 100.64.0.1 } }\n"
LOUD = QUIET.replace("port", "announce yes; port")
BEGINS, CEASES = (
    f"\n\nThis machine {verb} to answer ARP for 198.51.100.100.\n\nSteps\n" for verb in ("begins", "ceases")
)


def answers(shell: Shell, text: str, target: str) -> object:
    said = shell.svcc("plan", "-", "-t", target, "--json", status=1, given=text).stdout
    return follows("plan", said)["answers"]


@pytest.mark.parametrize("target", ["ipvs", "iptables"])
def test_the_addresses_for_which_the_machine_begins_and_ceases_to_answer_are_named(shell: Shell, target: str) -> None:
    address = "198.51.100.100"
    shell.svcc("apply", "-", "-t", target, "-q", given=QUIET)
    assert BEGINS in shell.svcc("plan", "-", "-t", target, status=1, given=LOUD).stdout
    assert answers(shell, LOUD, target) == {"begins": [address], "ceases": []}
    shell.svcc("apply", "-", "-t", target, "-q", given=LOUD)
    assert CEASES in shell.svcc("plan", "-", "-t", target, status=1, given=QUIET).stdout
    assert answers(shell, QUIET, target) == {"begins": [], "ceases": [address]}


def test_a_move_to_ipvs_says_what_ipvs_does_otherwise(shell: Shell) -> None:
    shell.svcc("apply", "-", "-t", "iptables", "-q", given=LOUD)
    said = shell.svcc("plan", "-", "-t", "ipvs", status=1, given=LOUD).stdout
    assert "This machine" not in said
    above, connections = said.split("\n\nConnections\n")
    assert above.startswith("All services move from iptables to ipvs.\n")
    assert [line.partition(",")[0] for line in connections.partition("\n\n")[0].splitlines()] == [
        "  from iptables to ipvs: new connections go the new way at once",
        "  clients that affinity remembers are not taken along: with ipvs each chooses an endpoint anew",
        "  for 120 s after a connection through a service",
        "  of two connections from one source port of a client",
    ]
