"""The words of keepalived.conf that svcc says nothing for, and why (keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Mapping

_SCRIPT = "svcc runs no scripts"
_MAIL = "svcc sends no mail"
_START = "svcc takes an endpoint in with its first passing check"
_QUORUM = "svcc has no quorum: a service serves as long as any endpoint can"
_ADDRESS = "the address stays with keepalived, which goes on to need this; in svcc it is `shared`"
_FLAG = "svcc sets the schedulers' flags itself"
_ONE_LIMIT = "svcc has no limit of connections"
_CHECK = "svcc has no check of this kind"
_OTHER = "import does not know it"

#: What is carried over, or says what svcc does anyway: None.
_Reasons = Mapping[str, str | None]

#: Blocks and settings of the whole file.
BLOCKS: _Reasons = {
    "virtual_server": None,
    "virtual_server_group": None,
    "global_defs": "names, mail and time-outs of keepalived itself",
    **dict.fromkeys(("vrrp_instance", "vrrp_sync_group", "vrrp_script", "vrrp_track_file"), _ADDRESS),
    **dict.fromkeys(("vrrp_track_process", "vrrp_track_bfd", "garp_group", "interface_up_down_delays"), _ADDRESS),
    **dict.fromkeys(("track_file", "track_process", "vrrp_rules", "vrrp_routes", "track_group"), _ADDRESS),
    **dict.fromkeys(("static_ipaddress", "static_routes", "static_rules"), "svcc sets no addresses, routes and rules"),
    "bfd_instance": "svcc has no BFD",
    "SSL": "svcc checks no certificates",
    **dict.fromkeys(
        ("net_namespace", "namespace_with_ipsets", "instance", "use_pid_dir"), "how keepalived itself runs"
    ),
    **dict.fromkeys(("linkbeat_use_polling", "child_wait_time", "net_namespace_ipvs"), "how keepalived itself runs"),
}
#: A file has at least one of them.
KNOWN = frozenset(BLOCKS)

IN_VIRTUAL_SERVER: _Reasons = {
    **dict.fromkeys(("lb_algo", "lvs_sched", "lb_kind", "lvs_method", "protocol", "persistence_timeout"), None),
    **dict.fromkeys(("real_server", "weight", "ip_family"), None),
    # what they say goes without saying in svcc, or has long meant nothing
    **dict.fromkeys(("nat_mask", "net_mask", "inhibit_on_failure", "sorry_server_inhibit"), None),
    **dict.fromkeys(("alpha", "omega", "warmup"), _START),
    **dict.fromkeys(("quorum", "hysteresis"), _QUORUM),
    **dict.fromkeys(("quorum_up", "quorum_down", "notify_up", "notify_down"), _SCRIPT),
    "smtp_alert": _MAIL,
    "persistence_granularity": "affinity is of single client addresses",
    "persistence_engine": "svcc has no persistence engines",
    "ops": "svcc has no one-packet scheduling",
    **dict.fromkeys(("sh-port", "mh-port"), "svcc hashes addresses alone, without ports"),
    **dict.fromkeys(("sh-fallback", "mh-fallback"), None),
    **dict.fromkeys(("hashed", "flag-1", "flag-2", "flag-3"), _FLAG),
    "ha_suspend": "svcc checks endpoints whoever has the address",
    "virtualhost": "svcc asks for no virtual host",
    **dict.fromkeys(("delay_loop", "retry", "delay_before_retry", "connect_timeout"), "svcc has no checks yet"),
    "sorry_server": "svcc has no backup endpoints yet",
    "sorry_server_lvs_method": "svcc has no backup endpoints yet",
}

IN_REAL_SERVER: _Reasons = {
    **dict.fromkeys(("weight", "lb_kind", "lvs_method", "inhibit_on_failure"), None),
    **dict.fromkeys(("notify_up", "notify_down"), _SCRIPT),
    "smtp_alert": _MAIL,
    **dict.fromkeys(("alpha", "warmup"), _START),
    **dict.fromkeys(("uthreshold", "lthreshold"), _ONE_LIMIT),
    **dict.fromkeys(("MISC_CHECK", "SMTP_CHECK", "BFD_CHECK", "PING_CHECK", "FILE_CHECK"), _CHECK),
    **dict.fromkeys(("TCP_CHECK", "HTTP_GET", "SSL_GET", "DNS_CHECK", "UDP_CHECK"), "svcc has no checks yet"),
    **dict.fromkeys(("delay_loop", "retry", "delay_before_retry", "connect_timeout"), "svcc has no checks yet"),
    "virtualhost": "svcc asks for no virtual host",
    "snmp_name": "how keepalived itself runs",
}


def reason(reasons: _Reasons, keyword: str) -> str | None:
    """Why a statement is not carried over; None: it is."""
    return reasons.get(keyword, _OTHER)
