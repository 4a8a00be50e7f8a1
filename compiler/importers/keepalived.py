"""The importer for keepalived: reads the virtual servers of a keepalived.conf (keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.importers.interface import Imported, Importer, Note, broken
from svcc.compiler.importers.keepalived_checks import common_check, first_check
from svcc.compiler.importers.keepalived_text import Statement, statements
from svcc.compiler.importers.keepalived_words import (
    BLOCKS,
    FLAGS,
    IN_REAL_SERVER,
    IN_VIRTUAL_SERVER,
    KNOWN,
    OF_IPVS,
    reason,
)
from svcc.compiler.importers.marks import Mark, marks, with_rules
from svcc.compiler.importers.names import Names
from svcc.compiler.importers.virtual import (
    ALL_PORTS,
    SCHEDULERS,
    Front,
    Server,
    Virtual,
    affinity_networks,
    affinity_of,
    hash_by,
    note_lower_limit,
    services_of,
)
from svcc.compiler.importers.words import Word, address, number, port
from svcc.compiler.source import Source, Span

_WEIGHTS = 65_535
#: The seconds of persistence where the statement gives none.
_PERSISTENCE = 360
#: The most seconds of persistence; ipvsadm has the same limit.
_LONGEST = 31 * 86_400
#: The most addresses of a range, as many as an IPv4 range can have.
_RANGE = 256
_METHODS = {"NAT": ir.Forward.MASQUERADE, "DR": ir.Forward.DIRECT, "TUN": ir.Forward.TUNNEL}
_WHOLE = "the virtual server was not carried over"


class _Keepalived(Importer):
    """The importer for keepalived.conf."""

    name: ClassVar[str] = "keepalived"
    title: ClassVar[str] = (
        "a keepalived.conf, with what it includes; for firewall marks what `iptables-save` prints, too"
    )

    def read(self, sources: Sequence[Source]) -> Imported:
        notes: list[Note] = []
        own, rules = with_rules(sources, "keepalived.conf")
        tree = statements(own, notes)
        return _Reader(tree, notes, [mark for source in rules for mark in marks(source, notes)]).imported()


IMPORTER = _Keepalived()


class _Reader:
    """Makes services of virtual servers."""

    def __init__(self, tree: Sequence[Statement], notes: list[Note], rules: Sequence[Mark]) -> None:
        self._tree = tree
        self._rules = rules
        self._notes = notes
        self._names = Names()
        self._groups: dict[str, Statement] = {}

    def imported(self) -> Imported:
        if self._tree and not any(statement.keyword in KNOWN for statement in self._tree):
            first = self._tree[0]
            hint = "it has blocks such as `virtual_server 198.51.100.1 80 { … }`"
            raise broken(f"`{first.keyword}` is no block of keepalived.conf", first.words[0].span, hint)
        for statement in self._tree:
            if statement.keyword == "virtual_server_group" and statement.values:
                self._groups.setdefault(statement.values[0].text, statement)
            elif statement.keyword != "virtual_server":
                for inner in statement.all(*OF_IPVS) if statement.keyword == "global_defs" else ():
                    self._note(inner.span, OF_IPVS[inner.keyword])
                self._note(statement.span, reason(BLOCKS, statement.keyword) or "this group has no name")
        servers = [statement for statement in self._tree if statement.keyword == "virtual_server"]
        services = [service for statement in servers for service in self._services(statement)]
        for name in self._groups.keys() - {s.values[1].text for s in servers if _names_group(s)}:
            self._note(self._groups[name].span, "no virtual server names this group")
        program = ir.Program(services=tuple(sorted(services, key=lambda service: service.name)))
        return Imported(program, tuple(self._notes))

    def _note(self, span: Span, why: str) -> None:
        self._notes.append(Note(span, why))

    # -- virtual servers ------------------------------------------------------------------------------------------

    def _services(self, virtual: Statement) -> list[ir.Service]:
        settings = _Settings(virtual)
        protocol = settings.protocol()
        name, fronts = self._fronts(virtual, protocol)
        scheduler = self._scheduler(settings)
        if not fronts or scheduler is None:
            for real in virtual.all("real_server"):
                self._note(real.span, _WHOLE)
            return []
        for statement in virtual.block or ():
            if (why := reason(IN_VIRTUAL_SERVER, statement.keyword)) is not None:
                self._note(statement.span, why)
        reals = [*virtual.all("real_server"), *virtual.all("sorry_server")]
        servers = tuple(server for one in reals if (server := self._server(one, settings)) is not None)
        affinity = self._affinity(settings)
        asked = common_check([first_check(one, virtual, self._note) for one in reals if one.block], self._note)
        made = Virtual(name, fronts, servers, scheduler, affinity, virtual.head)
        if asked is not None:
            made = replace(made, check=asked.check, spans={"check": asked.span})
        networks = self._networks(settings, affinity)
        made = replace(made, scheduler_by=self._scheduler_by(settings, scheduler), affinity_networks=networks)
        if (ops := settings.last("ops")) is not None:
            made = replace(made, one_packet=True, spans=made.spans | {"one-packet": ops.span})
        return [service for part in self._parts(made, virtual) for service in self._services_of_part(part)]

    def _parts(self, made: Virtual, virtual: Statement) -> list[Virtual]:
        """Divide a virtual server as IPVS remembers clients: all that has a mark together, the rest one by one."""
        group = self._groups[virtual.values[1].text] if _names_group(virtual) else None
        if made.affinity is None or (group is None and virtual.values[0].text != "fwmark"):
            return [made]
        marks = [virtual.head] if group is None else [line.span for line in group.all("fwmark")]
        # IPVS does not change their port, whatever a block says (ip_vs_sched_persist)
        servers = tuple(replace(server, port=0) for server in made.servers)
        rest = replace(made, fronts=tuple(front for front in made.fronts if front.span not in marks))
        parts = [rest]
        for mark in marks:
            fronts = tuple(front for front in made.fronts if front.span == mark)
            parts.append(replace(made, fronts=fronts, servers=servers, one_memory=True))
        return [_of_its_families(part, made) for part in parts if part.fronts]

    def _services_of_part(self, part: Virtual) -> list[ir.Service]:
        found = [*services_of(part, self._names, self._notes)]
        if part.one_memory and len(found) > 1:
            self._note(part.span, "svcc remembers clients for each service separately")
        return found

    def _fronts_of_mark(self, words: Sequence[Word], span: Span) -> Iterator[Front]:
        """Return the fronts whose packets get the firewall mark (``fwmark 7``) by the rules; none, with a note, where
        none do.
        """
        mark = number(words[1].text, 1, 0xFFFF_FFFF) if len(words) > 1 else None
        if mark is None:
            raise broken("a firewall mark is a number", words[-1].span, f"marks are 1 to {0xFFFF_FFFF}")
        found = [Front(one.address, one.protocol, one.ports, span) for one in self._rules if one.mark == mark]
        if not found:
            self._note(span, "what has this firewall mark is not known: give the output of iptables-save beside it")
        yield from found

    def _fronts(self, virtual: Statement, protocol: ir.Protocol) -> tuple[str, tuple[Front, ...]]:
        """Return a name, and what the virtual server listens on: none, with a note, where that is not known."""
        words = virtual.values
        if not words:
            hint = "virtual_server 198.51.100.1 80 { … }"
            raise broken("this virtual server has no address", virtual.head, hint)
        if words[0].text == "fwmark":
            name = f"mark-{words[1].text}" if len(words) > 1 else ""
            return name, tuple(self._fronts_of_mark(words, virtual.head))
        if words[0].text == "group":
            return self._group(virtual, protocol)
        fronts = tuple(self._front(words, protocol, virtual.head))
        return f"{protocol}-{words[0].text}-{words[1].text if len(words) > 1 else ''}".replace(":", "_"), fronts

    def _group(self, virtual: Statement, protocol: ir.Protocol) -> tuple[str, tuple[Front, ...]]:
        word = virtual.values[1] if _names_group(virtual) else virtual.words[-1]
        group = self._groups.get(word.text)
        if group is None:
            raise broken(f"there is no group `{word.text}`", word.span, f"virtual_server_group {word.text} {{ … }}")
        found: list[Front] = []
        for line in group.block or ():
            if line.keyword == "fwmark":
                found += self._fronts_of_mark(line.words, line.span)
            else:
                found += self._front(line.words, protocol, line.span)
        if not found:
            self._note(virtual.head, "nothing of its group was carried over")
        return word.text, tuple(found)

    def _front(self, words: Sequence[Word], protocol: ir.Protocol, span: Span) -> Iterator[Front]:
        """Return a front for every address of a range."""
        addresses = _range(words[0])
        number_ = words[1].text if len(words) > 1 else "0"
        if number_ == "0":
            self._note(span, ALL_PORTS)
            return
        found = port(number_)
        if found is None:
            raise broken(f"`{number_}` is no port", words[1].span, "ports are 1 to 65535")
        for one in addresses:
            yield Front(one, protocol, ir.PortRange(found, found), span)

    # -- settings -------------------------------------------------------------------------------------------------

    def _scheduler(self, settings: _Settings) -> ir.Scheduler | None:
        statement = settings.last("lb_algo", "lvs_sched")
        word = None if statement is None or not statement.values else statement.values[0]
        found = ir.Scheduler.WLC if word is None else SCHEDULERS.get(word.text)
        if found is None and word is not None:
            self._note(settings.virtual.head, f"svcc has no scheduler {word.text}")
        return found

    def _scheduler_by(self, settings: _Settings, scheduler: ir.Scheduler) -> ir.HashBy:
        found = settings.virtual.all(*FLAGS)
        statement = settings.last("lb_algo", "lvs_sched")
        span = settings.virtual.head if statement is None else statement.span
        return hash_by(scheduler, {flag.keyword: flag.span for flag in found}, span, self._notes)

    def _affinity(self, settings: _Settings) -> int | None:
        statement = settings.last("persistence_timeout")
        if statement is None:
            return None
        word = statement.values[0] if statement.values else None
        seconds = _PERSISTENCE if word is None else number(word.text, 0, _LONGEST)
        if seconds is None:
            assert word is not None
            raise broken(f"`{word.text}` is no time of persistence", word.span, f"it is 0 to {_LONGEST} seconds")
        return affinity_of(seconds, statement.span, self._notes)

    def _networks(self, settings: _Settings, affinity: int | None) -> tuple[int, int]:
        statement = settings.last("persistence_granularity")
        if statement is None or affinity is None:
            return 32, 128
        word = statement.values[0].text if statement.values else ""
        return affinity_networks(word, statement.span, self._notes)

    def _server(self, real: Statement, settings: _Settings) -> Server | None:
        words = real.values
        if not words:
            raise broken("this real server has no address", real.head, "real_server 10.0.0.1 80 { … }")
        where = address(words[0].text)
        if where is None:
            raise broken(f"`{words[0].text}` is no address", words[0].span, "keepalived looks up no names")
        own = number(words[1].text, 0, 65_535) if len(words) > 1 else 0
        if own is None:
            raise broken(f"`{words[1].text}` is no port", words[1].span, "ports are 1 to 65535")
        for statement in real.block or ():
            if (why := reason(IN_REAL_SERVER, statement.keyword)) is not None:
                self._note(statement.span, why)
        sorry = real.keyword == "sorry_server"
        method = _last(real, "lb_kind", "lvs_method") or settings.last("lb_kind", "lvs_method")
        method = (settings.last("sorry_server_lvs_method") if sorry else None) or method
        forward = _forward(method)
        if forward is ir.Forward.TUNNEL and method is not None and _tunnel(method) != "ipip":
            self._note(real.span, f"svcc tunnels in ipip, not in {_tunnel(method)}")
            return None
        weight = 1 if sorry else _weight(_last(real, "weight") or settings.last("weight"))
        most = 0 if sorry else _limit(_last(real, "uthreshold"))
        if (least := _last(real, "lthreshold")) is not None:
            note_lower_limit(_limit(least), most, least.span, self._notes)
        return Server(where, own, weight, forward, real.head, sorry, most or None)


class _Settings:
    """The settings of a virtual server, without its real servers."""

    def __init__(self, virtual: Statement) -> None:
        self.virtual = virtual

    def last(self, *keywords: str) -> Statement | None:
        return _last(self.virtual, *keywords)

    def protocol(self) -> ir.Protocol:
        statement = self.last("protocol")
        if statement is None or not statement.values:
            return ir.Protocol.TCP
        word = statement.values[0]
        if word.text.lower() not in set(ir.Protocol):
            raise broken(f"no protocol `{word.text}`", word.span, "it is TCP, UDP or SCTP")
        return ir.Protocol(word.text.lower())


def _of_its_families(part: Virtual, whole: Virtual) -> Virtual:
    """Return the part without the servers that only other parts lead to."""
    own, all_ = ({front.address.version for front in one.fronts} for one in (part, whole))
    return replace(part, servers=tuple(s for s in part.servers if s.address.version not in all_ - own))


def _names_group(virtual: Statement) -> bool:
    return len(virtual.values) > 1 and virtual.values[0].text == "group"


def _last(statement: Statement, *keywords: str) -> Statement | None:
    """Return the last statement with one of these keywords: keepalived takes the last where one is repeated."""
    found = statement.all(*keywords)
    return found[-1] if found else None


def _weight(statement: Statement | None) -> int:
    if statement is None:
        return 1
    word = statement.words[-1] if len(statement.words) == 1 else statement.values[0]
    weight = number(word.text, 0, _WEIGHTS)
    if weight is None:
        raise broken(f"`{word.text}` is no weight", word.span, f"weights are 0 to {_WEIGHTS}")
    return weight


def _limit(statement: Statement | None) -> int:
    """Return a limit of a real server's connections; 0 where there is none."""
    if statement is None:
        return 0
    word = statement.words[-1]
    found = number(word.text, 0, ir.MAX_CONNECTIONS)
    if found is None or word is statement.words[0]:
        raise broken(f"`{word.text}` is no number of connections", word.span, f"limits are 0 to {ir.MAX_CONNECTIONS}")
    return found


