"""Separates the reasoning that a model writes into its answer's text from the answer.

Servers that do not parse a model's reasoning leave it in `content`, in the markup of the model's chat template:
`<think>…</think>` (Qwen, DeepSeek and many others), `[THINK]…[/THINK]` (Magistral), the channels of gpt-oss.

**What counts as reasoning.** A block at the very beginning of the reply, after white space at most; several such
blocks in a row; and, because many chat templates write the opening tag into the prompt, everything before a closing
tag that no opening tag precedes. A leading block that is not closed is reasoning to the end. Upper and lower case are
the same.

**What stays in the answer.** Tags anywhere else: a block after the first words of the answer, a tag inside a code
fence, inline code or a JSON document, one in quotation marks, and one of which a sentence speaks ("the </think> tag").
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from shadow.openai_api.json_text import DECODE_ERRORS, decode


class _Markup(NamedTuple):
    """How a kind of model marks its reasoning. `must_close`: without the end it is ordinary text."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    must_close: bool = False


# The quantifiers are bounded, so that no text takes more than linear time.
_NAME: Final = r"(?:\w{1,16}:)?(?:think|thinking|thoughts?|reasoning|scratchpad|antthinking|redacted_thinking)"
_WORD: Final = r"(?:think|thinking|thought|reasoning)"
_TAG: Final = _Markup(
    re.compile(rf"<\s{{0,4}}{_NAME}(?:\s[^<>]{{0,200}})?>", re.IGNORECASE),
    re.compile(rf"</\s{{0,4}}{_NAME}\s{{0,4}}>", re.IGNORECASE),
)
#: Tags of special tokens: OpenThinker and Sky-T1, Cohere Command, Apertus, Kimi K3, Gemma 4, Magistral, Kimi.
_SPECIAL: Final = (
    _Markup(
        re.compile(rf"<\|(?:(?:begin|start)(?:_of)?_)?{_WORD}(?:_(?:begin|start))?\|>", re.IGNORECASE),
        re.compile(rf"<\|(?:(?:/|end_|end_of_){_WORD}|{_WORD}_end)\|>", re.IGNORECASE),
    ),
    _Markup(re.compile(r"<\|inner_prefix\|>"), re.compile(r"<\|inner_suffix\|>")),
    _Markup(re.compile(r"<\|open\|>think<\|sep\|>"), re.compile(r"<\|close\|>think<\|sep\|>")),
    _Markup(re.compile(r"<\|channel>(?:thought\b)?"), re.compile(r"<channel\|>")),
    _Markup(re.compile(r"\[THINK\]", re.IGNORECASE), re.compile(r"\[/THINK\]", re.IGNORECASE)),
    _Markup(re.compile("◁think▷", re.IGNORECASE), re.compile("◁/think▷", re.IGNORECASE)),
)
#: Marks that need their end to be recognised: an empty tag, that of Open WebUI, and the phrases of Granite and Apriel.
_CLOSED: Final = (
    _Markup(re.compile(rf"<{_NAME}\s{{0,4}}/>", re.IGNORECASE), re.compile("")),
    _Markup(
        re.compile(r"""<details\s[^<>]{0,200}type=["']reasoning["'][^<>]{0,200}>"""), re.compile("</details>"), True
    ),
    _Markup(re.compile(r"Here(?:'s| is) my thought process:"), re.compile(r"Here(?:'s| is) my response:"), True),
    _Markup(re.compile(r"Here are my reasoning steps:"), re.compile(r"\[BEGIN FINAL RESPONSE\]"), True),
    # Channels of gpt-oss without their special tokens, as a server shows them that leaves special tokens out.
    _Markup(re.compile(r"analysis(?=\S)"), re.compile(r"assistantfinal"), True),
)
_MARKUP: Final = (_TAG, *_SPECIAL, *_CLOSED)
#: The phrases begin with these words, and a text that begins with them with one of these characters.
_PHRASES: Final = ("Here", "analysis")
_BLANKS: Final = " \t\r\n\f\v\xa0\u3000\ufeff\u200b"
_FIRST: Final = frozenset("Ha" + _BLANKS)

