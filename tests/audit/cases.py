"""Pairs of replies whose agreement is known, because both were generated from the same or from different answers."""

import json
import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final, Literal

from shadow.records import Reply, ToolCall
from tests.audit import notation_cases
from tests.audit.case import Case, say
from tests.audit.meaning_cases import meanings


def generate(seed: int, each: int) -> Iterator[Case]:
    """`each` cases of every kind of every scorer."""
    chance = random.Random(seed)
    for make in MAKERS:
        for _ in range(each):
            yield from make(chance)


# --- numeric

SENTENCES: Final = (
    "{}", "{}.", "The answer is {}.", "**Answer:** {}", "So the total is {}.", "#### {}",
    "Step 1: 3 + 4 = 7.\nTherefore we get {}",
    "After 12 tries, it is {}.", "The answer is {}. I checked it 3 times.", "**{}**", "= {}", "We find that x = {}",
)  # fmt: skip
TEX: Final = (r"\boxed{{{}}}", r"The answer is $\boxed{{{}}}$.", r"$${}$$", r"Thus \boxed{{{}}}, as 2 + 2 = 4.")
UNITS: Final = (
    ("km", "m", 1000),
    ("kg", "g", 1000),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("GB", "MB", 1000),
    ("m", "cm", 100),
)
OTHER_UNITS: Final = (
    ("km", "miles"),
    ("kg", "lbs"),
    ("hours", "minutes"),
    ("GB", "MB"),
    ("$", "€"),
    ("°C", "°F"),
    ("mg", "g"),
    ("ft", "m"),
)
DIGITS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _whole_forms(n: int) -> list[str]:
    return [str(n), f"{n:,}", f"{n:,}".replace(",", " "), f"{n:,}".replace(",", "'"), f"{n}.0"]


def _said(chance: random.Random, number: str, *, tex: bool = False) -> Reply:
    return say(chance.choice(TEX if tex else SENTENCES).format(number))


def _numeric(
    kind: str, chance: random.Random, texts: Sequence[str], agree: bool, *, tex: tuple[bool, bool] = (False, False)
) -> Case:
    a, b = texts
    return Case("numeric", kind, _said(chance, a, tex=tex[0]), _said(chance, b, tex=tex[1]), agree)


def whole(chance: random.Random) -> Iterator[Case]:
    n = chance.randrange(10 ** chance.randrange(1, 19))
    other = n + chance.choice((1, -1, 10, n + 1))
    a, b = (chance.choice(_whole_forms(n)) for _ in "ab")
    yield _numeric("whole numbers", chance, (a, b), True)
    yield _numeric("whole numbers", chance, (a, chance.choice(_whole_forms(other))), other == n)
    yield _numeric("signs", chance, (str(n), f"{chance.choice('-−')}{n}"), n == 0)
    yield _numeric(
        "LaTeX", chance, (f"{n:,}".replace(",", chance.choice((r"\,", r",\!", "{,}"))), str(n)), True, tex=(True, False)
    )
    yield _numeric("LaTeX", chance, (f"{n:,}".replace(",", r"\,"), str(other)), other == n, tex=(True, False))


def powers(chance: random.Random) -> Iterator[Case]:
    mantissa, exponent = chance.randrange(11, 99), chance.randrange(2, 12)
    value = Fraction(mantissa, 10) * 10**exponent
    forms = [
        f"{mantissa / 10} × 10^{exponent}",
        f"{mantissa / 10}e{exponent}",
        f"{mantissa / 10} x 10{str(exponent).translate(DIGITS)}",
        str(value),
    ]
    others = [f"{(mantissa + 1) / 10} × 10^{exponent}", f"{mantissa / 10} × 10^{exponent + 1}"]
    yield _numeric("powers of ten", chance, chance.sample(forms, 2), True)
    yield _numeric("powers of ten", chance, (chance.choice(forms), chance.choice(others)), False)
    tex = rf"{mantissa / 10} \times 10^{{{exponent}}}"
    yield _numeric("LaTeX", chance, (tex, chance.choice(forms)), True, tex=(True, False))
    yield _numeric("LaTeX", chance, (tex, chance.choice(others)), False, tex=(True, False))


