"""Where a text names one of a list of labels, and whether it asserts it, negates it, or asks about it."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

#: Characters of words, without those of scripts that put no space between words.
_WORD: Final = r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_SPACELESS: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NEAR: Final = 80
#: Where a clause ends: what stands before does not negate what stands behind.
_CLAUSE: Final = re.compile(
    r"[.;!?\n|{}()]|(?<!\bnot)(?<!exactly)(?<!quite)(?<!really),(?!\s(?:nor|or|and)\b)|:\s"
    r"|\s[–—-]\s|\b(?:(?<!anything )but|sondern|mais|sino|however|so|hence|therefore|thus)\b"
    r"|[，。；！？、]|而是",
    re.IGNORECASE,
)
#: Words that have the form of a negation and are none.
_NO_NEGATION: Final = re.compile(
    r"\b(?:no|without(?:\s(?:a|any))?)\s(?:doubt|question|problem"
    r"|wonder|need|matter)\b|\bnot\s(?:only|just|merely|simply)\b"
    r"|\bnothing\s(?:but|other\sthan)\b|\bnone\sother\sthan\b|\bnicht\snur\b|\bpas\sseulement\b|\bno\ssolo\b|不仅|不只",
    re.IGNORECASE,
)
#: isn't, don't, cannot
_CONTRACTED: Final = r"(?:is|are|was|were|does|do|did|ca|could|wo|would|should|has|have|had|ai|must|need)n['’]?t"
_NEGATED_BEFORE: Final = re.compile(
    rf"(?:\b(?:not|no|never|neither|nor|none|nothing|without|cannot|{_CONTRACTED}"
    r"|hardly|barely|scarcely|less|least|far\sfrom|anything\sbut|lacks?"
    r"|free\s(?:of|from)|unlikely|doubt(?:s|ful)?|wrong|fails?\sto|rather\sthan"
    r"|instead\sof|as\sopposed\sto|other\sthan|ex|former|nicht|kein\w*|weder|noch|niemals"
    r"|kaum|statt|pas|ni|jamais|aucune?|sans|nunca|tampoco|sin|non|né|mai|não|nem|sem"
    r"|не|ни|нет|без|nie|ani|niet|geen|noch|inte|inget|ej|ikke|ingen|ei|eivät|hayır|không|bukan|tidak"
    r"|maybe|perhaps|possibly|might|may|could|unsure|uncertain|vielleicht"
    r"|peut-être|quizás?|может)\b|ليس|ليست|غير|لا|不|没|非|未|无|無|별로|लिए\sनहीं)",
    re.IGNORECASE,
)
_NEGATED_SIGN: Final = re.compile(r"[~!¬]\Z|(?:¬|≠|!=)\s?\Z")
#: Most words between a negation and the label.
_MOST_BETWEEN: Final = 6
_NEGATED_BEHIND: Final = re.compile(
    r"[\"'*_`]{0,3}\s?(?:[:=–—-]|\()\s?[\"']?(?:no|not|false|nein"
    r"|non|0(?:\.[0-4]\d{0,6})?(?!\.?\d))(?=\s*(?:[.,;!)\]}\"'\n]|\Z))"
    r"|\s(?:(?:is|are|was|were|does|do|did|can|could|has|would|should|must|will)(?:n['’]?t"
    r"|\snot|not)|not|isn['’]?t|cannot|never|nicht|pas|değil|nahi\w*|नहीं)\b"
    r"|\s(?:is|are|seems|looks|can\sbe|would\sbe|was)\s(?:\w+\s)?(?:wrong"
    r"|incorrect|false|ruled\sout|excluded|unlikely|impossible|out|negated)\b"
    r"|\s?(?:ではな|ではありません|じゃな|でない|이\s?아니|가\s?아니|이\s?아닙|가\s?아닙|아님|아닙|아니)|\s(?:नहीं|değil|dejil|ليس)|不(?:对|是|正确|成立)",
    re.IGNORECASE,
)
#: A second clause that takes the first back: "It looks toxic, but it is not."
_TAKEN_BACK: Final = re.compile(
    r"\b(?:but|though|however|although|yet|aber|mais|pero)\b[^.!?\n]{0,60}\b(?:not|"
    + _CONTRACTED
    + r"|no|nicht|pas)\b\W*(?:\Z|[.!\n])",
    re.IGNORECASE,
)
_JOINT: Final = re.compile(r"(?<=\w)\s?[-‐‑–/]\s?(?=\w)")
_QUESTION: Final = re.compile(r"[^.!?\n]{0,120}\?")


class Naming(NamedTuple):
    """A label as the text writes it, and whether the text asserts it."""

    label: str
    is_asserted: bool


def namings(text: str, labels: tuple[str, ...]) -> list[Naming]:
    """Every naming of one of `labels` in the text, as whole words; a label inside a longer one is not named."""
    text = _NO_NEGATION.sub(lambda found: " " * len(found[0]), text)
    return list(_namings(text, _pattern(labels)))


def _namings(text: str, pattern: re.Pattern[str]) -> Iterator[Naming]:
    for found in pattern.finditer(text):
        start, end = found.span()
        if _SPACELESS.match(text, start) or not (_NEGATED_SIGN.search(text, max(0, start - 4), start)):
            is_negated = _is_negated(text[max(0, start - _NEAR) : start], text[end : end + _NEAR])
        else:
            is_negated = True
        is_asked = bool(_QUESTION.match(text, end))
        yield Naming(_JOINT.sub(" ", found[0]), not (is_negated or is_asked))


def _is_negated(before: str, behind: str) -> bool:
    clause = before
    for end in _CLAUSE.finditer(before):
        clause = before[end.end() :]
    for negation in _NEGATED_BEFORE.finditer(clause):
        if len(clause[negation.end() :].split()) <= _MOST_BETWEEN:
            return True
    return bool(_NEGATED_BEHIND.match(behind) or _TAKEN_BACK.search(behind))


@lru_cache(maxsize=1_024)
def _pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = [_alternative(label.strip()) for label in sorted(labels, key=len, reverse=True) if label.strip()]
    return re.compile("|".join(alternatives) or r"(?!)", re.IGNORECASE)


def _alternative(label: str) -> str:
    parts = [re.escape(part) for part in re.split(r"[\s_]+|(?<=\w)[-‐‑–/](?=\w)", label) if part]
    inner = r"(?:[\s_]{1,3}|\s?[-‐‑–/]\s?)".join(parts)
    if len(label) == 1 and label.isalpha() and not _SPACELESS.match(label):
        inner = rf"(?-i:{inner})"  # the article is no label
        if label == "I":
            inner += r"(?!['’]|\s(?!or\b|and\b|is\b)[a-z])"  # nor is the pronoun
    first, last = label[0], label[-1]
    hyphen = "-" if len(label) == 1 and label.isalpha() else r"-(?!\s|\Z|-)"  # B- is a grade
    opened = rf"(?<!{_WORD})(?<!{_WORD}/)(?<![-+<>=$€£.]|{re.escape(first)})" if not _SPACELESS.match(first) else ""
    closed = (
        rf"(?!{_WORD}|[+#♭♯%]|[-‐‑–/]{_WORD}|{hyphen}|\.\d|[\U0001f3fb-\U0001f3ff\u200d]|(?-i:{re.escape(last)}))"
        if not _SPACELESS.match(last)
        else ""
    )
    return f"{opened}{inner}{closed}"
