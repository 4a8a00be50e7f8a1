"""The layout of a printed program."""

from __future__ import annotations

from svcc.compiler.load import load_text
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source

_TEXT = """\
cluster {
  prefix     SHOP
  pods       100.64.0.0/24 fd00:64::/64
  vip-device none
  mark       0x8000
}

node "10.0.0.4" {
  address 10.0.0.4
  zone    eu-1a
}

defaults {
  masquerade never
}

endpoints b/web {
  100.64.0.9    on "10.0.0.4"
  100.64.0.19   weight 2
}

service b/web {
  vip             198.19.0.1 fd00:19::1
  external-ip     203.0.113.7 shared
  port http       80/tcp -> 8080 nodeport 30080
  port "8080-tcp" 8080-8081/tcp
  allow-from      10.0.0.0/8
  scheduler       wrr
  affinity        client-ip 90s
  traffic         external local
  when-empty      drop
  when-failed     empty
  check           http 8081 "/a;b" every 500ms timeout 500ms fall 1 expect 200 host shop.example
  endpoints       b/web
}

service a {
  vip       198.19.0.2 198.19.1.0 198.19.1.1 198.19.2.254-198.19.3.1 198.19.2.4
  port      80/tcp
  endpoints b/web
}

service c {
  vip  198.19.0.3
  port 80/tcp
  endpoints {
    100.64.0.9:81
    100.64.0.19  draining
    100.64.0.29  weight 3 backup
    100.64.0.101 draining
  }
}

service d {
  vip  198.19.0.4
  port 80/tcp
  endpoints { }
}
"""


def test_layout() -> None:
    """Services stay in the order of the source; endpoints of several are a pool before the first of them."""
    loaded = load_text(Source("shop.dsl", _TEXT))
    assert loaded.program is not None
    assert program_text(loaded.program) == _TEXT
