"""Why rules cannot express what only IPVS has. The texts are part of errors, and of the table of statements."""

from __future__ import annotations

from collections.abc import Mapping

from svcc.compiler.features import Feature

_UNCHANGED = "rules translate packets; only IPVS hands them to another machine as they are"
_LOAD = "no rule knows how many connections an endpoint has"

#: For targets that are made of rules.
NOT_IN_RULES: Mapping[Feature, str] = {
    Feature.FORWARD_DIRECT: _UNCHANGED,
    Feature.FORWARD_TUNNEL: _UNCHANGED,
    Feature.MAX_CONNECTIONS: _LOAD,
    Feature.ONE_PACKET: "connection tracking makes one flow of a client's datagrams, which stays where it is",
    Feature.SCHEDULER_DH: "it is one endpoint for each address; a service with that endpoint says the same",
    Feature.SCHEDULER_LC: _LOAD,
    Feature.SCHEDULER_WLC: _LOAD,
    Feature.SCHEDULER_LBLC: _LOAD,
    Feature.SCHEDULER_LBLCR: _LOAD,
    Feature.SCHEDULER_SED: _LOAD,
    Feature.SCHEDULER_NQ: _LOAD,
    Feature.SCHEDULER_FO: "`backup` says who serves only while others cannot",
    Feature.SCHEDULER_OVF: _LOAD,
    Feature.SCHEDULER_MH: "only IPVS has Maglev's table; `scheduler sh` keeps clients at their endpoints, too",
    Feature.SCHEDULER_MH_BY_PORT: "only IPVS has Maglev's table",
    Feature.SCHEDULER_TWOS: _LOAD,
}
