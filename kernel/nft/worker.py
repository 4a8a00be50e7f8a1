"""A program that gives its input, a document of libnftables-json(5), to libnftables: what ``nft -j -f -`` does.

The library may die of what it finds in the kernel: 1.0.6 ends by SIGSEGV where a newer release made a set. So it is
run here, where nothing else dies with it. It is run as a file and by itself, since it is to start quickly; its
argument is the folder that holds the binding, module ``nftables``.
"""

from __future__ import annotations

import sys

#: Exit status: there is no libnftables on this machine.
NO_LIBRARY = 69


def main() -> int:
    """Give libnftables the commands on standard input. Returns its status, or ``NO_LIBRARY``."""
    sys.path.append(sys.argv[1])
    from nftables import Nftables  # type: ignore[import-untyped,unused-ignore]

    try:
        library = Nftables()
    except OSError:
        return NO_LIBRARY
    library.set_json_output(True)
    status, output, error = library.cmd(sys.stdin.read())
    if status:
        sys.stderr.write(error or output)
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
