"""The agent on a node of its own: real servers that die and come back, real rules, everything by its own process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agents import ADDRESSES, Site
from support.dashboard import lacking, queries
from support.schemas import follows
from support.shell import Shell
from support.tools.project import ROOT
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    namespace = Namespace("agent")
    made = None
    try:
        made = Site(Shell(namespace, tmp_path))
        yield made
    finally:
        if made is not None:
            made.down(*made.servers)
        namespace.close()


def test_a_dead_endpoint_is_taken_out_and_comes_back(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent():
        site.serves(1, 2, 3)
        site.logged(" up probe=", 3)
        site.serves(1, 2, 3)
        site.down("100.64.0.2")
        site.serves(1, 3)
        _noted(site, down=1)
        shown = site.shell.svcc("agent", "status", status=1).stdout
        assert re.search(r"^tcp 100\.64\.0\.2:8080 +web +down .+ Connect call failed", shown, re.MULTILINE)
        rows = follows("agent", site.shell.svcc("agent", "status", "--json", status=1).stdout)["checks"]
        _health_is_shown(site)
        assert {row["check"]: row["up"] for row in rows} == {
            "tcp 100.64.0.1:8080": True,
            "tcp 100.64.0.2:8080": False,
            "tcp 100.64.0.3:8080": True,
        }
        site.shell.svcc("status")
        site.up("100.64.0.2")
        site.serves(1, 2, 3)
        _noted(site, down=0)
        site.shell.svcc("agent", "status")
        history = json.loads(site.shell.svcc("history", "--json").stdout)
        assert [one["number"] for one in history["generations"]] == [1]
        assert history["current"] == 1
    assert site.shell.endpoints() == {*ADDRESSES[:3]}


def _noted(site: Site, down: int) -> None:
    """Wait until the agent has noted how the endpoints stand, which it does after the kernel has it."""

    def noted() -> bool:
        done = site.shell.ended("agent", "status")
        return (done.returncode, done.stdout.count(" down ")) == (1 if down else 0, down)

    site.until(noted, "it is noted")


def _health_is_shown(site: Site) -> None:
    """By `status` and `plan`; it is no drift, and no change of the file's."""
    shown = site.shell.svcc("status").stdout
    assert re.search(r"100\.64\.0\.2:8080 .* down since \d{4}-.+: Connect call failed", shown)
    assert re.search(r"100\.64\.0\.3:8080 .* up$", shown, re.MULTILINE)
    (listener,) = follows("status", site.shell.svcc("status", "--json").stdout)["listeners"]
    assert {one["address"]: one["health"]["up"] for one in listener["endpoints"]} == {
        "100.64.0.1": True,
        "100.64.0.2": False,
        "100.64.0.3": True,
    }
    for words in (["agent.dsl"], ["agent.dsl", "--node", "n"]):  # the second is compiled
        shown = site.shell.svcc("plan", *words, "-t", "nft").stdout
        assert re.search(r"^Nothing to do.*\n\nHealth\n  web: tcp 100\.64\.0\.2:8080 down since ", shown)
    (failed,) = follows("plan", site.shell.svcc("plan", "agent.dsl", "-t", "nft", "--json").stdout)["health"]
    assert (failed["check"], failed["services"], failed["up"]) == ("tcp 100.64.0.2:8080", ["web"], False)
    site.write(ends="100.64.0.1; 100.64.0.2; 100.64.0.3; 100.64.0.4", to="other.dsl")
    shown = site.shell.svcc("plan", "other.dsl", "-t", "nft", status=1).stdout
    assert shown.startswith("web: + 100.64.0.4:8080\n")


@pytest.mark.parametrize(
    ("more", "serve"),
    [("", (1, 2, 3)), ("when-failed empty", ()), ("when-failed open", (1, 2, 3))],
)
def test_when_every_endpoint_fails(site: Site, more: str, serve: tuple[int, ...]) -> None:
    site.write(more)
    site.up(*ADDRESSES[:3])
    with site.agent():
        site.logged(" up probe=", 3)
        site.serves(1, 2, 3)
        site.down("100.64.0.1", "100.64.0.2")
        site.serves(3)
        site.down("100.64.0.3")
        site.serves(*serve)
        site.up("100.64.0.2")
        site.serves(2)


