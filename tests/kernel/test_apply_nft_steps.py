"""The nft driver: what it reads, what it leaves alone, and what is said of a transaction that is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.files import GOLDEN
from support.nft_programs import EVERYTHING
from support.nft_states import HERE, SCOPE, nft, read, state_of, take, use_release
from support.tools import nft as releases
from support.tools.nft import RELEASES
from svcc.apply.nft import DRIVER
from svcc.apply.scope import Scope
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft.state import Chain, Element, NftState
from svcc.kernel.nft.statements import Foreign, Goto
from svcc.kernel.steps import Change, StepError, Verb

pytestmark = pytest.mark.kernel

_GOLDEN = sorted(GOLDEN.glob("nft/*/*.json"))
_RELEASES = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture(autouse=True)
def _inside() -> Iterator[None]:
    for release in RELEASES:
        releases.nft(release)  # they are fetched here, if they are: inside there is no network
    namespace = Namespace("steps")
    with namespace.entered():
        yield
    namespace.close()


_EVERYTHING = state_of(EVERYTHING)
_ONE = "service one { vip 198.19.10.0; port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }"
_TWO = _ONE + "\nservice two { vip 198.19.10.1; scheduler rr; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }"


# ---- listings


@_RELEASES
@pytest.mark.parametrize("path", _GOLDEN, ids=lambda path: path.parent.name)
def test_a_golden_document_is_listed_as_what_it_is(
    path: Path, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded by nft itself, without the driver, and read."""
    use_release(release, tmp_path, monkeypatch)
    document = path.read_text()
    scope = Scope(json.loads(document)["nftables"][0]["add"]["table"]["name"].upper())
    nft(str(path), "-j", "-f")
    wanted = DRIVER.parse(document, scope)
    assert list(DRIVER.changes(DRIVER.read(scope, wanted), wanted)) == []
    assert DRIVER.read(scope, wanted) == wanted


