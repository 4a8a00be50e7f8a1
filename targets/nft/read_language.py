"""Reads the commands of a document in nft's own language, each with its place.

It reads what :func:`svcc.kernel.nft.language.in_language` prints. The commands are those of the JSON document of the
same tables, so that the same checks serve for both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from svcc.compiler.codes import Code
from svcc.compiler.source import Source
from svcc.kernel.json_values import Json, members, string
from svcc.kernel.nft.document import document
from svcc.kernel.nft.language import SHEBANG, in_language
from svcc.kernel.nft.language_rules import rule
from svcc.kernel.nft.parsing import NotRead
from svcc.kernel.nft.state import FAMILIES, Chain, Declaration, Element, Hook, NamedSet, NftState, Table
from svcc.kernel.nft.statements import Rule
from svcc.targets.nft.read_json import commands
from svcc.targets.reading import Line, Text, compare, quoted

_REPLACED = re.compile(r"(?:add|delete) table (?:ip|ip6) (\S+)")
_TABLE = re.compile(r"table (ip|ip6) (\S+) \{")
_SET = re.compile(r"(set|map) (\S+) \{")
_CHAIN = re.compile(r"chain (\S+) \{")
_TYPE = re.compile(r"type ([a-z0-9_]+(?: \. [a-z0-9_]+)*)(?: : ([a-z0-9_]+))?")
_FLAGS = re.compile(r"flags (interval|timeout)")
_SIZE = re.compile(r"size ([0-9]{1,10})")
_HOOK = re.compile(r"type (nat|filter) hook ([a-z]+) priority (-?[0-9]{1,10}); policy ([a-z]+);")
_WORD = r"[A-Za-z0-9_.:/-]+"
_ELEMENT = re.compile(rf'({_WORD}(?: \. {_WORD})*)(?: comment "([^"]*)")?(?: : ((?:goto )?{_WORD}))?,(?: # .*)?')

_V4, _V6, _PORT = r"[0-9.]{7,15}", r"[0-9a-f.:]{2,45}", r"[0-9]{1,5}"
#: The form of each part of an element's key, by type, as far as printing it as JSON depends on it.
_PARTS = {
    "ipv4_addr": re.compile(rf"{_V4}(?:/[0-9]{{1,2}}|-{_V4})?"),
    "ipv6_addr": re.compile(rf"{_V6}(?:/[0-9]{{1,3}}|-{_V6})?"),
    "inet_service": re.compile(rf"{_PORT}(?:-{_PORT})?"),
}
_OTHER_PART = re.compile(r"[a-z0-9_-]{1,32}")


def is_language(text: Text) -> bool:
    """Whether a part begins as one in nft's own language does."""
    return text.source.text.startswith(SHEBANG, text.start, text.end)


def commands_in_language(text: Text) -> Iterator[tuple[int, int, Json]]:
    """Yield commands as :func:`svcc.targets.nft.read_json.commands` does, from a text in nft's language.

    Errors: RefusedText.
    """
    reader = _Reader(text)
    name, state = reader.read()
    compare("nft", text, in_language(state, name))
    made = document(state, name)
    for _, _, value in commands(Text(Source("", made), 0, len(made))):
        start, end = reader.places[_subject(value, reader)]
        yield start - text.start, end - text.start, value


def _subject(command: Json, reader: _Reader) -> tuple[str, ...]:
    """Return what a command is about, in the form of the reader's ``places``."""
    ((verb, body),) = members(command).items()
    ((kind, given),) = members(body).items()
    fields = members(given)
    family = string(fields["family"])
    if kind == "table":
        return ("table", family)
    name = string(fields["chain" if kind == "rule" else "name"])
    found = (family, "set" if kind == "map" else kind, name)
    if verb == "add" and kind == "rule":
        return (*found, str(reader.next_rule(family, name)))
    return found


def _fits(key: str, types: Sequence[str]) -> bool:
    """Whether an element's key has a part for each type, in the form of the type."""
    parts = key.split(" . ")
    return len(parts) == len(types) and all(
        _PARTS.get(kind, _OTHER_PART).fullmatch(part) for part, kind in zip(parts, types, strict=True)
    )


def _extent(line: Line) -> tuple[int, int]:
    """Return the start of a line after its indentation, and its end."""
    indented = len(line.text) - len(line.text.lstrip())
    return line.start + indented, line.start + len(line.text)


