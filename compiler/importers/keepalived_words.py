"""The words of keepalived.conf that svcc has no statement for, and why (keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Mapping

from svcc.compiler.importers.virtual import SYNCHRONISES, TIMEOUTS

_SCRIPT = "svcc runs no scripts"
_MAIL = "svcc sends no mail"
_START = "svcc uses an endpoint from its first passing check on"
_QUORUM = "svcc has no quorum: a service serves as long as any endpoint can"
_ADDRESS = "keepalived still needs this, as it keeps the address; in svcc the address is `shared`"
_CHECK = "svcc has no check of this kind"
_AGAIN = "svcc asks again after the time between two checks"
_TEXT = "svcc goes by the status of an answer, not by its text"
_OTHER = "import does not know it"

#: Why a word is not carried over. None: it is carried over, or svcc does the same anyway.
_Reasons = Mapping[str, str | None]

#: Blocks and settings at the top of a file.
BLOCKS: _Reasons = {
    "virtual_server": None,
    "virtual_server_group": None,
    "global_defs": "names, mail and time-outs of keepalived itself",
    **dict.fromkeys(("vrrp_instance", "vrrp_sync_group", "vrrp_script", "vrrp_track_file"), _ADDRESS),
    **dict.fromkeys(("vrrp_track_process", "vrrp_track_bfd", "garp_group", "interface_up_down_delays"), _ADDRESS),
    **dict.fromkeys(("track_file", "track_process", "vrrp_rules", "vrrp_routes", "track_group"), _ADDRESS),
    "static_ipaddress": "svcc sets no addresses but those of services",
    **dict.fromkeys(("static_routes", "static_rules"), "svcc sets no routes and no rules of routing"),
    "bfd_instance": "svcc has no BFD",
    "SSL": "svcc's checks have no certificates and keys of their own",
    **dict.fromkeys(
        ("net_namespace", "namespace_with_ipsets", "instance", "use_pid_dir"), "how keepalived itself runs"
    ),
    **dict.fromkeys(("linkbeat_use_polling", "child_wait_time", "net_namespace_ipvs"), "how keepalived itself runs"),
}
#: Words of which every keepalived.conf has at least one.
KNOWN = frozenset(BLOCKS)

#: Settings of IPVS as a whole, in ``global_defs``, and why they are not carried over.
OF_IPVS = {"lvs_timeouts": TIMEOUTS, "lvs_sync_daemon": SYNCHRONISES}

#: The flags of schedulers.
FLAGS = ("sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3")

IN_VIRTUAL_SERVER: _Reasons = {
    **dict.fromkeys(("lb_algo", "lvs_sched", "lb_kind", "lvs_method", "protocol", "persistence_timeout"), None),
    **dict.fromkeys(("real_server", "weight", "ip_family"), None),
    # svcc always does what these ask for, or they have long meant nothing
    **dict.fromkeys(("nat_mask", "net_mask", "inhibit_on_failure", "sorry_server_inhibit"), None),
    **dict.fromkeys(("alpha", "warmup"), _START),
    "omega": _SCRIPT,
    **dict.fromkeys(("quorum", "hysteresis"), _QUORUM),
    **dict.fromkeys(("quorum_up", "quorum_down", "notify_up", "notify_down"), _SCRIPT),
    "smtp_alert": _MAIL,
    "persistence_granularity": None,
    "persistence_engine": "svcc has no persistence engines",
    "ops": None,
    **dict.fromkeys((*FLAGS, "hashed"), None),  # IPVS sets the last itself
    "ha_suspend": "svcc checks endpoints whoever has the address",
    **dict.fromkeys(("delay_loop", "retry", "connect_timeout", "virtualhost"), None),  # read with the checks
    "delay_before_retry": _AGAIN,
    **dict.fromkeys(("sorry_server", "sorry_server_lvs_method"), None),
}

IN_REAL_SERVER: _Reasons = {
    **dict.fromkeys(("weight", "lb_kind", "lvs_method", "inhibit_on_failure"), None),
    **dict.fromkeys(("notify_up", "notify_down"), _SCRIPT),
    "smtp_alert": _MAIL,
    **dict.fromkeys(("alpha", "warmup"), _START),
    **dict.fromkeys(("uthreshold", "lthreshold"), None),
    **dict.fromkeys(("MISC_CHECK", "SMTP_CHECK", "BFD_CHECK", "PING_CHECK", "FILE_CHECK"), _CHECK),
    **dict.fromkeys(("TCP_CHECK", "HTTP_GET", "SSL_GET", "DNS_CHECK", "UDP_CHECK"), None),
    **dict.fromkeys(("delay_loop", "retry", "connect_timeout", "virtualhost"), None),  # read with the checks
    "delay_before_retry": _AGAIN,
    "snmp_name": "how keepalived itself runs",
}

IN_CHECK: _Reasons = {
    **dict.fromkeys(("connect_port", "connect_timeout", "delay_loop", "retry", "nb_get_retry", "nb_sock_retry"), None),
    **dict.fromkeys(("url", "virtualhost", "name", "type", "require_reply", "http_protocol", "enable_sni"), None),
    "delay_before_retry": _AGAIN,
    **dict.fromkeys(("alpha", "warmup"), _START),
    "connect_ip": "svcc asks an endpoint at its own address",
    **dict.fromkeys(("bindto", "bind_if", "bind_port", "fwmark"), "svcc asks with the machine's own address"),
    **dict.fromkeys(("payload", "min_reply_length", "max_reply_length"), "svcc's check udp takes any answer"),
    **dict.fromkeys(("fast_recovery", "log_all_failures"), "how keepalived itself runs"),
}
IN_URL: _Reasons = {
    **dict.fromkeys(("path", "status_code", "virtualhost", "tls_compliant"), None),
    **dict.fromkeys(("digest", "regex", "regex_no_match", "regex_options", "regex_min_offset"), _TEXT),
    **dict.fromkeys(("regex_max_offset", "regex_stack"), _TEXT),
}


def reason(reasons: _Reasons, keyword: str) -> str | None:
    """Return why a statement is not carried over. Return None where it is."""
    return reasons.get(keyword, _OTHER)
