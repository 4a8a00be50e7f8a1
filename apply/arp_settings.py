"""Find the settings with which this machine would not answer ARP as a bundle says. They are the operator's: svcc names
them, and does not change them."""

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
    """Yield a sentence for each setting with which addresses of a bundle would not be announced, or with which the
    machine would answer for other addresses as well; and one where the kernel has no dummy devices.

    svcc sets ``arp_ignore`` to 3 for all links. Of this value and a link's own, the kernel takes the greater one. So a
    3 would overrule a 1 or 2 that somebody chose so that addresses of other devices stay unanswered, and it does not
    overrule an 8. A value that svcc itself set, as a recorded bundle tells, is not in the way.
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
    """Yield a sentence where this kernel has no dummy devices, which carry the announced addresses."""
    if missing(["dummy"]):
        yield "module dummy: missing (a kernel with dummy, or its modules package; then: modprobe dummy)"


def set_to(bundle: Bundle, name: str) -> str | None:
    """Return the value that a bundle sets a sysctl parameter to; None where it does not set it."""
    artifact = bundle.artifact(settings.PART)
    return settings.parse_parameters(artifact.text).get(name) if artifact else None
