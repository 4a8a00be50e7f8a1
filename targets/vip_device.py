"""The parts that put service addresses on a device of svcc's own, printed and read for every target that has them.

``ip`` is an ``ip -batch`` file: a dummy device, and addresses on it. The scope of an IPv4 address says whether the
machine answers ARP for it: with ``arp_ignore = 3`` the kernel answers for every address but those of scope host, on
each link (ip-sysctl.rst). An IPv6 address that is announced lacks ``nodad``; with ``proxy_ndp`` the kernel answers for
it on each link that has a proxy entry, and who loads the part makes these. ``sysctl`` has both settings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.frontends import Frontend
from svcc.compiler.prefix import fault
from svcc.kernel.addresses import text_of
from svcc.kernel.link.devices import DEVICE_NAME, NODAD, QUIET, Device, devices_text
from svcc.kernel.link.links import Link
from svcc.kernel.sysctl.settings import Setting, parameters, sysctl_text
from svcc.targets.interface import Artifact, Part
from svcc.targets.reading import Line, RefusedText, Text, compare, quoted

_SETTING = r"net\.ipv[46]\.(?:vs\.\w+|ip_forward|conf\.all\.(?:forwarding|arp_ignore|arp_announce|proxy_ndp)) = \d"
_SETTINGS = re.compile(rf"# .*\n(?:(?:# .*|{_SETTING})\n|(?!).)++\Z")
_DEVICE = re.compile(
    r"link add (?P<device>\S+) type dummy\nlink set (?P=device) alias svcc:.*\n"
    r"(?:(?:link set (?P=device)|address replace \S+ dev (?P=device)) ?.*\n|(?!).)*+\Z"
)
SYSCTL = Part("sysctl", "sysctl.conf", "sysctl -p -", form=_SETTINGS, common=True)
IP = Part("ip", "ip.batch", "ip -force -batch -", repeatable=False, form=_DEVICE)

#: The limit of :data:`svcc.compiler.features.Feature.ANNOUNCE` on every target that has these parts.
ANNOUNCED = "IPv6 on links whose networks hold the address"

_ARP_IGNORE = "net.ipv4.conf.all.arp_ignore"
_ANSWERING = Setting(
    _ARP_IGNORE,
    "3",
    "For the addresses that are announced this machine answers ARP, for those of scope host it does not.",
)
_SILENT = Setting(
    _ARP_IGNORE,
    "1",
    "The addresses are on a device of this machine, and on no network does it say that they are its own.",
)
_PROXYING = Setting(
    "net.ipv6.conf.all.proxy_ndp",
    "1",
    "It answers neighbour solicitations for those that are announced, on links with a proxy entry for them.",
)

#: The beginning of a device's alias (ip-link(8)). The prefix of the device's owner follows.
_WHOSE = "svcc:"

_LINK = re.compile(r"link add (\S+) type dummy")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LINK_WORDS = """
    address addrgenmode alias allmulticast arp broadcast carrier dev down dynamic group gro_ipv4_max_size gro_max_size
    gso_ipv4_max_size gso_max_segs gso_max_size help index link link-netns link-netnsid master mode mtu multicast name
    netns nomaster numrxqueues numtxqueues parentbus parentdev promisc protodown protodown_reason qlen state trailers
    txqlen txqueuelen type up vf vrf xdp xdpdrv xdpgeneric xdpoffload
"""
#: Words that `ip link` accepts where a name may stand (iproute2 6.x). It also accepts abbreviations of some of them.
_WORDS = tuple(_LINK_WORDS.split())
#: Names that the kernel uses itself, or where its parameters leave no room for a device's name (net/ipv4/devinet.c).
_KERNELS = frozenset(("all", "default", "lo"))
_ALIAS = re.compile(rf"link set (\S+) alias {re.escape(_WHOSE)}(\S+)")
_ADDRESS = re.compile(r"address replace (?:([0-9.]+)/32|([0-9a-f:]+)/128) dev \S+")


@dataclass(frozen=True, slots=True)
class VipAddress:
    """An address on the device, and whether the machine announces it."""

    address: str
    announced: bool

    @property
    def interface(self) -> str:
        """The address with its prefix length."""
        return f"{self.address}/{128 if ':' in self.address else 32}"

    @property
    def options(self) -> str:
        """The options that follow it in ``ip address``."""
        return "" if self.announced else NODAD if ":" in self.address else QUIET


def alias(prefix: str) -> str:
    """Return the alias (ip-link(8)) of a device that svcc makes.

    It says whose the device is, even without svcc's records.
    """
    return f"{_WHOSE}{prefix}"


def is_ours(link: Link, prefix: str, recorded: Collection[str] = ()) -> bool:
    """Whether svcc made the device for a prefix, as its alias says.

    A dummy device without an alias is ours where a recorded bundle names it: svcc was killed before it could set the
    alias. ``recorded``: the names of the devices in recorded bundles.
    """
    if link.kind != "dummy":
        return False
    return link.alias.lower() == alias(prefix).lower() if link.alias else link.name in recorded


def whose(link: Link) -> str:
    """Return a sentence about a device that is not ours."""
    _, ours, prefix = link.alias.rpartition(_WHOSE)
    if ours:
        return f"device {link.name} is that of prefix {prefix}"
    return f"device {link.name} exists, and svcc did not make it"


def arp_settings(*, announced: bool) -> tuple[Setting, ...]:
    """Return the sysctls that decide whether this machine answers ARP for announced IPv4 addresses of the device."""
    return (_ANSWERING if announced else _SILENT,)


def nd_settings(*, announced: bool) -> tuple[Setting, ...]:
    """Return the sysctls that decide whether it answers neighbour solicitations for announced IPv6 addresses."""
    return (_PROXYING,) if announced else ()


def carrying(device: str, prefix: str, held: Iterable[VipAddress]) -> Device:
    """Return the dummy device with its addresses.

    Its alias says whose the device is: svcc did not make a device without it, whatever the device's name.
    """
    return Device(device, True, {one.interface: one.options for one in held}, alias(prefix))


def limits(program: ir.Program) -> Iterator[Diagnostic]:
    """Return errors for names that no device can have: too long, or something else to the kernel or its tool."""
    device, span = program.cluster.vip_device, program.cluster.spans.get("vip-device")
    if device is not None and len(device) > DEVICE_NAME:
        message = f"{device} has {len(device)} characters, and a device's name at most {DEVICE_NAME}"
        yield Diagnostic(Code.NAME_TOO_LONG, message, span)
    if device is not None and (why := _who_takes(device)):
        yield Diagnostic(Code.NAME, f"`{device}` cannot be a device: {why}", span, "any other name will do: svcc0")


def _who_takes(device: str) -> str:
    """Return who takes a device's name for something else, as part of a sentence; "" where nobody does."""
    if device in _KERNELS:
        return "the kernel has that name itself"
    word = next((word for word in _WORDS if word.startswith(device)), "")
    return f"`ip link` takes it for its own word `{word}`" if word else ""


