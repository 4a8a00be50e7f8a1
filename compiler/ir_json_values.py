"""Reads addresses, networks and ports of the IR's JSON, and checks what the schema cannot say about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.json_places import Path
from svcc.compiler.source import Span


class Values:
    """Reads values. What is wrong with them goes to ``diagnostics``."""

    def __init__(self, span: Callable[..., Span | None]) -> None:
        """``span`` returns the place of what is at a path of keys and indices, or None where there is none."""
        self.span = span
        self.diagnostics: list[Diagnostic] = []

    def error(self, code: Code, message: str, span: Span | None, hint: str | None = None) -> None:
        """Report an error; ``span`` is None where the program comes from no text."""
        self.diagnostics.append(Diagnostic(code, message, span, hint))

    def addresses(
        self, texts: Iterable[str], path: Path, statement: str
    ) -> tuple[tuple[ir.Address, ...], dict[str, Span]]:
        """Return the addresses of the list at ``path``, each once, and their places by ``statement`` and address. A
        wrong address is reported and left out.
        """
        addresses: list[ir.Address] = []
        spans: dict[str, Span] = {}
        for i, text in enumerate(texts):
            span = self.span(*path, i)
            address = self.address(text, span)
            if address is None:
                continue
            if address in addresses:
                self.error(Code.DUPLICATE_ADDRESS, f"{address} stands twice in one list", span)
                continue
            addresses.append(address)
            if span is not None:
                spans[f"{statement} {address}"] = span
        return tuple(addresses), spans

    def own(self, texts: Iterable[str], path: Path, word: str, among: tuple[ir.Address, ...]) -> tuple[ir.Address, ...]:
        """Return the addresses of the list at ``path``, in the order of ``among``, the service's own addresses, which
        have to hold them. ``word``: what the list says of them.
        """
        found, spans = self.addresses(texts, path, word)
        for address in found:
            if address not in among:
                message = f"{address} is {word}, and is neither a vip nor an external-ip of this service"
                self.error(Code.UNDEFINED, message, spans.get(f"{word} {address}"))
        return tuple(address for address in among if address in found)

    def address(self, text: str, span: Span | None) -> ir.Address | None:
        """Return an address without a zone. Report a wrong one, and return None."""
        try:
            if "%" in text:
                raise ValueError
            return ip_address(text)
        except ValueError:
            self.error(Code.ADDRESS, f"`{text}` is not an IP address", span)
            return None

    def networks(self, texts: Iterable[str], path: Path) -> tuple[ir.Network, ...]:
        """Return the networks of the list at ``path``, each once. A wrong network is reported and left out."""
        networks: dict[ir.Network, None] = {}
        for i, text in enumerate(texts):
            span = self.span(*path, i)
            try:
                if "%" in text:
                    raise ValueError
                network = ip_network(text)
            except ValueError as error:
                code = Code.HOST_BITS if "host bits" in str(error) else Code.NETWORK
                self.error(code, f"`{text}` is not a network without host bits", span)
                continue
            if network in networks:
                self.error(Code.DUPLICATE_ADDRESS, f"{network} stands twice in one list", span)
            networks[network] = None
        return tuple(networks)

    def ports(self, text: int | str, path: Path) -> ir.PortRange | None:
        """Return the ports at ``path``. Report what is no range, and return None."""
        first, _, last = str(text).partition("-")
        ports = ir.PortRange(int(first), int(last or first))
        if not 1 <= ports.first <= ports.last <= 65_535:
            self.error(Code.PORT, f"`{text}` is not a range of ports", self.span(*path))
            return None
        return ports
