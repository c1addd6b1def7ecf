"""The three tasks of the simulated world: writing their requests, reading them, and answering them.

    ticket-intent    classification: a support ticket, one of eight intents
    invoice-fields   extraction:     an invoice, five fields as JSON
    reply-draft      generation:     a support ticket, a short reply to the customer

A model knows only the request, and finds the right answer by reading it.
"""

import json
from typing import Any, Final, NamedTuple

from shadow.devstack.simulation.answers import ANSWERS, GREETINGS, SIGN_OFFS
from shadow.devstack.simulation.phrases import (
    COMPANIES,
    CORES,
    FILLERS,
    INTENTS,
    INVOICE_LABELS,
    LOCALES,
    NAMES,
    OPENINGS,
)
from shadow.devstack.simulation.seeded_random import pick
from shadow.records import TaskKind

#: The tasks, and the kind that selects their scorer.
KINDS: Final[dict[str, TaskKind]] = {
    "ticket-intent": "classification",
    "invoice-fields": "extraction",
    "reply-draft": "generation",
}

SYSTEM_PROMPTS: Final = {
    "ticket-intent": f"Answer with the intent of this support ticket, one of: {', '.join(INTENTS)}.",
    "invoice-fields": (
        "Answer with a JSON object of this invoice's number, customer, total, currency and payment_days."
    ),
    "reply-draft": "Draft a short, friendly reply to this customer in the language of the ticket.",
}
_TASK_OF_PROMPT: Final = {prompt: task for task, prompt in SYSTEM_PROMPTS.items()}

#: JSON schema of an answer to `invoice-fields`.
INVOICE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "customer": {"type": "string"},
        "total": {"type": "number"},
        "currency": {"enum": ["EUR", "USD", "BRL"]},
        "payment_days": {"type": "integer"},
    },
    "required": ["number", "customer", "total", "currency", "payment_days"],
    "additionalProperties": False,
}

_CORE_LINES: Final = {
    line: (intent, locale)
    for intent, by_locale in CORES.items()
    for locale, lines in by_locale.items()
    for line in lines
}
_INVOICE_LOCALES: Final = {labels[0]: locale for locale, labels in INVOICE_LABELS.items()}
_CURRENCIES: Final = {"en": "USD", "de": "EUR", "fr": "EUR", "pt": "BRL"}

#: The intent with which each intent is most often confused.
_CONFUSED: Final = {
    "refund": "invoice",
    "delivery": "refund",
    "cancel": "refund",
    "login": "bug",
    "invoice": "upgrade",
    "bug": "feedback",
    "upgrade": "invoice",
    "feedback": "bug",
}


class Reading(NamedTuple):
    """The content of a request: its task, its language, and the facts that an answer needs."""

    task: str
    locale: str
    facts: dict[str, Any]


def write_ticket(task: str, locale: str, draw: tuple[float, ...]) -> tuple[str, str | None]:
    """A ticket's text, and its intent where that is the right answer."""
    intents = INTENTS if task == "ticket-intent" else tuple(ANSWERS)
    intent = pick(intents, draw[0])
    # One ticket in six is long, one in thirty very long: the length is a segment of its own.
    padding = 0 if draw[1] < 0.83 else 3 if draw[1] < 0.97 else 15
    lines = [
        pick(OPENINGS[locale], draw[2]),
        pick(CORES[intent][locale], draw[3]),
        *(FILLERS[locale][n % 3] for n in range(padding)),
        f"-- {pick(NAMES, draw[4])}",
    ]
    return "\n".join(lines), intent if task == "ticket-intent" else None


def write_invoice(locale: str, draw: tuple[float, ...]) -> tuple[str, str]:
    """An invoice's text, and its fields as JSON."""
    number, customer, net, total, days = INVOICE_LABELS[locale]
    cents = 10_000 + int(draw[1] * 900_000)
    fields = {
        "number": f"R-{1_000 + int(draw[0] * 9_000)}",
        "customer": pick(COMPANIES, draw[2]),
        "total": cents / 100,
        "currency": _CURRENCIES[locale],
        "payment_days": pick((7, 14, 30, 60), draw[3]),
    }
    text = "\n".join(
        (
            f"{number}: {fields['number']}",
            f"{customer}: {fields['customer']}",
            f"{net}: {_amount(cents * 100 // 123, locale)} {fields['currency']}",
            f"{total}: {_amount(cents, locale)} {fields['currency']}",
            f"{days}: {fields['payment_days']}",
        )
    )
    return text, json.dumps(fields, ensure_ascii=False)