def test_a_backup_serves_while_the_others_fail(site: Site) -> None:
    site.write(ends="100.64.0.1; 100.64.0.2; 100.64.0.4 backup")
    site.up("100.64.0.1", "100.64.0.2", "100.64.0.4")
    with site.agent():
        site.logged(" up probe=", 3)
        site.serves(1, 2)
        site.down("100.64.0.1", "100.64.0.2")
        site.serves(4)
        site.up("100.64.0.1")
        site.serves(1)


def test_when_every_endpoint_and_every_backup_fails(site: Site) -> None:
    site.write("when-failed empty", ends="100.64.0.1; 100.64.0.2; 100.64.0.4 backup")
    site.up("100.64.0.1", "100.64.0.2", "100.64.0.4")
    with site.agent():
        site.logged(" down=0 ")
        site.down("100.64.0.1", "100.64.0.2")
        site.serves(4)
        site.down("100.64.0.4")
        site.serves()
        with site.shell.namespace.entered(), pytest.raises(ConnectionRefusedError):  # when-empty reject
            socket.create_connection(("198.19.10.1", 80))


def test_the_file_is_followed(site: Site) -> None:
    site.up(*ADDRESSES)
    with site.agent() as agent:
        site.settled(3)  # until one has passed, all serve
        site.write(ends="100.64.0.1; 100.64.0.4")
        site.serves(1, 4)
        site.write(ends="100.64.0.1 weight ten")
        site.logged("the file has errors, and changes nothing")
        site.logged("error[SVC")
        assert site.shell.endpoints() == {"100.64.0.1", "100.64.0.4"}
        site.write(ends="100.64.0.1; 100.64.0.2")
        agent.send_signal(signal.SIGHUP)
        site.serves(1, 2)
        site.until(lambda: _generations(site) == 3, "three generations are recorded, each after it was in the kernel")
        site.shell.svcc("plan", "agent.dsl", "-t", "nft")


def _generations(site: Site) -> int:
    return len(json.loads(site.shell.svcc("history", "--json").stdout)["generations"])


def test_an_endpoint_that_drained_has_to_pass_first(site: Site) -> None:
    site.up("100.64.0.1")
    site.write(ends="100.64.0.1; 100.64.0.2 draining")
    with site.agent("--repair", "never"):
        site.logged(' up probe="tcp 100.64.0.1:8080"')  # until one has passed, all serve
        site.write(ends="100.64.0.1; 100.64.0.2")
        site.logged('does not pass yet probe="tcp 100.64.0.2:8080"')
        site.until(lambda: _generations(site) >= 2, "the new file is in the kernel")
        assert site.shell.endpoints() == {"100.64.0.1"}
        site.up("100.64.0.2")
        site.serves(1, 2)


def test_an_edit_of_a_check_leaves_a_dead_endpoint_out_and_a_new_service_waits_for_its_first_answer(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent():
        site.settled(3)
        site.down("100.64.0.2")
        site.serves(1, 3)
        file = site.shell.folder / "agent.dsl"
        (site.shell.folder / "other.dsl").write_text(file.read_text().replace("check tcp", "check http"))
        plan = site.shell.svcc("plan", "other.dsl", "-t", "nft", status=1).stdout
        assert "100.64.0.2" not in plan.partition("\nHealth\n")[0]
        new = (
            "service new { vip 198.19.10.2; port 80/tcp -> 8099; check tcp fall 1000; when-failed empty\n"
            "endpoints { 100.64.0.4 } }\n"
        )
        file.write_text(file.read_text().replace("timeout 2s fall 2", "timeout 1s fall 1000") + new)
        site.until(lambda: _generations(site) >= 2, "the new file is in the kernel")
        assert site.shell.endpoints() == {"100.64.0.1", "100.64.0.3"}
        shown = site.shell.svcc("agent", "status", status=1).stdout
        assert re.search(r"^tcp 100\.64\.0\.2:8080 +web +down ", shown, re.MULTILINE)
        assert re.search(r"^tcp 100\.64\.0\.4:8099 +new +joining ", shown, re.MULTILINE)
        site.up("100.64.0.2")
        site.serves(1, 2, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "agent.dsl is served here under prefix CUSTOM, and has no service"),
        ("cluster { prefix CUSTOM }", 'not in the kernel reason="no service would be left; served now: 1"'),
    ],
)
def test_a_file_without_services_changes_nothing(site: Site, text: str, words: str) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent():
        site.settled(3)
        (site.shell.folder / "agent.dsl").write_text(text)
        site.logged(words)
        assert site.shell.endpoints() == {*ADDRESSES[:3]}


