"""How much may be in hand at once, in messages and in bytes."""

import asyncio


class Room:
    """Holds at most `messages` of together at most `size` bytes; a single message always fits.

    One task at a time may wait in `enter`, as there is one that takes in messages.
    """

    def __init__(self, messages: int, size: int) -> None:
        self._messages = messages
        self._bytes = size
        self._left = asyncio.Event()
        self.messages = 0
        self.bytes = 0

    def fits(self, size: int) -> bool:
        return self.messages < self._messages and (not self.messages or self.bytes + size <= self._bytes)

    def take(self, size: int) -> None:
        """Take the room of one message; for whoever knows that it fits."""
        self.messages += 1
        self.bytes += size

    async def enter(self, size: int) -> None:
        """Take the room of one message as soon as it fits."""
        while not self.fits(size):
            self._left.clear()
            await self._left.wait()
        self.take(size)

    def leave(self, size: int) -> None:
        self.messages -= 1
        self.bytes -= size
        self._left.set()
