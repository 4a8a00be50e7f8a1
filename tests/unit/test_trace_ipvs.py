"""IPVS in the tracer: which service gets a packet, which server it is sent to, and what ``ipvsadm -R`` refuses."""

from __future__ import annotations

from fractions import Fraction
from ipaddress import ip_address

import pytest

from support.trace_nodes import ends, follow, node, packet, table
from svcc.verify.packet import Forwarded, Refusal, Vantage
from svcc.verify.trace import Binding, LoadError, TraceError, UnknownRule, trace

SYSCTL = "net.ipv4.vs.conntrack = 1\nnet.ipv4.ip_forward = 1\n"
IP = "link add svcc0 type dummy\naddress add 198.19.0.1/32 dev svcc0\n"


def _servers(service: str, *servers: str) -> str:
    head = service.split(" -s ", maxsplit=1)[0]
    return "".join([f"-A {service}\n", *(f"-a {head} -r {server}\n" for server in servers)])


def _ends(ipvsadm: str, to: str = "198.19.0.1:80/tcp", **parts: str) -> dict[str, Fraction]:
    return ends(node(sysctl=SYSCTL, ip=IP, ipvsadm=ipvsadm, **parts), to)


@pytest.mark.parametrize(
    ("scheduler", "first", "second"),
    [
        *((name, Fraction(1, 2), Fraction(1, 2)) for name in ("rr", "lc")),
        *(
            (name, Fraction(1, 4), Fraction(3, 4))
            for name in ("wrr", "wlc", "sh -b sh-fallback", "mh", "sed", "nq", "lblc", "lblcr")
        ),
        *((name, Fraction(1, 4), Fraction(3, 4)) for name in ("ovf", "twos", "sh -b sh-fallback,sh-port")),
        ("fo", Fraction(0), Fraction(1)),
    ],
)
def test_shares(scheduler: str, first: Fraction, second: Fraction) -> None:
    text = _servers("-t 198.19.0.1:80", "100.64.0.1:8080 -m -w 1", "100.64.0.2:8080 -m -w 3", "100.64.0.3:8080 -m -w 0")
    found = _ends(text.replace("-A -t 198.19.0.1:80", f"-A -t 198.19.0.1:80 -s {scheduler}"))
    assert found == {end: share for end, share in (("100.64.0.1:8080", first), ("100.64.0.2:8080", second)) if share}


@pytest.mark.parametrize(("scheduler", "refused"), [("sh", Fraction(1, 3)), ("dh", Fraction(1, 2))])
def test_some_hashes_refuse_who_meets_a_server_without_weight(scheduler: str, refused: Fraction) -> None:
    text = _servers("-t 198.19.0.1:80", "100.64.0.1:8080 -m -w 2", "100.64.0.2:8080 -m -w 0")
    found = _ends(text.replace("-A -t 198.19.0.1:80", f"-A -t 198.19.0.1:80 -s {scheduler}"))
    assert found == {"100.64.0.1:8080": 1 - refused, "reject": refused}


def test_of_one_packet_nothing_is_remembered() -> None:
    text = _servers("-u 198.19.0.1:53 -s rr -o", "100.64.0.1:53 -g -w 1", "100.64.0.2:53 -g -w 1")
    kernel = node(sysctl=SYSCTL, ip=IP, ipvsadm=text)
    found = trace(kernel, packet("198.19.0.1:53/udp")).outcome
    assert isinstance(found, Forwarded)
    assert found.one_packet
    with pytest.raises(LoadError, match="UDP alone"):
        node(ipvsadm=text.replace("-u ", "-t "))


def test_a_service_without_a_server_rejects_and_no_service_leaves_alone() -> None:
    service = "-A -t 198.19.0.1:80 -s rr\n"
    assert _ends(service) == {"reject": 1}
    assert _ends(service, "198.19.0.1:81/tcp") == {"untouched": 1}
    assert _ends(service, "198.19.0.1:80/udp") == {"untouched": 1}


