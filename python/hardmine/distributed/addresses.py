"""Whether a Ray cluster may be at an address, told in seconds: Ray itself tries for minutes, and ends the process."""

from __future__ import annotations

import os
import socket

_PATIENCE = 30.0
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
"""The frame of HTTP/2 with no settings in it."""
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
_HEADER, _KIND = 9, 3
_SETTINGS_KIND = 4


def refuse_strange(address: str) -> None:
    """Raise `OSError` where nobody listens at HOST:PORT, or one who does not speak as the head of a cluster does.

    That head speaks gRPC, which begins with the settings of HTTP/2.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return
            connection.sendall(_GREETING)
            answer = b""
            while len(answer) < _HEADER and (more := connection.recv(_HEADER - len(answer))):
                answer += more
    except OverflowError as error:
        raise OSError(str(error)) from None
    if len(answer) < _HEADER or answer[_KIND] != _SETTINGS_KIND:
        raise OSError("somebody else listens there")
