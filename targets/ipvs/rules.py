"""The iptables side of the ipvs target: a few rules over sets. Services do not change their number.

What passes where (linux/net/netfilter/ipvs/ip_vs_core.c): IPVS takes an arriving packet at the end of INPUT, after its
filter, and a packet of the node itself in OUTPUT, after mangle and nat but *before* filter. So

* mangle INPUT and OUTPUT drop what must not be answered,
* nat PREROUTING and OUTPUT mark what is to be masqueraded, and keep other programs' DNAT away from declared ports,
* filter INPUT rejects what nobody serves: it has no virtual server, and the node's own packets to its dummy device
  come back in through INPUT. FORWARD and OUTPUT reject what goes to addresses that no service has, in the networks of
  service addresses: no device has these,
* nat POSTROUTING, which sees the packet on its way to the endpoint, masquerades (net.ipv4.vs.conntrack), or rewrites
  the source to the addresses that the service names: a rule for each of its addresses and ports.

Only new connections are judged, those that exist keep going, and ICMP errors that belong to them pass. What somebody
else has translated is not judged at all, and what IPVS has not sent is not masqueraded, whoever marked it.

**Segments that connection tracking calls INVALID** (outside the window it knows of) it does not translate. From an
endpoint to the node's own address, which clients are masqueraded behind, they reach no socket, and the node would reset
the connection. From a client IPVS sends them on, as connections that are new to connection tracking: with another
source port, and the endpoint would reset the connection. So both are dropped, as if they were lost. What IPVS sends
back to a client whose source was kept it translates itself, and what goes to an endpoint as it is (forward direct,
tunnel) is INVALID throughout, as nobody sees its answers here: both pass.

**Services that IPVS knows by a mark.** It compares the whole mark of a packet (ip_vs_service_find), when it chooses an
endpoint: for the first packet of a connection. So that packet gets the service's mark in mangle INPUT or OUTPUT, in
place of whatever others have set, and loses it in mangle POSTROUTING. The bit that means "masquerade" must not be in
it: nat, whose OUTPUT comes later, moves that to the connection's mark, where its POSTROUTING finds it and takes it off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.kernel.ipset.sets import Set
from svcc.kernel.xtables.matches import (
    ByIpvs,
    Comment,
    CtMark,
    CtState,
    Flags,
    InSet,
    Mark,
    Match,
    NotTranslatedTo,
    Out,
    Proto,
)
from svcc.kernel.xtables.script import Chain, Entry, Rule, Script, Table
from svcc.kernel.xtables.verdicts import (
    ACCEPT,
    DROP,
    Jump,
    MarkFromSet,
    Masquerade,
    Reject,
    SetCtMark,
    SetMark,
    Verdict,
)
from svcc.targets.ipvs.sets import NODE_PORTS, Purpose
from svcc.targets.ipvs.virtual import marks_alike

#: Entries match only this: new connections that nobody else has sent to another address.
_NEW = (CtState(("NEW",)), NotTranslatedTo())
_INVALID = (Proto(ir.Protocol.TCP), Flags(("SYN", "RST")), CtState(("INVALID",)))

#: The chains, by table, without the prefix.
CHAINS: Mapping[str, frozenset[str]] = {
    "mangle": frozenset({"GUARD", "INVALID", "MARK", "UNMARK"}),
    "nat": frozenset({"SERVICES", "NODEPORTS", "POSTROUTING", "MASQUERADE", "MARKED", "SNAT"}),
    "filter": frozenset({"FILTER", "NOBODY", "REJECT"}),
}

#: The fields of a packet, from the server's side, that each type of set is looked up with.
_DESTINATION = {"hash:ip": "dst", "hash:net": "dst", "bitmap:port": "dst", "hash:ip,port": "dst,dst"}


@dataclass(frozen=True, slots=True)
class _In:
    """A match: the packet's destination, or ``fields`` of it, is (or is not) in a set."""

    purpose: Purpose
    fields: str = ""
    negate: bool = False


def _not_in(purpose: Purpose, fields: str = "") -> _In:
    return _In(purpose, fields, negate=True)


def script(cluster: ir.Cluster, version: int, sets: Mapping[Purpose, Set], sources: Sequence[Rule] = ()) -> Script:
    """Return what ``iptables-restore --noflush`` (or ip6tables-) reads for one family. ``sources``: the rules that give
    clients other source addresses. They are rules, because no set can look up what a connection was opened to.
    """
    writer = _Writer(cluster.prefix, cluster.mark, version, sets, sources)
    return Script(tuple(table for table in (writer.mangle(), writer.nat(), writer.filter()) if table.chains))