def test_a_mark_comes_before_an_address_and_an_address_before_any_port() -> None:
    text = (
        _servers("-t 198.19.0.1:0 -s rr -p 9", "100.64.0.1:0 -m")
        + _servers("-t 198.19.0.1:80 -s rr", "100.64.0.2:8080 -m")
        + _servers("-f 7 -s rr", "100.64.0.3 -m")
    )
    rules = table("mangle", "-A PREROUTING -s 192.0.2.9 -j MARK --set-mark 7")
    kernel = node(sysctl=SYSCTL, ip=IP, ipvsadm=text, iptables=rules)
    assert ends(kernel, "198.19.0.1:81/tcp") == {"100.64.0.1:81": 1}
    assert ends(kernel, "198.19.0.1:80/tcp") == {"100.64.0.2:8080": 1}
    assert ends(kernel, "198.19.0.1:80/tcp", "192.0.2.9") == {"100.64.0.3:80": 1}


def test_what_is_not_local_passes_by_but_not_what_the_node_sends() -> None:
    text = _servers("-t 198.19.0.9:80 -s rr", "100.64.0.1:8080 -m")
    kernel = node(sysctl=SYSCTL, ipvsadm=text)
    assert ends(kernel, "198.19.0.9:80/tcp") == {"untouched": 1}
    assert ends(kernel, "198.19.0.9:80/tcp", "10.0.0.4", Vantage.NODE) == {"100.64.0.1:8080": 1}


def test_what_it_sends_on_is_masqueraded_in_postrouting_if_it_is_tracked() -> None:
    text = _servers("-t 198.19.0.1:80 -s rr", "100.64.0.1:8080 -m")
    rules = table("nat", "-A POSTROUTING -d 100.64.0.1 -j MASQUERADE")
    assert _ends(text, iptables=rules) == {"100.64.0.1:8080 masqueraded": 1}
    untracked = node(sysctl="net.ipv4.ip_forward = 1\n", ip=IP, ipvsadm=text, iptables=rules)
    assert ends(untracked, "198.19.0.1:80/tcp") == {"100.64.0.1:8080": 1}


def test_without_forwarding_no_answer_passes() -> None:
    text = _servers("-t 198.19.0.1:80 -s rr", "100.64.0.1:8080 -m")
    kernel = node(sysctl="net.ipv4.vs.conntrack = 1\n", ip=IP, ipvsadm=text)
    assert ends(kernel, "198.19.0.1:80/tcp") == {"drop": 1}
    assert ends(kernel, "198.19.0.1:80/tcp", "10.0.0.4", Vantage.NODE) == {"100.64.0.1:8080": 1}


def test_direct_routing_and_tunnels_leave_the_port() -> None:
    for method in ("-g", "-i --tun-type ipip", ""):
        text = _servers("-t 198.19.0.1:80 -s rr", f"100.64.0.1:9 {method}")
        assert _ends(text) == {"100.64.0.1:80": 1}


def test_rules_see_the_vip_under_direct_routing_and_nothing_under_a_tunnel() -> None:
    rules = table("mangle", "-A POSTROUTING -d 198.19.0.1 -j DROP")
    assert _ends(_servers("-t 198.19.0.1:80 -s rr", "100.64.0.1:80 -g"), iptables=rules) == {"drop": 1}
    assert _ends(_servers("-t 198.19.0.1:80 -s rr", "100.64.0.1:80 -i"), iptables=rules) == {"100.64.0.1:80": 1}


def test_a_server_on_the_node_itself() -> None:
    text = _servers("-t 198.19.0.1:80 -s rr", "10.0.0.4:8080 -m")
    rules = table("nat", "-A POSTROUTING -j MASQUERADE")
    assert _ends(text, iptables=rules) == {"10.0.0.4:8080": 1}


def test_clients_are_kept_as_long_as_their_server_has_a_weight() -> None:
    text = _servers("-t 198.19.0.1:80 -s wrr -p 60", "100.64.0.1:80 -m -w 1", "100.64.0.2:80 -m -w 1")
    first = follow(node(sysctl=SYSCTL, ip=IP, ipvsadm=text), "198.19.0.1:80/tcp")
    assert isinstance(first.outcome, Forwarded)
    assert first.outcome.affinity == 60
    drained = node(sysctl=SYSCTL, ip=IP, ipvsadm=text.replace("100.64.0.1:80 -m -w 1", "100.64.0.1:80 -m -w 0"))
    again = trace(drained, first.packet, first.ways[0].memory)
    assert [str(end.address) for end in again.ends] == ["100.64.0.2"]


