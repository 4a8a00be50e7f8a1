"""Dummy devices on a kernel that has none: devices of the kind ``ifb`` stand in for them.

Both are Ethernet devices, have a carrier as soon as they are up, have no neighbours (NOARP), and hold addresses; what
is sent over them goes nowhere. Only their kind's name in `ip` and netlink differs, and that is replaced here.
"""

from __future__ import annotations

from support.apply_states import run
from svcc.kernel.modules.loading import missing
from svcc.kernel.namespaces import Namespace

#: Python code that runs before svcc (`site` in Python's library reference).
_AS_IFB = """
from svcc.apply import arp_settings
from svcc.kernel import tools
from svcc.kernel.link import loading

attempt, read, send = tools.attempt, tools.read, loading._send

def attempt_as_ifb(part, argv, text=None):
    return attempt(part, argv, text if text is None else text.replace(" type dummy", " type ifb"))

def read_as_dummy(part, argv):
    return read(part, argv).replace('"info_kind":"ifb"', '"info_kind":"dummy"')

def send_as_ifb(netlink, command, indices):
    if (command.kind, command.verb) == ("link", "add"):
        netlink.link("add", ifname=command.device, kind="ifb")
    else:
        send(netlink, command, indices)

tools.attempt, tools.read, loading._send = attempt_as_ifb, read_as_dummy, send_as_ifb
arp_settings.missing = lambda names: []
"""


def stand_in() -> str:
    """Return code that has svcc use other devices as dummy devices; "" where the kernel has dummy devices."""
    if not missing(["dummy"]):
        return ""
    namespace = Namespace("devices")
    try:
        with namespace.entered():
            run("ip link add x type ifb")
    finally:
        namespace.close()
    return _AS_IFB
