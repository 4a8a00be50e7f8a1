"""Parse rules in nft's own language: those that :mod:`svcc.kernel.nft.language` prints, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network

from svcc.kernel.nft import expressions as ex
from svcc.kernel.nft import statements as st
from svcc.kernel.nft.parsing import NotRead

_TOKEN = re.compile(r"[{},]|[^\s{},]+")
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|[0-9]{1,10}")
_RANGE = re.compile(r"([0-9]{1,10})-([0-9]{1,10})")
_NETWORK = re.compile(r"[0-9a-f.:]+/[0-9]{1,3}")
#: Protocols whose fields are read.
_HEADERS = ("ip", "ip6", "tcp", "udp", "sctp", "th")


def rule(line: str) -> st.Rule:
    """Return the statements of a line. Errors: NotRead."""
    tokens = _Tokens(line)
    found: list[st.Statement] = []
    while tokens.next is not None:
        found.append(_statement(tokens))
    return tuple(found)


class _Tokens:
    """The words and signs of a line, from the first to the last."""

    def __init__(self, line: str) -> None:
        self._left: list[str] = _TOKEN.findall(line)[::-1]

    @property
    def next(self) -> str | None:
        return self._left[-1] if self._left else None

    def ahead(self, *words: str) -> bool:
        """Whether these words come next."""
        return self._left[::-1][: len(words)] == [*words]

    def take(self) -> str:
        """Take the next word, and return it. Errors: NotRead, at the end of the line."""
        if not self._left:
            raise NotRead("the rule ends too early")
        return self._left.pop()

    def expect(self, *words: str) -> None:
        """Take these words. Errors: NotRead, where something else comes."""
        for word in words:
            found = self._left.pop() if self._left else "the end of the line"
            if found != word:
                raise NotRead(f"expected `{word}`, not `{found[:40]}`")

    def took(self, word: str) -> bool:
        """Take a word if it comes next, and return whether it did."""
        if self.next != word:
            return False
        self._left.pop()
        return True


def _statement(tokens: _Tokens) -> st.Statement:
    word = tokens.next
    if word in _STATEMENTS and not (word == "meta" and not tokens.ahead("meta", "mark", "set")):
        tokens.take()
        return _STATEMENTS[word](tokens)
    key = _expression(tokens)
    if tokens.took("vmap"):
        return st.VerdictMap(key, _verdicts(tokens))
    op = "in" if isinstance(key, ex.Conntrack) else "=="
    if tokens.next in ("==", "!="):
        op = tokens.take()
    return st.Match(key, _operand(tokens), op)


def _verdicts(tokens: _Tokens) -> ex.Named | tuple[tuple[ex.Expression, st.Statement], ...]:
    if not tokens.took("{"):
        return _name(tokens)
    found: list[tuple[ex.Expression, st.Statement]] = []
    while not found or tokens.took(","):
        value = _operand(tokens)
        tokens.expect(":")
        found.append((value, _statement(tokens)))
    tokens.expect("}")
    return tuple(found)


def _set_mark(tokens: _Tokens) -> st.Statement:
    tokens.expect("mark", "set")
    return st.SetMark(_expression(tokens))


def _remember(tokens: _Tokens) -> st.Statement:
    to = _name(tokens)
    tokens.expect("{")
    key = _expression(tokens)
    tokens.expect("timeout")
    seconds = tokens.take()
    tokens.expect("}")
    return st.Remember(key, to, _number(seconds.removesuffix("s")))


def _dnat(tokens: _Tokens) -> st.Statement:
    tokens.expect("to")
    address = _looked_up(tokens)
    port = _looked_up(tokens) if tokens.took(":") else None
    return st.Dnat(address, port)


def _looked_up(tokens: _Tokens) -> ex.Expression:
    """Return a value, or the lookup of one in a map."""
    if tokens.next is not None and _NUMBER.fullmatch(tokens.next):
        return _operand(tokens)
    key = _expression(tokens)
    return ex.Lookup(key, _name(tokens)) if tokens.took("map") else key


def _masquerade(tokens: _Tokens) -> st.Statement:
    tokens.expect("fully-random")
    return st.Masquerade()


def _snat(tokens: _Tokens) -> st.Statement:
    tokens.expect("to")
    first, _, last = tokens.take().partition("-")
    tokens.expect("fully-random")
    return st.Snat(first, last or first)


def _reject(tokens: _Tokens) -> st.Statement:
    tokens.expect("with")
    kind = tokens.take()
    if kind == "tcp":
        tokens.expect("reset")
        return st.Reject("tcp reset")
    return st.Reject(kind, tokens.take())


_STATEMENTS: dict[str | None, Callable[[_Tokens], st.Statement]] = {
    "goto": lambda tokens: st.Goto(tokens.take()),
    "jump": lambda tokens: st.Jump(tokens.take()),
    "drop": lambda _: st.Drop(),
    "meta": _set_mark,
    "update": _remember,
    "dnat": _dnat,
    "masquerade": _masquerade,
    "snat": _snat,
    "reject": _reject,
}


# ---- expressions


def _expression(tokens: _Tokens) -> ex.Expression:
    """Return an expression that is read from the packet, or computed from such ones."""
    parts = [_masked(tokens)]
    while tokens.took("."):
        parts.append(_masked(tokens))
    made = parts[0] if len(parts) == 1 else ex.Concat(tuple(parts))
    if tokens.took("|"):
        return ex.Or(made, _operand(tokens))
    return made


def _masked(tokens: _Tokens) -> ex.Expression:
    made = _primary(tokens)
    return ex.And(made, _operand(tokens)) if tokens.took("&") else made


def _primary(tokens: _Tokens) -> ex.Expression:
    word = tokens.take()
    match word:
        case "meta":
            return ex.Meta(tokens.take())
        case "ct":
            return _original(tokens) if tokens.took("original") else ex.Conntrack(tokens.take())
        case "fib":
            tokens.expect("daddr", "type")
            return ex.DestinationType()
        case "numgen":
            mode = tokens.take()
            tokens.expect("mod")
            return ex.Numgen(mode, _number(tokens.take()))
        case "jhash":
            value = _expression(tokens)
            tokens.expect("mod")
            modulus = _number(tokens.take())
            tokens.expect("seed")
            return ex.Jhash(value, modulus, _number(tokens.take()))
    if word in _HEADERS:
        return ex.Payload(word, tokens.take())
    raise NotRead(f"no rule of the target has `{word[:40]}` here")


def _original(tokens: _Tokens) -> ex.Expression:
    word = tokens.take()
    return ex.Original(f"{word} {tokens.take()}" if word in _HEADERS else word)


def _operand(tokens: _Tokens) -> ex.Expression:
    """Return a value to compare with: a word, a number, a network or a set."""
    if tokens.took("{"):
        found: list[ex.Expression] = []
        while not found or tokens.took(","):
            found.append(_operand(tokens))
        tokens.expect("}")
        return ex.OneOf(tuple(found))
    word = tokens.take()
    if word.startswith("@"):
        return ex.Named(word[1:])
    if _NUMBER.fullmatch(word):
        return ex.Word(_number(word))
    if found_range := _RANGE.fullmatch(word):
        return ex.numbers(int(found_range[1]), int(found_range[2]))
    if _NETWORK.fullmatch(word):
        try:
            return ex.network(ip_network(word))
        except ValueError:
            raise NotRead(f"`{word[:50]}` is no network") from None
    return ex.Word(word)


def _name(tokens: _Tokens) -> ex.Named:
    word = tokens.take()
    if not word.startswith("@"):
        raise NotRead(f"expected the name of a set, not `{word[:40]}`")
    return ex.Named(word[1:])


def _number(word: str) -> int:
    if not _NUMBER.fullmatch(word):
        raise NotRead(f"expected a number, not `{word[:40]}`")
    return int(word, 16 if word.startswith("0x") else 10)
