"""Turns JSON into expressions and statements. Everything unknown is an error (libnftables-json(5))."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from svcc.verify.trace import nft_expressions as ex
from svcc.verify.trace import nft_selectors as selectors
from svcc.verify.trace import nft_statements as st
from svcc.verify.trace.chains import Call, Final
from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule
from svcc.verify.trace.flow import Draw
from svcc.verify.trace.host import Host
from svcc.verify.trace.nft_json import Fields
from svcc.verify.trace.nft_sets import D, Elements, KeySet, Ranges, ValueMap, add_all, range_of
from svcc.verify.trace.nft_types import INTEGER, IPV4, IPV6, MARK, PORT, Type

_FINAL = {"accept": Final.ACCEPT, "drop": Final.DROP, "return": Final.RETURN, "continue": None}


AnySet: TypeAlias = KeySet | ValueMap | st.JudgementMap


@dataclass(slots=True)
class TableNames:
    """What the names in a table refer to."""

    family: str  # "ip", "ip6" or "inet"
    host: Host
    sets: dict[str, AnySet] = field(default_factory=dict)
    chains: set[str] = field(default_factory=set)  # the chains that rules may lead to; base chains are not among them


def judgement(names: TableNames, place: ArtifactLine, value: object) -> st.Judgement:
    """Return a verdict. Errors: TraceError."""
    if not isinstance(value, dict) or len(value) != 1:
        raise LoadError(place, f"{value} is no verdict")
    ((name, body),) = value.items()
    if name in _FINAL and body is None:
        return st.Judgement(name, _FINAL[name])
    if name in ("jump", "goto"):
        fields = Fields(place, name, body)
        chain = fields.text("target")
        fields.done()
        if chain not in names.chains:
            raise LoadError(place, f"there is no chain {chain}")
        return st.Judgement(f"{name} {chain}", Call(chain, back=name == "jump"))
    raise UnknownRule(place, f"the verdict {name} is not known here")


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads the expressions and statements of one rule."""

    names: TableNames
    place: ArtifactLine

    # ---- expressions

    def expression(self, value: object, hint: Type = INTEGER) -> ex.Expression:
        """Return an expression. ``hint``: the type of a constant. Errors: TraceError."""
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return ex.Constant(hint, self._single(hint, value))
        if not isinstance(value, dict) or len(value) != 1:
            raise UnknownRule(self.place, f"the expression {value} is not known here")
        ((name, body),) = value.items()
        if name == "concat":
            if not isinstance(body, list) or len(body) < 2:
                raise LoadError(self.place, "a concatenation has two parts at least")
            return ex.Concat(tuple(self.expression(part, hint) for part in body))
        if name in ex.OPERATORS:
            return self._binary(name, body, hint)
        if name not in _EXPRESSIONS:
            raise UnknownRule(self.place, f"the expression {name} is not known here")
        return _EXPRESSIONS[name](self, Fields(self.place, name, body))

    def _single(self, type: Type, value: object) -> int:
        first, last = range_of(self.place, type, value)
        if first != last:
            raise LoadError(self.place, f"{value} is not a single value")
        return first

    def _binary(self, operator: str, body: object, hint: Type) -> ex.Expression:
        if not isinstance(body, list) or len(body) != 2:
            raise UnknownRule(self.place, f"`{operator}` of other than two values is not known here")
        left = self.expression(body[0], hint)
        return ex.Binary(operator, left, self.expression(body[1], left.types[0]))

    def payload(self, fields: Fields) -> ex.Expression:
        """A field of a header."""
        protocol, name = fields.text("protocol"), fields.text("field")
        fields.done()
        if self.names.family != "inet" and protocol in ("ip", "ip6") and protocol != self.names.family:
            raise LoadError(self.place, f"{protocol} {name} in a table of {self.names.family}")
        return selectors.payload(self.place, protocol, name)

    def meta(self, fields: Fields) -> ex.Expression:
        """A property of the packet."""
        key = fields.text("key")
        fields.done()
        return selectors.meta(self.place, key)

    def ct(self, fields: Fields) -> ex.Expression:
        """A property of the packet's connection."""
        key, family = fields.text("key"), fields.take("family", None)
        direction = fields.text("dir") if "dir" in fields else None
        fields.done()
        return selectors.ct(self.place, f"{family} {key}" if family else key, direction)

    def fib(self, fields: Fields) -> ex.Expression:
        """A look-up in the routing table."""
        result, flags = fields.text("result"), fields.take("flags")
        fields.done()
        return selectors.fib(self.place, self.names.host, result, flags)

    def numgen(self, fields: Fields) -> ex.Expression:
        """A number by chance or in turn. Errors: LoadError."""
        mode, modulus, offset = fields.text("mode"), fields.number("mod"), fields.number("offset", 0)
        fields.done()
        if mode not in ("inc", "random") or modulus < 1:
            raise LoadError(self.place, f"numgen {mode} mod {modulus} is not valid")
        text = f"numgen {mode} mod {modulus}" + (f" offset {offset}" if offset else "")
        return ex.Drawn(self.place, text, modulus, offset, Draw.TURN if mode == "inc" else Draw.RANDOM)

    def jhash(self, fields: Fields) -> ex.Expression:
        """Return a hash.

        Without a seed the kernel chooses one at each load, so that clients are not recognized after it.
        """
        modulus, offset, seed = fields.number("mod"), fields.number("offset", 0), fields.take("seed", None)
        hashed = self.expression(fields.take("expr"))
        fields.done()
        if modulus < 1 or not (seed is None or isinstance(seed, int)):
            raise LoadError(self.place, f"jhash mod {modulus} seed {seed} is not valid")
        # otherwise every load chooses its own seed
        kept = seed is not None and str(hashed) in ("ip saddr", "ip6 saddr")
        how = Draw.CLIENT if kept else Draw.OTHER
        if seed is not None and str(hashed) in ("ip saddr . th sport", "ip6 saddr . th sport"):
            how = Draw.CONNECTION
        text = f"jhash {hashed} mod {modulus}" + ("" if seed is None else f" seed {seed:#x}")
        text += f" offset {offset}" if offset else ""
        drawn_by = None if how is Draw.CONNECTION else hashed  # the client's port is arbitrary
        return ex.Drawn(self.place, text, modulus, offset, how, drawn_by, seed)

    def lookup(self, fields: Fields) -> ex.Expression:
        """A look-up in a map of values."""
        key, data = self.expression(fields.take("key")), fields.take("data")
        fields.done()
        if isinstance(data, str):
            named = self._named(data, key)
            if not isinstance(named, ValueMap) or len(named.data) != 1:
                raise UnknownRule(self.place, f"{data} is not a map to single values")
            return ex.Lookup(key, named, named.data[0], data)
        raise UnknownRule(self.place, "a map without a name is not known here")

    def _named(self, name: str, key: ex.Expression) -> AnySet:
        if not name.startswith("@") or name[1:] not in self.names.sets:
            raise LoadError(self.place, f"there is no set {name}")
        named = self.names.sets[name[1:]]
        ex.check_types(self.place, key, named.elements.types, name)
        return named

    # ---- statements

    def statement(self, value: object) -> st.Statement:
        """Return a statement. Errors: TraceError."""
        if not isinstance(value, dict) or len(value) != 1:
            raise LoadError(self.place, f"{value} is no statement")
        ((name, body),) = value.items()
        if name in (*_FINAL, "jump", "goto"):
            return st.FixedVerdict(judgement(self.names, self.place, value))
        if name == "counter" and (body is None or isinstance(body, dict)):
            return st.Counter()
        if name not in _STATEMENTS:
            raise UnknownRule(self.place, f"the statement {name} is not known here")
        fields = Fields(self.place, name, {} if body is None else body)
        statement = _STATEMENTS[name](self, fields)
        fields.done()
        return statement

    def match(self, fields: Fields) -> st.Statement:
        """A comparison, also of whether something is in a set."""
        operator, left = fields.text("op"), self.expression(fields.take("left"))
        right = fields.take("right")
        if operator not in st.COMPARISONS:
            raise UnknownRule(self.place, f"the comparison {operator} is not known here")
        if isinstance(right, str) and right.startswith("@"):
            named = self._named(right, left)
            if operator not in ("==", "!=") or not isinstance(named, KeySet):
                raise LoadError(self.place, f"{left} {operator} {right} is not valid")
            return st.Match(left, operator, named, right)
        if operator in ("==", "!=") and isinstance(right, dict) and set(right) & {"set", "prefix", "range"}:
            listed = right.get("set", [right])
            elements: Elements[bool] = Elements(left.types, intervals=True)
            add_all(self.place, elements, listed, lambda _: True, is_map=False)
            return st.Match(left, operator, elements, _shown(elements, "set" in right))
        if len(left.types) != 1:
            raise UnknownRule(self.place, f"a comparison with {right} is not known here")
        number = self._flags(left.types[0], right)
        return st.Match(left, operator, number, left.types[0].show(number))

    def _flags(self, type: Type, value: object) -> int:
        """A value, or several flags."""
        listed = value.get("|") if isinstance(value, dict) and set(value) == {"|"} else value
        if not isinstance(listed, list):
            return self._single(type, value)
        if not type.flags:
            raise UnknownRule(self.place, f"a comparison with {value} is not known here")
        numbers = [self._single(type, flag) for flag in listed]
        return sum(set(numbers))

    def verdict_map(self, fields: Fields) -> st.Statement:
        """A look-up in a map of verdicts."""
        key, data = self.expression(fields.take("key")), fields.take("data")
        if isinstance(data, str):
            named = self._named(data, key)
            if not isinstance(named, st.JudgementMap):
                raise LoadError(self.place, f"{data} is not a map to verdicts")
            return st.VerdictMap(key, named, data)
        inner = Fields(self.place, "a map", data)
        elements: Elements[st.Judgement] = Elements(key.types, intervals=True)
        add_all(self.place, elements, inner.take("set"), self._judgement, is_map=True)
        inner.done()
        shown = [f"{text} : {found.text}" for text, found in _listed(elements)]
        return st.VerdictMap(key, elements, f"{{ {', '.join(shown)} }}")

    def _judgement(self, value: object) -> st.Judgement:
        return judgement(self.names, self.place, value)

    def dnat(self, fields: Fields) -> st.Statement:
        """A rewriting of the destination."""
        family = fields.take("family", self.names.family)
        if family not in ("ip", "ip6"):
            raise LoadError(self.place, "dnat needs a family here")
        address, port = fields.take("addr", None), fields.take("port", None)
        type = IPV4 if family == "ip" else IPV6
        to = None if address is None else self.expression(address, type)
        at = None if port is None else self.expression(port, PORT)
        for what, want in ((to, type), (at, PORT)):
            if what is not None:
                ex.check_types(self.place, what, (want,), "dnat")
        if to is None and at is None:
            raise LoadError(self.place, "dnat needs an address or a port")
        return st.Dnat(self.place, 4 if family == "ip" else 6, to, at)

    def masquerade(self, fields: Fields) -> st.Statement:
        """A rewriting of the source to the outgoing interface's address."""
        flags = fields.words("flags")
        unknown = set(flags) - {"random", "fully-random", "persistent"}
        if unknown:
            raise LoadError(self.place, f"masquerade has no flag {min(unknown)}")
        return st.Masquerade(" ".join(["masquerade", *flags]))

    def snat(self, fields: Fields) -> st.Statement:
        """Return a source translation. Only the addresses may change, to one address or a range."""
        if fields.take("family", self.names.family) != self.names.family or self.names.family == "inet":
            raise LoadError(self.place, "snat needs a family here")
        flags, value = fields.words("flags"), fields.take("addr")
        unknown = set(flags) - {"random", "fully-random", "persistent"}
        if unknown:
            raise LoadError(self.place, f"snat has no flag {min(unknown)}")
        type = IPV4 if self.names.family == "ip" else IPV6
        first, last = range_of(self.place, type, value)
        addresses = type.show(first) if first == last else f"{type.show(first)}-{type.show(last)}"
        version = 4 if type is IPV4 else 6
        ends = st.address_of(first, version), st.address_of(last, version)
        return st.Snat(*ends, " ".join(["snat to", addresses, *flags]))

    def reject(self, fields: Fields) -> st.Statement:
        """A rejection, with the packet that answers."""
        kind, reason = fields.take("type", None), fields.take("expr", None)
        if kind == "tcp reset":
            if reason is not None:
                raise LoadError(self.place, "a reset has no reason")
            return st.Reject("reject with tcp reset", 6, "")
        versions = {"ip": ("icmp",), "ip6": ("icmpv6",), "inet": ()}[self.names.family]
        if kind not in (None, "icmpx", *versions) or (kind is None) != (reason is None):
            raise LoadError(self.place, f"reject with {kind} {reason} is not valid here")
        if reason not in (None, *_REASONS[kind]):
            raise UnknownRule(self.place, f"reject with {kind} {reason} is not known here")
        text = "reject" if kind is None else f"reject with {kind} {reason}"
        return st.Reject(text, None, f"{kind or 'icmp'}-{reason or 'port-unreachable'}")

    def mangle(self, fields: Fields) -> st.Statement:
        """Return a change of the packet. Only its mark may change."""
        key, value = fields.take("key"), fields.take("value")
        if key != {"meta": {"key": "mark"}}:
            raise UnknownRule(self.place, f"to set {key} is not known here")
        mark = self.expression(value, MARK)
        if mark.types != (MARK,):
            raise LoadError(self.place, f"{mark} is no mark")
        return st.SetMark(mark)

    def set_statement(self, fields: Fields) -> st.Statement:
        """A change of a set by the packet: affinity remembers clients that way."""
        operation, element, name = fields.text("op"), fields.take("elem"), fields.text("set")
        if operation not in ("add", "update", "delete"):
            raise UnknownRule(self.place, f"the operation {operation} is not known here")
        timeout = None
        if isinstance(element, dict) and set(element) == {"elem"}:
            inner = Fields(self.place, "an element", element["elem"])
            element, timeout = inner.take("val"), inner.number("timeout") if "timeout" in inner else None
            inner.done()
        key = self.expression(element)
        named = self._named(name, key)
        if not isinstance(named, KeySet):
            raise UnknownRule(self.place, f"elements put into the map {name} are not followed here")
        if timeout is not None and (timeout < 1 or not named.may_expire):
            raise LoadError(self.place, f"a timeout of {timeout} s in the set {name}")
        named.grows = True
        return st.Remember(self.place, operation, key, named, timeout)

    def rule(self, where: str, listed: object) -> st.NftRule:
        """Return a rule. Errors: TraceError."""
        if not isinstance(listed, list):
            raise LoadError(self.place, "the statements of a rule are not a list")
        statements = tuple(self.statement(value) for value in listed)
        for statement in statements:
            if isinstance(statement, st.Dnat) and statement.port is not None and not st.narrows_protocol(statements):
                raise LoadError(self.place, "a port is translated only where the rule asks for the protocol")
        for statement in statements[:-1]:
            if isinstance(statement, (st.FixedVerdict, st.Dnat, st.Masquerade, st.Snat, st.Reject)):
                raise LoadError(self.place, f"`{statement}` is not the last statement")
        return st.NftRule(self.place, where, statements)


