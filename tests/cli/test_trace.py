"""``svcc trace``: whole outputs, and the messages about wrong command lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from svcc.command_line import svcc
from svcc.exits import Exit
from svcc.verify.packet import Portless

DNS = """\
cluster { prefix DNS; pods 100.64.0.0/24 }
node here { address 10.0.0.4 }
service dns {
  vip 198.19.0.53
  port 53/udp -> 5353
  endpoints { 100.64.0.53 weight 3; 100.64.0.54 }
}
"""
TO = "198.19.0.53:53/udp"


def run(*arguments: str, text: str = DNS) -> Result:
    return CliRunner().invoke(svcc, ["trace", *arguments], input=text)


def compiled(target: str) -> str:
    return CliRunner().invoke(svcc, ["compile", "-", "-t", target], input=DNS).output


def test_ipvs_line_by_line() -> None:
    result = run("-", "-t", "ipvs", "--from", "100.64.0.53", "--to", TO)
    assert result.exit_code == Exit.DONE
    lines = [line.split(None, 2) for line in result.output.splitlines()]
    places = [(line[0], line[1]) for line in lines if len(line) > 1 and line[1].startswith("ip")]
    assert places == [
        ("prerouting", "iptables:11"),
        ("prerouting", "iptables:16"),
        ("input", "iptables:25"),
        ("input", "ipvsadm:1"),
        ("input", "ipvsadm:2"),
        ("postrouting", "iptables:13"),
        ("postrouting", "iptables:17"),
        ("postrouting", "iptables:19"),
        ("postrouting", "iptables:20"),
        ("input", "ipvsadm:3"),
        ("postrouting", "iptables:13"),
    ]
    assert [line.strip() for line in result.output.splitlines() if "=>" in line] == [
        "=> 100.64.0.53:5353, masqueraded",
        "=> 100.64.0.54:5353",
    ]


@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs"])
def test_the_outcome_is_the_same_on_all_targets(target: str) -> None:
    outcome = "outcome\n        3/4  100.64.0.53:5353, masqueraded\n        1/4  100.64.0.54:5353\n"
    result = run("-", "-t", target, "--from", "100.64.0.53", "--to", TO)
    assert result.output.endswith(outcome)
    assert result.output.startswith(f"100.64.0.53 -> {TO}, from a pod\n")


@pytest.mark.parametrize("source", ["192.0.2.1", "100.64.0.53", "10.0.0.4"])
@pytest.mark.parametrize("protocol", list(Portless))
@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs"])
def test_what_has_no_ports_is_untouched(target: str, protocol: Portless, source: str) -> None:
    result = run("-", "-t", target, "--from", source, "--to", f"198.19.0.53/{protocol}")
    assert result.output.endswith("outcome\n        all  untouched: goes on as if there were no rules\n")


@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs"])
def test_a_bundle_is_read_as_the_program_is(target: str) -> None:
    """But for what only the program says: the node's addresses and the pod networks."""
    packet = ("--from", "192.0.2.1", "--to", TO)
    whole = run("-", "-t", target, *packet)
    bundle = run("-", "-t", target, *packet, "--local", "10.0.0.4", text=compiled(target))
    assert (bundle.exit_code, bundle.output) == (Exit.DONE, whole.output)


def test_json() -> None:
    result = run("-", "-t", "nft", "--from", "10.0.0.4", "--to", TO, "--json")
    document = json.loads(result.output)
    assert document["packet"] == {"from": "10.0.0.4", "to": "198.19.0.53", "port": 53, "protocol": "udp", "in": "node"}
    assert document["ends"] == [
        {
            "share": "3/4",
            "outcome": "forward",
            "address": "100.64.0.53",
            "port": 5353,
            "masquerade": True,
            "sources": [],
        },
        {
            "share": "1/4",
            "outcome": "forward",
            "address": "100.64.0.54",
            "port": 5353,
            "masquerade": True,
            "sources": [],
        },
    ]
    assert document["affinity"] is None
    assert [way["share"] for way in document["ways"]] == ["3/4", "1/4"]
    assert all(list(step) == ["hook", "part", "line", "text"] for way in document["ways"] for step in way["steps"])


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("192.0.2.1", [], "from outside"),
        ("100.64.0.9", [], "from a pod"),
        ("10.0.0.4", [], "sent by the node"),
        ("127.0.0.1", [], "sent by the node"),
        ("10.0.0.5", ["--local", "10.0.0.5"], "sent by the node"),
        ("100.64.0.9", ["--in", "client"], "from outside"),
    ],
)
def test_where_a_packet_enters(source: str, options: list[str], words: str) -> None:
    result = run("-", "-t", "iptables", "--from", source, "--to", TO, *options)
    assert result.output.splitlines()[0] == f"{source} -> {TO}, {words}"


