"""`meaning`: whether two free texts say the same in other words, by embeddings; it says so only where it is sure.

The cosine of two embeddings is high for texts on one subject, also where one denies what the other says, swaps who
did what, or has another number. So it alone decides only one way: texts with a cosine below `different_below` differ.
To agree, they need a cosine of at least `threshold`, and must pass the checks of `differences`; where they do
not, they differ (other numbers, the same words with a negation) or are *unscored* with a reason. Most
rewritten texts are unscored: this scorer is for a share of pairs that can be believed, not for many.

scorer        reading, comparing, options
differences   what an embedding does not see: numbers, negations, names, language, words without a counterpart, order
word_lists    the words that those checks know
word_vectors  the embeddings that ship in the wheel `wordllama`
fetched       embeddings from an endpoint: which texts are needed, and where the scorer looks them up
"""

from scoring.scorers.meaning.scorer import SCORER

__all__ = ["SCORER"]