def test_a_mask_makes_neighbours_one_client() -> None:
    text = _servers("-t 198.19.0.1:80 -s rr -p -M 255.255.255.0", "100.64.0.1:80 -m", "100.64.0.2:80 -m")
    kernel = node(sysctl=SYSCTL, ip=IP, ipvsadm=text)
    way = follow(kernel, "198.19.0.1:80/tcp", "192.0.2.1").ways[0]
    neighbour = follow(kernel, "198.19.0.1:80/tcp", "192.0.2.77").packet
    assert list(trace(kernel, neighbour, way.memory).ends) == [way.end]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("-C\n", UnknownRule, "`-C` is not known here"),
        ("-A -t 198.19.0.1:80 -s best\n", UnknownRule, "`best` is not known here"),
        ("-A -t 198.19.0.1:80 -s sh -b mh-port\n", UnknownRule, "`mh-port` is not known here"),
        ("-A -t 198.19.0.1:80 --pe sip\n", UnknownRule, "`--pe` is not known here"),
        ("-A -t 198.19.0.1\n", LoadError, "`198.19.0.1` cannot stand here: 198.19.0.1 has no port"),
        ("-A -t fd00::1:80\n", LoadError, "`fd00::1:80` cannot stand here: fd00::1:80 is not ADDRESS:PORT"),
        ("-A -t 198.19.0.1:0\n", LoadError, "port 0 needs persistence"),
        ("-A -t 198.19.0.1:80 -p 0\n", LoadError, "-p is from 1 to 2678400 seconds"),
        ("-A -t 198.19.0.1:80\n-A -t 198.19.0.1:80\n", LoadError, "the virtual service is there already"),
        ("-a -t 198.19.0.1:80 -r 100.64.0.1:80 -m\n", LoadError, "there is no such virtual service"),
        (
            "-A -t 198.19.0.1:80\n-a -t 198.19.0.1:80 -m\n",
            LoadError,
            "a real server of the service's family is missing",
        ),
        ("-A -t 198.19.0.1:80\n-a -t 198.19.0.1:80 -r [fd00::1]:80 -m\n", LoadError, "a real server of the service's"),
        (
            "-A -t 198.19.0.1:80\n-a -t 198.19.0.1:80 -r 100.64.0.1:80 -w 65536\n",
            LoadError,
            "weights are from 0 to 65535",
        ),
    ],
)
def test_what_is_refused(text: str, error: type[TraceError], message: str) -> None:
    with pytest.raises(error) as refused:
        node(ipvsadm=text)
    assert refused.value.message.startswith(message)
    assert refused.value.place.line == text.count("\n")


def test_a_server_is_there_once() -> None:
    with pytest.raises(LoadError, match="the real server is there already"):
        node(ipvsadm=_servers("-t 198.19.0.1:80 -s rr", "100.64.0.1:80 -m", "100.64.0.1:80 -m -w 2"))


def test_a_connection_ends_with_its_server() -> None:
    kernel = node("10.0.0.4", "198.19.0.1", ipvsadm=_servers("-t 198.19.0.1:80 -s rr", "100.64.0.1:80 -m -w 0"))
    draining, gone = (
        Binding(ip_address(address), 80, masquerade=False, by_ipvs=True) for address in ("100.64.0.1", "100.64.0.2")
    )
    ways = [trace(kernel, packet("198.19.0.1:80/tcp"), binding=binding).ways for binding in (draining, gone)]
    assert [way.end.address for (way,) in ways] == [draining.address, None]
    assert ways[1][0].end.refusal is Refusal.DROP


def test_a_connection_that_a_mark_chose_is_sent_on_as_it_was() -> None:
    """Two services of marks have the same real server, and later packets have no mark."""
    services = (_servers(f"-f {mark} -s rr", f"100.64.0.1:0 {how}") for mark, how in ((1, "-g"), (2, "-m"), (3, "-i")))
    kernel = node("10.0.0.4", "198.19.0.1", sysctl=SYSCTL, ipvsadm="".join(services))
    found = {}
    for method in ("direct", "masq", "tunnel"):
        binding = Binding(ip_address("100.64.0.1"), 80, masquerade=False, by_ipvs=True, method=method)
        (way,) = trace(kernel, packet("198.19.0.1:80/tcp"), binding=binding).ways
        found[method] = str(way.destination)
    assert found == {"direct": "198.19.0.1", "masq": "100.64.0.1", "tunnel": "198.19.0.1"}
