"""Settings of this machine with which it would not answer ARP as a bundle says: they are the operator's, and stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from svcc.apply.scope import Scope
from svcc.kernel.link import difference
from svcc.kernel.link.arp import SILENT, ignored
from svcc.kernel.link.devices import QUIET, parse_devices
from svcc.kernel.modules.loading import missing
from svcc.kernel.sysctl import settings
from svcc.targets.interface import Bundle

_CONF = Path("/proc/sys/net/ipv4/conf")
_ALL = "net.ipv4.conf.all.arp_ignore"


def arp_obstacles(bundle: Bundle | None, scope: Scope) -> Iterator[str]:
    """Why addresses of a bundle would not be announced, or others answered for as well: a sentence each.

    svcc sets ``arp_ignore`` for all links to 3, and the greatest of all values holds: it would overrule a 1 or 2 that
    somebody chose so that addresses of other devices stay unanswered, and does not overrule an 8. What svcc itself
    set, as a recorded bundle tells, is not in the way.
    """
    if bundle is None or set_to(bundle, _ALL) != "3":
        return
    artifact = bundle.artifact(difference.PART)
    devices = parse_devices(artifact.text if artifact else "")
    yield from no_device()
    links = sorted(path.name for path in _CONF.iterdir() if path.name not in {"default", "lo", *devices})
    for link in links:
        value = ignored(link)
        own = link == "all" and any(set_to(one, _ALL) == str(value) for one in scope.bundles)
        if value in SILENT and not own:
            key = settings.of_device(4, link, "arp_ignore")
            yield (
                f"{key} is {value}: with it this machine answers ARP for no address of another device; "
                "set it to 0, or leave `announce yes` out"
            )
    for name, device in devices.items():
        quiet = next((address for address, options in device.addresses.items() if options == QUIET), None)
        for link in ("all", name if (_CONF / name).exists() else "default") if quiet else ():
            if (_CONF / link / "route_localnet").read_text().strip() != "0":
                key = settings.of_device(4, link, "route_localnet")
                yield (
                    f"{key} is 1: with it this machine answers ARP for {quiet} as well, "
                    "which is not announced; set it to 0, or leave `announce yes` out"
                )


def no_device() -> Iterator[str]:
    """The sentence that this kernel has no dummy devices, which carry what is announced."""
    if missing(["dummy"]):
        yield "module dummy: missing (a kernel with dummy, or its modules package; then: modprobe dummy)"


def set_to(bundle: Bundle, name: str) -> str | None:
    """What a bundle sets a parameter of sysctl's to."""
    artifact = bundle.artifact(settings.PART)
    return settings.parse_parameters(artifact.text).get(name) if artifact else None
