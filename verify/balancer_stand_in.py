"""A stand-in for a cloud load balancer: it listens on a host of a lab, and handles requests as a template says."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any, Self

from svcc.compiler import ir
from svcc.verify.balancer_template import Group, Listener, Template
from svcc.verify.lab.netns import Namespace

#: How many seconds a target may take to answer.
_TIMEOUT = 2.0
_OK, _BAD_GATEWAY = 200, 502


def ask(namespace: Namespace, address: ir.Address, port: int, path: str) -> tuple[int, str]:
    """Request a page from inside a namespace, and return its status and text. Errors: OSError, HTTPException."""
    connection = HTTPConnection(str(address), port, timeout=_TIMEOUT)
    with namespace.entered():
        connection.connect()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class StandIn:
    """One listener of a template, at an address of a host of the lab. Use as a context manager.

    As the cloud does, it sends requests in turn to the targets that pass their group's check, or to all targets where
    none passes. Where no target answers, the status is 502. It runs the checks when :meth:`check` is called.
    """

    def __init__(
        self,
        template: Template,
        listener: Listener,
        namespace: Namespace,
        address: ir.Address,
        instances: Mapping[str, ir.Address],
    ) -> None:
        """``instances``: the addresses of instances; any other instance does not exist."""
        self._template, self._listener = template, listener
        self._namespace, self._instances = namespace, instances
        self.healthy: dict[str, list[ir.Address]] = {}
        self._turns = {id: count() for id in template.groups}
        with namespace.entered():
            self._server = ThreadingHTTPServer((str(address), listener.port), _handler(self.answer))
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def check(self) -> None:
        """Check every target's health."""
        for group in self._template.groups.values():
            addresses = [self._instances[one] for one in group.instances if one in self._instances]
            self.healthy[group.id] = [address for address in addresses if self._passes(group, address)]

    def _passes(self, group: Group, address: ir.Address) -> bool:
        try:
            if group.by_http:
                return ask(self._namespace, address, group.port, "/")[0] == _OK
            with self._namespace.entered():
                socket.create_connection((str(address), group.port), _TIMEOUT).close()
        except (OSError, HTTPException):
            return False
        return True

    def answer(self, path: str) -> tuple[int, str]:
        """Return the status and the body for a path."""
        group = self._listener.group_of(path.partition("?")[0])
        if group is None:
            return self._listener.status, self._listener.body
        targets = self._targets(self._template.groups[group])
        if not targets:
            return _BAD_GATEWAY, ""
        target = targets[next(self._turns[group]) % len(targets)]
        try:
            return ask(self._namespace, target, self._template.groups[group].port, path)
        except (OSError, HTTPException):
            return _BAD_GATEWAY, ""

    def _targets(self, group: Group) -> list[ir.Address]:
        every = [self._instances[one] for one in group.instances if one in self._instances]
        return self.healthy.get(group.id) or every


def _handler(answer: Callable[[str], tuple[int, str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answer(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    return Handler
