"""Large bundles that no target printed: they are refused before they take much memory or time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from support.bundles import refusal
from support.memory import at_most
from svcc.targets import targets

#: Characters of each text, the bytes that it may take, and processor seconds (comparing all lines with all takes more).
_SIZE, _MEMORY, _SECONDS = 8 << 20, 200 << 20, 60

_IPTABLES = "#: svcc bundle 1 target=iptables node=-\n#: part iptables\n"
_IPVS = "#: svcc bundle 1 target=ipvs node=-\n"
_SET = "#: part ipset\ncreate A-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536\n"
_TABLE = '{"nftables": [{"add": {"table": {"family": "ip", "name": "svcc"}}},'


def _many(line: Callable[[int], str]) -> str:
    """As many lines as have the size, each of its number."""
    return "".join(map(line, range(_SIZE // len(line(100_000)))))


def _host(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _element(number: int) -> str:
    value = f'[[{{"concat": ["{_host(number)}", "tcp", 80]}}, {{"goto": {{"target": "x"}}}}]]'
    return f'{{"add": {{"element": {{"family": "ip", "table": "svcc", "name": "services", "elem": {value}}}}}}},'


def _nat(line: Callable[[int], str], first: str = "") -> str:
    return f"{_IPTABLES}*nat\n{first}" + _many(line) + "COMMIT\n"


#: By name: the target, and the text.
TEXTS: dict[str, tuple[str, Callable[[], str]]] = {
    "chains of somebody's": ("iptables", lambda: _nat(lambda n: f":A-{n} - [0:0]\n")),
    "chains of many prefixes": ("iptables", lambda: _nat(lambda n: f":A{n}-SVC-x - [0:0]\n")),
    "chains without rules": ("iptables", lambda: _nat(lambda n: f":A-SVC-{n} - [0:0]\n")),
    "one rule": ("iptables", lambda: _nat(lambda _: "-A A-SERVICES -j RETURN\n", ":A-SERVICES - [0:0]\n")),
    "tables": ("iptables", lambda: _IPTABLES + _many(lambda _: "*nat\nCOMMIT\n")),
    "tables of somebody's": ("iptables", lambda: _IPTABLES + _many(lambda _: "*raw\nCOMMIT\n")),
    "sets": (
        "ipvs",
        lambda: (
            f"{_IPVS}#: part ipset\n"
            + _many(lambda n: f"create A{n}-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536\n")
        ),
    ),
    "elements": ("ipvs", lambda: _IPVS + _SET + _many(lambda n: f"add A-CLUSTER-IP {_host(n)},tcp:080\n")),
    "ranges of ports": ("ipvs", lambda: _IPVS + _SET + _many(lambda n: f"add A-CLUSTER-IP {_host(n)},tcp:1-65535\n")),
    "parts": ("ipvs", lambda: _IPVS + _many(lambda _: "#: part ipset\n")),
    "settings": ("ipvs", lambda: f"{_IPVS}#: part sysctl\n" + _many(lambda _: "net.ipv4.ip_forward = 1\n")),
    "elements of no set": ("nft", lambda: _TABLE + _many(_element) + "{}]}"),
    "small values": ("nft", lambda: '{"nftables": [' + _many(lambda _: "[],") + "{}]}"),
    "one string": ("nft", lambda: '{"nftables": ["' + _many(lambda _: "a") + '"]}'),
    "depth": ("nft", lambda: '{"nftables": ' + _many(lambda _: "[")),
    "tables in nft's language": ("nft", lambda: "table ip svcc {\n" + _many(lambda n: f"  chain c{n} {{\n  }}\n")),
}


@pytest.mark.parametrize(("name", "text"), TEXTS.values(), ids=TEXTS)
def test_it_is_refused_soon(name: str, text: Callable[[], str]) -> None:
    given = text()
    gc.freeze()  # what other tests left in this process is not looked through any more
    began = time.thread_time()
    with at_most(_MEMORY):
        message = refusal(given, targets()[name])
    assert time.thread_time() - began < _SECONDS
    assert message is not None
    assert message.startswith("error[SVC06")
