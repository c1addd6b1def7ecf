"""What an embedding does not see: differences of numbers, negations, names, language, words and their order.

Each check compares two `Answer`s and is symmetric. They are cheap and know little grammar, so most of them only keep
the scorer from saying that two texts agree. They err to that side.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from scoring.scorers.meaning import word_lists
from scoring.scorers.meaning.word_vectors import WordVectors

if TYPE_CHECKING:
    from scoring.scorers.meaning.word_vectors import Vector

#: A word may stand for another one from this cosine of their vectors on: purchase for buy (0.79), not sell.
ALIKE: Final = 0.65
#: A word whose tokens' vectors add up to a shorter one than this carries no meaning of its own.
CONTENT: Final = 6.0
#: More words than this without their equal in the other text are not looked up.
MAX_OTHER_WORDS: Final = 300
_NOT: Final = "¬"

_SCRIPTS: Final = {
    "Latin": "a-zA-ZÀ-ɏ", "Greek": "Ͱ-Ͽ", "Cyrillic": "Ѐ-ӿ", "Hebrew": "֐-׿", "Arabic": "؀-ۿ", "Devanagari": "ऀ-ॿ",
    "Bengali": "ঀ-৿", "Tamil": "஀-௿", "Thai": "฀-๿", "Hangul": "가-힯", "Kana": "぀-ヿ", "Han": "一-鿿",
}  # fmt: skip
_SCRIPT: Final = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
#: A capitalised word, or one with a capital inside, that does not begin a sentence.
_NAME: Final = re.compile(r"(?<!\A)(?<![.!?:;\n*#>|•–—\-\"“„«(\[]\s)(?<![\w'’.])[^\W\d_]*[A-ZÀ-ÞΑ-ΩА-Я][\w'’]*")
_I: Final = re.compile(r"i(?:['’]\w+)?")
_MARKS: Final = " \t*_>#-+•|\"'“”„«("
_MEASURE: Final = re.compile(r"(-?\d+(?:[.,]\d+)*)([^\W\d]+)")
_ZEROS: Final = re.compile(r"(?<=\d)\.0+$")


@dataclass(frozen=True)
class Answer:
    """A reply's text, and its words as the scorer `text` reads them. The rest is computed where it is needed."""

    text: str
    words: tuple[str, ...]
    #: Its unit vector, by the model that gave it, once it was looked up.
    vectors: dict[str, "Vector"] = field(default_factory=dict, compare=False)

    @cached_property
    def plain_words(self) -> tuple[str, ...]:
        """Words that are no numbers, symbols or negations."""
        return tuple(
            word for word in self.words if not _is_number(word) and not is_negation(word) and not _is_symbol(word)
        )

    @cached_property
    def numbers(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for word in self.words:
            if word in word_lists.NUMBERS:
                found[word_lists.NUMBERS[word]] += 1
            elif _is_number(word):
                number = measure[1] if (measure := _MEASURE.fullmatch(word)) else word
                found[_ZEROS.sub("", number)] += 1
        return found

    @cached_property
    def units(self) -> Counter[str]:
        """Units that are written without a space after their number."""
        return Counter(measure[2] for word in self.words if (measure := _MEASURE.fullmatch(word)))

    @cached_property
    def symbols(self) -> frozenset[str]:
        return frozenset(filter(_is_symbol, self.words))

    @cached_property
    def negations(self) -> int:
        return sum(map(is_negation, self.words))

    @cached_property
    def names(self) -> frozenset[str]:
        lines = (line.lstrip(_MARKS) for line in self.text.replace("**", "").splitlines())
        found = {name.casefold() for line in lines for name in _NAME.findall(line)}
        return frozenset(name.removesuffix("'s").removesuffix("’s") for name in found if not _I.fullmatch(name))

    @cached_property
    def language(self) -> tuple[str, str | None]:
        """The script of most letters, and the language if its frequent words show it."""
        script = _script(self.text[:4_000])
        if not script:
            return "", None
        known = set(self.words[:400])
        found = sorted(((len(known & words), name) for name, words in word_lists.LANGUAGES.items()), reverse=True)
        sure = found[0][0] >= 2 and found[0][0] > found[1][0]
        return script, found[0][1] if sure else None


def is_negation(word: str) -> bool:
    return word in word_lists.NEGATIONS


def _script(text: str) -> str:
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else ""
    counts = {name: len(letters.findall(text)) for name, letters in _SCRIPT.items()}
    found = max(counts, key=lambda name: counts[name])
    return found if counts[found] else ""


def _is_number(word: str) -> bool:
    return word in word_lists.NUMBERS or any(map(str.isdigit, word))


def _is_symbol(word: str) -> bool:
    return not any(map(str.isalnum, word))


def of_language(a: Answer, b: Answer) -> bool:
    """Whether the texts are in two scripts, or visibly in two languages."""
    (script, language), (other_script, other_language) = a.language, b.language
    if script and other_script and script != other_script:
        return True
    return language is not None and other_language is not None and language != other_language


def of_names(a: Answer, b: Answer) -> frozenset[str]:
    """Names that the other text does not have, whether capitalised or not."""
    return (a.names - _parts(b)) | (b.names - _parts(a))


def _parts(answer: Answer) -> set[str]:
    return {*answer.words, *answer.names, *answer.text.casefold().split()}


def of_exchange(a: Answer, b: Answer) -> str | None:
    """What keeps texts of nearly the same words from agreeing, where there are no vectors of words; None if nothing.

    A word or two exchanged for others (Monday for Tuesday, km for miles), or all the same in another order.
    """
    ours, theirs = set(a.plain_words), set(b.plain_words)
    shared, only_ours, only_theirs = len(ours & theirs), ours - theirs, theirs - ours
    if only_ours and only_theirs and 2 * (len(only_ours) + len(only_theirs)) <= max(shared, 4):
        return "words"
    return "word_order" if ours == theirs and a.plain_words != b.plain_words else None


def of_words(a: Answer, b: Answer, vectors: WordVectors) -> str | None:
    """What keeps the words of one text from standing for those of the other; None if nothing does.

    Every word that carries meaning has an equal or alike one in the other text, in the same order; words of place,
    time, quantity and person are the same.
    """
    ours, theirs = set(a.plain_words), set(b.plain_words)
    if (ours ^ theirs) & word_lists.EXACT:
        return "words"
    if len(ours ^ theirs) > MAX_OTHER_WORDS:
        return "words"
    if Counter(w for w in a.words if w in word_lists.EXACT) != Counter(w for w in b.words if w in word_lists.EXACT):
        return "words"
    for one, other in ((a, b), (b, a)):
        others = _content(other, vectors)
        images = list(_images(_content(one, vectors), set(other.plain_words), vectors))
        if None in images:
            return "words"
        if not _in_order(images, others):
            return "word_order"
    return None


def _images(words: Sequence[str], others: Collection[str], vectors: WordVectors) -> Iterator[str | None]:
    """The equal or most alike word of `others` for each word that carries meaning; None where there is none."""
    for word in words:
        yield word if word in others or word == _NOT else _most_alike(word, others, vectors)


def _content(answer: Answer, vectors: WordVectors) -> list[str]:
    """The words that carry meaning, in order, with _NOT for each negation: it matters what a negation stands before."""
    words = set(answer.plain_words)
    kept = (_NOT if is_negation(word) else word for word in answer.words if word in words or is_negation(word))
    return [word for word in kept if word == _NOT or _carries_meaning(word, vectors)]


def _carries_meaning(word: str, vectors: WordVectors) -> bool:
    if word in word_lists.EMPTY:
        return False
    _, length, known = vectors.word(word)
    return not known or length >= CONTENT or not word.isascii()


def _most_alike(word: str, others: Collection[str], vectors: WordVectors) -> str | None:
    vector, _, known = vectors.word(word)
    if not known or not word.isascii():  # the vectors were trained on English
        return None
    best, found = ALIKE, None
    for other in others:
        other_vector, _, other_known = vectors.word(other)
        cosine = float(vector.dot(other_vector))
        if cosine >= best and other_known and other.isascii() and not _are_opposites(word, other):
            best, found = cosine, other
    return found


def _are_opposites(word: str, other: str) -> bool:
    short, long = sorted((word, other), key=len)
    if any(long == prefix + short for prefix in word_lists.OPPOSITE_PREFIXES):
        return True
    return any(
        one.endswith(end) and two.endswith(opposite) and one.removesuffix(end) == two.removesuffix(opposite)
        for end, opposite in word_lists.OPPOSITE_SUFFIXES
        for one, two in ((word, other), (other, word))
    )


def _in_order(images: Sequence[str | None], words: Sequence[str]) -> bool:
    """Whether the images that are words of the other text come in its order."""
    known = set(words)
    rest = iter(words)
    return all(any(word == image for word in rest) for image in images if image in known)