def magnitudes(chance: random.Random) -> Iterator[Case]:
    n = chance.randrange(11, 999) / 10
    scales = {"thousand": 3, "million": 6, "billion": 9, "K": 3, "M": 6, "B": 9}
    word, other = chance.sample(sorted(scales), 2)
    full = f"{round(Fraction(str(n)) * 10 ** scales[word]):,}"
    short, wrong = (f"${n}{' ' if len(each) > 1 else ''}{each}" for each in (word, other))
    yield _numeric("magnitudes", chance, (short, f"${full}"), True)
    yield _numeric("magnitudes", chance, (short, wrong), scales[word] == scales[other])


def fractions(chance: random.Random) -> Iterator[Case]:
    over, under, whole = chance.randrange(1, 20), chance.randrange(2, 20), chance.randrange(0, 9)
    value = Fraction(over, under)
    yield _numeric("fractions", chance, (f"{over}/{under}", repr(float(value))), True)
    yield _numeric("fractions", chance, (f"{over}/{under}", f"{over + 1}/{under}"), False)
    yield _numeric("LaTeX", chance, (rf"\frac{{{over}}}{{{under}}}", repr(float(value))), True, tex=(True, False))
    yield _numeric(
        "LaTeX", chance, (rf"\frac{{-{over}}}{{{under}}}", rf"\frac{{{over}}}{{{under}}}"), False, tex=(True, True)
    )
    yield _numeric(
        "LaTeX", chance, (rf"{whole + 1}\sqrt{{{under}}}", rf"{whole + 2}\sqrt{{{under}}}"), False, tex=(True, True)
    )
    yield _numeric("fractions", chance, (f"{whole}½", f"{whole}.5"), True)
    yield _numeric("fractions", chance, (f"{whole + 1}½", f"{whole + 1}"), False)


def units(chance: random.Random) -> Iterator[Case]:
    large, small, factor = chance.choice(UNITS)
    n = chance.randrange(2, 900)
    yield _numeric("units", chance, (f"{n} {large}", f"{n * factor} {small}"), True)
    yield _numeric("units", chance, (f"{n} {large}", f"{n} {small}"), False)
    a, b = chance.choice(OTHER_UNITS)
    write = {"$": "${}", "€": "€{}"}
    yield _numeric("units", chance, [write.get(unit, "{} " + unit).format(n) for unit in (a, b)], False)
    yield _numeric("units", chance, (f"{n} apples", f"{n}"), True)
    yield _numeric("units", chance, (f"{n} km^2", f"{n + 1} km^2"), False)


def dates(chance: random.Random) -> Iterator[Case]:
    year, month, day = chance.randrange(1980, 2030), chance.randrange(1, 13), chance.randrange(13, 29)
    name = notation_cases.ENGLISH_MONTHS[month - 1]
    forms = [
        f"{year}-{month:02}-{day:02}",
        f"{name} {day}, {year}",
        f"{day} {name} {year}",
        f"{name[:3]} {day}, {year}",
        f"{day}/{month:02}/{year}",
    ]
    others = [
        f"{year}-{month:02}-{day - 1:02}",
        f"{name} {day}, {year + 1}",
        f"{day} {'May' if name != 'May' else 'June'} {year}",
    ]
    yield _numeric("dates", chance, chance.sample(forms, 2), True)
    yield _numeric("dates", chance, (chance.choice(forms), chance.choice(others)), False)
    hour, minute = chance.randrange(24), chance.randrange(60)
    clock = [
        f"{hour}:{minute:02}",
        f"{hour % 12 or 12}:{minute:02} {'pm' if hour >= 12 else 'am'}",
        f"{hour % 12 or 12}:{minute:02} {'P.M.' if hour >= 12 else 'A.M.'}",
    ]
    yield _numeric("times", chance, chance.sample(clock, 2), True)
    yield _numeric("times", chance, (chance.choice(clock), f"{(hour + 1) % 24}:{minute:02}"), False)


def several(chance: random.Random) -> Iterator[Case]:
    a, b = sorted(chance.sample(range(2, 90), 2))
    joined = chance.choice(("{}-{} days", "{}–{} days", "between {} and {} days", "{} to {} days"))
    yield _numeric("ranges", chance, (joined.format(a, b), joined.format(a, b)), True)
    yield _numeric("ranges", chance, (joined.format(a, b), joined.format(a - 1, b)), False)
    yield _numeric("tuples", chance, (f"({a}, {b})", f"({a},{b})"), True)
    yield _numeric("tuples", chance, (f"({a}, {b})", f"({a - 1}, {b})"), False)
    yield _numeric("ratios", chance, (f"{2 * a}:{2 * b + 200}", f"{a}:{b + 100}"), True)
    yield _numeric("ratios", chance, (f"{a}:{b + 100}", f"{a + 1}:{b + 100}"), False)
    yield _numeric("hexadecimal", chance, (hex(a), str(a)), True)
    yield _numeric("hexadecimal", chance, (hex(a), hex(b)), False)