# -- the parts of a target whose rules need no device ------------------------------------------------------------------


def announced(frontends: Iterable[Frontend]) -> frozenset[ir.Address]:
    """Return the addresses that services announce from this machine."""
    return frozenset(f.address for f in frontends if f.address is not None and f.address in f.service.announced)


def announcing(cluster: ir.Cluster, addresses: Collection[ir.Address]) -> tuple[Artifact, ...]:
    """Return the parts, in load order, that put just the announced addresses on a device; none where there are none."""
    if cluster.vip_device is None or not addresses:
        return Artifact(SYSCTL, "", {}), Artifact(IP, "", {})
    in_order = sorted(addresses, key=lambda address: (address.version, int(address)))
    held = [VipAddress(text_of(address), announced=True) for address in in_order]
    device = carrying(cluster.vip_device, cluster.prefix, held)
    versions = {address.version for address in in_order}
    settings = (*(arp_settings(announced=True) if 4 in versions else ()), *nd_settings(announced=6 in versions))
    return (
        Artifact(SYSCTL, sysctl_text(settings), parameters(settings)),
        Artifact(IP, devices_text([device]), {device.name: device}),
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What an ``ip`` part says that does not follow from other parts."""

    name: str
    prefix: str  # the prefix whose device it is
    announced: frozenset[str]  # the announced addresses


def read_device(text: Text) -> Said | None:
    """Return what an ``ip`` part says. The caller has to check that the rest of it is as it would be printed.

    Return None where the part is empty. Errors: RefusedText.
    """
    lines = [*text.lines()]
    if not lines:
        return None
    found = _LINK.fullmatch(lines[0].text)
    if found is None:
        raise lines[0].refused("the device of the vips comes first: `link add DEVICE type dummy`")
    if not _NAME.fullmatch(found[1]) or len(found[1]) > DEVICE_NAME or _who_takes(found[1]):
        raise lines[0].refused(f"{quoted(found[1])} cannot be the device of the vips", found[1], Code.BUNDLE_NAME)
    answered = (_ADDRESS.fullmatch(line.text) for line in lines)
    return Said(found[1], _prefix(lines), frozenset(match[1] or match[2] for match in answered if match))


def _prefix(lines: Sequence[Line]) -> str:
    alias = _ALIAS.fullmatch(lines[1].text) if len(lines) > 1 else None
    if alias is None:
        raise lines[min(1, len(lines) - 1)].refused("the alias comes second: it says whose the device is")
    if wrong := fault(alias[2]):
        raise lines[1].refused(f"{quoted(alias[2])} cannot be a prefix: {wrong}", alias[2], Code.BUNDLE_NAME)
    return alias[2]


def another_prefix(ip: Text, device: Said, prefix: str | None) -> RefusedText:
    """Return the error that the device has another prefix than the rules, which have ``prefix``."""
    alias = [*ip.lines()][1]
    whose = f"the prefix {prefix}" if prefix else "no prefix, for there are none"
    return alias.refused(f"the rules are of {whose}", device.prefix, Code.BUNDLE_NAME)


def accept_announcing(
    texts: Mapping[str, Text], device: Said | None, own: Collection[ir.Address]
) -> tuple[Artifact, ...]:
    """Check that the parts are as :func:`announcing` prints them, and return their artifacts. ``own``: the addresses
    that only services have.

    Errors: RefusedText, where a part is not printed so, or puts an address on the device that no service has.
    """
    addresses: set[ir.Address] = set()
    for line in texts[IP.name].lines():
        if found := _ADDRESS.fullmatch(line.text):
            addresses.add(_service_address(line, found[1] or found[2], own))
    cluster = ir.Cluster(prefix=device.prefix, vip_device=device.name) if device else ir.Cluster()
    artifacts = announcing(cluster, addresses)
    for artifact in artifacts:
        compare(artifact.part.name, texts[artifact.part.name], artifact.text)
    return artifacts


def _service_address(line: Line, text: str, own: Collection[ir.Address]) -> ir.Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise line.refused(f"{quoted(text)} is no address", text) from None
    if address not in own:
        raise line.refused(f"{text} is no address of services alone", text)
    return address
