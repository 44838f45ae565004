"""Bytes that come from a client or go to one: at a least speed, so that nobody holds a turn by dripping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

OCTETS = "application/octet-stream"
PATIENCE = 10.0
SLOWEST = 1 << 16
"""A transfer moves at least so many bytes a second, on average and after so many seconds of patience: who
drips bytes holds a turn no longer than who sends none."""
PIECE = 1 << 18
"""Bytes handed to the network at one time: a client that does not read makes the next one wait."""


class Arrival:
    """The body of a request, taken bit by bit; only what is taken, and the last piece received, is held.

    Parameters
    ----------
    request : Request
    seconds : float
        For all of it to come, however much that is.
    """

    def __init__(self, request: Request, seconds: float) -> None:
        self._stream = request.stream()
        self._seconds, self._waited = seconds, 0.0
        self._moved, self._rest = 0, bytearray()

    async def take(self, count: int) -> bytes:
        """The next `count` bytes, or fewer at the end of the body; TimeoutError if they come too slowly.

        Only the time that is spent waiting here counts.
        """
        began = asyncio.get_running_loop().time() - self._waited
        async with asyncio.timeout_at(began + _due(self._moved, self._seconds)) as limit:
            while len(self._rest) < count:
                chunk = await anext(self._stream, None)
                if chunk is None:
                    break
                self._rest += chunk
                self._moved += len(chunk)
                limit.reschedule(began + _due(self._moved, self._seconds))
        self._waited = asyncio.get_running_loop().time() - began
        if len(self._rest) <= count:
            taken, self._rest = bytes(self._rest), bytearray()
        else:
            taken = bytes(self._rest[:count])
            del self._rest[:count]
        return taken


class Delivery(Response):
    """An answer that is sent piece by piece, within its time; a client that does not read is left.

    Parameters
    ----------
    pieces : async iterator of bytes
    length : int
        Of all pieces together.
    seconds : float
        For all of them to be sent.
    done : callable
        Called when the last piece is sent, or nobody wants it any more.
    """

    media_type = OCTETS

    def __init__(
        self, pieces: AsyncIterator[bytes], length: int, seconds: float, done: Callable[[], None]
    ) -> None:
        super().__init__()
        self.headers["content-length"] = str(length)
        self._pieces, self._seconds, self._done = pieces, seconds, done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # The server closes the connection of an answer that is not whole.
            with suppress(TimeoutError):
                await self._send(send)
        finally:
            self._done()

    async def _send(self, send: Send) -> None:
        began = asyncio.get_running_loop().time()
        moved = 0
        async with asyncio.timeout_at(began + _due(0, self._seconds)) as limit:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                moved += len(piece)
                limit.reschedule(began + _due(moved, self._seconds))
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """What is in memory already, in pieces of `PIECE` bytes."""
    view = memoryview(content)
    for start in range(0, len(view), PIECE):
        yield bytes(view[start : start + PIECE])


def _due(moved: int, seconds: float) -> float:
    """Seconds from the beginning of a transfer until more than these bytes must have moved."""
    return min(seconds, PATIENCE + moved / SLOWEST)
