"""Puts the values of another tool's statement into the example of svcc's that a hint shows.

This module is imported only for programs with errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

from svcc.compiler import ir
from svcc.compiler.foreign_values import VALUES
from svcc.compiler.slips.slip import protocol_of

_ADDRESS = r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?|\[?[\da-fA-F]*:[\da-fA-F]*:[\da-fA-F:]*\]?(?:/\d{1,3})?"
_SOCKET = re.compile(rf"(?<!\S)(?P<at>{_ADDRESS})(?:(?:\s*:\s*|\s+(?:port\s+)?)(?P<port>\d{{1,5}}))?(?!\S)")
_NUMBER = re.compile(r"(?<![\w.])\d{1,5}(?:-\d{1,5})?(?![\w.])")
_TIME = re.compile(r"(?<!\S)(?P<number>\d+)(?P<unit>[smhd]?)(?!\S)")
_WEIGHT = re.compile(r"\bweight[\s=:]+(\d+)\b")
#: Examples that end with addresses or networks.
_LISTS = ("vip", "external-ip", "address", "snat", "allow-from", "pods")


def with_values(example: str, statement: str) -> str:
    """Return an example of a statement of svcc's with the values of another tool's statement that means the same, as
    far as they are found in it."""
    _, rest = split(statement)
    word, _, plain = example.partition(" ")
    if word in ("scheduler", "forward"):
        return f"{word} {next(_named(word, rest), plain)}"
    if word == "affinity" and (time := _TIME.search(rest)) is not None:
        return f"{example.rpartition(' ')[0]} {time['number']}{time['unit'] or 's'}"
    if word == "port":
        return _port(example, statement)
    if word in _LISTS and "," not in example:
        return " ".join((word, *(_addresses(rest) or [plain])))
    if word in ("nodeports", "max-connections") and (number := _NUMBER.search(rest)) is not None:
        return re.sub(r"\d[\d-]*", number.group(), example, count=1)
    return _with_socket(example, rest)


def split(statement: str) -> tuple[str, str]:
    """Return the first word of a statement and what follows, without the sign between: ``listen = 80`` or
    ``listen: 80``."""
    found = re.match(r"\s*([^\s=:]+)\s*[=:]?\s*(.*)", statement)
    return (found[1], found[2].rstrip("; ")) if found else ("", "")


def _named(keyword: str, rest: str) -> Iterator[str]:
    """Yield svcc's values of a statement for the words of a text that name some."""
    own = [*ir.Scheduler] if keyword == "scheduler" else [*ir.Forward]
    for word in re.findall(r"[\w-]+", rest.lower()):
        if word in VALUES[keyword] or word in own:
            yield VALUES[keyword].get(word, word)


def _port(example: str, statement: str) -> str:
    """Return a `port` statement with the numbers and the protocol of a statement."""
    protocol = protocol_of(statement)
    numbers: list[str] = _NUMBER.findall(re.sub(r"\d+(?:\.\d+){3}:?", " ", statement))
    if "nodeport" in example and len(numbers) == 1:
        return f"port 80/{protocol} nodeport {numbers[0]}"
    if example == "port 80/tcp -> 8080" and len(numbers) == 1:
        return f"port 80/{protocol} -> {numbers[0]}"
    if len(numbers) == 1 and "," not in example:
        return f"port {numbers[0]}/{protocol}"
    if len(numbers) == 2 and "," not in example:
        return f"port {numbers[0]}/{protocol} -> {numbers[1]}"
    return example.replace("/tcp", f"/{protocol}")


def _addresses(text: str) -> list[str]:
    """Return the addresses and networks in a text, without the ports behind them."""
    return [found["at"].strip("[]") for found in _SOCKET.finditer(text) if _is_address(found["at"])]


def _is_address(text: str) -> bool:
    try:
        ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return False
    return True


def _with_socket(example: str, rest: str) -> str:
    """Return an example of an endpoint, or of a service, with the address, the port and the weight in a text."""
    found = next((found for found in _SOCKET.finditer(rest) if _is_address(found["at"])), None)
    weight = _WEIGHT.search(rest)
    if found is None:
        return example
    address, port = found["at"].strip("[]"), found["port"]
    if example.startswith("service ") and port:
        return f"service web {{ vip {address}; port {port}/tcp; endpoints {{ 100.64.0.9 }} }}"
    if example.startswith("100.64."):
        at = f"[{address}]:{port}" if port and ":" in address else f"{address}:{port}" if port else address
        share = f" weight {weight[1]}" if weight else ""
        return re.sub(r"^\S+?(?=[ ,])(?: weight \d+)?", lambda _: at + share, example)
    return example
