"""Slips of people who come from YAML, HAProxy, keepalived and nginx: each has a hint that says what to write."""

from __future__ import annotations

import pytest

from svcc.compiler.load import load_text
from svcc.compiler.source import Source

_SERVICE = "service web {{\n  vip 198.19.0.1\n  port 80/tcp\n  {}\n  endpoints {{ 100.64.0.9 }}\n}}\n"
_PORT = "service web {{\n  vip 198.19.0.1\n  {}\n  endpoints {{ 100.64.0.9 }}\n}}\n"
_ENDPOINT = "service web {{\n  vip 198.19.0.1\n  port 80/tcp\n  endpoints {{\n    {}\n  }}\n}}\n"
_CLUSTER = "cluster {{\n  {}\n}}\n"
_TOP = "{}\nservice web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.9 }} }}\n"

_WORD = "svcc's word for that is: "
_LINE = f"{_WORD}100.64.0.9:8080 weight 2, a line in `endpoints {{ … }}`"
_CHECK = "that is for all endpoints: check tcp every 5s fall 3 rise 2, a line of the service"
_FORWARD = "(it is `masquerade`, `direct` or `tunnel`)"
_MASQUERADE = "(it is `auto`, `always` or `never`)"
_PROTOCOL = "(it is `tcp`, `udp` or `sctp`)"
_EMPTY = "(it is `reject`, `drop` or `draining`)"
_EVERY = "every address is written 0.0.0.0/0, for IPv6 ::/0"
_VRRP = "svcc moves no address between machines: say `external-ip ADDRESS shared`, and leave that to VRRP"
_KUBERNETES = (
    "a service is called by its head and lists its endpoints; Kubernetes' objects: svcc import kubernetes FILE"
)

