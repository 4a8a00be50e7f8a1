"""Readers of matches, by the words with which a match begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from svcc.compiler import ir
from svcc.kernel.xtables.matches import (
    Bytecode,
    Comment,
    CtMark,
    CtState,
    Flags,
    From,
    FromPorts,
    In,
    InSet,
    Mark,
    Match,
    OpenedTo,
    Out,
    Proto,
    To,
    ToLocal,
)
from svcc.targets.reading import quoted
from svcc.targets.xtables_read.words import NotRead, Words, network, ports

_PROTOCOLS = {protocol.value: protocol for protocol in ir.Protocol}

#: Reads the words after those that identify the match. The flag says that `!` stood before them.
Reader: TypeAlias = Callable[[Words, bool], Match]


def _from(words: Words, negate: bool) -> Match:
    return From(network(words.take()), negate)


def _to(words: Words, negate: bool) -> Match:
    found = network(words.take())
    return To(found.network_address if found.prefixlen == found.max_prefixlen else found, negate)


def _proto(words: Words, _negate: bool) -> Match:
    name = words.take()
    protocol = _PROTOCOLS.get(name)
    if protocol is None:
        raise NotRead(f"{quoted(name)} is no protocol of a service")
    option = "".join(words.words[words.at + 2 : words.at + 3])
    if words.words[words.at : words.at + 2] != ["-m", name] or option not in ("--dport", "--sport"):
        return Proto(protocol)
    words.expect("-m", name, option)
    found = ports(words.take())
    return Proto(protocol, found) if option == "--dport" else FromPorts(protocol, found)


def _flags(words: Words, _negate: bool) -> Match:
    words.expect("--tcp-flags")
    clear = tuple(words.take().split(","))
    words.expect("NONE")
    return Flags(clear)


def _conntrack(words: Words, _negate: bool) -> Match:
    if words.words[words.at : words.at + 1] == ["--ctstate"]:
        words.expect("--ctstate")
        return CtState(tuple(words.take().split(",")))
    destination: ir.Network | None = None
    if words.words[words.at : words.at + 1] == ["--ctorigdst"]:
        words.expect("--ctorigdst")
        destination = network(words.take())
    if destination is not None and words.words[words.at : words.at + 1] != ["--ctorigdstport"]:
        return OpenedTo.of(destination)
    words.expect("--ctorigdstport")
    return OpenedTo.of(destination, ports(words.take()))


def _addrtype(words: Words, _negate: bool) -> Match:
    negate = words.negation()
    words.expect("--dst-type", "LOCAL")
    return ToLocal(negate)


def _mark(words: Words, _negate: bool) -> Match:
    negate = words.negation()
    words.expect("--mark")
    return Mark(*words.masked(), negate)


def _connmark(words: Words, _negate: bool) -> Match:
    words.expect("--mark")
    return CtMark(*words.masked())


def _set(words: Words, _negate: bool) -> Match:
    negate = words.negation()
    words.expect("--match-set")
    return InSet(words.take(), words.take(), negate)


def _bytecode(words: Words, _negate: bool) -> Match:
    words.expect("--bytecode")
    _, *steps = words.take().split(",")
    try:
        code = [tuple(int(number[:20]) for number in step.split(" ")) for step in steps]
        return Bytecode(tuple((a, b, c, d) for a, b, c, d in code))
    except ValueError:
        raise NotRead("the bytecode is not four numbers a step") from None


def _comment(words: Words, _negate: bool) -> Match:
    words.expect("--comment")
    return Comment(words.take())


#: The matches that all targets print, by the words with which they begin.
MATCHES: dict[str, Reader] = {
    "-s": _from,
    "-d": _to,
    "-i": lambda words, negate: In(words.take(), negate),
    "-o": lambda words, negate: Out(words.take(), negate),
    "-p": _proto,
    "-m tcp": _flags,
    "-m conntrack": _conntrack,
    "-m addrtype": _addrtype,
    "-m mark": _mark,
    "-m connmark": _connmark,
    "-m set": _set,
    "-m bpf": _bytecode,
    "-m comment": _comment,
}