_BLANK: Final = re.compile(f"[{_BLANKS}]*")
_OPENINGS: Final = "|".join(f"(?:{each.opening.pattern})" for each in (_TAG, *_SPECIAL))
_CLOSINGS: Final = "|".join(f"(?:{each.closing.pattern})" for each in (_TAG, *_SPECIAL))
_CLOSING: Final = re.compile(_CLOSINGS, re.IGNORECASE)
#: What decides whether a closing tag ends the reasoning, in the order of the text.
_TOKEN: Final = re.compile(
    rf"(?P<fence>```|~~~)|(?P<code>`)|(?P<line>\n)|(?P<opening>{_OPENINGS})|(?P<closing>{_CLOSINGS})", re.IGNORECASE
)
#: Words before and after a tag that is spoken of: "the </think> tag", "mit </think> beenden".
_BEFORE_A_NOUN: Final = re.compile(
    r"\b(?:the|an?|this|that|closing|with|by|uses?|using|of|der|das|dem|den|ein|mit|durch|le|la|une?|avec|el|con) \Z",
    re.IGNORECASE,
)
_WORD_FOR_A_TAG: Final = re.compile(r" (?:tags?|tokens?|marker|element|balise|etiqueta)\b", re.IGNORECASE)
_MAX_WORD: Final = 12
_QUOTES: Final = frozenset("\"'“”„‘’«»「」")

#: The head of a message of gpt-oss (OpenAI's harmony format): its channel, and to whom it is addressed.
_MESSAGE: Final = re.compile(
    r"(?:<\|start\|>assistant)?<\|channel\|>\s{0,4}(?P<channel>\w{1,20})(?P<recipient>[^<]{0,200})"
    r"(?:<\|constrain\|>[^<]{0,100})?<\|message\|>"
)
_MESSAGE_END: Final = re.compile(r"<\|(?:end|return)\|>")

#: Special tokens that enclose the answer.
_ANSWER: Final = re.compile(r"<\|(?:begin_of_solution|START_RESPONSE|START_TEXT)\|>|<\|open\|>response<\|sep\|>")
_ANSWER_END: Final = re.compile(
    r"(?:\s{0,8}(?:<\|(?:end_of_solution|END_RESPONSE|END_TEXT|end_of_msg)\|>"
    r"|<\|close\|>(?:response|message)<\|sep\|>|\[END FINAL RESPONSE\])){1,3}\s{0,8}\Z"
)
#: The characters at the end of an answer in which `_ANSWER_END` is looked for.
_TAIL: Final = 160

#: Markup inside markup is followed this far, and one block after the other: a model may repeat its markup for ever.
_MAX_DEPTH: Final = 4
_MAX_BLOCKS: Final = 1_000


def split(text: str) -> tuple[str | None, str]:
    """The reasoning and the answer in `text`; no reasoning, and `text` itself, where it holds none.

    An empty block leaves None and the answer alone. Splitting the answer again changes nothing.
    """
    blocks: list[str] = []
    for _ in range(_MAX_DEPTH):
        if not may_begin_with_reasoning(text):
            break
        found, answer = _split_once(text)
        if answer is text:
            break
        blocks += found
        text = answer
    return paragraphs(blocks), text


def paragraphs(parts: Iterable[str]) -> str | None:
    """Parts of a reasoning as one text; None if all are empty."""
    return "\n\n".join(filter(None, map(str.strip, parts))) or None


def may_begin_with_reasoning(text: str) -> bool:
    """Whether `split` has to look closer. Quick, because every reply is looked at and most hold no reasoning."""
    # Single characters are found several times faster than two.
    if "<" in text and ("</" in text or "|>" in text or text.lstrip(_BLANKS)[:1] == "<"):
        return True
    if "[" in text and ("[/" in text or text.lstrip(_BLANKS)[:1] == "["):
        return True
    if not text.isascii() and "◁" in text:
        return True
    return text[:1] in _FIRST and text.lstrip(_BLANKS).startswith(_PHRASES)