#: Where something is written, what, and the hint.
SLIPS: list[tuple[str, str, str]] = [
    # endpoints
    (_ENDPOINT, "100.64.0.9:8080 max_fails=3 fail_timeout=30s", _CHECK),
    (_ENDPOINT, "100.64.0.9:8080 inter 2s rise 3", _CHECK),
    (_ENDPOINT, "100.64.0.9 down", "to get nothing new: 100.64.0.9 draining; or leave the line out"),
    (_ENDPOINT, "100.64.0.9:80 disabled", "to get nothing new: 100.64.0.9:80 draining; or leave the line out"),
    (_ENDPOINT, "100.64.0.9 100", "write: 100.64.0.9 weight 100, or a port: 100.64.0.9:100"),
    (_ENDPOINT, "100.64.0.9 port 8080", "the port follows the address: 100.64.0.9:8080"),
    (_ENDPOINT, "address: 100.64.0.9", _LINE),
    (_ENDPOINT, "ip 100.64.0.9", _LINE),
    (_ENDPOINT, "tcp://100.64.0.9:80", "an endpoint is an address, and how it is spoken to is not said: 100.64.0.9:80"),
    (_ENDPOINT, "100.64.0.9:80, 100.64.0.19:80", "one endpoint a line, or `;` between them, and no commas"),
    (_SERVICE, "endpoints 100.64.0.9 100.64.0.19", "endpoints stand in a block: endpoints { 100.64.0.9; 100.64.0.19 }"),
    (
        _SERVICE,
        "endpoints [100.64.0.9, 100.64.0.19]",
        "endpoints stand in a block: endpoints { 100.64.0.9; 100.64.0.19 }",
    ),
    # what begins a statement elsewhere
    (_SERVICE, "option httpchk GET /healthz", f"{_WORD}check http 8080 /healthz every 5s"),
    (_SERVICE, "delay_loop 6", f"{_WORD}check http 8080 /healthz every 5s"),
    (_SERVICE, "retry 3", f"{_WORD}check tcp every 5s fall 3 rise 2"),
    (_SERVICE, "least_conn;", f"{_WORD}scheduler lc"),
    (_SERVICE, "proxy_pass web;", f"{_WORD}endpoints {{ 100.64.0.9; 100.64.0.19 }}"),
    (_SERVICE, "default_backend web", f"{_WORD}endpoints {{ 100.64.0.9; 100.64.0.19 }}"),
    (_SERVICE, "weight 4", _LINE),
    (_SERVICE, "deny all", f"{_WORD}allow-from 10.0.0.0/8"),
    (_SERVICE, "endpoint 100.64.0.9", "did you mean `endpoints`?"),
    (_CLUSTER, "podCIDR: 10.0.0.0/8", f"{_WORD}pods 100.64.0.0/24"),
    (_CLUSTER, "cluster-cidr 10.0.0.0/8", f"{_WORD}pods 100.64.0.0/24"),
    (_CLUSTER, "service-node-port-range 1-2", f"{_WORD}nodeports 30000-32767"),
    (_CLUSTER, "interface eth0", f"{_WORD}vip-device svcc0"),
    (_TOP, "node a { ip 10.0.0.4 }", f"{_WORD}address 10.0.0.4"),
    # what svcc leaves to others
    (_SERVICE, "virtual_router_id 51", _VRRP),
    (_TOP, "vrrp_instance VI_1 { }", _VRRP),
    (_SERVICE, "selector: app=web", _KUBERNETES),
    (_SERVICE, "type: LoadBalancer", _KUBERNETES),
    (
        _SERVICE,
        "timeout connect 5s",
        "how long connections last is the kernel's affair; a check has a time: check tcp timeout 2s",
    ),
    (_SERVICE, "ssl_certificate x", "svcc balances connections, and does not look into them"),
    (_SERVICE, "log global", "svcc logs no connections; `conntrack -E` shows them as they come"),
    # values
    (_SERVICE, "forward DR", f"did you mean `direct`? {_FORWARD}"),
    (_SERVICE, "forward NAT", f"did you mean `masquerade`? {_FORWARD}"),
    (_SERVICE, "masquerade true", f"did you mean `always`? {_MASQUERADE}"),
    (_SERVICE, "masquerade off", f"did you mean `never`? {_MASQUERADE}"),
    (_SERVICE, "announce true", "did you mean `yes`? (it is `yes` or `no`)"),
    (_SERVICE, "affinity source", "did you mean `client-ip`? (it is `client-ip`)"),
    (_SERVICE, "when-empty refuse", f"did you mean `reject`? {_EMPTY}"),
    (_SERVICE, "affinity client-ip 10800", "a time has a unit, s, m, h or d: 10800s"),
    (_SERVICE, "affinity client-ip 3 h", "no blank before the unit: 3h"),
    (_SERVICE, "allow-from any", _EVERY),
    (_SERVICE, "allow-from *", _EVERY),
    (_CLUSTER, "pods all", _EVERY),
    (_PORT, "vip *", "svcc serves addresses that it knows: write them"),
    # checks
    (_SERVICE, "check tcp 80 interval 5s", "the word is `every`: check tcp every 5s"),
    (_SERVICE, "check tcp inter 2s", "the word is `every`: check tcp every 2s"),
    (_SERVICE, "check http 8080 /healthz every 5", "a time has a unit, s, m, h or d: 5s"),
    (_SERVICE, "check http GET /healthz", "a check asks by GET alone: check http /healthz"),
    # ports
    (_PORT, "port 80/tcp 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp to 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp > 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp - 8080", "write: 80/tcp -> 8080"),
    (
        _PORT,
        "port 80/tcp -> 100.64.0.9:8080",
        "addresses stand in `endpoints { … }`, and here the port that they have: -> 8080",
    ),
    (_CLUSTER, "nodeports 30000 - 32767", "a range is written with `-`: 30000-32767"),
    (_PORT, "port 80 - 90/tcp", "a range is written with `-`: 80-90/tcp"),
    (_PORT, "port 80/tcp -> http", "the target is a number: -> 8080"),
    (_PORT, "port 80/*", "one statement for each protocol: port 80/tcp"),
    (_PORT, "port */tcp", "a port is a number or a range of numbers: port 1-65535/tcp"),
    (_PORT, "port any", "a port is a number or a range of numbers: port 1-65535/tcp"),
    (_PORT, "port 80..90/tcp", "a range is written with `-`: 80-90/tcp"),
    (_PORT, "port 80/tcp nodePort: 30080", "write: nodeport 30080"),
    (_PORT, "port 443/quic", f"did you mean `udp`? {_PROTOCOL}"),
    (_PORT, "port 443/https", f"did you mean `tcp`? {_PROTOCOL}"),
    (_CLUSTER, "nodeports 30000:32767", "a range is written with `-`: 30000-32767"),
    (_CLUSTER, "mark 0x4000/0x4000", "the mark is its own mask: mark 0x4000"),
    # the top of a file
    (_TOP, "x = [10.0.0.0/8]", "names for addresses are given by `let`: let x = [10.0.0.0/8]"),
    (_TOP, "$x := 10.0.0.0/8", "names for addresses are given by `let`: let x = 10.0.0.0/8"),
    (_TOP, "let x: [10.0.0.0/8]", "a let has a `=`: let x = [10.0.0.0/8]"),
    (_TOP, "let x := [10.0.0.0/8]", "a let has a `=`: let x = [10.0.0.0/8]"),
    (_TOP, "let $x = [10.0.0.0/8]", "the `$` stands where the name is used: let x = [10.0.0.0/8]"),
    (_TOP, "let x = (10.0.0.0/8)", "values stand in square brackets: let x = [10.0.0.0/8]"),
    (_TOP, "endpoints web = [100.64.0.9, 100.64.0.19]", "write: endpoints web { 100.64.0.9; 100.64.0.19 }"),
    (_TOP, "node a 10.0.0.4", "write: node a { address 10.0.0.4 }"),
]


@pytest.mark.parametrize(("where", "written", "hint"), SLIPS, ids=[written for _, written, _ in SLIPS])
def test_the_hint_says_what_to_write(where: str, written: str, hint: str) -> None:
    found = load_text(Source("a.dsl", where.format(written))).diagnostics
    assert found[0].hint == hint


@pytest.mark.parametrize("written", ["vip = 198.19.0.1", "scheduler = rr", "external-ip=203.0.113.7"])
def test_a_keyword_with_an_equals_sign_is_no_let(written: str) -> None:
    found = load_text(Source("a.dsl", _SERVICE.format(written))).diagnostics
    assert (found[0].hint or "").startswith("without `=`: ")