class _Writer:
    """Writes the tables for the sets that exist.

    A rule that needs something to be in a set that does not exist can never match, and is left out. A rule that needs
    something *not* to be in it loses that condition.
    """

    def __init__(
        self, prefix: str, mark: int, version: int, sets: Mapping[Purpose, Set], sources: Sequence[Rule]
    ) -> None:
        self._sources = sources
        self._prefix = prefix
        self._mark = mark
        self._icmp = "icmp-port-unreachable" if version == 4 else "icmp6-port-unreachable"
        self._sets = sets

    def mangle(self) -> Table:
        guard = self._chain(
            "GUARD",
            self._rule(
                _In(Purpose.RESTRICTED),
                _not_in(Purpose.ALLOWED, "dst,dst,src"),
                verdict=DROP,
                why="clients outside allow-from",
            ),
            self._rule(_In(Purpose.EMPTY_DROP), verdict=DROP, why="no endpoint, when-empty drop"),
        )
        invalid = self._chain(
            "INVALID",
            self._rule(_In(Purpose.CLUSTER_IP), _not_in(Purpose.DIRECT), verdict=DROP, why="of a client"),
            self._rule(
                _In(Purpose.NODE_IP), _In(Purpose.NODE_PORT_TCP), verdict=DROP, why="of a client of a node port"
            ),
            self._rule(
                _In(Purpose.LOOP_BACK, "src,src,src"),
                verdict=DROP,
                why="of an endpoint, to a client behind the node",
            ),
        )
        marking = self._chain("MARK", self._marking())
        entries = [
            ("INPUT", _NEW, guard),
            ("OUTPUT", _NEW, guard),
            ("INPUT", _INVALID, invalid),
            ("INPUT", _NEW, marking),
            ("OUTPUT", _NEW, marking),
            ("POSTROUTING", (ByIpvs(),), self._chain("UNMARK", self._unmarking())),
        ]
        return self._table("mangle", entries)

    def nat(self) -> Table:
        moved = self._chain("MARKED", self._move_mark())
        node_ports = self._chain("NODEPORTS", *(self._node_ports(protocol) for protocol in NODE_PORTS))
        services = self._chain(
            "SERVICES",
            self._rule(_In(Purpose.MASQUERADE), verdict=self._set_mark, why="masquerade every client"),
            self._rule(
                _In(Purpose.REWRITE, "dst,dst,src"), verdict=self._set_mark, why="masquerade the clients that are named"
            ),
            self._outside_pods(),
            self._rule(
                _In(Purpose.CLUSTER_IP),
                _In(Purpose.CLUSTER_IP, "src,dst"),
                verdict=self._set_mark,
                why="the node itself, which comes from the vip that it goes to",
            ),
            self._jump_to_marked(),
            self._rule(_In(Purpose.CLUSTER_IP), verdict=ACCEPT, why="no other program translates these"),
            self._rule(_In(Purpose.NODE_IP), verdict=Jump(node_ports.name)) if node_ports.rules else [],
        )
        snat = self._chain("SNAT", [*self._sources])
        own = [Rule((Out("lo", negate=True),), Jump(snat.name))] if snat.rules else []
        masquerade = self._chain(
            "MASQUERADE",
            [Rule((), SetMark(0, self._mark))],
            [Rule((), SetCtMark(0, self._mark))] if self._by_mark else [],
            own,
            [Rule((), Masquerade())],
        )
        postrouting = self._chain(
            "POSTROUTING",
            self._rule(
                Out("lo", negate=True),
                _In(Purpose.LOOP_BACK, "dst,dst,src"),
                verdict=Jump(masquerade.name),
                why="hairpin",
            ),
            [Rule((Mark(self._mark, self._mark),), Jump(masquerade.name))],
            [Rule((CtMark(self._mark, self._mark),), Jump(masquerade.name))] if self._by_mark else [],
        )
        entries = [("PREROUTING", (), services), ("OUTPUT", (), services), ("POSTROUTING", (ByIpvs(),), postrouting)]
        return self._table("nat", entries, node_ports, moved, masquerade, snat)

    def filter(self) -> Table:
        reject = self._chain(
            "REJECT",
            [Rule((Proto(ir.Protocol.TCP),), Reject("tcp-reset"))],
            [Rule((Proto(p),), Reject(self._icmp)) for p in (ir.Protocol.UDP, ir.Protocol.SCTP)],
        )
        refused = self._chain(
            "FILTER",
            self._rule(_In(Purpose.EMPTY_REJECT), verdict=Jump(reject.name), why="no endpoint"),
            self._rule(
                _In(Purpose.SERVICE_IP),
                _not_in(Purpose.CLUSTER_IP),
                verdict=Jump(reject.name),
                why="a port that no service declares",
            ),
        )
        nobodys = self._chain(
            "NOBODY",
            self._rule(
                _In(Purpose.SERVICE_NET),
                _not_in(Purpose.SERVICE_IP),
                _not_in(Purpose.SHARED_IP),
                verdict=Jump(reject.name),
                why="an address that no service has",
            ),
        )
        entries = [("INPUT", _NEW, refused), ("FORWARD", _NEW, nobodys), ("OUTPUT", _NEW, nobodys)]
        return self._table("filter", entries, reject)

    # -- pieces -------------------------------------------------------------------------------------------------------

    @property
    def _set_mark(self) -> SetMark:
        return SetMark(self._mark, self._mark)

    @property
    def _by_mark(self) -> bool:
        return Purpose.SERVICE_MARK in self._sets

    def _marking(self) -> list[Rule]:
        ipset = self._sets.get(Purpose.SERVICE_MARK)
        return [Rule((), MarkFromSet(ipset.name, _DESTINATION[ipset.type]))] if ipset else []

    def _unmarking(self) -> list[Rule]:
        alike = Mark(*marks_alike(self._mark))
        return [Rule((alike,), SetMark(0, 0xFFFF_FFFF))] if self._by_mark else []

    def _jump_to_marked(self) -> list[Rule]:
        return self._rule(
            _In(Purpose.SERVICE_MARK),
            Mark(self._mark, self._mark),
            verdict=Jump(f"{self._prefix}-MARKED"),
            why="IPVS knows these by the whole mark",
        )

    def _move_mark(self) -> list[Rule]:
        mark = self._mark
        return [Rule((), SetCtMark(mark, mark)), Rule((), SetMark(0, mark))] if self._by_mark else []

    def _outside_pods(self) -> list[Rule]:
        if Purpose.POD_NET not in self._sets:
            return []
        return self._rule(
            _In(Purpose.CLUSTER_IP),
            _not_in(Purpose.KEEP_SOURCE),
            _not_in(Purpose.POD_NET, "src"),
            verdict=self._set_mark,
            why="masquerade clients outside the pod networks",
        )

    def _node_ports(self, protocol: ir.Protocol) -> list[Rule]:
        declared = _In(NODE_PORTS[protocol])
        masquerade = self._rule(
            Proto(protocol),
            declared,
            _not_in(Purpose.KEEP_SOURCE),
            verdict=self._set_mark,
            why="masquerade clients of node ports",
        )
        accepted = self._rule(Proto(protocol), declared, verdict=ACCEPT)
        return [*masquerade, *(self._jump_to_marked() if masquerade else ()), *accepted]

    def _rule(self, *conditions: Match | _In, verdict: Verdict, why: str = "") -> list[Rule]:
        """Return the rule in a list, or an empty list where the rule could never match."""
        matches: list[Match] = []
        for condition in conditions:
            if not isinstance(condition, _In):
                matches.append(condition)
                continue
            ipset = self._sets.get(condition.purpose)
            if ipset is not None:
                fields = condition.fields or _DESTINATION[ipset.type]
                matches.append(InSet(ipset.name, fields, condition.negate))
            elif not condition.negate:
                return []
        if why:
            matches.append(Comment(why))
        return [Rule(tuple(matches), verdict)]

    def _chain(self, name: str, *rules: list[Rule]) -> Chain:
        return Chain(f"{self._prefix}-{name}", tuple(rule for some in rules for rule in some))

    def _table(self, name: str, hooks: Sequence[tuple[str, tuple[Match, ...], Chain]], *called: Chain) -> Table:
        """Return a table whose built-in chains lead matching packets to ours.

        A chain without rules is not declared, and nothing leads to it.
        """
        entries = tuple(Entry(hook, Rule(match, Jump(chain.name))) for hook, match, chain in hooks if chain.rules)
        chains = {chain.name: chain for chain in (*(c for _, _, c in hooks), *called) if chain.rules} if entries else {}
        return Table(name, entries, tuple(chains.values()))
