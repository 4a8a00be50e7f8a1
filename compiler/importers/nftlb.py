"""The importer for nftlb: reads its farms from the JSON that its API takes and gives (the README of nftlb)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.importers.interface import Imported, Importer, Note, broken
from svcc.compiler.importers.json_objects import Member, document
from svcc.compiler.importers.names import Names
from svcc.compiler.importers.nftlb_words import IN_ADDRESS, IN_BACKEND, IN_ELEMENT, IN_FARM, IN_POLICY, Reasons, reason
from svcc.compiler.importers.virtual import ALL_PORTS, Front, Server, Virtual, affinity_of, services_of
from svcc.compiler.importers.words import address, network, number, ports
from svcc.compiler.source import Source, Span

_WEIGHTS = 65_535
#: The seconds of persistence where a farm gives none (nftlb's default), and the most that this importer accepts.
_PERSISTENCE, _LONGEST = "60", 31 * 86_400
_MASQUERADES = {"snat": ir.Masquerade.ALWAYS, "dnat": ir.Masquerade.NEVER}
_MODES = {
    "dsr": "svcc's `forward direct` is for ipvs alone, and goes by routes",
    "stlsdnat": "svcc translates no packets without connection tracking",
    "local": "svcc forwards no connections to programs of the machine itself",
}
_SECTIONS = ("farms", "addresses", "policies")

Members = Mapping[str, Member]


class _Nftlb(Importer):
    """The importer for nftlb."""

    name: ClassVar[str] = "nftlb"
    title: ClassVar[str] = "nftlb's farms, as JSON"

    def read(self, sources: Sequence[Source]) -> Imported:
        reader = _Reader()
        roots = [document(source) for source in sources]
        for root in roots:
            reader.declare(root)
        for root in roots:
            reader.take(root)
        return reader.imported()


IMPORTER = _Nftlb()


class _Reader:
    """Makes services of farms."""

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._names = Names()
        self._services: list[ir.Service] = []
        self._addresses: dict[str, Member] = {}
        self._policies: dict[str, Member] = {}

    def declare(self, root: Member) -> None:
        """Note the addresses and policies that farms refer to by name."""
        members = root.members()
        if not members.keys() & set(_SECTIONS):
            raise broken("this is no configuration of nftlb", root.span, 'it has a list of farms: {"farms": [ … ]}')
        for section, table in (("addresses", self._addresses), ("policies", self._policies)):
            for item in _items(members, section):
                table.setdefault(_name(item), item)

    def take(self, root: Member) -> None:
        members = root.members()
        for key, member in members.items():
            if key not in _SECTIONS:
                self._note(member.whole, "import does not know it")
        for farm in _items(members, "farms"):
            virtual = self._farm(farm)
            if virtual is not None:
                made = [*services_of(virtual, self._names, self._notes)]
                if virtual.one_memory and len(made) > 1:
                    self._note(
                        farm.members()["persistence"].whole, "svcc remembers clients for each service separately"
                    )
                self._services += made

    def imported(self) -> Imported:
        program = ir.Program(services=tuple(sorted(self._services, key=lambda service: service.name)))
        return Imported(program, tuple(self._notes))

    def _note(self, span: Span, why: str) -> None:
        self._notes.append(Note(span, why))

    def _leave_out(self, members: Members, reasons: Reasons) -> None:
        """Note the members of an object that are not carried over, unless they say what svcc does anyway."""
        for key, member in members.items():
            why = reason(reasons, key, member.value)
            if why is not None:
                self._note(member.whole, why)

    # -- farms ----------------------------------------------------------------------------------------------------

    def _farm(self, farm: Member) -> Virtual | None:
        members = farm.members()
        name, whole = _name(farm), members["name"].whole
        masquerade = self._masquerade(members, whole)
        fronts = tuple(self._fronts(members, whole)) if masquerade is not None else ()
        if masquerade is None or not fronts:
            return None
        self._leave_out(members, IN_FARM)
        servers = tuple(s for backend in _items(members, "backends") if (s := self._backend(backend)) is not None)
        scheduler = self._scheduler(members, {server.weight for server in servers} - {0})
        seconds = self._persistence(members)
        allowed = tuple(dict.fromkeys(self._allowed(members)))
        snat = tuple(self._source(members, {front.address.version for front in fronts}))
        made = Virtual(name, fronts, servers, scheduler, seconds, whole, masquerade, allowed, snat=snat)
        by = self._scheduler_by(members, scheduler)
        return replace(
            made, scheduler_by=by, one_memory=seconds is not None
        )  # nftlb has a map of clients for each farm

    def _source(self, members: Members, versions: set[int]) -> Iterator[ir.Address]:
        """Return the address that sources are rewritten to; nothing where it is the machine's own."""
        text = _text(members, "source-addr", "")
        found = address(text) if text else None
        if text and found is None:
            raise broken("this is no address", members["source-addr"].span, "nftlb looks up no names")
        if found is not None and found.version in versions:
            yield found
        elif found is not None:
            self._note(members["source-addr"].whole, f"the farm has no IPv{found.version} address")

    def _masquerade(self, members: Members, whole: Span) -> ir.Masquerade | None:
        """Return the masquerading that the farm asks for.

        Return None, and note it, where svcc cannot serve the farm.
        """
        state, mode = _text(members, "state", "up"), _text(members, "mode", "")
        if state != "up":
            self._note(members["state"].whole, "the farm is not up, and svcc would serve it: it was not carried over")
        elif mode in _MODES:
            self._note(members["mode"].whole, f"{_MODES[mode]}: the farm was not carried over")
        elif mode in _MASQUERADES:
            return _MASQUERADES[mode]
        elif not mode:
            self._note(whole, "the farm has no mode")
        else:
            raise broken("no such mode", members["mode"].span, "it is snat, dnat, dsr, stlsdnat or local")
        return None

    def _fronts(self, members: Members, whole: Span) -> list[Front]:
        """Return what the farm listens on; nothing, with a note, where svcc cannot tell."""
        found: list[Front] = []
        if "virtual-addr" in members or "virtual-ports" in members:
            found += self._listening(members, "virtual-addr", "virtual-ports", whole)
        for item in _items(members, "addresses"):
            own = item.members()
            declared = self._addresses.get(_name(item), item).members()
            whole_of_it = own if "ip-addr" in own else declared
            self._leave_out(whole_of_it, IN_ADDRESS)
            found += self._listening(whole_of_it, "ip-addr", "ports", item.span)
        if not members.keys() & {"virtual-addr", "virtual-ports", "addresses"}:
            self._note(whole, "the farm has no address")
        return found

    def _listening(self, members: Members, at: str, which: str, span: Span) -> list[Front]:
        where, listed, protocol = _text(members, at, ""), _text(members, which, ""), _text(members, "protocol", "tcp")
        why = ""
        if protocol == "all":
            why = "a service of svcc has ports of tcp, udp or sctp, not all protocols"
        elif not where:
            why = "a service of svcc has addresses of its own, not all of the machine's"
        elif not listed:
            why = ALL_PORTS
        if why:
            self._note(span, why)
            return []
        if protocol not in set(ir.Protocol):
            raise broken("no such protocol", members["protocol"].span, "it is tcp, udp, sctp or all")
        found = address(where)
        if found is None:
            raise broken("this is no address", members[at].span, "nftlb looks up no names")
        fronts = []
        for text in listed.split(","):
            some = ports(text.strip())
            if some is None:
                raise broken("this is no list of ports", members[which].span, "such as 80,443,5000-5099")
            fronts.append(Front(found, ir.Protocol(protocol), some, members[at].whole))
        return fronts

    # -- settings -------------------------------------------------------------------------------------------------

    def _scheduler(self, members: Members, weights: set[int]) -> ir.Scheduler:
        """Return the scheduler. nftlb's default is round robin, which follows weights, as its random choice does."""
        match _text(members, "scheduler", "rr"):
            case "rr":
                return ir.Scheduler.WRR if len(weights) > 1 else ir.Scheduler.RR
            case "weight":
                return ir.Scheduler.RANDOM
            case "hash":
                return ir.Scheduler.SH
            case "symhash":
                self._note(members["scheduler"].whole, "svcc has no symhash: the program says random")
                return ir.Scheduler.RANDOM
        raise broken("no such scheduler", members["scheduler"].span, "it is weight, rr, hash or symhash")

    def _scheduler_by(self, members: Members, scheduler: ir.Scheduler) -> ir.HashBy:
        """Return what the scheduler hashes. nftlb's default is the client's address."""
        hashed = frozenset(_text(members, "sched-param", "none").split())
        if scheduler is not ir.Scheduler.SH or "none" in hashed or hashed == {"srcip"}:
            return ir.HashBy.ADDRESS
        if hashed == {"srcip", "srcport"}:
            return ir.HashBy.ADDRESS_PORT
        self._note(members["sched-param"].whole, "svcc hashes the client's address, alone or with its port")
        return ir.HashBy.ADDRESS

    def _persistence(self, members: Members) -> int | None:
        kind = _text(members, "persistence", "none")
        if kind != "srcip":
            if kind != "none":
                self._note(members["persistence"].whole, "svcc remembers clients by their address only")
            return None
        seconds = number(_text(members, "persist-ttl", _PERSISTENCE), 1, _LONGEST)
        if seconds is None:
            raise broken("this is no time of persistence", members["persist-ttl"].span, f"1 to {_LONGEST} seconds")
        return affinity_of(seconds, members["persistence"].whole, self._notes)

    def _allowed(self, members: Members) -> list[ir.Network]:
        """Return the networks of the farm's whitelists."""
        found: list[ir.Network] = []
        for item in _items(members, "policies"):
            policy = self._policies.get(_name(item))
            if policy is None:
                raise broken("there is no policy of this name", item.members()["name"].span)
            own = policy.members()
            if _text(own, "type", "blacklist") != "whitelist":
                self._note(item.span, "svcc has no lists of clients that are kept out")
                continue
            self._note(item.span, "allow-from keeps all other clients out, which a whitelist of nftlb alone does not")
            self._leave_out(own, IN_POLICY)
            for element in _items(own, "elements"):
                self._leave_out(element.members(), IN_ELEMENT)
                data = element.members().get("data", element)
                one = network(data.text)
                if one is None:
                    raise broken("this is no network", data.span)
                found.append(one)
        return found

    def _backend(self, backend: Member) -> Server | None:
        members = backend.members()
        if "ip-addr" not in members:
            raise broken("this backend has no address", backend.span, 'it has an "ip-addr"')
        where = address(members["ip-addr"].text)
        if where is None:
            raise broken("this is no address", members["ip-addr"].span, "nftlb looks up no names")
        state = _text(members, "state", "up")
        if state == "config_error":
            self._note(members["state"].whole, "the backend was not carried over")
            return None
        if state == "down":
            self._note(members["state"].whole, "in the program, the endpoint is draining")
        self._leave_out(members, IN_BACKEND)
        port = _number(members, "port", "0", 0, 65_535) or 0
        weight = _number(members, "weight", "1", 0, _WEIGHTS)
        weight = 0 if state in ("down", "off") else weight
        backup = _number(members, "priority", "1", 0, 10**9) > 1
        return Server(where, port, weight, ir.Forward.MASQUERADE, backend.span, backup)


def _items(members: Members, key: str) -> list[Member]:
    return [*members[key].items()] if key in members else []


def _text(members: Members, key: str, default: str) -> str:
    """Return the value of a member, or the default where it is missing or empty."""
    return (members[key].text if key in members else "") or default


def _number(members: Members, key: str, default: str, low: int, high: int) -> int:
    found = number(_text(members, key, default), low, high)
    if found is None:
        raise broken(f"this is no {key}", members[key].span, f"it is {low} to {high}")
    return found


def _name(item: Member) -> str:
    members = item.members()
    name = _text(members, "name", "")
    if not name:
        raise broken("this object has no name", item.span, 'it has a "name"')
    return name
