"""A lab that outlives the command that built it: a process in the background keeps it until it is told to stop.

State is one file per lab below /run: the keeper's pid and start time, and the hosts. When the keeper ends, whatever its
end, the kernel takes the lab apart; a file without its keeper means nothing and is removed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from svcc.compiler.load import load
from svcc.kernel.namespaces import NamespaceError
from svcc.verify.lab.lab import Lab
from svcc.verify.lab.leftovers import start_time
from svcc.verify.lab.netns import LabError

RUN = Path("/run/svcc-lab")


@dataclass(frozen=True, slots=True)
class Kept:
    """A lab that is up."""

    name: str
    pid: int
    started: str
    file: str
    hosts: dict[str, tuple[int, list[str]]]  # by name: the keeper's descriptor of its namespace, its addresses

    def path(self, host: str) -> str:
        """The network namespace of a host, for nsenter(1). Errors: LabError for a host that the lab does not have."""
        if host not in self.hosts:
            raise LabError(f"no host {host} in lab {self.name}; there are {', '.join(self.hosts)}")
        return f"/proc/{self.pid}/fd/{self.hosts[host][0]}"


def keep(name: str, file: str, node: str | None) -> Kept:
    """Build a lab and leave it with a keeper. Errors: LabError."""
    if find(name) is not None:
        raise LabError(f"lab {name} is up already: svcc lab down {name}")
    argv = [sys.executable, "-m", "svcc.verify.lab.keeper", name, file, *([node] if node else [])]
    keeper = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    assert keeper.stdout is not None
    said = keeper.stdout.readline().decode()
    keeper.stdout.close()
    kept = find(name)
    if kept is None:
        raise LabError(said.strip() or f"the keeper ended with status {keeper.wait()}")
    return kept


def find(name: str) -> Kept | None:
    """The lab of that name, if it is up; a stale file is removed."""
    path = RUN / f"{name}.json"
    try:
        kept = Kept(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if start_time(kept.pid) == kept.started:
        return kept
    path.unlink(missing_ok=True)
    return None


def kept_labs() -> list[Kept]:
    """Every lab that is up."""
    return [kept for path in sorted(RUN.glob("*.json")) if (kept := find(path.stem)) is not None]


def end(kept: Kept) -> None:
    """Take a lab down and wait until it is gone."""
    os.kill(kept.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while start_time(kept.pid) == kept.started and time.monotonic() < deadline:
        time.sleep(0.02)
    if start_time(kept.pid) == kept.started:
        os.kill(kept.pid, signal.SIGKILL)
    (RUN / f"{kept.name}.json").unlink(missing_ok=True)


def _main(name: str, file: str, node_name: str | None = None) -> None:
    """The keeper itself. Prints one line when the lab is up, or why it is not."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    program = load(file).program
    if program is None:
        sys.exit(f"{file} has errors: svcc check {file}")
    node = program.node(node_name) if node_name else next(iter(program.nodes), None)
    path = RUN / f"{name}.json"
    try:
        with Lab.up(program, node) as lab:
            _write(path, name, file, lab)
            print("up", flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            path.unlink(missing_ok=True)
    except NamespaceError as error:
        print(error, flush=True)


def _write(path: Path, name: str, file: str, lab: Lab) -> None:
    hosts = {host: (namespace.fd, [str(a) for a in lab.addresses(host)]) for host, namespace in lab.namespaces.items()}
    document = {"name": name, "pid": os.getpid(), "started": start_time(os.getpid()), "file": file, "hosts": hosts}
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document))
    part.replace(path)


if __name__ == "__main__":
    _main(*sys.argv[1:])
