"""A parser of server-sent events, from pieces of bytes that may end anywhere.

It decodes as the official client does, so that both see the same events: also those that have a name, an id or a
retry time and no data, which that client cannot decode.
"""

from contextlib import suppress


class EventStream:
    """Returns the `data` of each event as soon as the blank line after it has arrived.

    A line ends with CR LF, LF or CR. One line may be megabytes long and arrive in thousands of
    pieces (a response that repeats its instructions), so each byte is examined only once.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that has not ended
        self._after_cr = False
        self._data: list[bytes] = []
        # With these a blank line ends an event also without data. An id stays for the events after it.
        self._has_name = False
        self._has_retry_time = False
        self._has_id = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes. A line that is not UTF-8 is returned too."""
        if not chunk:
            return []
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CR LF
        self._after_cr = chunk.endswith(b"\r")
        events: list[bytes] = []
        for line in chunk.splitlines(keepends=True):
            content = line.rstrip(b"\r\n")
            self._pieces.append(content)
            if len(content) < len(line) and (event := self._end_line()) is not None:
                events.append(event)
        return events

    def close(self) -> bytes:
        """The data after the last blank line, which the official client does not give to the application."""
        if self._pieces:
            self._end_line()
        return b"\n".join(self._data)

    def _end_line(self) -> bytes | None:
        line = b"".join(self._pieces)
        self._pieces.clear()
        return self._line(line)

    def _line(self, line: bytes) -> bytes | None:
        """Add one line; returns the data of the event if this is the blank line that ends it."""
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            return None
        if line:
            return self._other_line(line)
        if not (self._data or self._has_name or self._has_retry_time or self._has_id):
            return None
        event = b"\n".join(self._data)
        self._data = []
        self._has_name = self._has_retry_time = False
        return event

    def _other_line(self, line: bytes) -> bytes | None:
        """A comment, or another field than data. Returned where it is not UTF-8: the official client stops there."""
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            return line
        value = value.removeprefix(" ")
        if name == "data":  # without a colon
            self._data.append(b"")
        elif name == "event":
            self._has_name = bool(value)
        elif name == "id" and "\0" not in value:
            self._has_id = bool(value)
        elif name == "retry":
            with suppress(ValueError):
                int(value)
                self._has_retry_time = True
        return None
