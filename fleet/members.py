"""Add members that registered themselves to the program that a node serves. The program was reviewed; its members
change by themselves.

What is in etcd below a pool is input. A member that does not fit is refused, logged once, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from svcc.agent.log import Log
from svcc.apply import files
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import Severity
from svcc.etcd.values import Changes, Listing
from svcc.fleet.documents import plain
from svcc.fleet.errors import BadDocument
from svcc.fleet.keys import Keys, fault
from svcc.fleet.registering import Member
from svcc.targets import find
from svcc.targets.capability import check_target

#: How many refused members a status names.
_NAMED = 3
#: The members of an empty pool.
_NOBODY: Mapping[str, Member] = {}


class Members:
    """The members of all pools of a fleet, as etcd reported them last. Without etcd they stay as they are.

    They are kept in STATE/members.json, so that an agent that starts without etcd has them.
    """

    def __init__(self, root: Path, keys: Keys, log: Log) -> None:
        """Read the members that were kept. Errors: OSError."""
        self._file, self._beginning, self._log = root / "members.json", keys.pools, log
        self._texts: Mapping[str, str] = _kept(self._file)  # members' documents, by key
        self._refused: Mapping[str, str] = {}  # the reason, by key
        self._pools: Mapping[str, Mapping[str, Member]] = {}  # by pool, the members by key
        self._joined: tuple[ir.Program, str, Mapping[str, str], ir.Program] | None = None
        self._served: dict[str, _Served] = {}  # by service, for the program in `_joined`

    @property
    def refused(self) -> str:
        """Which members do not fit, and why; "" where all do."""
        found = [f"{_short(key, self._beginning)} is refused: {why}" for key, why in sorted(self._refused.items())]
        return "; ".join(found[:_NAMED]) + (f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else "")

    def hear(self, news: Listing | Changes) -> None:
        """Enter what etcd reports. It may run in a thread."""
        texts = {} if isinstance(news, Listing) else dict(self._texts)
        entries = news.by_key() if isinstance(news, Listing) else {one.key: one.entry for one in news.changes}
        for key, entry in entries.items():
            if entry is None:
                texts.pop(key, None)
            else:
                texts[key] = entry.value.decode("utf-8", "replace")
        if texts == self._texts:
            return
        self._texts = texts
        try:
            files.make_directory(self._file.parent)
            files.write(self._file, json.dumps(texts, sort_keys=True) + "\n")
        except OSError as error:
            self._log.error("the registered endpoints cannot be saved", reason=str(error))

    def joined(self, program: ir.Program, target: str, node: str) -> ir.Program:
        """Return the program with the members of its pools as further endpoints; the same object as before where
        nothing changed.

        ``target``, ``node``: for which the program has to be right.
        """
        texts, last = self._texts, self._joined
        if last is not None and last[0] is program and last[1] == target and last[2] is texts:
            return last[3]
        if last is None or last[0] is not program or last[1] != target:
            self._served = {}
        pools, refused = self._read(texts)
        self._pools = pools
        fitting = _Fitting(program, target, node)
        services = tuple(self._with_members(service, pools, fitting) for service in program.services)
        asked = {one.pool for service in program.services for one in service.registered}
        for pool in pools.keys() - asked:
            refused |= dict.fromkeys(pools[pool], f"no service takes it from pool {pool}")
        for served in self._served.values():
            refused |= served.refused
        self._tell(refused)
        same = all(one is other for one, other in zip(services, program.services, strict=True))
        made = program if same else replace(program, services=services)
        if last is not None and made == last[3] and last[0] is program:
            made = last[3]
        self._joined = program, target, texts, made
        return made

    def _with_members(
        self, service: ir.Service, pools: Mapping[str, Mapping[str, Member]], fitting: _Fitting
    ) -> ir.Service:
        """Return a service with the members of its pools; the same object as before where these did not change."""
        if not service.registered:
            return service
        members = [pools.get(one.pool, _NOBODY) for one in service.registered]
        known = self._served.get(service.name)
        if known is None or any(one is not other for one, other in zip(members, known.members, strict=True)):
            refused: dict[str, str] = {}
            made = fitting.served(service, members, refused)
            known = self._served[service.name] = _Served(members, made, refused)
        return known.made

    def _read(self, texts: Mapping[str, str]) -> tuple[dict[str, Mapping[str, Member]], dict[str, str]]:
        """Return the members by pool and key, and by key why others are refused."""
        pools: dict[str, dict[str, Member]] = {}
        refused: dict[str, str] = {}
        for key, text in sorted(texts.items()):
            pool, _, endpoint = key.removeprefix(self._beginning).partition("/")
            try:
                if not key.startswith(self._beginning) or fault(pool) is not None or "/" in endpoint:
                    raise BadDocument("its key is not that of a member")
                pools.setdefault(pool, {})[key] = Member.read(key, text)
            except BadDocument as error:
                refused[key] = str(error)
        return {pool: self._as_before(pool, members) for pool, members in pools.items()}, refused

    def _as_before(self, pool: str, members: Mapping[str, Member]) -> Mapping[str, Member]:
        before = self._pools.get(pool)
        return before if before is not None and before == members else members

    def _tell(self, refused: Mapping[str, str]) -> None:
        for key, why in sorted(refused.items()):
            if self._refused.get(key) != why:
                member = plain(_short(key, self._beginning))
                self._log.error("a member is refused", member=member, reason=plain(why))
        self._refused = refused


@dataclass(frozen=True, slots=True)
class _Served:
    """A service with the members of its pools, the members of each pool, and why some do not fit."""

    members: Sequence[Mapping[str, Member]]
    made: ir.Service
    refused: Mapping[str, str]


class _Fitting:
    """Adds members to services, as far as the services stay right."""

    def __init__(self, program: ir.Program, target: str, node: str) -> None:
        self._program, self._target, self._node = program, find(target), program.node(node)

    def served(self, service: ir.Service, pools: Sequence[Mapping[str, Member]], refused: dict[str, str]) -> ir.Service:
        """Return a service with its members, which are given by pool. The reasons why some do not fit are put into
        ``refused``."""
        found: list[tuple[str, ir.Endpoint]] = []
        places = {_place(service, one) for one in service.endpoints}
        for registered, members in zip(service.registered, pools, strict=True):
            for key, member in members.items():
                endpoint = ir.Endpoint(member.endpoint.address, member.endpoint.port, member.weight)
                if not registered.takes(endpoint.address):
                    refused[key] = f"{endpoint.address} is in no network of pool {registered.pool}"
                elif (place := _place(service, endpoint)) not in places:
                    places.add(place)
                    found.append((key, endpoint))
        return self._with(service, found, refused) if found else service

    def _with(
        self, service: ir.Service, members: Sequence[tuple[str, ir.Endpoint]], refused: dict[str, str]
    ) -> ir.Service:
        """Return the service with all members that fit. Where they do not fit together, each half is tried by
        itself."""
        made = replace(service, endpoints=(*service.endpoints, *(endpoint for _, endpoint in members)))
        wrong = next(self._wrong(made), None)
        if wrong is None:
            return made
        if len(members) == 1:
            refused[members[0][0]] = f"it does not fit service {service.name}: {wrong}"
            return service
        half = len(members) // 2
        return self._with(self._with(service, members[:half], refused), members[half:], refused)

    def _wrong(self, service: ir.Service) -> Iterator[str]:
        alone = replace(self._program, services=(service,), balancers=())
        yield from (one.message for one in check(alone) if one.severity is Severity.ERROR)
        if self._target is not None:
            found = check_target(alone, self._target, self._node)
            yield from (one.message for one in found if one.severity is Severity.ERROR)


def _place(service: ir.Service, endpoint: ir.Endpoint) -> tuple[ir.Address, int | None]:
    """Return where connections to an endpoint go: a service can have only one endpoint for each place."""
    single = service.ports[0].target if len(service.ports) == 1 else None
    return endpoint.address, single if endpoint.port is None else endpoint.port


def _short(key: str, beginning: str) -> str:
    return key.removeprefix(beginning)


def _kept(file: Path) -> Mapping[str, str]:
    """Return the members that were kept; none where they make no sense, as etcd will report them again. Errors:
    OSError."""
    try:
        found: object = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else {}
