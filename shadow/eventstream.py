"""Server-sent events out of bytes that may be cut anywhere."""

import re
from typing import Final

#: A line ends with CR LF, LF or CR; a CR at the very end may be half of a CR LF.
_LINE: Final = re.compile(rb"(.*?)(?:\r\n|\n|\r(?!\Z))", re.DOTALL)


class EventStream:
    """Yields the `data` of each event once its closing blank line has come."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes."""
        text = self._rest + chunk
        events: list[bytes] = []
        end = 0
        for line in _LINE.finditer(text):
            end = line.end()
            if event := self._line(line[1]):
                events.append(event)
        self._rest = text[end:]
        return events

    def close(self) -> list[bytes]:
        """What a stream that ended without its last blank line still holds."""
        last = [self._line(line) for line in (self._rest.rstrip(b"\r"), b"")]
        self._rest = b""
        return [event for event in last if event]

    def _line(self, line: bytes) -> bytes | None:
        """Take in one line; the event's data if the line was the blank one that ends it."""
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            return None
        if line or not self._data:  # a comment, a field we have no use for, or a second blank line
            return None
        event = b"\n".join(self._data)
        self._data = []
        return event
