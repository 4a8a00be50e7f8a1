"""Addresses, networks and ports of the IR's JSON; what the schema does not say of them is looked at here."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.json_places import Path
from svcc.compiler.source import Span

#: A document, or a part of one, that the schema has been held against: it says what types the members have.
Document: TypeAlias = Any


class Values:
    """Reads values. What is wrong with them goes to ``diagnostics``."""

    def __init__(self, span: Callable[..., Span | None]) -> None:
        """``span``: where what is at a path of keys and indices stands, if anywhere."""
        self.span = span
        self.diagnostics: list[Diagnostic] = []

    def error(self, code: Code, message: str, span: Span | None, hint: str | None = None) -> None:
        """Report an error; ``span`` is None where the program comes from no text."""
        self.diagnostics.append(Diagnostic(code, message, span, hint))

    def addresses(
        self, document: Document, path: Path, key: str, statement: str
    ) -> tuple[tuple[ir.Address, ...], dict[str, Span]]:
        """The addresses of a list, each once, and their places by how they are written. One that is wrong is reported
        and left out."""
        addresses: list[ir.Address] = []
        spans: dict[str, Span] = {}
        for i, text in enumerate(document.get(key, ())):
            span = self.span(*path, key, i)
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

    def own(self, document: Document, path: Path, key: str, among: tuple[ir.Address, ...]) -> tuple[ir.Address, ...]:
        """The addresses at ``key``, in the order of a service's own ones, which they are ``among``."""
        found, spans = self.addresses(document, path, key, key)
        for address in found:
            if address not in among:
                message = f"{address} is {key}, and is neither a vip nor an external-ip of this service"
                self.error(Code.UNDEFINED, message, spans.get(f"{key} {address}"))
        return tuple(address for address in among if address in found)

    def address(self, text: str, span: Span | None) -> ir.Address | None:
        """An address without a zone; one that is wrong is reported, and None."""
        try:
            if "%" in text:
                raise ValueError
            return ip_address(text)
        except ValueError:
            self.error(Code.ADDRESS, f"`{text}` is not an IP address", span)
            return None

    def networks(self, document: Document, path: Path, key: str) -> tuple[ir.Network, ...]:
        """The networks of a list, each once. One that is wrong, or has host bits set, is reported and left out."""
        networks: dict[ir.Network, None] = {}
        for i, text in enumerate(document.get(key, ())):
            span = self.span(*path, key, i)
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

    def ports(self, document: Document, path: Path, key: str) -> ir.PortRange | None:
        """The ports at ``key``; None where there are none, or (reported) where they are no range."""
        if key not in document:
            return None
        first, _, last = str(document[key]).partition("-")
        ports = ir.PortRange(int(first), int(last or first))
        if not 1 <= ports.first <= ports.last <= 65_535:
            self.error(Code.PORT, f"`{document[key]}` is not a range of ports", self.span(*path, key))
            return None
        return ports
