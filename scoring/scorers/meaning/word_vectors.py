"""Embeddings of texts and words, from the files in the wheel `wordllama` (MIT; no torch, nothing is downloaded).

WordLlama ("WordLlama: Recycled token embeddings from large language models", Miller, 2024) has one vector of 256
numbers for each of 32,000 tokens; a text's embedding is the mean of its tokens'. It was trained on English. Its own
loader looks for the tokenizer in a folder that the wheel does not have and downloads it, so the files are opened
here, without importing the package.
"""

import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from scoring.scorers.scorer import Uncomparable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[np.float32]

_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"

#: What to say where the embeddings are missing.
INSTALL: Final = "pip install 'shadow-regret[meaning]'"

#: A token for one byte of a character that the vocabulary lacks.
_BYTE: Final = re.compile(r"<0x[0-9A-F]{2}>")
_BYTES_OF_A_CHARACTER: Final = 3


@cache
def problem() -> str | None:
    """Why the embeddings cannot be used, with the fix; None if they can."""
    if any(find_spec(name) is None for name in ("tokenizers", "safetensors")) or (folder := _folder()) is None:
        return (
            f"needs the embeddings of the package wordllama; install them with: {INSTALL} (there is no build for Linux "
            "on ARM; there, name an embedding model and set strict = false)"
        )
    lacking = next((name for name in (_TOKENIZER, _WEIGHTS) if not (folder / name).is_file()), None)
    if lacking is not None:
        return f"needs {lacking} of wordllama 0.4, which {folder} does not have; install it with: {INSTALL}"
    return None


class WordVectors:
    """The vectors of tokens, in memory once for each process (16 MB)."""

    def __init__(self, folder: Path) -> None:
        import numpy as np  # noqa: PLC0415 - loaded only where texts are compared by meaning
        from safetensors.numpy import load_file  # noqa: PLC0415 - of the optional extra
        from tokenizers import Tokenizer  # noqa: PLC0415 - of the optional extra

        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._rows: NDArray[np.float16] = load_file(folder / _WEIGHTS)["embedding.weight"]
        unknown = [id_ for token, id_ in self._tokenizer.get_vocab().items() if _BYTE.fullmatch(token)]
        self._unknown = np.zeros(len(self._rows), dtype=bool)
        self._unknown[[*unknown, 0]] = True  # 0 is the token <unk>
        self._space = int(self._tokenizer.token_to_id("▁") or 0)
        self.word = lru_cache(maxsize=50_000)(self._word)

    def text(self, text: str) -> "Vector | None":
        """The unit vector of `text`; None if the vocabulary lacks most of its characters."""
        ids = self._ids(text)
        lacking = self._unknown[ids].sum()
        # A character that is lacking is some three tokens, one for each byte.
        known = len(ids) - lacking - ids.count(self._space)
        return None if known <= lacking / _BYTES_OF_A_CHARACTER else self._mean(ids)[0]

    def _word(self, word: str) -> "tuple[Vector, float, bool]":
        """A word's unit vector, the length of the sum of its tokens' vectors, and whether all its characters are known.

        The length is small for words that carry little meaning (the 1.6, will 5.6), and large for others (parcel 20.6).
        """
        ids = self._ids(word)
        vector, length = self._mean(ids)
        return vector, length, bool(ids) and not self._unknown[ids].any()

    def _ids(self, text: str) -> list[int]:
        if not text.isascii():
            text = text.encode(errors="replace").decode()  # the tokenizer refuses lone surrogates
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def _mean(self, ids: list[int]) -> "tuple[Vector, float]":
        import numpy as np  # noqa: PLC0415 - of the optional extra

        total = self._rows[ids].sum(axis=0, dtype=np.float32)
        length = float(np.linalg.norm(total))
        return (total / length if length else total), length


@cache
def loaded() -> WordVectors:
    """The vectors. Raises Uncomparable where `problem` names one."""
    folder = _folder()
    if folder is None or problem() is not None:
        raise Uncomparable("meaning_not_installed")
    return WordVectors(folder)


@cache
def _folder() -> Path | None:
    spec = find_spec("wordllama")  # finds the package without running it
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None
