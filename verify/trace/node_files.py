"""Reads the files that prepare a node: ``ip -batch`` (ip-link(8), ip-address(8)), sysctl.d(5) and modules-load.d(5)."""

from __future__ import annotations

import re
from ipaddress import ip_interface

from svcc.verify.trace.host import Host
from svcc.verify.trace.lines import Reader, Words

DEVICE_NAME = 15  # characters (IFNAMSIZ with its final zero)

#: Modules that artifacts may load: the kernel's packet filters, sets and balancers, and the dummy device.
_MODULES = re.compile(
    r"dummy|br_netfilter|ip_set(_(hash|bitmap)_[a-z]+)?|ip_vs(_(rr|wrr|lc|wlc|lblc|lblcr|sh|dh|sed|nq|fo|ovf|mh|twos))?"
    r"|(nf|ip6?t|xt|ip6?table)_[a-zA-Z0-9_]+"
)

#: The settings, with the values that are valid.
_SETTINGS = {
    "net.ipv4.ip_forward": ("0", "1"),
    "net.ipv6.conf.all.forwarding": ("0", "1"),
    "net.ipv4.vs.conntrack": ("0", "1"),
    "net.ipv4.vs.expire_nodest_conn": ("0", "1"),
    "net.ipv4.vs.expire_quiescent_template": ("0", "1"),
    "net.ipv4.conf.all.arp_ignore": ("0", "1", "2", "3", "8"),
    "net.ipv4.conf.all.arp_announce": ("0", "1", "2"),
    "net.ipv6.conf.all.proxy_ndp": ("0", "1"),
}


def read_ip(part: str, text: str, host: Host) -> None:
    """Read devices and addresses of ``ip -batch``. Errors: TraceError."""
    for words in Reader(part, text):
        verb = words.take(), words.take("a command")
        if verb == ("link", "add"):
            _add_device(words, host)
        elif verb == ("link", "set"):
            name = words.take("the device")
            if name == "dev":
                name = words.take("the device")
            _check_device(words, host, name)
            match words.take("what to set"):
                case "up":
                    pass
                case "alias":  # it says whose the device is, and packets do not depend on it
                    words.take("the alias")
                case other:
                    raise words.unknown(other)
        elif verb[0] in ("address", "addr") and verb[1] in ("add", "replace"):
            _add_address(words, host, verb[1])
        else:
            raise words.unknown(" ".join(verb))
        words.done()


def _add_device(words: Words, host: Host) -> None:
    name = words.take("the device")
    if len(name) > DEVICE_NAME:
        raise words.refused(f"{name} has more than {DEVICE_NAME} characters")
    if name in host.devices:
        raise words.refused(f"the device {name} is there already")
    if words.take("type") != "type" or words.take("the type") != "dummy":
        raise words.unknown(words.text)
    host.devices.add(name)


def _check_device(words: Words, host: Host, name: str) -> None:
    if name not in host.devices:
        raise words.refused(f"there is no device {name}")


def _add_address(words: Words, host: Host, verb: str) -> None:
    text = words.take("an address")
    interface = words.value(text, ip_interface)
    if words.take("dev") != "dev":
        raise words.unknown(words.text)
    name = words.take("the device")
    _check_device(words, host, name)
    if words.peek() == "nodad":
        words.take()
    elif words.peek() == "scope":  # packets do not depend on it
        words.take()
        if (scope := words.take("the scope")) != "host":
            raise words.unknown(scope)
    if verb == "add" and interface.ip in host.addresses:
        raise words.refused(f"{interface.ip} is there already")
    host.addresses.add(interface.ip)
    if interface.network.num_addresses > 1:
        host.networks[interface.network] = name


def read_sysctl(part: str, text: str, host: Host) -> None:
    """Read settings of ``sysctl -p``. Errors: TraceError."""
    host.settings = host.settings or {}
    for words in Reader(part, text):
        name, found, value = words.text.partition("=")
        name, value = name.strip(), value.strip()
        if not found or value not in _SETTINGS.get(name, ()):
            raise words.unknown(words.text)
        host.settings[name] = value


def read_modules(part: str, text: str) -> None:
    """Read names of modules, one per line. What they do is part of the kernel here. Errors: TraceError."""
    for words in Reader(part, text):
        if not _MODULES.fullmatch(words.take().replace("-", "_")):
            raise words.unknown(words.text)
        words.done()
