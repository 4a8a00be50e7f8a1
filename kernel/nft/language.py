"""Print a state in nft's own language, for people and for ``nft -f``. The text makes the same tables as the JSON
document.

Each object has a single form, and each rule and element has a line, so that a new one is a new line. nft(8) is the
reference. nft's own listings have another form: 1.0.6 to 1.1.7 print ``map @endpoint-0:8080``, which they cannot read;
they can with spaces around the colon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import singledispatch

from svcc.kernel.nft import expressions as ex
from svcc.kernel.nft import statements as st
from svcc.kernel.nft.state import FAMILIES, VERDICT, Chain, Declaration, Element, NamedSet, NftState, Table

#: The first line of a text, by which its file can be executed.
SHEBANG = "#!/usr/sbin/nft -f\n"

#: The labels of frontends, which verdict maps have as comments, by the types and the key of their elements.
Labels = Mapping[tuple[tuple[str, ...], str], str]


def in_language(state: NftState, name: str) -> str:
    """Return the text that replaces our tables, whatever they hold, by those of the state. It only removes the table of
    a family that has none in the state.

    ``name``: the name of the tables, in all families. An element without a comment has the label of its frontend behind
    it, where there is one.
    """
    lines = [line for family in FAMILIES for line in _replaced(family, name)]
    for family in FAMILIES:
        if family in state.tables:
            lines += ["", *_table(family, state.tables[family])]
    return SHEBANG + "".join(f"{line}\n" for line in lines)


def _replaced(family: str, name: str) -> Iterator[str]:
    """Yield the commands that remove a table. A table that is to be deleted has to exist, and ``destroy`` needs Linux
    6.3: so it is added first."""
    yield f"add table {family} {name}"
    yield f"delete table {family} {name}"


def _table(family: str, table: Table) -> Iterator[str]:
    labels = _labels(table)
    yield f"table {family} {table.name} {{"
    for name, named in table.sets.items():
        yield from _indented(_set(name, named, labels))
    for name, chain in table.chains.items():
        yield from _indented(_chain(name, chain))
    yield "}"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _labels(table: Table) -> Labels:
    leading = (named for named in table.sets.values() if named.declaration.data == VERDICT)
    return {
        (named.declaration.types, key): comment
        for named in leading
        for key, (_, comment) in named.elements.items()
        if comment
    }


# ---- sets


def _set(name: str, named: NamedSet, labels: Labels) -> Iterator[str]:
    yield f"{named.kind} {name} {{"
    yield from _indented(_declaration(named.declaration))
    if named.elements:
        yield "    elements = {"
        types = named.declaration.types
        for key, element in named.elements.items():
            yield f"        {_element(key, element)},{_label(labels.get((types, key), ''), element)}"
        yield "    }"
    yield "}"


def _declaration(declared: Declaration) -> Iterator[str]:
    data = "" if declared.data is None else f" : {declared.data}"
    yield f"type {' . '.join(declared.types)}{data}"
    flags = ["interval"] * declared.interval + ["timeout"] * declared.timeout
    if flags:
        yield f"flags {', '.join(flags)}"
    if declared.size is not None:
        yield f"size {declared.size}"


def _element(key: str, element: Element) -> str:
    value, comment = element
    words = f' comment "{comment}"' if comment else ""
    return f"{key}{words} : {value}" if value else f"{key}{words}"


def _label(label: str, element: Element) -> str:
    return f" # {label}" if label and not element[1] else ""


# ---- chains


def _chain(name: str, chain: Chain) -> Iterator[str]:
    yield f"chain {name} {{"
    if chain.hook is not None:
        hook = chain.hook
        yield f"    type {hook.type} hook {hook.hook} priority {hook.priority}; policy {hook.policy};"
    for rule in chain.rules:
        yield f"    {' '.join(map(statement_text, rule))}"
    yield "}"


@singledispatch
def statement_text(made: st.Statement) -> str:
    """Return the text of a statement. Errors: NotImplementedError where svcc makes no such statement."""
    raise NotImplementedError(type(made).__name__)


@statement_text.register
def _match(made: st.Match) -> str:
    """Return the text of a match. Without an operator nft compares for equality; for a property of the connection, it
    tests whether a flag is set."""
    left, right = expression_text(made.left), expression_text(made.right)
    if isinstance(made.left, ex.And) and isinstance(made.right, ex.Word):
        right = _bits(made.right)
    plain = "in" if isinstance(made.left, ex.Conntrack) else "=="
    explicit = isinstance(made.left, ex.And | ex.Numgen) or made.op != plain
    return f"{left} {made.op} {right}" if explicit else f"{left} {right}"


@statement_text.register
def _goto(made: st.Goto) -> str:
    return f"goto {made.chain}"


@statement_text.register
def _jump(made: st.Jump) -> str:
    return f"jump {made.chain}"


@statement_text.register
def _drop(_: st.Drop) -> str:
    return "drop"


@statement_text.register
def _verdict_map(made: st.VerdictMap) -> str:
    if isinstance(made.map, ex.Named):
        return f"{expression_text(made.key)} vmap {expression_text(made.map)}"
    members = ", ".join(f"{expression_text(value)} : {statement_text(verdict)}" for value, verdict in made.map)
    return f"{expression_text(made.key)} vmap {{ {members} }}"


@statement_text.register
def _set_mark(made: st.SetMark) -> str:
    return f"meta mark set {expression_text(made.value)}"


@statement_text.register
def _remember(made: st.Remember) -> str:
    return f"update {expression_text(made.set)} {{ {expression_text(made.key)} timeout {made.seconds}s }}"


@statement_text.register
def _dnat(made: st.Dnat) -> str:
    port = "" if made.port is None else f" : {expression_text(made.port)}"
    return f"dnat to {expression_text(made.address)}{port}"


@statement_text.register
def _masquerade(_: st.Masquerade) -> str:
    return "masquerade fully-random"


@statement_text.register
def _snat(made: st.Snat) -> str:
    addresses = made.first if made.first == made.last else f"{made.first}-{made.last}"
    return f"snat to {addresses} fully-random"


@statement_text.register
def _reject(made: st.Reject) -> str:
    return f"reject with {made.kind}" + ("" if made.code is None else f" {made.code}")


# ---- expressions


def _bits(word: ex.Expression) -> str:
    """Return the text of an expression, with a number in hexadecimal, as nft prints bits."""
    value = word.value if isinstance(word, ex.Word) else None
    return f"{value:#x}" if isinstance(value, int) and value else expression_text(word)


@singledispatch
def expression_text(made: ex.Expression) -> str:
    """Return the text of an expression. Errors: NotImplementedError where svcc makes no such expression."""
    raise NotImplementedError(type(made).__name__)


@expression_text.register
def _word(made: ex.Word) -> str:
    return str(made.value)


@expression_text.register
def _network(made: ex.Network) -> str:
    return str(made.network)


@expression_text.register
def _range(made: ex.Range) -> str:
    return f"{made.first}-{made.last}"


@expression_text.register
def _named(made: ex.Named) -> str:
    return f"@{made.name}"


@expression_text.register
def _one_of(made: ex.OneOf) -> str:
    return f"{{ {', '.join(map(expression_text, made.values))} }}"


@expression_text.register
def _payload(made: ex.Payload) -> str:
    return f"{made.protocol} {made.field}"


@expression_text.register
def _meta(made: ex.Meta) -> str:
    return f"meta {made.key}"


@expression_text.register
def _conntrack(made: ex.Conntrack) -> str:
    return f"ct {made.key}"


@expression_text.register
def _original(made: ex.Original) -> str:
    return f"ct original {made.key}"


@expression_text.register
def _destination_type(_: ex.DestinationType) -> str:
    return "fib daddr type"


@expression_text.register
def _concat(made: ex.Concat) -> str:
    return " . ".join(map(expression_text, made.parts))


@expression_text.register
def _and(made: ex.And) -> str:
    return f"{expression_text(made.left)} & {_bits(made.right)}"


@expression_text.register
def _or(made: ex.Or) -> str:
    return f"{expression_text(made.left)} | {_bits(made.right)}"


@expression_text.register
def _numgen(made: ex.Numgen) -> str:
    return f"numgen {made.mode} mod {made.modulus}"


@expression_text.register
def _jhash(made: ex.Jhash) -> str:
    return f"jhash {expression_text(made.value)} mod {made.modulus} seed {made.seed:#x}"


@expression_text.register
def _lookup(made: ex.Lookup) -> str:
    return f"{expression_text(made.key)} map {expression_text(made.map)}"