class _Reader:
    """Reads a text line by line."""

    def __init__(self, text: Text) -> None:
        self._lines = [line for line in text.lines() if line.text.strip()]
        self._at = 0
        self._rules: dict[tuple[str, str], int] = {}  # how many rules of each chain were asked for
        #: The start and end of each object in the source.
        self.places: dict[tuple[str, ...], tuple[int, int]] = {}

    def next_rule(self, family: str, chain: str) -> int:
        """Return the number (from 0) of the next rule of a chain; each call counts one rule."""
        number = self._rules.get((family, chain), 0)
        self._rules[family, chain] = number + 1
        return number

    def read(self) -> tuple[str, NftState]:
        """Return the name of the tables, and what is in them. Errors: RefusedText."""
        self._take(re.compile(re.escape(SHEBANG.strip())))
        names = []
        for family in FAMILIES:
            for _ in ("add", "delete"):
                line, found = self._take(_REPLACED)
                names.append(found[1])
                self.places["table", family] = _extent(line)
        tables: dict[str, Table] = {}
        while self._at < len(self._lines):
            line, found = self._take(_TABLE)
            if found[1] in tables or found[2] != names[0]:
                raise line.refused(f"expected one table {names[0]} for each family", code=Code.BUNDLE_NAME)
            tables[found[1]] = self._table(found[1], found[2])
        return names[0], NftState(tables)

    def _table(self, family: str, name: str) -> Table:
        sets: dict[str, NamedSet] = {}
        chains: dict[str, Chain] = {}
        while not self._ended():
            line = self._line()
            if found := _SET.fullmatch(line.text.strip()):
                self._once(line, found[2], sets)
                self.places[family, "set", found[2]] = _extent(line)
                sets[found[2]] = self._set(family, found[2])
            elif found := _CHAIN.fullmatch(line.text.strip()):
                self._once(line, found[1], chains)
                self.places[family, "chain", found[1]] = _extent(line)
                chains[found[1]] = self._chain(family, found[1])
            else:
                raise line.refused("expected a set, a map or a chain")
        return Table(name, sets=sets, chains=chains)

    def _once(self, line: Line, name: str, known: Collection[str]) -> None:
        if name in known:
            raise line.refused(f"{quoted(name)} is here twice", name)

    def _set(self, family: str, name: str) -> NamedSet:
        _, found = self._take(_TYPE)
        flags = self._maybe(_FLAGS)
        size = self._maybe(_SIZE)
        flag = flags[1] if flags else ""
        number = int(size[1]) if size else None
        declared = Declaration(tuple(found[1].split(" . ")), found[2], flag == "interval", flag == "timeout", number)
        elements: dict[str, Element] = {}
        if not self._ended():
            first, _ = self._take(re.compile(r"elements = \{"))
            while not self._ended():
                line, element = self._take(_ELEMENT)
                self._once(line, element[1], elements)
                if not _fits(element[1], declared.types) or (element[3] is None) != (found[2] is None):
                    raise line.refused("this is no element of the set's type")
                elements[element[1]] = element[3] or "", element[2] or ""
            self.places[family, "element", name] = _extent(first)[0], _extent(self._lines[self._at - 1])[1]
            self._take(re.compile("}"))
        return NamedSet(declared, elements)

    def _chain(self, family: str, name: str) -> Chain:
        hook = self._maybe(_HOOK)
        rules: list[Rule] = []
        while not self._ended():
            line = self._line()
            self.places[family, "rule", name, str(len(rules))] = _extent(line)
            try:
                rules.append(rule(line.text))
            except NotRead as error:
                raise line.refused(str(error)) from None
        return Chain(tuple(rules), Hook(hook[1], hook[2], int(hook[3]), hook[4]) if hook else None)

    # ---- lines

    def _line(self) -> Line:
        if self._at >= len(self._lines):
            raise self._lines[-1].refused("the text ends too early", code=Code.BUNDLE)
        self._at += 1
        return self._lines[self._at - 1]

    def _take(self, form: re.Pattern[str]) -> tuple[Line, re.Match[str]]:
        line = self._line()
        found = form.fullmatch(line.text.strip())
        if found is None:
            raise line.refused("the target prints no such line here")
        return line, found

    def _maybe(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.fullmatch(self._lines[self._at].text.strip()) if self._at < len(self._lines) else None
        self._at += found is not None
        return found

    def _ended(self) -> bool:
        """Whether a block ends here; if so, skip its end."""
        ended = self._line().text.strip() == "}"
        self._at -= not ended
        return ended