def test_a_file_that_gets_another_prefix_changes_nothing(site: Site) -> None:
    """Also after a new start, with another target: else nobody would check and repair what is served under the old."""
    site.up(*ADDRESSES[:3])
    refused = "agent.dsl is served here under prefix CUSTOM, and has prefix OTHER"
    with site.agent():
        site.settled(3)
        text = (site.shell.folder / "agent.dsl").read_text().replace("CUSTOM", "OTHER")
        (site.shell.folder / "agent.dsl").write_text(text)
        site.logged(refused)
        assert "= hint: to change its prefix, end the agent, `svcc delete --prefix CUSTOM`, and start" in site.said()
        site.down("100.64.0.2")
        site.serves(1, 3)
    for number, site.target in enumerate(("nft", "iptables"), 2):
        with site.agent():
            site.logged(refused, number)
            assert site.shell.endpoints() == {"100.64.0.1", "100.64.0.3"}
            assert not any("OTHER" in rule for rule in site.shell.rules())
    site.shell.svcc("delete", "--prefix", "CUSTOM")
    with site.agent():
        site.until(lambda: any("OTHER" in rule for rule in site.shell.rules()), "it serves under the other one")


def test_a_file_with_errors_from_the_start(site: Site) -> None:
    """The agent looks at the file once a second, and at the kernel: it waits for a file that it can take."""
    site.up(*ADDRESSES[:3])
    site.write(ends="100.64.0.1 weight ten")
    with site.agent():
        for number, word in enumerate(("eleven", "twelve", "many"), 1):
            site.logged("the file has errors, and changes nothing", number)
            site.write(ends=f"100.64.0.1 weight {word}")
        site.write()
        site.logged("the file has no errors any more")
        site.serves(1, 2, 3)


def test_who_never_passed_is_told_with_the_reason(site: Site) -> None:
    site.up("100.64.0.1", "100.64.0.3")
    with site.agent():
        site.logged('does not pass yet probe="tcp 100.64.0.2:8080" service=web answer="Connect call failed')
        site.serves(1, 3)
        why = re.compile(r"^tcp 100\.64\.0\.2:8080 +web +joining .* Connect call failed", re.MULTILINE)
        site.until(lambda: why.search(site.shell.ended("agent", "status").stdout), "the reason is noted")


def test_a_port_that_somebody_else_has(site: Site) -> None:
    with site.shell.namespace.entered(), socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with site.agent("--listen", str(port)) as agent:
            assert agent.wait() == 3
    assert site.said() == f"svcc: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_a_port_that_the_machine_listens_on_itself_is_told_before_it_is_taken(site: Site) -> None:
    """Once, whatever else of its service changes."""
    said = 'this machine listens there itself, and its clients are led to the service place="node port 30080/tcp" '
    more = "service more {{ vip 198.19.10.2; port 81/tcp -> 8080 nodeport 30080; endpoints {{ {} }} }}\n"
    site.up(*ADDRESSES)
    with site.shell.namespace.entered(), socket.create_server(("0.0.0.0", 30080)):
        site.write(ends="100.64.0.1", behind=more.format("100.64.0.2"))
        with site.agent():
            site.serves(1, 2)
            assert site.said().count(f"{said}service=more") == 1
            site.write(ends="100.64.0.1", behind=more.format("100.64.0.3"))
            site.serves(1, 3)
            assert site.said().count(said) == 1


