"""Free ports on this machine's loopback address."""

import socket
from collections.abc import Collection


def free_port(taken: Collection[int] = ()) -> int:
    """A port that nothing listens on and that is not among `taken`.

    Another program may take it before the server does; the caller has to bear that.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
