"""Which TCP ports the sandbox listens on."""

import socket

from sandbox.preflight import HOST, why_taken


class PortTaken(Exception):
    """A port is in use. The text names the variable that chooses another."""


def choose(port: int | None, variable: str) -> int:
    """`port` if nothing listens there; any free one for None.

    Raises:
        PortTaken: when something listens on `port`.
    """
    if port is None:
        with socket.socket() as listener:
            listener.bind((HOST, 0))
            return int(listener.getsockname()[1])
    reason = why_taken(port)
    if reason:
        raise PortTaken(
            f"Port {port} on {HOST} cannot be used ({reason}). Choose another with "
            f"{variable}=<number>, or any free one with {variable}=auto."
        )
    return port
