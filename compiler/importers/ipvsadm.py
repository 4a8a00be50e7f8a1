"""The importer for ipvsadm: reads what ``ipvsadm-save -n`` prints, or a script of ipvsadm commands (ipvsadm(8))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeAlias

from svcc.compiler import ir
from svcc.compiler.importers.interface import Imported, Importer, Note, broken
from svcc.compiler.importers.ipvsadm_lines import Line, commands
from svcc.compiler.importers.marks import Mark, marks, with_rules
from svcc.compiler.importers.names import Names
from svcc.compiler.importers.virtual import (
    ALL_PORTS,
    SCHEDULERS,
    SYNCHRONISES,
    TIMEOUTS,
    Front,
    Server,
    Virtual,
    affinity_networks,
    affinity_of,
    hash_by,
    note_lower_limit,
    services_of,
)
from svcc.compiler.importers.words import Word, number, port, socket
from svcc.compiler.source import Source

_WEIGHTS = 65_535
#: The seconds of persistence that ``-p`` means without a value, and the most that ipvsadm takes (31 days).
_PERSISTENCE, _LONGEST = 300, 31 * 86_400
_NUMBERS = "import looks up no names: save the services with numbers, ipvsadm-save -n"
_WHOLE = "the service was not carried over"
_PROTOCOLS = {
    "tcp-service": ir.Protocol.TCP,
    "udp-service": ir.Protocol.UDP,
    "sctp-service": ir.Protocol.SCTP,
}
_FORWARDS = {
    "masquerading": ir.Forward.MASQUERADE,
    "gatewaying": ir.Forward.DIRECT,
    "ipip": ir.Forward.TUNNEL,
}
#: Commands that do not change what is served.
_NOTED = {
    "set": TIMEOUTS,
    "start-daemon": SYNCHRONISES,
    "stop-daemon": SYNCHRONISES,
    "clear": "svcc clears nothing that is not its own",
    **dict.fromkeys(("list", "zero", "save", "restore"), "it changes no service"),
    **dict.fromkeys(
        ("edit-service", "edit-server", "delete-service", "delete-server"),
        "import takes lines that add, not those that change what was added",
    ),
}
#: Options of a service that svcc's language has no word for.
_SERVICE_OPTIONS = {
    "pe": "svcc has no persistence engines",
}

#: What identifies a virtual server: protocol, address and port; or a firewall mark and the family.
_Key: TypeAlias = tuple[ir.Protocol, ir.Address, int] | tuple[int, int]


@dataclass(slots=True)
class _Virtual:
    """A virtual server with the lines of its real servers."""

    line: Line
    key: _Key
    servers: list[Line] = field(default_factory=list)


class _Ipvsadm(Importer):
    """The importer for ipvsadm."""

    name: ClassVar[str] = "ipvsadm"
    title: ClassVar[str] = "what `ipvsadm-save -n` prints; for firewall marks what `iptables-save` prints, too"

    def read(self, sources: Sequence[Source]) -> Imported:
        own, rules = with_rules(sources, "what `ipvsadm-save -n` prints")
        reader = _Reader(rules)
        for source in own:
            for line in commands(source):
                reader.take(line)
        return reader.imported()


IMPORTER = _Ipvsadm()


class _Reader:
    """Collects virtual servers, then makes services of them."""

    def __init__(self, rules: Sequence[Source]) -> None:
        self._notes: list[Note] = []
        self._marked: dict[tuple[int, int], list[Mark]] = {}
        for source in rules:
            for mark in marks(source, self._notes):
                self._marked.setdefault((mark.mark, mark.version), []).append(mark)
        self._names = Names()
        self._virtuals: dict[_Key, _Virtual] = {}

    def take(self, line: Line) -> None:
        if line.command in _NOTED:
            self._notes.append(Note(line.span, _NOTED[line.command]))
            return
        option, word = _service_word(line)
        key = _key(line, option, word)
        if key is None:
            adds = line.command == "add-service"
            self._notes.append(Note(word.span if adds else line.span, _NUMBERS if adds else _WHOLE))
        elif line.command == "add-service":
            if key in self._virtuals:
                raise broken(f"service {word.text} is added twice", word.span)
            self._virtuals[key] = _Virtual(line, key)
        elif key not in self._virtuals:
            raise broken(f"no line before this one adds service {word.text}", word.span, "-A comes before its -a")
        else:
            self._virtuals[key].servers.append(line)

    def imported(self) -> Imported:
        services = [service for virtual in self._virtuals.values() for service in self._services(virtual)]
        program = ir.Program(services=tuple(sorted(services, key=lambda service: service.name)))
        return Imported(program, tuple(self._notes))

    # -- services -------------------------------------------------------------------------------------------------

    def _services(self, virtual: _Virtual) -> list[ir.Service]:
        line = virtual.line
        fronts = self._fronts(virtual)
        scheduler = self._scheduler(line)
        if not fronts or scheduler is None:
            self._notes += [Note(server.span, _WHOLE) for server in virtual.servers]
            return []
        self._notes += [Note(line.spans[o], why) for o, why in _SERVICE_OPTIONS.items() if line.has(o)]
        affinity = self._affinity(line)
        servers = tuple(server for one in virtual.servers if (server := self._server(one)) is not None)
        marked = len(virtual.key) == 2
        if marked and affinity:  # IPVS does not change their port, whatever a line says (ip_vs_sched_persist)
            servers = tuple(replace(server, port=0) for server in servers)
        name = f"mark-{virtual.key[0]}" if marked else f"{fronts[0].protocol}-{fronts[0].address}-{fronts[0].ports}"
        made = Virtual(name.replace(":", "_"), fronts, servers, scheduler, affinity, line.span)
        made = replace(
            made, scheduler_by=self._scheduler_by(line, scheduler), affinity_networks=self._networks(line, affinity)
        )
        if line.has("ops"):
            made = replace(made, one_packet=True, spans={"one-packet": line.spans["ops"]})
        made = replace(made, one_memory=marked and affinity is not None)
        found = [*services_of(made, self._names, self._notes)]
        if made.one_memory and len(found) > 1:
            self._notes.append(Note(line.spans["persistent"], "svcc remembers clients for each service separately"))
        return found

    def _fronts(self, virtual: _Virtual) -> tuple[Front, ...]:
        """Return what the virtual server listens on; nothing where that is not known, which is noted."""
        key, span = virtual.key, virtual.line.span
        if len(key) == 3:
            protocol, address, number = key
            if number:
                return (Front(address, protocol, ir.PortRange(number, number), span),)
            self._notes.append(Note(span, ALL_PORTS))
            return ()
        fronts = tuple(Front(m.address, m.protocol, m.ports, span) for m in self._marked.get(key, ()))
        if not fronts:
            reason = "what has this firewall mark is not known: give the output of iptables-save beside it"
            self._notes.append(Note(span, reason))
        return fronts

    def _scheduler(self, line: Line) -> ir.Scheduler | None:
        word = line.options.get("scheduler")
        found = ir.Scheduler.WLC if word is None else SCHEDULERS.get(word.text)
        if found is None and word is not None:
            self._notes.append(Note(line.span, f"svcc has no scheduler {word.text}"))
        return found

    def _scheduler_by(self, line: Line, scheduler: ir.Scheduler) -> ir.HashBy:
        word = line.options.get("sched-flags")
        flags = {} if word is None else dict.fromkeys(word.text.split(","), line.spans["sched-flags"])
        return hash_by(scheduler, flags, line.spans.get("scheduler", line.span), self._notes)

    def _affinity(self, line: Line) -> int | None:
        word = line.options.get("persistent")
        if word is None:
            return None
        bare = word.text.startswith("-")
        seconds = _PERSISTENCE if bare else number(word.text, 1, _LONGEST)
        if seconds is None:
            raise broken(f"`{word.text}` is no time of persistence", word.span, f"it is 1 to {_LONGEST} seconds")
        return affinity_of(seconds, line.spans["persistent"], self._notes)

    def _networks(self, line: Line, affinity: int | None) -> tuple[int, int]:
        word = line.options.get("netmask")
        if word is None or affinity is None:
            return 32, 128
        return affinity_networks(word.text, line.spans["netmask"], self._notes)

    def _server(self, line: Line) -> Server | None:
        word = line.options.get("real-server")
        if word is None:
            raise broken("this line names no real server", line.span, "name it: -r 10.0.0.1:80")
        found = socket(word.text) or socket(f"{word.text}:0")
        if found is None or (found[1] not in ("", "0") and port(found[1]) is None):
            self._notes.append(Note(line.span, _NUMBERS))
            return None
        weight_word = line.options.get("weight")
        weight = 1 if weight_word is None else number(weight_word.text, 0, _WEIGHTS)
        if weight is None:
            assert weight_word is not None
            raise broken(f"`{weight_word.text}` is no weight", weight_word.span, f"weights are 0 to {_WEIGHTS}")
        kind = line.options.get("tun-type")
        if kind is not None and kind.text != "ipip" and line.has("ipip"):
            self._notes.append(Note(line.span, f"svcc tunnels in ipip, not in {kind.text}"))
            return None
        most, lower = (_connections(line, option) for option in ("u-threshold", "l-threshold"))
        note_lower_limit(lower, most, line.spans.get("l-threshold", line.span), self._notes)
        return Server(found[0], int(found[1] or 0), weight, _forward(line), line.span, most=most or None)


def _connections(line: Line, option: str) -> int:
    """Return a limit of connections; 0 where there is none."""
    word = line.options.get(option)
    found = 0 if word is None else number(word.text, 0, ir.MAX_CONNECTIONS)
    if found is None:
        assert word is not None
        raise broken(f"`{word.text}` is no number of connections", word.span, f"limits are 0 to {ir.MAX_CONNECTIONS}")
    return found


def _service_word(line: Line) -> tuple[str, Word]:
    options = [o for o in (*_PROTOCOLS, "fwmark-service") if line.has(o)]
    if len(options) != 1:
        hint = "name it: -t 198.51.100.1:80"
        raise broken("this line names no service" if not options else "this line names two services", line.span, hint)
    return options[0], line.options[options[0]]


def _key(line: Line, option: str, word: Word) -> _Key | None:
    """Return what identifies a virtual server. Return None where a host or service is given by name."""
    if option == "fwmark-service":
        mark = number(word.text, 1, 0xFFFF_FFFF)
        if mark is None:
            raise broken(f"`{word.text}` is no firewall mark", word.span)
        return mark, 6 if line.has("ipv6") else 4
    found = socket(word.text) or socket(f"{word.text}:0")
    if found is None:
        return None
    address, text = found
    number_ = 0 if text in ("", "0") else port(text)
    return None if number_ is None else (_PROTOCOLS[option], address, number_)


def _forward(line: Line) -> ir.Forward:
    """Return how packets are forwarded. Direct routing is ipvsadm's default."""
    return next((forward for option, forward in _FORWARDS.items() if line.has(option)), ir.Forward.DIRECT)
