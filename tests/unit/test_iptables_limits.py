"""What the iptables target refuses, and that what it accepts just fits."""

from __future__ import annotations

import pytest

from support.iptables_kernel import TARGET, program
from svcc.compiler.codes import Code
from svcc.kernel.xtables.names import CHAIN_NAME
from svcc.targets.capability import check_target
from svcc.targets.iptables.names import PREFIX, Names


def refused(text: str) -> list[tuple[Code, str, str | None]]:
    """The code of each finding, the text that it points at, and the hint."""
    made = program(text)
    found = []
    for diagnostic in check_target(made, TARGET, next(iter(made.nodes), None)):
        span = diagnostic.span
        assert span is not None
        found.append((diagnostic.code, span.source.text[span.start : span.end], diagnostic.hint))
    return found


def service(scheduler: str, *weights: int, name: str = "web") -> str:
    endpoints = "\n".join(f"100.64.0.{n} weight {weight}" for n, weight in enumerate(weights, start=1))
    return f"service {name} {{ vip 198.19.10.0; port 80/tcp; scheduler {scheduler}; endpoints {{ {endpoints} }} }}"


def shifted(addresses: int) -> str:
    last = f"198.18.{addresses >> 8}.{addresses & 255}"
    return f"service web {{ vip 198.18.0.1-{last}; port 1-1024/tcp -> 5000; endpoints {{ 100.64.0.9 }} }}"


@pytest.mark.parametrize(
    ("text", "code", "place", "hint"),
    [
        (
            service("wrr", 1, 1024),
            Code.TARGET_LIMIT,
            "wrr",
            "choose weights that, in lowest terms, add up to at most 1024, or use scheduler random",
        ),
        (
            service("sh", *[1] * 33),
            Code.TARGET_LIMIT,
            "sh",
            "choose weights that, in lowest terms, add up to at most 32, or use target nft or ipvs",
        ),
        (
            "cluster { prefix SEVENTEEN-LETTERS }",
            Code.NAME_TOO_LONG,
            "SEVENTEEN-LETTERS",
            "use at most 16 characters",
        ),
        (
            shifted(1024),
            Code.TARGET_LIMIT,
            "1-1024/tcp",
            "make the range smaller, let the endpoints listen on the service's own ports, or use nft",
        ),
    ],
)
def test_refused(text: str, code: Code, place: str, hint: str) -> None:
    assert refused(text) == [(code, place, hint)]


@pytest.mark.parametrize(
    "text",
    [
        service("wrr", 1, 1023),
        service("wrr", 65535, 65535),
        service("random", 1, 65535),
        service("sh", *[7] * 32),
        service("sh", 1, 31),
        "cluster { prefix SIXTEEN--LETTERS }",
        shifted(256),
        shifted(1024).replace(" -> 5000", ""),
    ],
)
def test_taken(text: str) -> None:
    assert refused(text) == []


def test_draining_endpoints_take_no_turns() -> None:
    assert refused(service("sh", 31, 1, 0)) == []


DUAL = "100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19"


@pytest.mark.parametrize(
    ("reached", "endpoints", "right"),
    [
        ("vip 198.19.10.0 fd00:19::10; port 80/tcp", DUAL, False),
        ("vip 198.19.10.0; port 80/tcp nodeport 30080", DUAL, False),
        ("vip 198.19.10.0; port 80/tcp", DUAL, True),
        ("vip 198.19.10.0 fd00:19::10; port 80/tcp", "100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 draining", True),
    ],
)
def test_sh_cannot_tell_ipv6_clients_apart(reached: str, endpoints: str, right: bool) -> None:
    """Measured: sixty clients in one /64, and all of them at one endpoint of sixteen."""
    found = refused(f"service web {{ {reached}; scheduler sh; endpoints {{ {endpoints} }} }}")
    hint = "use target nft or ipvs, or another scheduler"
    assert found == ([] if right else [(Code.UNSUPPORTED, "sh", hint)])


def test_names_fit_with_the_longest_prefix() -> None:
    names = Names("P" * PREFIX)
    fixed = [getattr(names, key) for key, value in vars(Names).items() if isinstance(value, property)]
    long = [names.balance("x" * 60), names.external("x" * 60), names.sources("x" * 60), names.at("fd00:19::/128")]
    assert max(map(len, fixed)) == CHAIN_NAME
    assert all(len(name) <= CHAIN_NAME and name.startswith("P" * PREFIX + "-") for name in (*fixed, *long))


def test_a_name_that_was_cut_is_told_in_a_comment() -> None:
    artifact = TARGET.render(
        program(
            "service shop/web-frontend-of-the-shop { vip 198.19.10.0; port http 80/tcp; port x 81/tcp;"
            " endpoints { 100.64.0.9 } }"
        ),
        None,
    ).artifacts[0]
    line = next(line for line in artifact.text.splitlines() if "--dport 80 " in line)
    assert line == (
        "-A SVCC-SERVICES -d 198.19.10.0/32 -p tcp -m tcp --dport 80 "
        '-m comment --comment "shop/web-frontend-of-the-shop-http" -g SVCC-SVC-shop/web-4966ac9f3a'
    )


@pytest.mark.parametrize(
    "ports",
    [
        "port x 80-81/tcp -> 90; port x-81 82/tcp",
        'port x 80-81/tcp -> 90; port x-81 82/tcp; port "x-81:" 83/tcp',
        "port x 80-81/tcp -> 90; port x-81 82-83/tcp -> 92",
    ],
)
def test_a_port_of_a_shifted_range_is_called_like_no_other_port(ports: str) -> None:
    assert not refused(f"service web {{ vip 198.19.10.0; {ports}; endpoints {{ 100.64.0.9 }} }}")


def test_chains_whose_names_are_one_when_cut_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Names, "balance", lambda _, label: f"SVCC-SVC-{label[:4]}")
    text = "service web { vip 198.19.10.0; port a 80/tcp; port b 82/tcp; endpoints { 100.64.0.9 } }"
    assert refused(text) == [(Code.NAME, "port", "rename one of the ports")]


def test_a_port_of_a_shifted_range_is_called_like_another_service() -> None:
    assert not refused(
        "service web { vip 198.19.10.0; port 80-81/tcp -> 90; endpoints { 100.64.0.9 } }\n"
        "service web-81 { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9 } }"
    )


def test_services_and_ports_whose_names_run_together_have_chains_of_their_own() -> None:
    assert not refused(
        "service a { vip 198.19.10.0; port b 80/tcp; port b-c 81/tcp; endpoints { 100.64.0.9 } }\n"
        "service a-b { vip 198.19.10.1; port c 80/tcp; endpoints { 100.64.0.9 } }\n"
        "service a-b-c { vip 198.19.10.2; port 80/tcp; endpoints { 100.64.0.9 } }"
    )
