"""A first program for a machine. It can be applied as it is, and its comments say how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from svcc.apply.survey import Survey
from svcc.compiler.fmt import format_source
from svcc.compiler.names import is_name, written
from svcc.compiler.source import Source
from svcc.kernel.addresses import Address

#: Targets in the order in which they are proposed.
_PREFERRED = ("nft", "iptables", "ipvs")
#: Candidates for the first vip: addresses that no machine should have (RFC 2544, RFC 5737, RFC 4193).
_FREE = tuple(
    map(ip_address, ("198.19.0.1", "198.18.0.1", "203.0.113.1", "192.0.2.1", "fd00:19::1", "fd00:53:76:63::1"))
)
#: The endpoint where the machine has no address that could be one.
_ENDPOINT = ip_address("100.64.0.9")


def first_program(survey: Survey, file: str) -> str:
    """Return the program's text, in the one layout of programs. ``file``: the name that it will have."""
    formatted = format_source(Source("init", "\n".join(_lines(survey, file)) + "\n"))
    assert isinstance(formatted, str), formatted
    return formatted


def _lines(survey: Survey, file: str) -> Iterator[str]:
    yield f"# Services of {_shown(survey.name)}, begun by `svcc init`."
    yield "#"
    yield f"# This machine has {_tools(survey)}."
    target = min(survey.able or _PREFERRED, key=_PREFERRED.index)
    if not survey.able:
        yield "# No target can be loaded here as it is: `svcc doctor` says what is missing."
    yield "#"
    yield f"#   svcc check {file}"
    yield f"#   svcc plan  {file} --target {target}    # what would change"
    yield f"#   svcc apply {file} --target {target}"
    yield "\nsvcc 1\n"
    yield from _cluster(survey)
    yield from _node(survey)
    yield from _service(survey)


def _tools(survey: Survey) -> str:
    found = [f"{name} {version}".rstrip() for name, version in survey.tools.items()]
    if survey.variant:
        found = [f"{one} ({survey.variant} variant)" if one.startswith("iptables") else one for one in found]
    return ", ".join(found) or "none of the tools that load rules"


def _cluster(survey: Survey) -> Iterator[str]:
    yield "# What all services share."
    yield "cluster {"
    yield "prefix SVCC # begins the names of all that svcc makes in the kernel"
    if survey.pods:
        devices = ", ".join(dict.fromkeys(survey.pods.values()))
        yield f"pods {' '.join(map(str, survey.pods))} # seen behind {devices}"
    else:
        yield "# pods 100.64.0.0/24 # networks of pods or containers: none was seen"
    yield "}\n"


def _node(survey: Survey) -> Iterator[str]:
    if survey.addresses:
        yield "# This machine. Say the same of others, if they are to have this file too."
        yield f"node {_name(survey.name)} {{ address {' '.join(map(str, survey.addresses))} }}\n"


def _service(survey: Survey) -> Iterator[str]:
    endpoint = survey.addresses[0] if survey.addresses else _ENDPOINT
    vip = _vip(survey, endpoint)
    host = _bracketed(vip)
    if survey.addresses:
        yield "# A service to begin with. Its endpoint is this machine, so that it can be tried at once:"
        yield f"#   python3 -m http.server 8080 & curl http://{host}/"
    else:
        yield "# A service to begin with. Its endpoint is an example: this machine has no address that could be it."
        yield f"# Put the address of a server in its place, and try: curl http://{host}/"
    yield "service example {"
    yield f"vip {vip} # an address that nobody has"
    yield "port 80/tcp -> 8080 # nodeport 30080 behind it opens it on the machine's own addresses as well"
    yield "endpoints {"
    yield _bracketed(endpoint)
    yield "}"
    yield "}"


def _bracketed(address: Address) -> str:
    """Return the address, IPv6 in brackets, so that its last group cannot be taken for a port."""
    return f"[{address}]" if address.version == 6 else str(address)


def _vip(survey: Survey, endpoint: Address) -> Address:
    """Return a vip of the endpoint's family, in no network that the machine knows where there is such a one."""
    own = [address for address in _FREE if address.version == endpoint.version]
    return next((vip for vip in own if not any(vip in network for network in survey.near)), own[0])


def _name(name: str) -> str:
    """Return the machine's name as a name of the language."""
    return written(name) if is_name(name) else "this-machine"


def _shown(name: str) -> str:
    return name if is_name(name) else "this machine"
