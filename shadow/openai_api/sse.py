"""A parser of server-sent events, from pieces of bytes that may end anywhere."""


class EventStream:
    """Returns the `data` of each event as soon as the blank line after it has arrived.

    A line ends with CR LF, LF or CR. One line may be megabytes long and arrive in thousands of
    pieces (a response that repeats its instructions), so each byte is examined only once.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that has not ended
        self._after_cr = False
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes."""
        if not chunk:
            return []
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CR LF
        self._after_cr = chunk.endswith(b"\r")
        events: list[bytes] = []
        for line in chunk.splitlines(keepends=True):
            content = line.rstrip(b"\r\n")
            self._pieces.append(content)
            if len(content) < len(line) and (event := self._end_line()):
                events.append(event)
        return events

    def close(self) -> list[bytes]:
        """The data of the last event, if the stream ended without the blank line after it."""
        return [event for event in (self._end_line(), self._end_line()) if event]

    def _end_line(self) -> bytes | None:
        line = b"".join(self._pieces)
        self._pieces.clear()
        return self._line(line)

    def _line(self, line: bytes) -> bytes | None:
        """Add one line; returns the data of the event if this is the blank line that ends it."""
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            return None
        if line or not self._data:  # a comment, another field, or a second blank line
            return None
        event = b"\n".join(self._data)
        self._data = []
        return event
