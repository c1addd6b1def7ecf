"""The bins in which confidences are counted.

Most confidences of a usable model are close to 1, and a threshold that decides which replies are served lies there: so
the bins become narrower towards 1. Their edges must not change, because stored counts name a bin by its number.
"""

from bisect import bisect_right
from typing import Final

#: The lower edge of each bin, and the upper edge of the last. A bin has its lower edge, the last one also its upper.
EDGES: Final = (
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999,
    1.0,
)  # fmt: skip

COUNT: Final = len(EDGES) - 1


def bin_of(confidence: float) -> int:
    """The number of the bin of a confidence in [0, 1], from 0."""
    return min(bisect_right(EDGES, confidence), COUNT) - 1


def bounds(number: int) -> tuple[float, float]:
    """The edges of a bin."""
    return EDGES[number], EDGES[number + 1]