@_RELEASES
def test_everything_is_listed_as_what_it_is(release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_release(release, tmp_path, monkeypatch)
    take(NftState(), _EVERYTHING)
    assert list(DRIVER.changes(read(), _EVERYTHING)) == []


def test_nft_may_be_replaced_by_a_newer_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(NftState(), _EVERYTHING)
    use_release("sid", tmp_path, monkeypatch)
    assert read() == _EVERYTHING


def test_a_crash_of_nft_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(NftState(), _EVERYTHING)  # of tables that there are not, nft is not asked
    wrapper = tmp_path / "nft"
    wrapper.write_text("#!/bin/sh\nkill -SEGV $$\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StepError, match="nft: nft was killed by SIGSEGV"):
        read()


# ---- what is left alone

_OTHERS = """
table ip others {
    comment "not ours"
    set s { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 10h } }
    map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.0.0.1 . tcp . 80 : drop } }
    chain lab { type nat hook prerouting priority -101; ip daddr 198.19.10.0 counter accept; }
}
table ip6 labs {
    chain lab { }
}
table inet lab {
    chain dispatch { type filter hook input priority 0; counter; }
}
table arp lab { }
table bridge lab {
    set addresses { type ether_addr; }
}
"""


def test_other_tables_are_untouched(tmp_path: Path) -> None:
    (tmp_path / "others").write_text(_OTHERS)
    nft(str(tmp_path / "others"), "-f")

    def others() -> list[str]:
        tables = ("ip others", "ip6 labs", "inet lab", "arp lab", "bridge lab")
        return [nft(f"list table {table}", "-a", "-s") for table in tables]

    before = others()
    for wanted in (_EVERYTHING, state_of(_ONE), _EVERYTHING, NftState()):
        take(read(), wanted)
        assert others() == before
    assert sorted(nft("list tables").splitlines()) == sorted(
        line.partition(" {")[0] for line in _OTHERS.splitlines() if line[:5] == "table"
    )


def _handles() -> dict[tuple[str, str], list[int]]:
    """The handles of our rules by chain, and of our sets."""
    found: dict[tuple[str, str], list[int]] = {}
    for family in read().tables:
        for entry in json.loads(nft(f"list table {family} lab", "-j"))["nftables"]:
            ((kind, fields),) = entry.items()
            if kind in ("rule", "set", "map", "chain"):
                found.setdefault((family, fields.get("chain", fields.get("name"))), []).append(fields["handle"])
    return found


def test_chains_and_sets_that_stay_are_the_same_objects() -> None:
    """So counters of rr go on, and sets of affinity keep their clients."""
    take(NftState(), state_of(_TWO))
    before = _handles()
    more = "service three { vip 198.19.10.2; scheduler rr; port 81/tcp; endpoints { 100.64.0.9; 100.64.0.29 } }"
    take(read(), state_of(f"{_TWO}\n{more}"))
    after = _handles()
    assert {name: after[name] for name in before} == before
    take(read(), state_of(_TWO))
    assert _handles() == before


def test_a_check_changes_nothing() -> None:
    take(NftState(), state_of(_ONE))
    before = nft("list ruleset", "-a")
    for wanted in (_EVERYTHING, state_of(_TWO), NftState()):
        first, *_ = DRIVER.steps(read(), wanted, SCOPE, HERE)
        assert first.check is not None
        first.check()
        assert nft("list ruleset", "-a") == before


@pytest.mark.parametrize(
    "by_hand",
    [
        "add table ip lab { flags dormant; }",
        "chain ip lab nat-output { policy drop; }",
        "delete rule ip lab nat-postrouting handle {handle}",
        "add counter ip lab mine",
        "add set ip lab mine { type ipv4_addr; }",
        "add chain ip lab mine { type filter hook input priority 7; }",
        "delete table ip6 lab",
        "add table ip6 lab; delete table ip6 lab; add table ip6 lab",
    ],
)
def test_what_somebody_did_is_seen_and_undone(by_hand: str) -> None:
    take(NftState(), _EVERYTHING)
    handle = _handles()["ip", "nat-postrouting"][-1]
    nft(by_hand.replace("{handle}", str(handle)))
    drifted = read()
    assert list(DRIVER.changes(drifted, _EVERYTHING))
    take(drifted, _EVERYTHING)
    assert read() == _EVERYTHING
    take(_EVERYTHING, drifted)
    if "counter" not in by_hand and "dormant" not in by_hand:  # which svcc cannot make
        assert read() == drifted


# ---- refusals


def _with_element(whole: NftState, name: str, key: str, element: Element) -> NftState:
    table = whole.tables["ip"]
    named = table.sets[name]
    sets = {**table.sets, name: replace(named, elements={**named.elements, key: element})}
    return NftState({**whole.tables, "ip": replace(table, sets=sets)})


def test_an_element_to_a_chain_that_is_not_there_is_the_culprit() -> None:
    wanted = _with_element(_EVERYTHING, "services", "198.19.99.9 . tcp . 80", ("goto nowhere", "bad"))
    for live in (NftState(), _EVERYTHING):
        take(read(), live)
        (step,) = DRIVER.steps(live, wanted, SCOPE, HERE)
        assert step.check is not None
        for act in (step.check, step.run):
            with pytest.raises(StepError) as raised:
                act()
            assert raised.value.words == "Could not process rule: No such file or directory"
            assert raised.value.culprit is not None
            assert str(raised.value.culprit) == "+ element ip services 198.19.99.9 . tcp . 80"
            assert raised.value.culprit.label == "bad"
            assert "nowhere" in raised.value.line
        assert read() == live


def test_what_came_after_the_reading_is_the_culprit() -> None:
    take(NftState(), state_of(_ONE))
    live = read()
    nft("add element ip lab services { 198.19.10.1 . tcp . 80 : drop }")
    with pytest.raises(StepError) as raised:
        take(live, state_of(_TWO))
    assert raised.value.culprit is not None
    assert raised.value.culprit.subject == "ip services 198.19.10.1 . tcp . 80"
    take(read(), state_of(_TWO))
    assert read() == state_of(_TWO)


def test_a_rule_is_the_culprit_by_its_chain() -> None:
    table = _EVERYTHING.tables["ip"]
    rules = ((Goto("nat-postrouting"),), (Foreign('{"masquerade": null}'), Goto("nowhere")))
    chains = {**table.chains, "wrong": Chain(rules)}
    wanted = NftState({**_EVERYTHING.tables, "ip": replace(table, chains=chains)})
    with pytest.raises(StepError) as raised:
        take(NftState(), wanted)
    culprit = raised.value.culprit
    assert culprit == Change(Verb.ADD, "nft", "chain", "ip wrong")
