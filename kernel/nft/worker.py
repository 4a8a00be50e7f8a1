"""A program that gives its input, a document of libnftables-json(5), to libnftables, as ``nft -j -f -`` does.

The library may die of what it finds in the kernel: 1.0.6 ends by SIGSEGV where a newer release made a set. So it has a
process of its own. The program is run as a file, without the rest of svcc, so that it starts quickly. Its argument is
the folder of the library's Python binding, module ``nftables``.
"""

from __future__ import annotations

import sys

#: The exit status where there is no libnftables on this machine.
NO_LIBRARY = 69


def main() -> int:
    """Give libnftables the commands on standard input. Return 0, 1 where it refused them, or ``NO_LIBRARY``."""
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