# --- label

LABELS: Final = ("refund", "card arrival", "lost_card", "exchange rate", "top up", "cancel transfer", "verify identity")
WRITTEN: Final = (
    "{}", "{}.", '"{}"', "**{}**", "Intent: {}", "The intent is {}.", "The correct answer is {}.",
    "<answer>{}</answer>", "```\n{}\n```", '{{"label": "{}"}}', "Category: {}", "The best label is: {}",
    r"\boxed{{\text{{{}}}}}", "Final answer: {}", "{}, because the customer says so.",
)  # fmt: skip
VERBOSE: Final = (
    "I think the customer is asking about {}.",
    "This looks like {} to me",
    "Based on the message, it is about {}, since they say so.",
)
NEGATED: Final = (
    "It is not {}.",
    "This is not about {}.",
    "The message isn't about {} at all.",
    "never {}",
    "This has nothing to do with it, not {}",
)


def labels(chance: random.Random) -> Iterator[Case]:
    one, other = chance.sample(LABELS, 2)
    spelled = chance.choice((one, one.upper(), one.replace(" ", "_"), one.title(), one.replace("_", "-")))
    options = chance.choice(({}, {"labels": list(LABELS)}))
    wrapped = [chance.choice(WRITTEN).format(each) for each in (one, spelled, other)]
    yield Case("label", "wrappers", say(wrapped[0]), say(wrapped[1]), True, options)
    yield Case("label", "wrappers", say(wrapped[0]), say(wrapped[2]), False, options)
    listed = {"labels": list(LABELS)}
    yield Case("label", "in prose", say(one), say(chance.choice(VERBOSE).format(one)), True, listed)
    yield Case("label", "in prose", say(one), say(chance.choice(VERBOSE).format(other)), False, listed)
    yield Case(
        "label", "negation", say(one), say(chance.choice(NEGATED).format(one)), False, chance.choice(({}, listed))
    )


def letters(chance: random.Random) -> Iterator[Case]:
    one, other = chance.sample("ABCD", 2)
    options = chance.choice(({}, {"labels": ["A", "B", "C", "D"]}))
    forms = (
        "{}",
        "({})",
        "{}.",
        "The answer is {}.",
        "The correct answer is ({}).",
        r"\boxed{{{}}}",
        "**{}**",
        "<answer>{}</answer>",
        "{}, because a cat is a mammal.",
    )
    yield Case("label", "letters", say(one), say(chance.choice(forms).format(one)), True, options)
    yield Case("label", "letters", say(one), say(chance.choice(forms).format(other)), False, options)
    yes, no = chance.sample(("yes", "no"), 2)
    answers = ("{}", "{}.", "{}, it is.", "The answer is {}.", "{}!")
    yield Case(
        "label",
        "yes or no",
        say(yes),
        say(chance.choice(answers).format(yes).capitalize()),
        True,
        {"labels": ["yes", "no"]},
    )
    yield Case(
        "label",
        "yes or no",
        say(yes),
        say(chance.choice(answers).format(no).capitalize()),
        False,
        {"labels": ["yes", "no"]},
    )
    n = chance.randrange(10, 90)
    yield Case(
        "label",
        "comparisons",
        say(f"<{n}K"),
        say(f">{n}K"),
        False,
        chance.choice(({}, {"labels": [f"<{n}K", f">{n}K"]})),
    )
    yield Case(
        "label",
        "comparisons",
        say(f">{n}K"),
        say(f"Class: >{n}K"),
        True,
        chance.choice(({}, {"labels": [f"<{n}K", f">{n}K"]})),
    )


# --- json and tool calls

FORMS: Final[tuple[Literal["NFC", "NFD"], ...]] = ("NFC", "NFD")
NAMES: Final = ("Zürich", "café", "Müller", "naïve", "São Paulo", "Łódź", "Ελλάδα", "हिन्दी", "東京", "Wien")
PROSE: Final = (
    "{}",
    "```json\n{}\n```",
    "Here is the result:\n{}",
    "{}\nNote: {{b}} was absent.",
    "With the {{template}} filled in: {}",
    "Sure [1]! {}",
)


