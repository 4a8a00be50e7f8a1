"""Find the settings with which this machine would answer for no IPv6 address of a bundle. They are the operator's: svcc
names them, and does not change them.

The kernel answers for an address of another device only on links that forward (ndisc_recv_ns).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from svcc.apply.arp_settings import no_device, set_to
from svcc.kernel.link import difference
from svcc.kernel.link.devices import announced_in
from svcc.kernel.link.proxies import due
from svcc.kernel.link.reading import links
from svcc.kernel.sysctl.settings import of_device
from svcc.targets.interface import Bundle

_CONF = Path("/proc/sys/net/ipv6/conf")
_ALL = "net.ipv6.conf.all.forwarding"


def nd_obstacles(bundle: Bundle | None) -> Iterator[str]:
    """Yield a sentence for each setting with which IPv6 addresses of a bundle would not be announced, and one where the
    kernel has no dummy devices. Errors: StepError.

    A setting that the bundle itself changes is not in the way: where it turns forwarding on for all links, the kernel
    turns it on for each.
    """
    artifact = bundle.artifact(difference.PART) if bundle else None
    announced = [*announced_in(artifact.text)] if artifact else []
    if not announced or bundle is None:
        return
    yield from no_device()
    if not _forwards("all") and set_to(bundle, _ALL) == "1":
        return
    devices = links()
    for link in sorted({name for address in announced for name in due(address, devices)}):
        if not _forwards(link):
            yield (
                f"{of_device(6, link, 'forwarding')} is 0: with it this machine answers neighbour solicitations for no "
                "address of another device; set it to 1, or leave `announce yes` out"
            )


def _forwards(link: str) -> bool:
    try:
        return (_CONF / link / "forwarding").read_text().strip() != "0"
    except FileNotFoundError:  # it has just gone, or has no IPv6
        return True
