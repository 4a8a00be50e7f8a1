"""`svcc diff` between files of every kind: programs, their JSON, bundles, folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import folder, svcc
from support.schemas import follows
from svcc.targets import targets

OLD = """\
cluster { pods 100.64.0.0/24 }
service web { vip 198.19.10.0; port http 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }
service old { vip 198.19.10.9; port 81/tcp; endpoints { 100.64.0.9 } }
"""
NEW = """\
cluster { pods 100.64.0.0/24 }
service web {
  vip 198.19.10.0
  port http 80/tcp -> 8080
  endpoints { 100.64.0.9 weight 2; 100.64.0.19; 100.64.0.39 }
}
"""
KERNEL = [name for name, target in targets().items() if target.loads]
FORMS = ["dsl", "ir", "bundle", "folder"]

BY_PROGRAMS = """\
- service old (1 endpoint): 198.19.10.9:81/tcp
web
  + 100.64.0.39:8080
  ~ 100.64.0.9:8080 weight 1 -> 2

1 service changed, 1 removed. Taken away: 1 service, 1 endpoint, 1 frontend (198.19.10.9:81/tcp).
"""
LIMITS = "Only rules are known of one side: names, weights, settings and what drains are not compared."


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> object:
    (tmp_path / "old.dsl").write_text(OLD)
    (tmp_path / "new.dsl").write_text(NEW)
    with folder(tmp_path):
        yield


def made(name: str, form: str, target: str) -> str:
    """A program in one of the forms that `diff` takes; returns how that is named."""
    if form == "dsl":
        return f"{name}.dsl"
    if form == "folder":
        assert svcc("compile", f"{name}.dsl", "-t", target, "-o", name).status == 0
        return name
    Path(f"{name}.{form}").write_bytes(svcc("compile", f"{name}.dsl", "-t", "ir" if form == "ir" else target).out)
    return f"{name}.{form}"


@pytest.mark.parametrize("form", ["dsl", "ir"])
@pytest.mark.parametrize("other", ["dsl", "ir"])
def test_programs_are_compared_by_all_that_they_say(form: str, other: str) -> None:
    said = svcc("diff", made("old", form, "ir"), made("new", other, "ir"))
    assert (said.status, said.text, said.err) == (1, BY_PROGRAMS, "")


def test_a_folder_of_a_programs_json_is_that_program() -> None:
    assert svcc("diff", made("old", "folder", "ir"), "new.dsl").text == BY_PROGRAMS
    assert svcc("diff", "old", "new.dsl", "-t", "nft").status == 2


@pytest.mark.parametrize("target", KERNEL)
@pytest.mark.parametrize("form", ["bundle", "folder"])
def test_rules_are_called_as_the_program_that_they_are_compared_with(target: str, form: str) -> None:
    said = svcc("diff", made("old", form, target), "new.dsl")
    assert (said.status, said.err) == (1, "")
    assert (
        said.text
        == f"""\
- service 198.19.10.9:81/tcp (1 endpoint)
web: + 100.64.0.39:8080