def _split_once(text: str) -> tuple[list[str], str]:
    """The blocks of reasoning and the answer; `text` itself where it holds none."""
    start = _blank_end(text, 0)
    head = _MESSAGE.search(text) if "<|channel|>" in text else None
    if head and (head.start() == start or text[: head.start()].rstrip().endswith("<|end|>")):
        return _channels(text, start)
    if text[start : start + 1] in ("{", "[") and _CLOSING.search(text, start) and _is_json(text):
        return [], text
    blocks: list[str] = []
    while len(blocks) < _MAX_BLOCKS and (block := _leading(text, start) or _without_opening(text, start)):
        blocks.append(text[block.start : block.stop])
        start = _blank_end(text, end := block.after)
    if wrapped := _ANSWER.match(text, start):
        end = wrapped.end()
    elif not blocks:
        return [], text
    answer = text[end:]
    tail = max(0, len(answer) - _TAIL)
    if ends := _ANSWER_END.search(answer, tail):
        answer = answer[: ends.start()]
    return blocks, _without_blank_lines(answer)


class _Block(NamedTuple):
    """Reasoning is from `start` to `stop`, and the text goes on `after` its markup."""

    start: int
    stop: int
    after: int


def _leading(text: str, start: int) -> _Block | None:
    """The block that begins at `start`."""
    for markup in _MARKUP:
        if opened := markup.opening.match(text, start):
            if closed := markup.closing.search(text, opened.end()):
                return _Block(opened.end(), closed.start(), closed.end())
            if not markup.must_close:
                return _Block(opened.end(), len(text), len(text))
    return None


def _without_opening(text: str, start: int) -> _Block | None:
    """The block from `start` to the first closing tag that closes nothing: the opening one was in the prompt."""
    if not _CLOSING.search(text, start):
        return None
    open_tags, fenced, code = 0, False, False
    for token in _TOKEN.finditer(text, start):
        kind = token.lastgroup
        if kind == "fence":
            fenced = not fenced
        elif kind == "line":
            code = False
        elif kind == "code":
            code = not code
        elif kind == "opening":
            open_tags += not (fenced or code)
        elif not (fenced or code or _is_mentioned(text, start, token)):
            open_tags -= 1
            if open_tags < 0:
                return _Block(start, token.start(), token.end())
    return None


def _is_mentioned(text: str, start: int, tag: re.Match[str]) -> bool:
    """Whether the answer speaks of the tag: it stands in quotation marks, or in a sentence as a noun does."""
    before = text[max(start, tag.start() - _MAX_WORD) : tag.start()]
    after = text[tag.end() : tag.end() + _MAX_WORD]
    if before[-1:] in _QUOTES and after[:1] in _QUOTES:
        return True
    if _WORD_FOR_A_TAG.match(after):
        return True
    return bool(_BEFORE_A_NOUN.search(before)) and after[:1] not in ("", "\n")


def _is_json(text: str) -> bool:
    try:
        decode(text.encode("utf-8", "replace"))
    except DECODE_ERRORS:
        return False
    return True


def _channels(text: str, start: int) -> tuple[list[str], str]:
    """The messages of gpt-oss: those of the channel `analysis` are reasoning. A call to a tool stays as it is.

    A first message without a head is reasoning, too: the prompt held its head.
    """
    answers: list[str] = []
    heads = list(_MESSAGE.finditer(text, start))
    blocks = [text[start : heads[0].start()].rstrip().removesuffix("<|end|>")]
    for position, head in enumerate(heads):
        end = heads[position + 1].start() if position + 1 < len(heads) else len(text)
        ended = _MESSAGE_END.search(text, head.end(), end)
        message = text[head.end() : ended.start() if ended else end]
        if head["channel"] == "analysis":
            blocks.append(message)
        elif "to=" in head["recipient"]:
            answers.append(text[head.start() : end])
        else:
            answers.append(message)
    return blocks, paragraphs(answers) or ""


def _without_blank_lines(text: str) -> str:
    """`text` without white space before it, but with the indentation of its first line."""
    stripped = text.lstrip()
    _, line, indentation = text[: len(text) - len(stripped)].rpartition("\n")
    return indentation + stripped if line and stripped else stripped


def _blank_end(text: str, start: int) -> int:
    blank = _BLANK.match(text, start)
    return start if blank is None else blank.end()
