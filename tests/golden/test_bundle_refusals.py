"""What a target would not print is refused, with its place and the reason: an edit of what it prints for each."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.bundles import refusal
from support.golden_files import compare
from svcc.compiler.load import load, load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import printed, split_bundle
from svcc.targets.capability import check_target
from svcc.targets.reading import RefusedText

FOLDER = Path(__file__).parent / "refusals"
TARGETS = sorted(path.stem for path in FOLDER.glob("*.toml"))


def _printed(name: str) -> str:
    loaded = load(str(FOLDER / "program.dsl"))
    assert loaded.program is not None
    target = targets()[name]
    assert not check_target(loaded.program, target, loaded.program.nodes[0])
    return printed(target, target.render(loaded.program, loaded.program.nodes[0]))


def _edited(printed: str, edit: dict[str, Any]) -> str:
    """``everywhere``: each place is edited, not only the first; ``padding``: so many letters stand before `new`."""
    assert edit["old"] in printed, f"{edit['title']}: {edit['old']!r} is not printed"
    new = "x" * edit.get("padding", 0) + edit["new"]
    return printed.replace(edit["old"], new, -1 if edit.get("everywhere") else 1)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_printed_is_accepted(name: str) -> None:
    assert refusal(_printed(name), targets()[name]) is None


@pytest.mark.parametrize("name", TARGETS)
def test_each_edit_is_refused(name: str, update_golden: bool) -> None:
    printed, said = _printed(name), []
    for edit in tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["edit"]:
        message = refusal(_edited(printed, edit), targets()[name])
        assert message is not None, f"{edit['title']}: accepted"
        said.append(f"# {edit['title']}\n{message}")
    compare(FOLDER / f"{name}.txt", "\n".join(said), update_golden)


#: What a program may end with before the end of this one's: it has nothing at all, nothing for IPv6, or only what is
#: shared with somebody else.
_EARLIER = {
    "iptables": ("#: svcc bundle 1 target=iptables node=n1\n", "COMMIT\n"),
    "ipvs": ("#: svcc bundle 1 target=ipvs node=n1\n",),
    "nft": (),
}


@pytest.mark.parametrize("name", TARGETS)
def test_it_ends_nowhere_but_at_its_end(name: str) -> None:
    """Cut off behind any line, and in the midst of it."""
    printed = _printed(name)
    ends = [at for at, character in enumerate(printed) if character == "\n"]
    for end in ends[:-1]:
        assert refusal(printed[:end], targets()[name]) is not None
        assert refusal(printed[: end - 3] + "\n", targets()[name]) is not None
        if not printed[: end + 1].endswith(_EARLIER[name]):
            assert refusal(printed[: end + 1], targets()[name]) is not None


def _number(document: str, digits: str) -> str:
    return document.replace('"prio": -100', f'"prio": {digits}', 1)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "a document begins with"),
        ('{"nftables": []}\n', "begins with its tables, and this one is empty"),
        ('{"nftables": ' + "[" * 10_000 + "]" * 10_000 + "}\n", "it nests too deep"),
        ('{"nftables": [' + '{"add":' * 10_000 + "}" * 10_000 + "]}\n", "it nests too deep"),
    ],
    ids=["no text", "empty", "lists in lists", "objects in objects"],
)
def test_documents_that_are_none(document: str, said: str) -> None:
    message = refusal(document, targets()["nft"])
    assert message is not None
    assert said in message.splitlines()[0]


def test_a_number_of_thousands_of_digits() -> None:
    message = refusal(_number(_printed("nft"), "9" * 5_000), targets()["nft"])
    assert message is not None
    assert message.startswith("error[SVC066]: a number of 5000 digits\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('198.19.10.0 . tcp . 80 comment "a" : goto', '198.19.10.0 comment "a" : goto'),
        ("198.19.10.0 . tcp . 80 : 100.64.0.9", "198.19.10.0 : 100.64.0.9"),
        (". tcp . 80 : 100.64.0.9", ". tcp . 80 . 80 : 100.64.0.9"),
        (". tcp . 80 : 100.64.0.9", ". tcp . http : 100.64.0.9"),
        ("198.19.10.0 . tcp . 80 : 100.64.0.9", "tcp . 198.19.10.0 . 80 : 100.64.0.9"),
        (" : 100.64.0.9, # a", ", # a"),
        (" : goto spread-1-80,", ","),
        ("100.64.0.9 . 100.64.0.9,", "100.64.0.9,"),
        ("198.19.10.0,", "198.19.10.0 : 100.64.0.9,"),
        ("198.19.10.0,", "1/8.19.10.0,"),
        ("198.19.10.0,", "198.19.10.0/,"),
    ],
)
def test_elements_of_another_form_in_nfts_own_language(old: str, new: str) -> None:
    service = "service a { vip 198.19.10.0; port 80/tcp; endpoints { 100.64.0.9 } }"
    program, target = load_text(Source("svc.dsl", service)).program, targets()["nft"]
    assert program is not None
    text = target.in_syntax(target.render(program, None), "nft").artifacts[0].text
    line = next(number for number, one in enumerate(text.splitlines(), 1) if old in one)
    message = refusal(text.replace(old, new, 1), target)
    assert message is not None
    assert f" bundle:{line}:" in message


@pytest.mark.parametrize("instead", ["9" * 5_000, "1/8.9", "1-", "-1", "0x1"], ids=lambda text: text[:5])
def test_whatever_stands_for_a_number_in_nfts_own_language_is_refused_or_read(instead: str) -> None:
    """Python converts no more than 4,300 digits; a prefix's length and both ends of a range are numbers, too."""
    target = targets()["nft"]
    service = "port 80/tcp; port b 90-92/tcp; affinity client-ip 3h; scheduler wrr; allow-from 10.0.0.0/8"
    text = f"service a {{ vip 198.19.10.0; external-ip 203.0.113.7; {service.replace('port 80', 'port a 80')}; "
    program = load_text(Source("svc.dsl", text + "endpoints { 100.64.0.9; 100.64.0.19 weight 2 } }")).program
    assert program is not None
    printed = target.in_syntax(target.render(program, None), "nft").artifacts[0].text
    tried = {re.sub(r"\d+", "0", line) for line in printed.splitlines()}
    for line in printed.splitlines():
        if (form := re.sub(r"\d+", "0", line)) in tried:  # one line of each form
            tried.remove(form)
            for found in re.finditer(r"\d+", line):
                altered = line[: found.start()] + instead + line[found.end() :]
                message = refusal(printed.replace(line, altered, 1), target)
                assert message is None or message.startswith("error[SVC06"), altered


def test_a_document_may_be_laid_out_in_any_way() -> None:
    """As `jq -c` prints it, or `jq -S`: what is loaded is what the target prints."""
    printed, target = _printed("nft"), targets()["nft"]
    value = json.loads(printed)
    for layout in (json.dumps(value, separators=(",", ":")), json.dumps(value, indent=4, sort_keys=True)):
        given = split_bundle(Source("x", layout), target)
        assert [a.text for a in target.accept(given.texts).artifacts] == [printed, "", ""]


def test_the_order_of_commands_counts() -> None:
    printed, target = _printed("nft"), targets()["nft"]
    commands = json.loads(printed)["nftables"]
    for at in range(len(commands) - 1):
        swapped = [*commands[:at], commands[at + 1], commands[at], *commands[at + 2 :]]
        if swapped != commands:
            text = Source("x", json.dumps({"nftables": swapped}))
            with pytest.raises(RefusedText):
                target.accept(split_bundle(text, target).texts)