def read(system: str, text: str) -> Reading | None:
    """The content of a request; None for one that is not of this world.

    Only the first line of `system` names the task; more lines may follow.
    """
    task = _TASK_OF_PROMPT.get(system.partition("\n")[0])
    if task is None:
        return None
    lines = text.split("\n")
    if task == "invoice-fields":
        return _read_invoice(lines)
    found = next((_CORE_LINES[line] for line in lines if line in _CORE_LINES), None)
    if found is None or (task == "reply-draft" and found[0] not in ANSWERS):
        return None
    intent, locale = found
    name = lines[-1].removeprefix("-- ")
    return Reading(task, locale, {"intent": intent, "name": name})


def answer(reading: Reading, *, right: bool, style: tuple[float, ...]) -> str:
    """The text of an answer. The draws in `style` select its wording, and its mistake if it is not right."""
    match reading.task:
        case "ticket-intent":
            return _name_intent(reading.facts["intent"], right, style)
        case "invoice-fields":
            return _name_fields(reading.facts, right, style)
        case _:
            return _draft_reply(reading, right, style)


def is_right(reading: Reading, reply: str) -> bool:
    """Whether a reply is right. Text after an intent or beside a draft does not count."""
    match reading.task:
        case "ticket-intent":
            opening = reply.strip().partition("\n")[0]
            return opening.strip(" .").lower() == str(reading.facts["intent"])
        case "invoice-fields":
            fields = {name: reading.facts[name] for name in INVOICE_SCHEMA["required"]}
            return bool(_fields_of(reply) == fields)
        case _:
            return any(way in reply for way in ANSWERS[reading.facts["intent"]][reading.locale])


def has_extra_text(reading: Reading, reply: str) -> bool:
    """Whether a reply contains anything that the simulated models never write."""
    match reading.task:
        case "ticket-intent":
            return reply.strip(" .\n").lower() not in INTENTS
        case "invoice-fields":
            return not (reply.startswith("{") and reply.rstrip().endswith("}"))
        case _:
            ways = (GREETINGS, SIGN_OFFS, *ANSWERS.values())
            plain = {line.format(name=reading.facts["name"]) for part in ways for line in part[reading.locale]}
            return not set(reply.strip().split("\n")) <= plain


def _fields_of(reply: str) -> object:
    try:
        return json.JSONDecoder().raw_decode(reply, reply.index("{"))[0]
    except ValueError:
        return None


def _name_intent(intent: str, right: bool, style: tuple[float, ...]) -> str:
    name = intent if right else _CONFUSED[intent] if style[0] < 0.7 else pick(INTENTS, style[1])
    return name if style[2] < 0.8 else name.capitalize() if style[2] < 0.95 else f"{name}."


def _name_fields(facts: dict[str, Any], right: bool, style: tuple[float, ...]) -> str:
    fields = {name: facts[name] for name in INVOICE_SCHEMA["required"]}
    if not right:
        wrong = pick(("total", "customer", "payment_days"), style[0])
        fields[wrong] = {
            "total": facts["net"],  # the other amount on the page
            "customer": fields["customer"].split()[0],
            "payment_days": pick((7, 14, 30, 60), style[1]),
        }[wrong]
    return json.dumps(fields, ensure_ascii=False, indent=None if style[2] < 0.7 else 2)


def _draft_reply(reading: Reading, right: bool, style: tuple[float, ...]) -> str:
    intent, locale = reading.facts["intent"], reading.locale
    if not right:  # an answer to another question
        others = tuple(other for other in ANSWERS if other != intent)
        intent = pick(others, style[0])
    # The first phrasing is the likelier one, and each part is chosen separately.
    parts = (GREETINGS[locale], ANSWERS[intent][locale], SIGN_OFFS[locale])
    lines = (ways[0] if draw < 0.8 else ways[1] for ways, draw in zip(parts, style[1:], strict=False))
    return "\n".join(lines).format(name=reading.facts["name"])


def _read_invoice(lines: list[str]) -> Reading | None:
    found = dict(line.split(": ", 1) for line in lines if ": " in line)
    locale = _INVOICE_LOCALES.get(lines[0].partition(":")[0])
    if locale is None or not set(INVOICE_LABELS[locale]) <= found.keys():
        return None
    number, customer, net, total, days = (found[label] for label in INVOICE_LABELS[locale])
    try:
        facts = {
            "number": number,
            "customer": customer,
            "net": _parse_amount(net),
            "total": _parse_amount(total),
            "currency": total.rsplit(" ", 1)[1],
            "payment_days": int(days),
        }
    except (ValueError, IndexError):  # a field was redacted on the way here
        return None
    return Reading("invoice-fields", locale, facts)


def _amount(cents: int, locale: str) -> str:
    """An amount in the notation of the locale."""
    thousands, decimal = {"en": (",", "."), "fr": ("\u202f", ",")}.get(locale, (".", ","))
    return f"{cents // 100:,}".replace(",", thousands) + f"{decimal}{cents % 100:02d}"


def _parse_amount(text: str) -> float:
    return int("".join(filter(str.isdigit, text))) / 100


assert set(LOCALES) == set(INVOICE_LABELS) == set(OPENINGS)
