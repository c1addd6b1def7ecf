"""Text for a terminal."""


def plain(text: str) -> str:
    """Text from outside, made harmless for a terminal: every control character is replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
