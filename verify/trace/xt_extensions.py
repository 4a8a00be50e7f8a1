"""The matches that exist, their options, and the conditions that they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from svcc.verify.trace import values
from svcc.verify.trace.faults import LoadError, UnknownRule
from svcc.verify.trace.host import Host
from svcc.verify.trace.xt_matches import (
    AddressType,
    All,
    Always,
    ByIpvs,
    Bytecode,
    Cluster,
    CtMark,
    CtOriginal,
    CtState,
    FromPorts,
    InSet,
    Mark,
    Match,
    Not,
    Nth,
    Ports,
    Protocol,
    Random,
    Recent,
    TcpFlags,
    mark,
    parse_bytecode,
)
from svcc.verify.trace.xt_options import Extension, Given, set_named

#: Limits of the modules, and of what the tools pass on to them.
COMMENT = 255
_CLUSTER_NODES = 32
_RECENT_NAME = 199
_MULTIPORT = 15
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_STATES = frozenset({"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"})
_ADDRESS_TYPES = frozenset({"LOCAL", "UNICAST", "MULTICAST", "BROADCAST"})
_TYPES = {"--dst-type": 1, "--src-type": 1}


def extensions(host: Host) -> Mapping[str, Extension[Match]]:
    """Return the matches by name."""
    return {**_EXTENSIONS, "addrtype": Extension(_TYPES, lambda g: _address_type(g, host), frozenset(_TYPES))}


def _negatable(given: Given, option: str, match: Match) -> Match:
    return Not(match) if given.negated(option) else match


def _comment(given: Given) -> Match:
    if len(given.text("--comment").encode()) > COMMENT:
        raise LoadError(given.place, f"the comment has more than {COMMENT} bytes")
    return Always()


def _protocol_ports(number: int) -> Callable[[Given], Match]:
    def build(given: Given) -> Match:
        if given.header.protocol != number or given.header.negated:
            raise LoadError(given.place, f"-m {given.name} needs -p {given.name}")
        matches: list[Match] = []
        for option, source in (("--dport", False), ("--sport", True)):
            if option in given:
                ports = given.value(option, lambda text: values.port_range(text, ":"))
                matches.append(_negatable(given, option, FromPorts(given.place, ports) if source else Ports((ports,))))
        if "--tcp-flags" in given:
            matches.append(_negatable(given, "--tcp-flags", _flags(given)))
        return matches[0] if len(matches) == 1 else All(tuple(matches))

    return build


def _flags(given: Given) -> Match:
    looked_at, set_ones = (
        frozenset({"ALL": _FLAGS, "NONE": ()}.get(text, tuple(text.split(","))))
        for text in given.options["--tcp-flags"][1]
    )
    if not looked_at <= set(_FLAGS) or not set_ones <= looked_at:
        raise LoadError(given.place, "these are no flags of TCP")
    return TcpFlags(looked_at, set_ones)


def _ipvs(given: Given) -> Match:
    if "--ipvs" not in given:
        raise UnknownRule(given.place, "-m ipvs without --ipvs is not followed here")
    return _negatable(given, "--ipvs", ByIpvs())


def _multiport(given: Given) -> Match:
    if given.header.protocol not in (6, 17, 132) or given.header.negated:
        raise LoadError(given.place, "-m multiport needs -p tcp, udp or sctp")
    texts = given.text("--dports").split(",")
    if sum(1 + (":" in text) for text in texts) > _MULTIPORT:
        raise LoadError(given.place, f"more than {_MULTIPORT} ports")
    ranges = given.value("--dports", lambda _: tuple(values.port_range(text, ":") for text in texts))
    return _negatable(given, "--dports", Ports(ranges))


def _states(option: str) -> Callable[[Given], Match]:
    def build(given: Given) -> Match:
        states = frozenset(given.text(option).split(","))
        if states - _STATES:
            raise LoadError(given.place, f"{min(states - _STATES)} is no state")
        return _negatable(given, option, CtState(states))

    return build


def _conntrack(given: Given) -> Match:
    match given.options:
        case {"--ctstate": _, **others} if not others:
            return _states("--ctstate")(given)
        case {"--ctorigdst": _, **others} if not others:
            return _negatable(given, "--ctorigdst", CtOriginal(given.value("--ctorigdst", values.network), None))
        case {"--ctorigdst": (False, _), "--ctorigdstport": (False, _), **others} if not others:
            ports = given.value("--ctorigdstport", lambda text: values.port_range(text, ":"))
            return CtOriginal(given.value("--ctorigdst", values.network), ports)
        case {"--ctorigdstport": _, **others} if not others:
            ports = given.value("--ctorigdstport", lambda text: values.port_range(text, ":"))
            return _negatable(given, "--ctorigdstport", CtOriginal(None, ports))
        case {"--ctproto": _, **others} if not others:
            return _negatable(given, "--ctproto", Protocol(given.value("--ctproto", values.protocol)))
    raise UnknownRule(given.place, "-m conntrack with several options (or none) is not followed here")


def _address_type(given: Given, host: Host) -> Match:
    if len(given.options) != 1:
        raise UnknownRule(given.place, "-m addrtype with several options (or none) is not followed here")
    (option,) = given.options
    type = given.text(option)
    if type not in _ADDRESS_TYPES:
        raise UnknownRule(given.place, f"{type} is not known here")
    match = AddressType(given.place, host, type.lower(), option == "--src-type")
    return _negatable(given, option, match)


def _mark(given: Given) -> Match:
    value, mask = given.value("--mark", mark)
    return _negatable(given, "--mark", Mark(value, mask))


def _ct_mark(given: Given) -> Match:
    value, mask = given.value("--mark", mark)
    return _negatable(given, "--mark", CtMark(value, mask))


def _in_set(given: Given) -> Match:
    return _negatable(given, "--match-set", InSet(given.place, *set_named(given, "--match-set")))


def _statistic(given: Given) -> Match:
    mode = given.text("--mode")
    if mode == "random" and set(given.options) == {"--mode", "--probability"}:
        probability = given.value("--probability", Fraction)
        if not 0 <= probability <= 1:
            raise LoadError(given.place, "a probability is from 0 to 1")
        # lround(0x80000000 * probability), compared with 31 random bits (libxt_statistic.c, xt_statistic.c)
        bound = int(probability * (1 << 31) + Fraction(1, 2))
        return _negatable(given, "--probability", Random(given.place, Fraction(bound, 1 << 31)))
    if mode == "nth" and set(given.options) <= {"--mode", "--every", "--packet"}:
        every, first = given.value("--every", values.number), given.value("--packet", values.number, "0")
        if every < 1 or not 0 <= first < every:
            raise LoadError(given.place, "--packet is from 0 to --every - 1")
        return _negatable(given, "--every", Nth(given.place, every, first))
    raise UnknownRule(given.place, "these options of statistic are not known here")


def _cluster(given: Given) -> Match:
    total = given.value("--cluster-total-nodes", values.number)
    seed = given.value("--cluster-hash-seed", values.number)
    if not 1 <= total <= _CLUSTER_NODES:
        raise LoadError(given.place, f"--cluster-total-nodes is from 1 to {_CLUSTER_NODES}")
    if ("--cluster-local-node" in given) == ("--cluster-local-nodemask" in given):
        raise LoadError(given.place, "cluster needs --cluster-local-node or --cluster-local-nodemask")
    if "--cluster-local-node" in given:
        option, mask = "--cluster-local-node", 1 << (given.value("--cluster-local-node", values.number) - 1)
    else:
        option, mask = "--cluster-local-nodemask", given.value("--cluster-local-nodemask", values.number)
    if not 0 < mask < 1 << total:
        raise LoadError(given.place, "a local node beyond --cluster-total-nodes")
    return _negatable(given, option, Cluster(given.place, total, mask, seed))


def _recent(given: Given) -> Match:
    verbs = [verb for verb in ("--set", "--rcheck", "--update", "--remove") if verb in given]
    if len(verbs) != 1:
        raise LoadError(given.place, "recent needs one of --set, --rcheck, --update and --remove")
    verb = verbs[0].removeprefix("--")
    seconds = given.value("--seconds", values.number) if "--seconds" in given else None
    if seconds is not None and (verb not in ("rcheck", "update") or seconds == 0):
        raise LoadError(given.place, "--seconds is for --rcheck and --update, and not 0")
    if "--reap" in given and seconds is None:
        raise LoadError(given.place, "--reap needs --seconds")
    name = given.text("--name", "DEFAULT")
    if len(name) > _RECENT_NAME or "/" in name:
        raise LoadError(given.place, f"{name} cannot be the name of a list")
    everything = "255.255.255.255" if given.setting.version == 4 else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    prefix = given.value("--mask", lambda text: int(values.address(text)).bit_count(), everything)
    match = Recent(given.place, verb, name, prefix, "--rdest" not in given, seconds)
    return _negatable(given, verbs[0], match)


def _bpf(given: Given) -> Match:
    return Bytecode(given.place, parse_bytecode(given.text("--bytecode"), given.place))


_PORT = frozenset({"--dport", "--sport", "--tcp-flags"})
_PORT_ALIASES = {"--destination-port": "--dport", "--source-port": "--sport"}
_PORTS = {"--dport": 1, "--sport": 1}
_CONNTRACK = dict.fromkeys(("--ctstate", "--ctorigdst", "--ctorigdstport", "--ctproto"), 1)
_CLUSTER = dict.fromkeys(
    ("--cluster-total-nodes", "--cluster-local-node", "--cluster-local-nodemask", "--cluster-hash-seed"), 1
)
_RECENT_VERBS = dict.fromkeys(("--set", "--rcheck", "--update", "--remove"), 0)
_RECENT = {**_RECENT_VERBS, "--seconds": 1, "--reap": 0, "--name": 1, "--mask": 1, "--rsource": 0, "--rdest": 0}
_STATISTIC = dict.fromkeys(("--mode", "--probability", "--every", "--packet"), 1)

_EXTENSIONS: Mapping[str, Extension[Match]] = {
    "comment": Extension({"--comment": 1}, _comment),
    "tcp": Extension({**_PORTS, "--tcp-flags": 2}, _protocol_ports(6), _PORT, _PORT_ALIASES),
    "udp": Extension(_PORTS, _protocol_ports(17), _PORT, _PORT_ALIASES),
    "sctp": Extension(_PORTS, _protocol_ports(132), _PORT, _PORT_ALIASES),
    "multiport": Extension({"--dports": 1}, _multiport, frozenset({"--dports"}), {"--destination-ports": "--dports"}),
    "conntrack": Extension(_CONNTRACK, _conntrack, frozenset(_CONNTRACK)),
    "state": Extension({"--state": 1}, _states("--state"), frozenset({"--state"})),
    "ipvs": Extension({"--ipvs": 0}, _ipvs, frozenset({"--ipvs"})),
    "mark": Extension({"--mark": 1}, _mark, frozenset({"--mark"})),
    "connmark": Extension({"--mark": 1}, _ct_mark, frozenset({"--mark"})),
    "set": Extension({"--match-set": 2}, _in_set, frozenset({"--match-set"})),
    "statistic": Extension(_STATISTIC, _statistic, frozenset({"--probability", "--every"})),
    "cluster": Extension(_CLUSTER, _cluster, frozenset({"--cluster-local-node", "--cluster-local-nodemask"})),
    "recent": Extension(_RECENT, _recent, frozenset(_RECENT_VERBS)),
    "bpf": Extension({"--bytecode": 1}, _bpf),
}
