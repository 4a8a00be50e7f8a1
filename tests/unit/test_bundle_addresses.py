"""Addresses that no program serves are none of a bundle's: rules for them would cut the machine off from itself."""

from __future__ import annotations

from itertools import product

import pytest

from support.bundles import refusal
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.targets import targets
from svcc.targets.bundle import printed

#: Each address sorts among the others as what replaces it in the tests does.
_PROGRAM = """\
cluster {{ services 198.19.0.0/16 fd00:19::/64; {} }}
node here {{ address 10.0.0.4 fd00:10::4 }}
service web {{
  vip 198.19.10.0 fd00:19::1
  port 80/tcp -> 8080 nodeport 30080
  {}
  endpoints {{ 100.64.0.9; fd00:64::9 }}
}}
"""
_KERNEL = [target.name for target in targets().values() if target.loads]
_V4 = ("0.0.0.0", "0.0.0.1", "127.0.0.53", "224.0.0.251", "255.255.255.255")
_V6 = ("::", "::1", "fe80::1", "ff02::fb")
_SERVED = [*product(("198.19.10.0", "100.64.0.9"), _V4), *product(("fd00:19::1", "fd00:64::9"), _V6)]
_NETWORKS = [
    ("198.19.0.0/16", "198.19.0.0", "127.0.0.0"),
    ("198.19.0.0/16", "198.19.0.0", "224.0.0.0"),
    ("fd00:19::/64", "fd00:19::", "fe80::"),
    ("fd00:19::/64", "fd00:19::", "ff02::"),
]


def _printed(name: str, cluster: str = "", service: str = "") -> str:
    program = load_text(Source("a.dsl", _PROGRAM.format(cluster, service))).program
    assert program is not None
    return printed(targets()[name], targets()[name].render(program, program.nodes[0]))


@pytest.mark.parametrize("name", _KERNEL)
def test_an_address_that_cannot_serve_is_refused(name: str) -> None:
    text = _printed(name)
    for own, other in _SERVED:
        altered = _with_address(text, own, other)
        assert altered != text
        message = refusal(altered, targets()[name])
        assert message is not None, (own, other)


@pytest.mark.parametrize("name", _KERNEL)
@pytest.mark.parametrize(("network", "own", "other"), _NETWORKS)
def test_a_network_of_others_is_none_of_services(name: str, network: str, own: str, other: str) -> None:
    text = _printed(name)
    length = network.partition("/")[2]
    altered = text.replace(network, f"{other}/{length}").replace(f'"addr": "{own}"', f'"addr": "{other}"')
    assert altered != text
    message = refusal(altered, targets()[name])
    assert message is not None
    assert f"{other}/{length} has " in message
    assert message.splitlines()[0].endswith(" in it: it is no network of services")


@pytest.mark.parametrize("name", _KERNEL)
def test_who_comes_may_have_any_address(name: str) -> None:
    """Networks of one address, of clients, pods and this host's own addresses, are as they were."""
    cluster = "pods 127.0.0.1/32 ::1/128; nodeport-addresses 127.0.0.1/32 10.0.0.4/32 ::1/128"
    service = "external-ip 203.0.113.7; allow-from 127.0.0.1/32 ::1/128 224.0.0.1/32; masquerade 127.0.0.1/32 ::1/128"
    assert refusal(_printed(name, cluster, service), targets()[name]) is None


def _with_address(text: str, own: str, other: str) -> str:
    """All places of an address, and of the one that it is in the kernel's brackets, or none of a longer one's."""
    for before, behind in product(('"', " ", "[", "-d ", ","), ('"', " ", "]", ":", ",", "\n", "/")):
        text = text.replace(f"{before}{own}{behind}", f"{before}{other}{behind}")
    return text
