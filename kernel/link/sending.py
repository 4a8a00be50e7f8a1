"""Send frames on a link of Ethernet."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from errno import ENETDOWN, ENODEV, ENXIO


def send(link: str, kind: int, frames: Iterable[bytes]) -> None:
    """Send frames of an EtherType (``kind``) on a link. That the link has just gone or is down is no error.

    Errors: OSError.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            for frame in frames:
                sender.sendto(frame, (link, kind))
    except OSError as error:
        if error.errno not in (ENETDOWN, ENODEV, ENXIO):
            raise
