"""The program that :mod:`support.svcc_forks` starts: it has svcc imported, and becomes svcc in a child of its own for
each request.

A request is a packet with how svcc is called, in JSON, and its standard streams, its network namespace and a socket for
the answers as file descriptors. The answers are the child's number, and its exit status when it has ended.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import pkgutil
import select
import socket
import sys
import tomllib
from importlib import import_module
from pathlib import Path

_SETTINGS = Path(__file__).parents[2] / "pyproject.toml"
#: File descriptors of a request.
_PARTS = 5
_MOST = 1 << 20
_CLONE_NEWNET = 0x40000000  # sched.h


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    _import()
    gc.freeze()  # a collection would write to what the children share
    call = _next_call(requests)
    requests.close()
    _become(*call)
    from svcc.__main__ import program

    program()


def _import() -> None:
    """All of svcc, and with it what it needs, as commands import much of it when they need it. Each package is asked:
    where svcc is editable, they do not lie in one folder."""
    settings = tomllib.loads(_SETTINGS.read_text(encoding="utf-8"))
    for name in settings["tool"]["setuptools"]["packages"]:
        for module in pkgutil.iter_modules(import_module(name).__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)


def _next_call(requests: socket.socket) -> tuple[dict[str, object], list[int]]:
    """Fork for each request. Comes back in the children alone; ends the process when nobody can ask any more."""
    at_work: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), *at_work], [], [])
        for ended in at_work.keys() & {*ready}:
            _tell(ended, *at_work.pop(ended))
        if requests.fileno() in ready:
            packet, passed, _, _ = socket.recv_fds(requests, _MOST, _PARTS)
            if not packet:
                sys.exit()
            answers = socket.socket(fileno=passed.pop())
            child = os.fork()
            if child == 0:
                for number, (_, other) in at_work.items():
                    os.close(number)
                    other.close()
                answers.close()
                return json.loads(packet), passed
            for number in passed:
                os.close(number)
            answers.send(str(child).encode())
            at_work[os.pidfd_open(child)] = child, answers


def _tell(ended: int, child: int, answers: socket.socket) -> None:
    """Say how a child ended."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(ended)
    with answers:
        answers.send(str(status).encode())


def _become(call: dict[str, object], passed: list[int]) -> None:
    """Be what is asked for, as if it had been started so."""
    *streams, namespace = passed
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for number in passed:
        os.close(number)
    # Python's own was made of another file, and knows of that one whether it has places to go to
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    words, folder, environment = call["words"], call["folder"], call["environment"]
    assert isinstance(words, list)
    assert isinstance(folder, str)
    assert isinstance(environment, dict)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = words


if __name__ == "__main__":
    main()