@pytest.mark.parametrize(
    ("words", "addresses"),
    [
        (("--from", "fd00::1:80", "--to", "[fd00::2]:80/tcp"), ["fd00::1:80"]),
        (("--from", "fd00::1", "--to", "fd00::2:8080/icmp"), ["fd00::2:8080"]),
        (("--from", "fd00::1", "--to", "[fd00::2]:8080/udp", "--local", "fd00::3:443"), ["fd00::3:443"]),
    ],
)
def test_an_address_that_ends_like_a_port_is_warned_of(words: tuple[str, ...], addresses: list[str]) -> None:
    warned = [line for line in run("-", "-t", "nft", *words).output.splitlines() if "warning" in line]
    assert warned == [f"svcc: warning: `{one}` is one address, without a port" for one in addresses]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "nft", "--from", "x", "--to", TO], "Invalid value for '--from': `x` is no address"),
        (["-t", "nft", "--from", "192.0.2.1", "--to", "198.19.0.53:53"], "`198.19.0.53:53` is not ADDR:PORT/PROTO"),
        (
            ["-t", "nft", "--from", "192.0.2.1", "--to", "198.19.0.53:0/udp"],
            "`198.19.0.53:0/udp` is not ADDR:PORT/PROTO",
        ),
        (["-t", "nft", "--from", "192.0.2.1", "--to", "198.19.0.53:53/icmp"], "`198.19.0.53:53/icmp` is not ADDR"),
        (["-t", "nft", "--from", "fd00::1", "--to", "fd00::2:53/udp"], "`fd00::2:53/udp` is not ADDR:PORT/PROTO"),
        (["-t", "nft", "--from", "fd00::1", "--to", TO], "fd00::1 and 198.19.0.53 are of different families"),
        (["-t", "ir", "--from", "192.0.2.1", "--to", TO], "takes it): choose iptables, ipvs or nft"),
    ],
)
def test_what_is_wrong_with_a_command_line(arguments: list[str], message: str) -> None:
    result = run("-", *arguments)
    assert result.exit_code == Exit.INPUT
    assert message in result.output


def test_what_is_wrong_with_a_bundle_has_its_part_and_line() -> None:
    text = compiled("iptables").replace("-j MASQUERADE --random-fully", "-j MASQUERADE --to-ports 1-9", 1)
    result = run("-", "-t", "iptables", "--from", "192.0.2.1", "--to", TO, text=text)
    line = 1 + text[: text.index("--to-ports")].count("\n")
    first, place, *_ = result.output.splitlines()
    assert first == "error[SVC066]: expected `--random-fully`, not `--to-ports`"
    assert place.split() == ["-->", f"<stdin>:{line}:19"]
    assert result.exit_code == Exit.INPUT


def test_a_bundle_for_another_target_and_for_another_node() -> None:
    packet = ("--from", "192.0.2.1", "--to", TO)
    other = run("-", "-t", "nft", *packet, text=compiled("ipvs"))
    assert other.output.startswith("error[SVC065]: it is a bundle for ipvs, not for nft\n --> <stdin>:1:25\n")
    node = run("-", "-t", "ipvs", "-n", "there", *packet, text=compiled("ipvs"))
    assert "- was compiled for here: --node cannot change that" in node.output
    assert (other.exit_code, node.exit_code) == (Exit.INPUT, Exit.INPUT)


def test_a_file_is_found_out_by_its_content(tmp_path: Path) -> None:
    for name, text in (("a.rules", compiled("ipvs")), ("b.json", compiled("nft")), ("c.dsl", DNS)):
        file = tmp_path / name
        file.write_text(text)
        target = "nft" if name == "b.json" else "ipvs"
        result = run(str(file), "-t", target, "--from", "192.0.2.1", "--to", TO, "--local", "10.0.0.4")
        assert result.exit_code == Exit.DONE, result.output


def test_ipv6() -> None:
    text = DNS.replace("198.19.0.53", "fd00:19::53").replace("100.64.0.53 weight 3; 100.64.0.54", "fd00:64::53")
    result = run("-", "-t", "ipvs", "--from", "2001:db8::1", "--to", "[fd00:19::53]:53/udp", text=text)
    assert result.output.startswith("2001:db8::1 -> [fd00:19::53]:53/udp, from outside\n")
    assert result.output.endswith("outcome\n        all  [fd00:64::53]:5353\n")


@pytest.mark.parametrize("target", ["nft", "iptables"])
@pytest.mark.parametrize(
    ("address", "source", "to"),
    [("10.0.0.5", "192.0.2.9", "10.0.0.5:30053"), ("fd00:10::5", "2001:db8::9", "[fd00:10::5]:30053")],
)
def test_an_address_of_a_node_that_is_not_named_is_an_error(target: str, address: str, source: str, to: str) -> None:
    text = DNS.replace("5353", "5353 nodeport 30053") + "node there { address 10.0.0.5 fd00:10::5 }\n"
    result = run("-", "-t", target, "--from", source, "--to", f"{to}/udp", text=text)
    assert (result.exit_code, result.output.splitlines()[-1]) == (
        Exit.INPUT,
        f"Error: {address} is an address of node there: say --node there",
    )


@pytest.mark.parametrize("target", ["iptables", "ipvs", "nft"])
@pytest.mark.parametrize(("source", "goes"), [("10.0.0.9", "10.0.0.4:3"), ("11.0.0.9", "dropped")])
def test_a_node_port_that_is_its_endpoint_s_own_address_and_port(
    target: str, source: str, goes: str, tmp_path: Path
) -> None:
    """Nothing is translated then, and who may come is served all the same."""
    (tmp_path / "x.dsl").write_text(
        "cluster { nodeports 1-200 }\nnode n { address 10.0.0.4 }\nservice a { vip 198.19.0.2; port 3/udp nodeport 3\n"
        "allow-from 10.0.0.0/8\nendpoints { 10.0.0.4 } }\n"
    )
    words = ["trace", str(tmp_path / "x.dsl"), "-t", target, "--from", source, "--to", "10.0.0.4:3/udp"]
    done = CliRunner().invoke(svcc, words)
    assert re.search(rf"^outcome\n +all +{re.escape(goes)}", done.output, re.MULTILINE), done.output
