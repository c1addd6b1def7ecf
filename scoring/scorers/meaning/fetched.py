"""Embeddings of an endpoint: which texts a pair needs, and where the scorer finds their vectors.

A scorer makes no requests. The service or command that scores pairs first fetches the vectors of the texts that
`needed` names, and hands them to `scoring.compare` as a mapping.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[np.float32]

#: The option under which the scorer finds what was fetched; no option that anyone can set.
FETCHED: Final = "fetched embeddings"

#: Longer texts are not embedded, and are unscored.
MAX_TEXT: Final = 100_000


class Text(NamedTuple):
    """A text whose embedding is to be fetched from the model with this name in [models]."""

    model: str
    text: str


#: Unit vectors, or the reason why there is none.
Embeddings: TypeAlias = Mapping[Text, "Vector | str"]


def needed(contents: Iterable[str | None], options: Mapping[str, Any]) -> Iterator[Text]:
    """Those of the contents of replies that the scorer with these `options` compares by an endpoint's embeddings."""
    model = options.get("model")
    if isinstance(model, str) and model:
        for content in contents:
            if content and (stripped := content.strip()) and len(stripped) <= MAX_TEXT:
                yield Text(model, stripped)


def as_vector(embedding: Sequence[float] | str) -> "Vector | str":
    """The unit vector in the direction of `embedding`; a reason why there is none stays as it is."""
    if isinstance(embedding, str):
        return embedding
    import numpy as np  # noqa: PLC0415 - loaded only where texts are compared by meaning

    vector = np.asarray(embedding, dtype=np.float64)
    return (vector / np.linalg.norm(vector)).astype(np.float32)
