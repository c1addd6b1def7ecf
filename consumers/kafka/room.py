"""How much may be in hand at once, in messages and in bytes."""

import asyncio


class Room:
    """Holds at most `messages` of together at most `size` bytes; a single message always fits.

    One task at a time may wait for it, as there is one that takes in messages.
    """

    def __init__(self, messages: int, size: int) -> None:
        self._messages = messages
        self._bytes = size
        self._left = asyncio.Event()
        self.messages = 0
        self.bytes = 0

    def fits(self, size: int) -> bool:
        return self.messages < self._messages and (not self.messages or self.bytes + size <= self._bytes)

    async def until_fits(self, size: int) -> None:
        """Wait until there is room for a message of `size`."""
        while not self.fits(size):
            self._left.clear()
            await self._left.wait()

    def take(self, size: int) -> None:
        """Take the room of one message; for whoever knows that it fits."""
        self.messages += 1
        self.bytes += size

    def leave(self, messages: int, size: int) -> None:
        """Give back the room of so many messages of together `size`."""
        self.messages -= messages
        self.bytes -= size
        self._left.set()