{LIMITS}
1 service changed, 1 removed. Taken away: 1 service, 1 endpoint, 1 frontend (198.19.10.9:81/tcp).
"""
    )
    back = svcc("diff", "new.dsl", "old.bundle" if form == "bundle" else "old").text.splitlines()
    assert back[:2] == ["+ service 198.19.10.9:81/tcp (1 endpoint)", "web: - 100.64.0.39:8080"]


@pytest.mark.parametrize("target", KERNEL)
@pytest.mark.parametrize("form", ["bundle", "folder"])
def test_rules_alone_are_called_as_clients_reach_them(target: str, form: str) -> None:
    said = svcc("diff", made("old", form, target), made("new", form, target))
    assert said.text.splitlines()[:2] == [
        "198.19.10.0:80/tcp: + 100.64.0.39:8080",
        "- service 198.19.10.9:81/tcp (1 endpoint)",
    ]


@pytest.mark.parametrize("forward", ["masquerade", "direct", "tunnel"])
def test_rules_tell_who_answers_however_packets_get_there(forward: str) -> None:
    text = OLD.replace("80/tcp -> 8080", f"80/tcp; forward {forward}")
    Path("old.dsl").write_text(text)
    Path("new.dsl").write_text(text.replace("100.64.0.19 }", "100.64.0.19; 100.64.0.39 }"))
    rules = made("old", "bundle", "ipvs"), made("new", "bundle", "ipvs")
    assert svcc("diff", *rules).text.splitlines()[0] == "198.19.10.0:80/tcp: + 100.64.0.39:80"
    assert svcc("diff", rules[0], "new.dsl").text.splitlines()[0] == "web: + 100.64.0.39:80"
    assert svcc("diff", rules[1], "new.dsl").text == f"{LIMITS}\nNo service changes.\n"
    Path("new.dsl").write_text(text.replace("100.64.0.19 }", "100.64.0.19 draining }"))
    assert svcc("diff", rules[0], made("new", "bundle", "ipvs")).text.splitlines()[0] == (
        "198.19.10.0:80/tcp: - 100.64.0.19:80"
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", FORMS)
def test_what_is_the_same_is_the_same_in_every_form(form: str, other: str) -> None:
    said = svcc("diff", made("old", form, "nft"), made("old", other, "nft"))
    rules = {form, other} & {"bundle", "folder"}
    assert (said.status, said.text) == (0, (f"{LIMITS}\n" if rules else "") + "No service changes.\n")


@pytest.mark.parametrize("target", KERNEL)
def test_a_node_port_for_which_its_node_has_no_address_is_the_same_in_rules(target: str) -> None:
    Path("own.dsl").write_text("""\
node here { address 10.0.0.4 }
service web { port 80/tcp nodeport 30080; endpoints { 2001:db8::9 } }
service mail { port 25/tcp nodeport 30025; endpoints { 100.64.0.9 } }
""")
    said = svcc("diff", "own.dsl", made("own", "bundle", target))
    assert (said.status, said.text) == (0, f"{LIMITS}\nNo service changes.\n")


def test_rules_that_differ_though_no_service_does_are_not_the_same() -> None:
    (Path("new.dsl")).write_text(OLD.replace("port 81/tcp;", "port 81/tcp; when-empty drop; masquerade always;"))
    old, new = made("old", "bundle", "nft"), made("new", "bundle", "nft")
    said = svcc("diff", old, new)
    assert said.status == 1
    assert (
        said.text
        == f"{LIMITS}\nNo service changes, as far as rules tell; the rules themselves differ (--objects shows them).\n"
    )
    assert follows("diff", svcc("diff", old, new, "--json").text)["rules_differ"] is True
    assert "198.19.10.9" in svcc("diff", old, new, "--objects").text


@pytest.mark.parametrize("words", [[], ["--objects", "-t", "nft"]])
def test_a_difference_as_json_follows_its_schema(words: list[str]) -> None:
    found = follows("diff", svcc("diff", "old.dsl", "new.dsl", "--json", *words).text)
    assert [(one["service"], [change["what"] for change in one["changes"]]) for one in found["services"]] == [
        ("old", ["service removed"]),
        ("web", ["endpoint added", "endpoint weight"]),
    ]
    assert found["taken_away"] == {"services": 1, "endpoints": 1, "frontends": ["198.19.10.9:81/tcp"]}
    assert bool(found["objects"]) == bool(words)
    assert (
        svcc("diff", "old.dsl", "new.dsl", "--format", "json", *words).out
        == svcc("diff", "old.dsl", "new.dsl", "--json", *words).out
    )


def test_objects_are_one_level_below() -> None:
    said = svcc("diff", "old.dsl", "new.dsl", "--objects", "-t", "ipvs").text
    above, objects, below = said.split("\n\n")
    assert above + "\n\n" + below == BY_PROGRAMS
    assert "  ~ ipvsadm: virtual server 198.19.10.0:80/tcp: rr -> wrr" in objects.splitlines() or "ipvsadm" in objects
    markdown = svcc("diff", "old.dsl", "new.dsl", "--objects", "-t", "ipvs", "--format", "markdown").text
    assert objects in markdown
    assert "--objects needs --target" in svcc("diff", "old.dsl", "new.dsl", "--objects").err


def test_the_cluster_and_its_nodes_are_compared() -> None:
    Path("new.dsl").write_text("node b { address 10.0.0.5 }\n" + OLD.replace("100.64.0.0/24", "100.64.0.0/16"))
    assert (
        svcc("diff", "old.dsl", "new.dsl").text
        == """\
