"""What the one layout of programs looks like."""

from __future__ import annotations

import pytest

from support.laid_out import formatted_text, laid_out

#: Texts and what becomes of them, the first line of a pair being what it shows.
LAYOUTS = {
    "columns": (
        "cluster {\nprefix A # chains\nnodeport-addresses\t10.0.0.0/8   10.1.0.0/16 #here\nmark 1\n\npods a::/64\n}",
        """\
cluster {
  prefix             A                  # chains
  nodeport-addresses 10.0.0.0/8 10.1.0.0/16  #here
  mark               1

  pods a::/64
}
""",
    ),
    "ports": (
        "service s { vip a::1\nport http 80/tcp -> 8080\nport 443/tcp  nodeport 30000\nwhen-empty drop }",
        """\
service s {
  vip        a::1
  port http  80/tcp -> 8080
  port       443/tcp nodeport 30000
  when-empty drop
}
""",
    ),
    "endpoints": (
        "service s { external-ip 1.2.3.4\nendpoints p { 10.0.0.1 weight 2; [a::1]:9443\n$x on n draining } }",
        """\
service s {
  external-ip 1.2.3.4
  endpoints   p {
    10.0.0.1    weight 2
    [a::1]:9443
    $x          on n draining
  }
}
""",
    ),
    "a long address": (
        "endpoints p {\n100.64.100.100 draining\nfd00:64::39 weight 2\n}",
        """\
endpoints p {
  100.64.100.100 draining
  fd00:64::39    weight 2
}
""",
    ),
    "one line": (
        "service s{vip a::1;;port 80/tcp;endpoints{10.0.0.1;};}\ndefaults {}\nnode n{address 10.0.0.1 zone z}",
        """\
service s { vip a::1; port 80/tcp; endpoints { 10.0.0.1 } }
defaults { }
node n { address 10.0.0.1; zone z }
""",
    ),
    "a line that is too long": (
        f"service s {{ port 80/tcp; endpoints {{ {'; '.join(f'10.0.0.{i}' for i in range(7))} }}; scheduler rr }}",
        """\
service s {
  port      80/tcp
  endpoints { 10.0.0.0; 10.0.0.1; 10.0.0.2; 10.0.0.3; 10.0.0.4; 10.0.0.5; 10.0.0.6 }
  scheduler rr
}
""",
    ),
    "lists": (
        "let a=[a::,10.0.0.0/8 , ]\nlet b = [ # first\n  a::, # second\n10.0.0.1\n # third\n] # last\nlet c = $a",
        """\
let a = [a::, 10.0.0.0/8]
let b = [                               # first
  a::,                                  # second
  10.0.0.1,
  # third
]                                       # last
let c = $a
""",
    ),
    "blank lines": (
        "\n\n# top\n\n\n\nservice s {\n\n\n  vip a::1\n\n\n  # of the port\n  port 80/tcp\n\n\n}\ncluster { }\n\n\n",
        """\
# top

service s {
  vip a::1

  # of the port
  port 80/tcp
}
cluster { }
""",
    ),
    "comments": (
        "service s { # the shop\n vip a::1 # one\n          # two\n     # three\n port 80/tcp; # web\n } # end\n#last",
        """\
service s {                             # the shop
  vip  a::1                             # one
                                        # two
  # three
  port 80/tcp                           # web
}                                       # end
#last
""",
    ),
    "a block of comments alone": (
        "cluster { # nothing\n}\ndefaults {\n# none\n}\nendpoints p {\n\n}",
        """\
cluster {                               # nothing
}
defaults {
  # none
}
endpoints p { }
""",
    ),
    "nothing": ("\n ; \n;", ""),
    "quoted": (
        'include  "a  #;b"\nservice "9to5"{port "a;#{" 80/tcp}',
        'include "a  #;b"\nservice "9to5" { port "a;#{" 80/tcp }\n',
    ),
}


@pytest.mark.parametrize(("text", "expected"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layout(text: str, expected: str) -> None:
    assert laid_out(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("#\n" * 100_000, id="comments"),
        pytest.param("endpoints p {\n" + "10.0.0.1 weight 2 # a\n" * 10_000 + "}", id="endpoints"),
        pytest.param(f"endpoints p {{ {'10.0.0.1; ' * 10_000} }}", id="a-long-block"),
        pytest.param(f"let a = [{'10.0.0.0/8, ' * 10_000}]", id="a-long-list"),
        pytest.param("let a = [10.0.0.0/8" + ", # a\n10.0.0.0/8" * 10_000 + "]", id="a-list-of-lines"),
        pytest.param("cluster { }\n\n" * 10_000, id="blocks"),
    ],
)
def test_a_monster_is_laid_out_in_no_time(text: str) -> None:
    """Seconds, not minutes: the suite's own time limit tells."""
    formatted_text(text)