def test_what_others_change_is_put_right(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent("--repair", "0"):
        site.settled(3)
        site.shell.run("nft", "flush", "ruleset")
        site.logged("somebody changed what is ours")
        site.serves(1, 2, 3)
        site.logged("put right", 1)
        element = "endpoint-1 { 198.19.10.1 . tcp . 80 }"
        site.shell.run("nft", "delete", "element", "ip", "custom", *element.split())
        site.logged(f"~ element ip {element.partition(' ')[0]}"[2:], 1)
        site.logged("put right", 2)
        site.serves(1, 2, 3)


def test_what_others_change_is_only_told_where_that_is_asked_for(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent("--repair", "never"):
        site.settled(3)
        site.shell.run("nft", "flush", "ruleset")
        site.logged("somebody changed what is ours")
    assert "put right" not in site.said()
    assert site.shell.endpoints() == set()


def test_what_others_have_under_the_prefix_is_named_once_and_left_alone(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    theirs = ["table", "ip6", "custom", "{ chain blocked { type filter hook input priority 0; } ; }"]
    site.shell.run("nft", " ".join(theirs))
    with site.agent():
        site.serves(1, 2, 3)
        site.logged("warning: table ip6 custom is not svcc's", 1)
        site.write(ends="100.64.0.1; 100.64.0.2")
        site.serves(1, 2)
        assert site.said().count("is not svcc's") == 1
    assert "chain blocked" in site.shell.run("nft", "list", "table", "ip6", "custom")


def test_one_hand_on_the_wheel(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent() as agent:
        site.serves(1, 2, 3)
        for words in (["apply", "a.dsl", "-t", "nft"], ["rollback"], ["delete"]):
            said = site.shell.svcc(*words, status=3).stderr
            assert f"is kept by process {agent.pid}, svcc agent agent.dsl" in said
        with site.agent() as other:
            other.wait()
            assert other.returncode == 3
        site.logged("is kept by process")
        site.serves(1, 2, 3)
    site.shell.svcc("delete")


def test_what_is_known_survives_a_kill(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent() as agent:
        site.logged(" up probe=", 3)
        site.serves(1, 2, 3)
        site.down("100.64.0.2")
        site.serves(1, 3)
        _noted(site, down=1)
        agent.kill()
        agent.wait()
    assert site.shell.endpoints() == {"100.64.0.1", "100.64.0.3"}
    site.log.unlink()
    with site.agent():
        site.logged("read file=")
        site.until(lambda: "svcc agent" in _keeper(site), "it keeps the prefix")
        site.up("100.64.0.2")
        site.logged(" up probe=", 1)
        site.serves(1, 2, 3)
    assert " down " not in site.said()


def test_what_an_agent_noted_counts_until_something_else_changes_what_is_served(site: Site) -> None:
    site.up("100.64.0.1", "100.64.0.3")
    with site.agent():
        site.logged(" down=1 ")
        site.serves(1, 3)
        site.logged('does not pass yet probe="tcp 100.64.0.2:8080"')
    past = r"as it was noted \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: no agent runs"
    shown = site.shell.svcc("agent", "status", status=1).stdout
    assert re.search(rf"^tcp 100\.64\.0\.2:8080 +web +joining .*(.*\n)*The health is {past}\.$", shown, re.MULTILINE)
    assert re.search(rf"^The health is {past}\.$", site.shell.svcc("status").stdout, re.MULTILINE)
    plan = site.shell.svcc("plan", "agent.dsl", "-t", "nft", status=1).stdout
    assert re.search(rf"^Health, {past}\n  web: tcp 100\.64\.0\.2:8080 joining ", plan, re.MULTILINE)
    (row,) = follows("plan", site.shell.svcc("plan", "agent.dsl", "-t", "nft", "--json", status=1).stdout)["health"]
    assert (row["asked"], row["up"]) == (False, False)
    site.shell.svcc("restore")
    assert site.shell.endpoints() == {"100.64.0.1", "100.64.0.3"}
    assert "Health" in site.shell.svcc("plan", "agent.dsl", "-t", "nft", status=1).stdout
    site.shell.svcc("apply", "agent.dsl", "-t", "nft")
    assert "joining" not in site.shell.svcc("status").stdout
    assert "Health" not in site.shell.svcc("plan", "agent.dsl", "-t", "nft").stdout
    assert site.shell.svcc("agent", "status").stdout == "No endpoint is checked.\n"
    with site.agent():
        site.logged(' down probe="tcp 100.64.0.2:8080"')  # it served, and so was up until it failed
        site.serves(1, 3)
    site.shell.svcc("delete")
    assert site.shell.svcc("agent", "status").stdout == "No endpoint is checked.\n"


def _keeper(site: Site) -> str:
    path = site.shell.folder / "state" / "custom" / "keeper"
    return path.read_text() if path.exists() else ""


def test_metrics_and_health(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent("--listen", "127.0.0.1:0"):
        site.logged("listening address=127.0.0.1")
        site.logged(" up probe=", 3)
        site.serves(1, 2, 3)
        found = re.search(r"listening address=127\.0\.0\.1 port=(\d+)", site.said())
        assert found is not None
        url = f"http://127.0.0.1:{found[1]}"
        site.down("100.64.0.2")
        site.serves(1, 3)
        site.until(lambda: 'svcc_endpoints{service="web",state="down"} 1.0' in _get(site, f"{url}/metrics"), "metrics")
        assert _get(site, f"{url}/healthz") == "200 ok\n"
        served = _get(site, f"{url}/metrics").removeprefix("200 ")
        asked = queries(ROOT / "examples" / "grafana.json")
        assert len(asked) > 10
        assert [lack for query in asked for lack in lacking(query, served)] == []
        assert lacking('sum by (zone) (svcc_endpoints{state="dead"}) / svcc_nothing', served) == [
            'svcc_endpoints{state="dead"}',
            "svcc_nothing",
            "by zone",
        ]
        site.write(ends="100.64.0.1 weight ten")
        site.until(lambda: _get(site, f"{url}/healthz") == "503 agent.dsl has errors\n", "503")
        assert "svcc_input_errors 1.0" in _get(site, f"{url}/metrics")


def test_a_request_that_is_no_http_is_refused_and_leaves_nothing_in_the_log(site: Site) -> None:
    long = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"
    with site.agent("--listen", "127.0.0.1:0"):
        site.logged("listening address=127.0.0.1")
        found = re.search(r"listening address=127\.0\.0\.1 port=(\d+)", site.said())
        assert found is not None
        for request in (
            b"GET /healthz HTTP/1.1\r\n\r\n",
            long,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
        ):
            with site.shell.namespace.entered(), socket.create_connection(("127.0.0.1", int(found[1]))) as client:
                client.sendall(request)
                assert client.recv(4096).startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 ", b"HTTP/1.1 200 "))
    assert [line for line in site.said().splitlines() if not line.startswith("svcc: ")] == []


def _get(site: Site, url: str) -> str:
    script = (
        "import sys, urllib.request, urllib.error\n"
        "try: found = urllib.request.urlopen(sys.argv[1], timeout=60)\n"
        "except urllib.error.HTTPError as error: found = error\n"
        "print(found.status, found.read().decode(), end='')\n"
    )
    return site.shell.run(sys.executable, "-c", script, url)


def test_a_supervisor_is_told(site: Site, tmp_path: Path) -> None:
    """By the protocol of sd_notify(3)."""
    site.up(*ADDRESSES[:3])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(os.fspath(tmp_path / "notify"))
        heard.settimeout(300)
        with site.agent(NOTIFY_SOCKET=os.fspath(tmp_path / "notify"), WATCHDOG_USEC="1000000") as agent:
            said = {heard.recv(1000).decode()}
            while said != {"READY=1", "WATCHDOG=1"}:
                said.add(heard.recv(1000).decode())
            assert site.shell.endpoints() != set()
            agent.send_signal(signal.SIGHUP)
            while not (found := heard.recv(1000).decode()).startswith("RELOADING=1\nMONOTONIC_USEC="):
                assert found in ("READY=1", "WATCHDOG=1")
            while heard.recv(1000).decode() != "READY=1":
                pass
            agent.send_signal(signal.SIGTERM)
            while heard.recv(1000).decode() != "STOPPING=1":
                pass
            assert agent.wait() == 0


def test_logs_as_json(site: Site) -> None:
    site.up(*ADDRESSES[:3])
    with site.agent("--log", "json"):
        site.logged('"event": "up"', 3)
        site.logged('"event": "in the kernel"')  # which is said after the kernel has it
    lines = [json.loads(line) for line in site.said().splitlines()]
    assert {"time", "level", "event", "probe", "service", "answer"} == set(
        next(one for one in lines if one["event"] == "up")
    )
    changes = [one for one in lines if one["event"] == "in the kernel"]
    assert all(0 < one["seconds"] <= one["recorded"] for one in changes)
    assert any(one["seconds"] < one["recorded"] for one in changes), "what took a step was recorded after it"


def test_without_what_it_needs(site: Site) -> None:
    script = (
        "import sys, importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'aiohttp' else real(name, *more)\n"
        "sys.argv = ['svcc', 'agent', 'agent.dsl', '-t', 'nft']\n"
        "from svcc.__main__ import main; main()\n"
    )
    with site.shell.namespace.entered():
        done = subprocess.run(
            [sys.executable, "-P", "-c", script], cwd=site.shell.folder, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (3, "svcc: the agent needs aiohttp: pip install 'svcc[agent]'\n")
