r"""Mathematics written in LaTeX, as plain text that `quantities` reads.

`\frac{-1}{2}` and `\frac34` become `(-1)/(2)` forms of a fraction, `\sqrt{3}` becomes `√3`, `10^{3}`
becomes `10^3`; thousands separators (`\,`, `,\!`, `{,}`) and layout (`\left`, `\displaystyle`, `\text{…}`) go.
What is left over (`\int`, `x`, …) stays in the text, so that its reader can see that it is not a plain number.
"""

import re
from typing import Final

#: A group without braces inside, or with one level of them: deeper ones occur in no answer.
_GROUP: Final = r"\{((?:[^{}]|\{[^{}]{0,100}\}){0,200})\}"
_BOXED: Final = re.compile(
    r"\\(?:boxed|fbox)\s{0,3}(?:\{((?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,99}\}){0,99}\}){0,99}\}){0,200})\}|([0-9]))"
)
_THOUSANDS: Final = re.compile(r"(?<=\d)(?:\\,|,\\!|\\!,?|\{,\}|\\;|\\ )(?=\d{3})")
_FRACTION: Final = re.compile(
    r"([-+−]?)\s?\\[dtc]?frac\s{0,3}(?:\{\s?([-+−]?)\s?(\d{1,30})\s?\}|(\d))\s{0,3}(?:\{\s?([-+−]?)\s?(\d{1,30})\s?\}|(\d))"
)
_ROOT: Final = re.compile(r"\\sqrt\s{0,3}(?:\[\s?(\d{1,2})\s?\])?\s{0,3}(?:\{\s?(\d{1,30}(?:\.\d{1,30})?)\s?\}|(\d))")
_POWER: Final = re.compile(r"\^\s{0,3}\{\s?([-+−]?\d{1,6})\s?\}")
_TEXT: Final = re.compile(
    r"\\(?:text|mathrm|textbf|mathbf|operatorname|textit|mbox|mathit|textrm)\s{0,3}\{([^{}]{0,100})\}"
)
#: Fractions and roots of more than a number, innermost first.
_OTHER_FRACTION: Final = re.compile(r"\\[dtc]?frac\s{0,3}\{([^{}]{1,80})\}\s{0,3}\{([^{}]{1,80})\}")
_OTHER_ROOT: Final = re.compile(r"\\sqrt\s{0,3}\{([^{}]{1,80})\}")
_OTHER_POWER: Final = re.compile(r"\^\s{0,3}\{([^{}]{1,40})\}")
_OTHER_INDEX: Final = re.compile(r"_\s{0,3}\{([^{}]{1,40})\}")
_DEEPEST: Final = 4
_LAYOUT: Final = re.compile(
    r"\\(?:left|right|displaystyle|bigl?|bigr|Bigl?|Bigr|limits|,|!|;|:|quad|qquad|mathstrut)(?![A-Za-z])|\\ |~"
)
_SPACES: Final = re.compile(r" {2,}")
_APART: Final = re.compile(r"(?<=[^\W\d_)]) +\^")
_DEGREE: Final = re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree|\^°")
_WORDS: Final = {
    r"\times": " × ", r"\cdot": " · ", r"\div": " ÷ ", r"\pm": " ± ", r"\pi": "π", r"\%": "%", r"\$": "$",
    r"\euro": "€", r"\pounds": "£", r"\approx": " ≈ ", r"\{": "{", r"\}": "}", r"\colon": ":", r"\ldots": "…",
    r"\infty": "∞", r"\&": "&", r"\neq": " ≠ ", r"\ne": " ≠ ", r"\lt": " < ", r"\gt": " > ", r"\geqslant": " ≥ ",
    r"\leqslant": " ≤ ", r"\langle": "⟨", r"\rangle": "⟩", r"\lbrace": "{", r"\rbrace": "}", r"\sim": "~",
    r"\leq": " ≤ ", r"\geq": " ≥ ", r"\le": " ≤ ", r"\ge": " ≥ ",
}  # fmt: skip
_WORD: Final = re.compile("|".join(re.escape(word) + ("(?![A-Za-z])" if word[-1].isalpha() else "") for word in _WORDS))


def boxed(text: str) -> list[tuple[int, str]]:
    r"""What stands in each `\boxed{…}`, with its position."""
    return [(found.start(), found[1] if found[1] is not None else found[2]) for found in _BOXED.finditer(text)]


def plain(text: str) -> str:
    """`text` with the LaTeX of numbers rewritten."""
    if "\\" not in text and "{" not in text and "^" not in text:
        return text
    text = _THOUSANDS.sub(",", text)
    text = _TEXT.sub(r" \1 ", text)
    text = _FRACTION.sub(_fraction, text)
    text = _ROOT.sub(lambda found: f"{_INDEX.get(found[1] or '2', '?')}{found[2] or found[3]}", text)
    text = _DEGREE.sub("°", text)
    text = _POWER.sub(r"^\1", text)
    for _ in range(_DEEPEST):
        if "\\" not in text and "{" not in text:
            break
        before, text = text, _OTHER_ROOT.sub(r"√(\1)", text)
        text = _OTHER_FRACTION.sub(r" ((\1)/(\2))", text)
        text = _OTHER_INDEX.sub(r"_\1", _OTHER_POWER.sub(r"^(\1)", text))
        if text == before:
            break
    text = _LAYOUT.sub(" ", text)
    text = _WORD.sub(lambda found: _WORDS[found[0]], text)
    return _SPACES.sub(" ", _APART.sub("^", text))


#: Roots as single characters. Any other root is not read.
_INDEX: Final = {"2": "√", "3": "∛", "4": "∜"}


def _fraction(found: re.Match[str]) -> str:
    signs = [sign for sign in (found[1], found[2], found[5]) if sign in ("-", "−")]
    over, under = found[3] or found[4], found[6] or found[7]
    # A space keeps a whole number before it apart: 2\frac{1}{2} is 2 1/2.
    return f" {'-' if len(signs) % 2 else ''}{over}/{under}"