cluster: ~ pods 100.64.0.0/24 -> 100.64.0.0/16
cluster: + node b address 10.0.0.5

No service changes. Nothing is taken away.
"""
    )


def test_many_services_that_change_otherwise_are_cut_unless_all_are_asked_for() -> None:
    lines = [f"service s{n} {{ vip 198.19.0.{n}; port {n}/tcp; endpoints {{ 100.64.0.9 }} }}\n" for n in range(1, 151)]
    Path("old.dsl").write_text("")
    Path("new.dsl").write_text("".join(lines))
    few, many = svcc("diff", "old.dsl", "new.dsl", "-q").text, svcc("diff", "old.dsl", "new.dsl", "-q", "--all").text
    assert few.splitlines()[100] == "… and 50 more services (--all shows them)"
    assert (len(few.splitlines()), len(many.splitlines())) == (103, 152)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["none.dsl", "new.dsl"], 2, "cannot read none.dsl"),
        (["broken.dsl", "new.dsl"], 2, "broken.dsl:1:1"),
        (["broken.bundle", "new.dsl"], 2, "broken.bundle:3:1"),
        (["empty", "new.dsl"], 2, "say --target: empty could be of"),
        (["9" * 5_000, "new.dsl"], 2, "File name too long"),
        (["a" * 300, "new.dsl"], 2, "File name too long"),
        (["7", "new.dsl"], 2, "nothing was applied here yet"),
        (["old.dsl", "new.dsl", "--node", "n"], 2, "there is no node `n`"),
        (["old.dsl"], 2, "Missing argument 'NEW'"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said(words: list[str], status: int, said: str) -> None:
    Path("broken.dsl").write_text("serivce web { }\n")
    Path("broken.bundle").write_text("#: svcc bundle 1 target=nft node=-\n#: part nft\nwrong\n")
    Path("empty").mkdir()
    done = svcc("diff", *words, "--state-dir", "state")
    assert (done.status, done.text) == (status, "")
    assert said in done.err


@pytest.mark.parametrize("form", ["bundle", "folder"])
def test_rules_are_of_their_own_target_and_node(form: str) -> None:
    rules = made("old", form, "nft")
    done = svcc("diff", rules, "new.dsl", "--node", "n")
    assert (done.status, done.text) == (2, "")
    assert f"{rules} does not say for which node it was compiled: --node cannot change that" in done.err
    if form == "bundle":
        said = svcc("diff", rules, "new.dsl", "--objects", "-t", "iptables").err
        assert "--target iptables: these are rules of target nft" in said


@pytest.mark.parametrize("words", [["--json"], ["--format", "json"]])
def test_what_is_wrong_with_a_file_is_told_as_json_too(words: list[str]) -> None:
    Path("broken.dsl").write_text("serivce web { }\n")
    done = svcc("diff", "old.dsl", "broken.dsl", *words)
    assert (done.status, done.text) == (2, "")
    (found,) = json.loads(done.err)["diagnostics"]
    assert (found["code"], found["file"], found["hint"]) == ("SVC002", "broken.dsl", "did you mean `service`?")


def test_standard_input_is_one_of_the_two() -> None:
    assert svcc("diff", "-", "new.dsl", stdin=OLD).text == BY_PROGRAMS
    assert svcc("diff", "old.dsl", "-", stdin=NEW).text == BY_PROGRAMS