def _forward(statement: Statement | None) -> ir.Forward:
    """Return how packets are forwarded. NAT is keepalived's default."""
    if statement is None or not statement.values:
        return ir.Forward.MASQUERADE
    word = statement.values[0]
    if word.text.upper() not in _METHODS:
        raise broken(f"no forwarding method `{word.text}`", word.span, "it is NAT, DR or TUN")
    return _METHODS[word.text.upper()]


def _tunnel(method: Statement) -> str:
    """Return the kind of tunnel: ``lvs_method TUN type gue port 6080``."""
    words = [word.text for word in method.values]
    return words[words.index("type") + 1] if "type" in words[:-1] else "ipip"


def _range(word: Word) -> list[ir.Address]:
    """Return the addresses of ``192.168.200.3-10``: those that end in 3 to 10 (of IPv6 the last group, hexadecimal)."""
    first, found, last = word.text.partition("-")
    begin = address(first)
    if begin is None:
        raise broken(f"`{word.text}` is no address", word.span, "keepalived looks up no names")
    if not found:
        return [begin]
    base, unit = (10, 0xFF) if begin.version == 4 else (16, 0xFFFF)
    try:
        count = int(last, base) - (int(begin) & unit) + 1 if len(last) <= 4 else 0
    except ValueError:
        count = 0
    if not 0 < count <= unit + 1 - (int(begin) & unit):
        raise broken(f"`{word.text}` is no range of addresses", word.span, "192.168.200.3-10 is .3 to .10")
    if count > _RANGE:
        raise broken(f"a range of {count} addresses is more than import takes", word.span, f"at most {_RANGE}")
    return [begin + offset for offset in range(count)]
