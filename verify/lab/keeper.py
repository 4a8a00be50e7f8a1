"""A lab that outlives the command that built it: a background process (the keeper) keeps it until it is told to stop.

The state of a lab is a file below /run, with the keeper's pid and start time and the hosts, and a folder beside it,
where svcc keeps what it applies there. When the keeper ends, in whatever way, the kernel takes the lab apart. A file
without its keeper means nothing, and is removed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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
class RunningLab:
    """A lab that is up."""

    name: str
    pid: int
    started: str
    file: str
    # by name: the keeper's descriptor of the host's namespace, and its addresses
    hosts: dict[str, tuple[int, list[str]]]

    def path(self, host: str) -> str:
        """Return the path of a host's network namespace, for nsenter(1). ``host``: its name, or one of its addresses.

        Errors: LabError for a host that the lab does not have.
        """
        called = host if host in self.hosts else next((n for n, (_, own) in self.hosts.items() if host in own), None)
        if called is None:
            raise LabError(f"no host {host} in lab {self.name}; there are {', '.join(self.hosts)}")
        return f"/proc/{self.pid}/fd/{self.hosts[called][0]}"

    @property
    def state_dir(self) -> Path:
        """The folder where svcc keeps what it applies in this lab, apart from what it keeps of the machine."""
        return RUN / f"{self.name}.state"


def keep(name: str, file: str, node: str | None) -> RunningLab:
    """Build a lab, and have a keeper hold it. Errors: LabError."""
    if find(name) is not None:
        raise LabError(f"lab {name} is up already: svcc lab down --name {name}")
    argv = [sys.executable, "-m", "svcc.verify.lab.keeper", name, file, *([node] if node else [])]
    with tempfile.TemporaryFile() as log:  # the keeper would hold our own open for as long as the lab is up
        keeper = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        assert keeper.stdout is not None
        with keeper.stdout as answer:
            said = answer.readline().decode().strip()
        kept = find(name)
        if kept is None:
            status = keeper.wait()
            log.seek(0)
            raise LabError(said or log.read().decode().strip() or f"the keeper ended with status {status}")
    return kept


def find(name: str) -> RunningLab | None:
    """Return the lab of that name, if it is up, else None. Remove the file of a lab that is gone."""
    path = RUN / f"{name}.json"
    try:
        kept = RunningLab(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if start_time(kept.pid) == kept.started:
        return kept
    _forget(kept)
    return None


def kept_labs() -> list[RunningLab]:
    """Return every lab that is up."""
    return [kept for path in sorted(RUN.glob("*.json")) if (kept := find(path.stem)) is not None]


def end(kept: RunningLab) -> None:
    """Take a lab down, and wait until it is gone."""
    os.kill(kept.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while start_time(kept.pid) == kept.started and time.monotonic() < deadline:
        time.sleep(0.02)
    if start_time(kept.pid) == kept.started:
        os.kill(kept.pid, signal.SIGKILL)
    _forget(kept)


def _forget(kept: RunningLab) -> None:
    (RUN / f"{kept.name}.json").unlink(missing_ok=True)
    shutil.rmtree(kept.state_dir, ignore_errors=True)


def _main(name: str, file: str, node_name: str | None = None) -> None:
    """Run the keeper: build the lab, and print one line when it is up, or why it is not."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    program = load(file).program
    if program is None:
        print(f"{file} has errors: svcc check {file}", flush=True)
        return
    node = program.node(node_name) if node_name else next(iter(program.nodes), None)
    path = RUN / f"{name}.json"
    try:
        # as it should be on a node; with anything else svcc warns
        with Lab.up(program, node, bridge_netfilter=True) as lab:
            _write(path, name, file, lab)
            print("up", flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            path.unlink(missing_ok=True)
    except NamespaceError as error:
        print(error, flush=True)


def _write(path: Path, name: str, file: str, lab: Lab) -> None:
    hosts = {
        title: (lab.namespaces[host].fd, [str(address) for address in lab.addresses(host)])
        for host, title in lab.plan.titles.items()
    }
    document = {"name": name, "pid": os.getpid(), "started": start_time(os.getpid()), "file": file, "hosts": hosts}
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document))
    part.replace(path)


if __name__ == "__main__":
    _main(*sys.argv[1:])
