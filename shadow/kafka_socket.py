"""Close the socket of a connection that failed at once.

The Kafka client drops such a socket without closing it, and the exceptions it keeps hold it in a
reference cycle. While a broker refuses, that is two sockets a second until the garbage collector
runs, and an application may have switched it off: with 1,024 open files allowed, its own
connections would fail after ten minutes.
"""

import socket
import warnings
from typing import Any, Final

with warnings.catch_warnings():
    # The client reads its schemas through a deprecated function of the standard library.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.net.inet import KafkaNetSocket

#: The client looks up the class that connects by the scheme of its setting `proxy_url`.
DIRECT: Final = "direct://"


class DirectSocket(KafkaNetSocket):  # type: ignore[misc] # the client has no types
    """Connects without a proxy, as the client does by default."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
