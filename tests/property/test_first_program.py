"""What ``svcc init`` writes is sound, whatever the machine has."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from support.laid_out import laid_out
from support.strategies import NODE_NAMES
from svcc.apply.survey import Survey
from svcc.compiler.load import load_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.first_program import first_program
from svcc.targets import targets
from svcc.targets.capability import check_target

LOADED = [target for target in targets().values() if target.loads]
NAMES = st.sampled_from((*NODE_NAMES, "vm", "9to5", "db.example.org", 'a"b', "a b", "é", "service", "")) | st.text()
#: Addresses that machines have, none of them of loopback, link-local or multicast.
ADDRESSES = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00:10::/64")
NETWORKS = st.builds(
    lambda address, length: ip_network((address, length), strict=False),
    st.ip_addresses(network="198.18.0.0/15") | st.ip_addresses(network="100.64.0.0/10"),
    st.integers(16, 30),
)
SURVEYS = st.builds(
    lambda name, addresses, pods, others, *rest: Survey(name, addresses, pods, (*pods, *others), *rest),
    NAMES,
    st.lists(ADDRESSES, max_size=3, unique=True).map(tuple),
    st.dictionaries(NETWORKS, st.sampled_from(("cni0", "docker0")), max_size=2),
    st.lists(NETWORKS, max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(("nft", "iptables", "ipset")), st.sampled_from(("1.8.9", "")), max_size=3),
    st.sampled_from((None, "nft", "legacy")),
    st.lists(st.sampled_from([target.name for target in LOADED]), unique=True).map(tuple),
)


@given(SURVEYS)
def test_a_first_program_is_sound_for_every_target(survey: Survey) -> None:
    text = first_program(survey, "svcc.dsl")
    assert laid_out(text) == text
    loaded = load_text(Source("svcc.dsl", text))
    assert loaded.program is not None, as_text(loaded.diagnostics)
    assert loaded.diagnostics == ()
    (service,) = loaded.program.services
    assert not any(vip in network for vip in service.vips for network in survey.pods)
    assert [node.addresses for node in loaded.program.nodes] == ([survey.addresses] if survey.addresses else [])
    node = loaded.program.nodes[0] if loaded.program.nodes else None
    for target in LOADED:
        assert check_target(loaded.program, target, node) == []
