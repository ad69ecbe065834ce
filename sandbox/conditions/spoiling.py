"""What a fault does to an answer that is ready to go: lost, cut off in the middle, or truncated."""

import errno
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from sandbox.conditions.faults import Fault
from sandbox.protocol import Answer

# Closing with this option set sends a reset instead of an orderly end.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def hang_up(fault: Fault) -> NoReturn:
    """Keep the client waiting, then close without an answer. Raises ConnectionResetError, which ends the connection."""
    time.sleep(fault.seconds)
    raise ConnectionResetError(errno.ECONNRESET, "The connection was closed by a fault.")


def spoil(fault: Fault, answer: Answer, environ: dict[str, Any]) -> tuple[Answer, Iterable[bytes]]:
    """Return the answer and its pieces as the fault leaves them. Raises ConnectionResetError for a lost answer."""
    if fault.kind == "timeout-after":
        hang_up(fault)
    half = answer.body[: len(answer.body) // 2]
    if fault.kind == "reset":
        return answer, _cut_off(half, environ.get("gunicorn.socket"))
    if fault.kind == "truncated":
        answer.body = half
    return answer, [answer.body] if answer.body else []


def _cut_off(half: bytes, connection: socket.socket | None) -> Iterator[bytes]:
    yield half
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    raise ConnectionResetError(errno.ECONNRESET, "The connection was reset by a fault.")
