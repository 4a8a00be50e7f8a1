"""The model of iptables-restore scripts: what it prints, and the checker of references."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from support.references import dangling
from support.xtables_scripts import script
from svcc.kernel.xtables.matches import To
from svcc.kernel.xtables.script import AT_ONCE, TOGETHER, Chain, Entry, Rule, Script, Table, chain_lines
from svcc.kernel.xtables.verdicts import DROP, Goto, Jump


def test_a_script_is_printed_in_the_form_of_iptables_save() -> None:
    chains = (Chain("T-A", (Rule((To(ip_address("10.0.0.1")),), Goto("T-B")),)), Chain("T-B", ()))
    table = Table("nat", (Entry("OUTPUT", Rule((), Jump("T-A"))),), chains)
    assert str(Script((table,))) == (
        "*nat\n:T-A - [0:0]\n:T-B - [0:0]\n-I OUTPUT -j T-A\n-A T-A -d 10.0.0.1/32 -g T-B\nCOMMIT\n"
    )


def test_a_table_upwards_ends_in_its_entries() -> None:
    chains = (Chain("T-B", (Rule((), DROP),)), Chain("T-A", (Rule((), Goto("T-B")),)))
    table = Table("filter", (Entry("OUTPUT", Rule((), Jump("T-A"))),), chains, upwards=True)
    assert str(Script((table,))) == (
        "*filter\n:T-B - [0:0]\n:T-A - [0:0]\n-A T-B -j DROP\n-A T-A -g T-B\n-I OUTPUT -j T-A\nCOMMIT\n"
    )


def test_many_chains_are_declared_in_groups_that_a_new_chain_leaves_as_they_are() -> None:
    names = [f"T-{number}" for number in range(9999, -1, -1)]
    groups = _groups(names)
    assert [name for group in groups for name in group] == names
    assert len(names) / len(groups) == pytest.approx(TOGETHER, rel=0.25)
    others = [group for group in groups if "T-5000" not in group]
    without = _groups([name for name in names if name != "T-5000"])
    assert [group for group in without if "T-5001" not in group] == others
    assert _groups(names[:AT_ONCE]) == [names[:AT_ONCE]]


def _groups(names: list[str]) -> list[list[str]]:
    """The names that are declared together; each has its one rule before the next group."""
    groups: list[list[str]] = []
    rules: list[str] = []
    for line in chain_lines(dict.fromkeys(names, ("-j RETURN",))):
        word, name, *_ = line.replace(":", ": ").split()
        if word == ":":
            if not groups or rules:
                assert not groups or rules == groups[-1]
                groups.append([])
                rules = []
            groups[-1].append(name)
        else:
            assert line == f"-A {name} -j RETURN"
            rules.append(name)
    assert rules == groups[-1]
    return groups


def test_no_table_prints_nothing() -> None:
    assert str(Script()) == ""


@pytest.mark.parametrize("version", [4, 6])
def test_sound_references(version: int) -> None:
    assert dangling(str(script(version))) == []


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (":A - [0:0]\n-I INPUT -j A\n-A A -j B\n", ["filter: B is not declared before `-A A -j B`"]),
        (":A - [0:0]\n-I INPUT -j A\n-A A -g B\n:B - [0:0]\n", ["filter: B is not declared before `-A A -g B`"]),
        (
            ":A - [0:0]\n-I INPUT -g B\n",
            ["filter: B is not declared before `-I INPUT -g B`", "filter: nothing leads to A"],
        ),
        (":A - [0:0]\n:B - [0:0]\n-I INPUT -j A\n-A B -j A\n", ["filter: nothing leads to B"]),
        (":A - [0:0]\n:A - [0:0]\n-I INPUT -j A\n", ["filter: A is declared 2 times"]),
        (":A - [0:0]\n-I INPUT -j A\n-A C -j A\n", ["filter: C is not declared before `-A C -j A`"]),
        (':A - [0:0]\n-I INPUT -m comment --comment "to \\" -j B" -j A\n', []),
        (":A - [0:0]\n-I INPUT -j A\n-A A -j REJECT --reject-with tcp-reset\n", []),
    ],
)
def test_dangling_references(body: str, faults: list[str]) -> None:
    assert dangling(f"*filter\n{body}COMMIT\n") == faults


def test_tables_have_chains_of_their_own() -> None:
    nat = "*nat\n:A - [0:0]\n-I OUTPUT -j A\nCOMMIT\n"
    assert dangling(nat + "*filter\n:B - [0:0]\n-I INPUT -j A\n-A B -j B\nCOMMIT\n") == [
        "filter: A is not declared before `-I INPUT -j A`",
        "filter: nothing leads to B",
    ]