def documents(chance: random.Random) -> Iterator[Case]:
    ean = chance.randrange(10**12, 10 ** chance.randrange(13, 25))
    document: dict[str, Any] = {
        "id": ean,
        "name": chance.choice(NAMES),
        "price": round(chance.uniform(1, 900), 2),
        "tags": ["a", chance.choice("xyz")],
        "ok": True,
    }
    changed = dict(document)
    field = chance.choice(sorted(document))
    changed[field] = {
        "id": ean + chance.choice((1, -1, 1000)),
        "name": "Bern",
        "price": document["price"] + 0.01,
        "tags": ["a"],
        "ok": False,
    }[field]
    written, form = json.dumps(document, ensure_ascii=chance.random() < 0.5), chance.choice(FORMS)
    again = json.dumps(dict(reversed(document.items())), ensure_ascii=False, indent=chance.choice((None, 2)))
    yield Case(
        "json", "documents", say(written), say(chance.choice(PROSE).format(unicodedata.normalize(form, again))), True
    )
    yield Case("json", "documents", say(written), say(chance.choice(PROSE).format(json.dumps(changed))), False)
    one, two, three = (
        Reply(model="m", tool_calls=(ToolCall(name="refund", arguments=json.dumps(args, ensure_ascii=False)),))
        for args in (
            {"order": ean, "to": document["name"]},
            {"to": unicodedata.normalize(form, document["name"]), "order": ean},
            {"order": ean + 1, "to": document["name"]},
        )
    )
    yield Case("tool_calls", "arguments", one, two, True)
    yield Case("tool_calls", "arguments", one, three, False)


# --- text

WORDS: Final = (
    "the", "parcel", "arrives", "on", "monday", "and", "we", "refund", "your", "order", "at", "once", "if", "it",
    "is", "late", "please", "tell", "us",
)  # fmt: skip
#: Differences that change the meaning, however small they look.
MEANT: Final = (
    ("-5", "5"), ("a <= b", "a >= b"), ("$5", "€5"), ("C++", "C"), ("C#", "C"), ("👍", "👎"), ("5%", "5"),
    ("x == y", "x != y"), ("3.5", "35"), ("कि", "को"), ("கா", "கி"), ("কা", "কি"), ("กา", "กี"), ("مُ", "مِ"),
    ("שָׁ", "שִׁ"), ("കാ", "കി"), ("ka", "ko"), ("not", "now"), ("✅", "❌"), ("2024-05-01", "2023-05-01"),
    ("can", "can't"), ("Müller", "Muller"), ("ß", "s"), ("1,000", "1,001"), ("½", "¼"), ("H₂O", "H₃O"),
)  # fmt: skip


def texts(chance: random.Random) -> Iterator[Case]:
    words = chance.choices(WORDS, k=chance.randrange(3, 30))
    at = chance.randrange(len(words))
    a, b = chance.choice(MEANT)
    with_a, with_b = (" ".join([*words[:at], each, *words[at:]]) for each in (a, b))
    yield Case("text", "signs and scripts", say(with_a), say(with_b), False)
    name = chance.choice(NAMES)
    forms = [unicodedata.normalize(form, " ".join([*words[:at], name, *words[at:]])) for form in FORMS]
    dressed = chance.choice(("{}", "{}.", "**{}**", "{}!", "- {}", "  {}\n", "> {}"))
    yield Case(
        "text", "forms", say(forms[0]), say(dressed.format(forms[1]).replace(words[0], words[0].capitalize())), True
    )
    yield Case("text", "words", say(" ".join(words)), say(" ".join([*words[:at], "never", *words[at:]])), False)
    yield Case("exact", "words", say(" ".join(words)), say(f" {' '.join(words)}\n"), True)
    yield Case("exact", "words", say(" ".join(words)), say(" ".join([*words[:at], "never", *words[at:]])), False)


MAKERS: Final[tuple[Callable[[random.Random], Iterator[Case]], ...]] = (
    whole,
    powers,
    magnitudes,
    fractions,
    units,
    dates,
    several,
    labels,
    letters,
    documents,
    texts,
    *notation_cases.MAKERS,
    meanings,
)