def _shown(elements: Elements[bool], braces: bool) -> str:
    texts = [text for text, _ in _listed(elements)]
    return f"{{ {', '.join(texts)} }}" if braces else texts[0]


def _listed(elements: Elements[D]) -> list[tuple[str, D]]:
    """Return the elements as nft prints them, sorted by value."""
    found = [(tuple((p, p) for p in (v if isinstance(v, tuple) else (v,))), data) for v, data in elements.exact.items()]
    return [(_shown_ranges(elements, r), data) for r, data in sorted(found + elements.ranges, key=lambda item: item[0])]


def _shown_ranges(elements: Elements[D], ranges: Ranges) -> str:
    parts = []
    for type, (first, last) in zip(elements.types, ranges, strict=True):
        parts.append(type.show(first) if first == last else f"{type.show(first)}-{type.show(last)}")
    return " . ".join(parts)


_REASONS: Mapping[str | None, tuple[str, ...]] = {
    None: (),
    "icmp": tuple(f"{word}-unreachable" for word in ("net", "host", "prot", "port")),
    "icmpv6": ("no-route", "admin-prohibited", "addr-unreachable", "port-unreachable"),
    "icmpx": ("port-unreachable", "no-route", "host-unreachable", "admin-prohibited"),
}
_EXPRESSIONS: Mapping[str, Callable[[RuleReader, Fields], ex.Expression]] = {
    "payload": RuleReader.payload,
    "meta": RuleReader.meta,
    "ct": RuleReader.ct,
    "fib": RuleReader.fib,
    "numgen": RuleReader.numgen,
    "jhash": RuleReader.jhash,
    "map": RuleReader.lookup,
}
_STATEMENTS: Mapping[str, Callable[[RuleReader, Fields], st.Statement]] = {
    "match": RuleReader.match,
    "vmap": RuleReader.verdict_map,
    "dnat": RuleReader.dnat,
    "masquerade": RuleReader.masquerade,
    "snat": RuleReader.snat,
    "reject": RuleReader.reject,
    "mangle": RuleReader.mangle,
    "set": RuleReader.set_statement,
}
