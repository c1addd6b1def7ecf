"""Detects replies that the endpoint sent but that are not answers: refused, truncated, empty.

The API reports some of them (a `refusal` field, a finish reason). The rest are refusals written as
ordinary text. They are recognised by their opening words, in several languages, and cautiously:
"I can't find an order with that number" is an answer, and taking an answer for a refusal would hide
a disagreement.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from shadow.openai_api import finish_reasons
from shadow.records import Failure, Reply

#: A refusal stands at the start of the reply (characters searched), and the reply is short (maximum length):
#: a long text that starts with a refusal has an answer after it.
_OPENING_CHARS: Final = 300
_MAX_REFUSAL_CHARS: Final = 1_500
#: Maximum length of a reply whose result is cached.
_MAX_CACHED_CHARS: Final = 100

_CANNOT: Final = r"i(?:'m| am)? (?:can'?t|cannot|can not|won't|will not|(?:am )?unable to|(?:am )?not able to)"
_THIS: Final = r"(?:this|that|these|those|such|your)"
_WHAT: Final = r"(?:requests?|questions?|tasks?|topics?|content|information|material|kinds?|types?)"

_PHRASES: Final = (
    # English
    rf"{_CANNOT} (?:help|assist)(?: you)?(?: (?:with|in) (?:{_THIS}\b|\w+ing\b)|[.,!]|$)",
    rf"{_CANNOT} (?:comply|engage|continue)(?: (?:with|in) {_THIS}\b|[.,!]|$)",
    rf"{_CANNOT} (?:fulfil+|comply with|complete|process|answer|provide|create|generate|write|discuss) {_THIS} {_WHAT}",
    r"(?:it|this|that) (?:goes|is) against my (?:guidelines|programming|principles|policy)",
    r"as an ai(?: language)?(?: model| assistant)?, i (?:can'?t|cannot|am unable|am not able|must decline)",
    r"i must (?:respectfully )?decline",
    # German
    r"(?:dabei|damit|bei (?:dieser|ihrer|deiner) (?:anfrage|bitte)) kann ich (?:\w+ ){0,2}nicht (?:weiter)?helfen",
    r"ich kann (?:\w+ )?(?:dabei|damit|bei dieser anfrage) (?:leider )?nicht (?:weiter)?helfen",
    r"ich kann (?:diese|ihre|deine) (?:anfrage|bitte) (?:leider )?nicht (?:erfüllen|beantworten|bearbeiten)",
    # French
    r"je ne (?:peux pas|suis pas en mesure de|puis) (?:vous |t')?(?:aider|assister|répondre à (?:cette|votre) demande)",
    # Spanish, Portuguese, Italian, Dutch
    r"no puedo (?:ayudar(?:te|le|lo)? con (?:eso|esto|esa|esta|ese|este)|cumplir con (?:esa|esta|tu|su))",
    r"não posso (?:ajudar(?:-lo|-la|-te)? com (?:isso|isto|essa|esse|esta|este)|atender a (?:esse|essa|este|esta))",
    r"non posso aiut(?:arti|arla|are) (?:con (?:questo|questa)|in questo)",
    r"ik kan (?:je|u) (?:hier|daar)(?: helaas)? niet (?:mee|bij) helpen",
    # Chinese, Japanese, Korean
    r"我?(?:无法|不能|無法)(?:协助|提供(?:帮助|协助)|满足(?:这|该|您的|你的)|協助)",
    r"(?:お手伝い|ご協力|その(?:ご)?(?:要望|リクエスト)にはお応え)(?:することは)?でき(?:ません|かねます)",
    r"(?:도와|도움을) ?드릴 수 없",
)
_SORRY: Final = (
    r"(?:i(?:'m| am) (?:very |so |really |truly )?sorry|sorry|i (?:sincerely )?apologi[sz]e|apologies|unfortunately",
    r"(?:es )?tut mir (?:sehr )?leid|entschuldigung|leider|(?:je suis )?(?:vraiment )?désolée?|lo siento(?: mucho)?",
    r"lo lamento|sinto muito|desculpe|(?:mi )?(?:dispiace|spiace)|het spijt me|helaas",
    r"很?抱歉|对不起|對不起|申し訳(?:ありません|ございません)|すみません|죄송합니다(?:만)?)",
)
_BUT: Final = r"[,.!;:，。、！ ]{0,3}(?:(?:but|aber|mais|pero|mas|ma|maar) |但是?|が)?[,，、 ]{0,2}"
_REFUSAL: Final = re.compile(rf"\W{{0,10}}(?:{'|'.join(_SORRY)}{_BUT})?(?:{'|'.join(_PHRASES)})", re.IGNORECASE)
_APOSTROPHES: Final = re.compile("[’´]")


def classified(reply: Reply) -> Reply:
    """The reply with its `failure` set if it is not an answer; else the same reply.

    A failure that is already set stays, because it comes from the endpoint's own report.
    """
    if reply.failure is not None:
        return reply
    failure = failure_of(reply)
    return reply if failure is None else msgspec.structs.replace(reply, failure=failure)


def failure_of(reply: Reply) -> Failure | None:
    """The kind of failure; None if the reply is an answer. Reads only what the model sent."""
    if reply.refusal:
        return "refusal"
    if (failure := finish_reasons.failure_of(reply.finish_reason)) is not None:
        return failure
    if reply.tool_calls:
        return None
    if not reply.content or reply.content.isspace():
        return "empty"
    return "refusal" if is_refusal(reply.content) else None


def is_refusal(text: str) -> bool:
    """Whether the opening words of the text decline to answer. False for long texts."""
    # A classifier repeats the same few words.
    return (
        _is_refusal_cached(text)
        if len(text) <= _MAX_CACHED_CHARS
        else len(text) <= _MAX_REFUSAL_CHARS and _is_refusal(text)
    )


def _is_refusal(text: str) -> bool:
    opening = text.strip()[:_OPENING_CHARS]
    if not opening.isascii():
        opening = _APOSTROPHES.sub("'", opening)
    return _REFUSAL.match(opening) is not None


_is_refusal_cached = lru_cache(maxsize=4_096)(_is_refusal)
