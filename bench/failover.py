"""How long clients wait when the machine that answers for an announced address dies.

``PYTHONPATH=tests python bench/failover.py [ROUNDS]``

A switch, a client and three machines are network namespaces, on a throw-away kernel (the machine's own may have no
dummy devices). svcc's agents have an etcd beside the switch; keepalived's VRRP has ``advert_int 1``, and ``nopreempt``,
as svcc never takes back what another machine holds. A machine dies at once: its processes are killed, and its port at
the switch goes down. What is measured is the time until the client's next connection is answered, by another machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from support.apply_states import run
from support.etcd import RELEASES
from support.fleet_client import FOUR, TEXT, Client, client_of
from support.fleet_site import Machine, Site, site
from support.tools.debs import argv
from support.vm.machine import FILE, started

_PATIENCE = 1800.0
#: Seconds that the client waits for an answer before it connects again.
_IMPATIENCE = 0.1
_CONFIGURATION = """\
global_defs {{ router_id {name} }}
vrrp_instance web {{
  state BACKUP
  nopreempt
  interface lan
  virtual_router_id 51
  priority {priority}
  advert_int 1
  virtual_ipaddress {{ {address}/32 }}
}}
"""


def _served(client: Client, port: int, but: str = "") -> str:
    """Wait until a machine other than ``but`` serves a new connection; return its name. Errors: TimeoutError."""
    end = time.monotonic() + 120
    while (found := client.connects_to(FOUR, port, _IMPATIENCE)) in ("", but):
        if time.monotonic() > end:
            raise TimeoutError(f"nobody but {but or 'nobody'} serves {FOUR}")
    return found


def _port(made: Site, machine: Machine, state: str) -> None:
    with made.switch.namespace.entered():
        run(f"ip link set to-{11 + made.machines.index(machine)} {state}")


def _deaths(
    made: Site, client: Client, port: int, rounds: int, kill: Callable[[Machine], None], back: Callable[[Machine], None]
) -> Iterator[float]:
    """Yield the seconds of each round."""
    for _ in range(rounds):
        holder = next(one for one in made.machines if one.name == _served(client, port))
        began = time.monotonic()
        kill(holder)
        _port(made, holder, "down")
        _served(client, port, holder.name)
        yield time.monotonic() - began
        _port(made, holder, "up")
        back(holder)


def _svcc(rounds: int, folder: Path) -> list[float]:
    with site(folder, "a", "b", "c", nf_tables=False) as made, client_of(made) as client:
        for machine in made.machines:
            machine.start()
        made.publish(TEXT, *(word for name in "abc" for word in ("-t", f"{name}=iptables")))
        made.svcc("rollout", 1, "--soak", "0s", "--stage", "all")

        def kill(machine: Machine) -> None:
            machine.end(signal.SIGKILL)

        def back(machine: Machine) -> None:
            machine.start()
            made.until_node(machine.name, alive=True, state="applied")

        return [*_deaths(made, client, 80, rounds, kill, back)]


def _keepalived(rounds: int, folder: Path) -> list[float]:
    with site(folder, "a", "b", "c", nf_tables=False) as made, client_of(made) as client, _daemons(made) as start:
        running = {machine.name: start(machine) for machine in made.machines}

        def kill(machine: Machine) -> None:
            for one in _children(running[machine.name].pid):
                os.kill(one, signal.SIGKILL)
            running[machine.name].kill()
            running[machine.name].wait()

        def back(machine: Machine) -> None:
            with machine.shell.namespace.entered():
                subprocess.run(["ip", "address", "del", f"{FOUR}/32", "dev", "lan"], check=False)
            running[machine.name] = start(machine)
            time.sleep(5)  # until it has heard the others

        return [*_deaths(made, client, 8080, rounds, kill, back)]


def _children(number: int) -> list[int]:
    return [int(word) for file in Path(f"/proc/{number}/task").glob("*/children") for word in file.read_text().split()]


@contextmanager
def _daemons(made: Site) -> Iterator[Callable[[Machine], subprocess.Popen[bytes]]]:
    """Yield a function that starts keepalived on a machine; all of them are ended after the block."""
    running: list[subprocess.Popen[bytes]] = []

    def start(machine: Machine) -> subprocess.Popen[bytes]:
        folder = machine.shell.folder
        priority = 100 - made.machines.index(machine)
        file = folder / "keepalived.conf"
        file.write_text(_CONFIGURATION.format(name=machine.name, priority=priority, address=FOUR), encoding="utf-8")
        file.chmod(0o600)
        pids = [word for kind in "pr" for word in (f"-{kind}", str(folder / f"{kind}.pid"))]
        words = [*argv("bookworm", "keepalived", "keepalived"), "-n", "-l", "-P", "-f", str(file), *pids]
        with machine.shell.namespace.entered(), (folder / "keepalived.log").open("ab") as log:
            running.append(subprocess.Popen(words, stdout=log, stderr=log))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.terminate()
            process.wait()


def _inside(rounds: int) -> dict[str, list[float]]:
    found = {}
    for name, measure in (("svcc", _svcc), ("keepalived", _keepalived)):
        with TemporaryDirectory(prefix="svcc-bench-failover-") as folder:
            found[name] = measure(rounds, Path(folder))
    return found


def main(rounds: int) -> int:
    """Measure on a throw-away kernel, and print the results; return the exit status."""
    argv("bookworm", "keepalived", "keepalived")  # fetch the packages here, as the throw-away kernel has no network
    argv(RELEASES[0], "etcd-server", "etcd")
    before = os.getloadavg()[0]
    words = [
        "env",
        f"PYTHONPATH={os.environ['PYTHONPATH']}",
        sys.executable,
        str(Path(__file__).resolve()),
        "--inside",
        str(rounds),
    ]
    with started(["sh", "-c", f'"$@" > "${FILE}"', "sh", *words]) as there:
        outcome = there.wait(_PATIENCE)
        text = (there.control / "file").read_text()
    if outcome.status:
        print(f"{outcome.trouble}{outcome.output}", file=sys.stderr)
        return 1
    for name, seconds in json.loads(text).items():
        spread = f"{median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}) in {len(seconds)} rounds"
        print(f"{name}: from the machine's death to the client's next answered connection {spread}")
    print(f"load average of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps(_inside(int(sys.argv[2]))))
    else:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 5))
