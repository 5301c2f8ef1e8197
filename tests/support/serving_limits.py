"""Connections to the HTTP service, and how it refuses them."""

import contextlib
import socket

from http_calls import HttpServer

DESCRIPTORS = 256  # 128 connections


def refused(server: HttpServer, reason: str) -> float:
    """How many connections and requests were refused for this reason."""
    return server.figures().get(f'ernie_serving_refused_total{{reason="{reason}"}}', 0)


def connected(port: int, sent: bytes) -> socket.socket:
    """A connection that has sent some bytes."""
    one = socket.create_connection(("127.0.0.1", port), timeout=30)
    one.sendall(sent)
    return one


def until_closed(one: socket.socket) -> bytes:
    """What comes until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := one.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)
