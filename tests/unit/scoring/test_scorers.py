import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.scorers import (
    DEFAULTS,
    SCORERS,
    Scorer,
    Uncomparable,
    Unreadable,
    label,
    name_for,
    numeric,
    scorer_problems,
    text,
)
from scoring.scorers.numbers.quantity import Quantity
from shadow.records import Reply, ToolCall
from shadow.settings import TaskSettings

ANY_TEXT = st.one_of(
    st.text(),
    st.text(alphabet="0123456789.,-+/ $%eE\n'#<>"),
    st.text(alphabet='{}[]":,0123456789abtrufalsen \n`'),
    st.sampled_from(["Intent: refund", "#### 42", '{"label": "a"}', "The answer is 1,234.5", "refund"]),
)


def say(content: str | None, *calls: tuple[str, str]) -> Reply:
    return Reply(model="m", content=content, tool_calls=tuple(ToolCall(name=n, arguments=a) for n, a in calls))


def read(name: str, content: str, request: Mapping[str, object] | None = None, **options: Any):
    return SCORERS[name].read(say(content), request or {}, options)


def agreement(name: str, a: Reply, b: Reply, **options: Any) -> float:
    scorer = SCORERS[name]
    return scorer.agree(scorer.read(a, {}, options), scorer.read(b, {}, options), options)


def unreadable(name: str, content: str, **options: Any) -> bool:
    try:
        read(name, content, **options)
    except Unreadable:
        return True
    return False


def compared(scorer: Scorer, a: Any, b: Any) -> float | None:
    """None where the scorer cannot tell."""
    try:
        return scorer.agree(a, b, {})
    except Uncomparable:
        return None


@pytest.mark.parametrize("name", sorted(SCORERS))
@settings(deadline=None)  # the first text that is not ASCII compiles an expression
@given(ANY_TEXT, ANY_TEXT)
def test_a_scorer_is_total_symmetric_reflexive_and_between_0_and_1(name: str, a: str, b: str):
    scorer = SCORERS[name]
    try:
        first, second = (scorer.read(say(content), {}, {}) for content in (a, b))
    except Unreadable:
        return
    score = compared(scorer, first, second)
    assert score is None or 0 <= score <= 1
    assert score == pytest.approx(compared(scorer, second, first))
    assert scorer.agree(first, first, {}) == 1
    assert isinstance(scorer.differences(first, second, {}), dict)


def test_every_kind_of_task_has_a_scorer_and_a_task_may_name_its_own():
    assert set(DEFAULTS.values()) <= set(SCORERS)
    assert name_for(None) == "text"
    assert name_for(TaskSettings(frontier="f", kind="reasoning")) == "numeric"
    assert name_for(TaskSettings(frontier="f", kind="reasoning", scorer="exact")) == "exact"


def test_a_wrong_scorer_or_option_is_explained():
    assert "unknown scorer 'vibes'; must be one of: exact" in scorer_problems("vibes", {})[0]
    assert (
        "unknown option 'labls' of scorer 'label'; its options: labels, key"
        in scorer_problems("label", {"labls": []})[0]
    )
    assert "must be a number" in scorer_problems("numeric", {"absolute": "much"})[0]
    assert "must be a list of strings" in scorer_problems("label", {"labels": [1]})[0]
    assert scorer_problems("label", {"labels": ["a"], "key": "intent"}) == []


# --- label


@pytest.mark.parametrize(
    "content",
    ["card_arrival", "Card arrival", "card-arrival.", '"card_arrival"', "**Card Arrival**", "Intent: card_arrival",
     "The intent is card arrival.", "**Category:** `card_arrival`", '{"label": "card_arrival"}',
     "card arrival\n\nBecause …", '```json\n{"intent": "Card arrival"}\n```',
     "They ask where it is.\nFinal answer: card_arrival", "card arrival. It is late."],
)  # fmt: skip
def test_one_label_may_be_written_in_many_ways(content: str):
    assert read("label", content) == "card arrival"


@pytest.mark.parametrize(("a", "b"), [("1", "-1"), ("c", "c++"), ("c#", "c++"), ("refund", "no refund"), ("a/b", "a")])
def test_labels_that_differ_by_more_than_spelling_stay_apart(a: str, b: str):
    assert agreement("label", say(a), say(b)) == 0


def test_prose_is_not_a_label():
    assert unreadable("label", "Well, it rather seems to me that this customer wants to have their money back soon")


def test_known_labels_are_found_inside_prose_when_exactly_one_is_named():
    labels = ["refund", "refund not showing up", "card arrival"]
    assert read("label", "I think it's about a refund not showing up!", labels=labels) == "refund not showing up"
    assert read("label", "REFUND", labels=labels) == "refund"
    assert unreadable("label", "either refund or card arrival", labels=labels)
    assert unreadable("label", "greeting", labels=labels)
    assert unreadable("label", "refunds", labels=labels)


@pytest.mark.parametrize(
    "content",
    [
        "The correct answer is (B).",
        "So the answer is B.",
        "Based on the text, the answer is B.",
        "<answer>B</answer>",
        r"\boxed{B}",
        "```\nB\n```",
        "B, because a cat is a mammal.",
        "**B**",
        r"$\boxed{\text{B}}$",
        "(B)",
        "Final answer: (B)",
    ],
)
def test_a_label_is_read_out_of_its_wrapping(content: str):
    assert read("label", content) == "b"
    assert read("label", content, labels=["A", "B", "C", "D"]) == "b"


def test_the_article_is_not_the_label_a():
    letters = ["A", "B", "C", "D"]
    assert read("label", "It must be B, a cat is a mammal", labels=letters) == "b"
    assert read("label", "The correct option is B since it is a mammal", labels=letters) == "b"
    assert unreadable("label", "a cat is a mammal", labels=letters)


def test_a_negated_label_is_not_the_answer():
    labels = ["toxic", "safe"]
    for content in (
        "This message is not toxic.",
        "The answer is: not toxic",
        "It isn't toxic",
        "nicht toxic",
        "I would not call this toxic.",
    ):
        assert unreadable("label", content, labels=labels)
    assert read("label", "It is not toxic but safe", labels=labels) == "safe"
    assert read("label", "no refund", labels=["refund", "no refund"]) == "no refund"


def test_yes_is_read_where_a_sentence_follows():
    assert read("label", "Yes, it is.") == "yes"
    assert read("label", "No, it isn't.", labels=["yes", "no"]) == "no"


def test_comparisons_are_part_of_a_label():
    assert agreement("label", say(">50K"), say("<50K")) == 0
    assert read("label", "The income is >50K a year", labels=["<=50K", ">50K"]) == ">50k"
    assert read("label", "<refund>") == "refund"


def test_the_field_that_holds_the_label_can_be_named():
    assert read("label", '{"label": "x", "kind": "y"}', key="kind") == "y"


@given(st.text())
def test_normalising_a_label_twice_changes_nothing(name: str):
    assert label.normalised(label.normalised(name)) == label.normalised(name)


# --- numeric


def number(content: str) -> int | float:
    quantity = read("numeric", content)
    assert isinstance(quantity, Quantity)
    assert quantity.kind == "number"
    return quantity.values[0]


@pytest.mark.parametrize(
    ("content", "value"),
    [("1,234,567", 1234567), ("1.234.567", 1234567), ("1'234'567", 1234567), ("1 234 567", 1234567),
     ("12,34,567", 1234567), ("3.5", 3.5), ("3,5", 3.5), ("1,234", 1234), ("1.234,5", 1234.5), ("0,123", 0.123),
     ("$5", 5), ("5 €", 5), ("5%", 5), ("-$3.50", -3.5), ("$-3", -3), ("x = -3", -3), ("is −7", -7),
     ("1.5e-3", 0.0015), ("3/4", 0.75), ("1 1/2", 1.5), (r"\frac{3}{4}", 0.75), ("12.", 12), (".5", 0.5),
     ("wait...42", 42), ("5km", 5), ("GPT4 says 7", 7), (r"1{,}200", 1200)],
)  # fmt: skip
def test_a_number_may_be_written_in_many_ways(content: str, value: float):
    assert number(content) == value


def test_the_last_number_is_the_answer_unless_one_is_marked():
    assert number("3 apples and 4 pears make 7 pieces of fruit.\nEnjoy!") == 7
    assert number("#### 42\nI checked it 3 times.") == 42
    assert number(r"So \boxed{42} follows from step 3.") == 42
    assert number("#### see above: 5\nand 6") == 5


def test_calculator_notes_are_working_and_not_answer():
    assert number("He has 80*2=<<80*2=160>>160 of them") == 160
    assert number("that makes 12 <<20*4=8") == 12
    assert unreadable("numeric", "<<1+1=2>>")


def test_a_number_in_a_long_line_is_read_whole():
    digits = "7" * 200
    assert number(f"{'word ' * 50}{digits} and so on") == int(digits)
    assert number(f"{'1 ' * 100}= 12 {'x' * 100}") == 12


@pytest.mark.parametrize("content", ["none at all", "no one", "1/0", "∞", "NaN", "10 - 3", "5-3", "9" * 400])
def test_what_is_no_finite_number_is_unreadable(content: str):
    assert unreadable("numeric", content)


def test_tolerances_widen_what_agrees():
    assert agreement("numeric", say("3.33"), say("3.3333")) == 0
    assert agreement("numeric", say("3.33"), say("3.3333"), absolute=0.01) == 1
    assert agreement("numeric", say("1000"), say("1009"), relative=0.01) == 1


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_any_number_python_prints_is_read_back(number: float):
    assert list(numeric.numbers(f"It is {number!r} now")) == [number]


# --- json


def test_agreement_is_the_share_of_equal_fields():
    a, b = say('{"a": 1, "b": {"c": "X  y"}, "d": [1, 2]}'), say('{"a": "1.0", "b": {"c": "x y"}, "d": [1, 3]}')
    assert agreement("json", a, b) == 0.75
    assert agreement("json", say('{"a": null, "b": 1}'), say('{"b": 1}')) == 1
    assert agreement("json", say('{"a": true}'), say('{"a": 1}')) == 0
    assert agreement("json", say('{"zip": "01234"}'), say('{"zip": "1234"}')) == 0


def test_json_is_found_in_fences_and_prose():
    assert read("json", 'Sure!\n```json\n{"a": 1}\n```\nHope it helps [1]') == {"$.a": 1}
    assert read("json", 'Here: {"a": 1} as asked') == {"$.a": 1}
    assert read("json", 'Here: [{"a": 1}, {"a": 2}].') == {"$[0].a": 1, "$[1].a": 2}
    assert read("json", '```json\n{"a": 1}\n```\nor\n```\n\n  {"a": 2}```') == {"$.a": 2}
    assert unreadable("json", "as shown in [1]")
    assert unreadable("json", '{"a": 1')


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ('{"ean": 4006381333931}', '{"ean": 4006381333948}'),
        ('{"ts": 1700000000}', '{"ts": 1700000001}'),
        ('{"id": 1234567890123456789}', '{"id": 1234567890123456000}'),
        ('{"id": "12345678901234567890123"}', '{"id": 12345678901234567890999}'),
    ],
)
def test_whole_numbers_of_any_length_are_compared_exactly(a: str, b: str):
    assert agreement("json", say(a), say(b)) == 0
    assert agreement("tool_calls", say(None, ("refund", a)), say(None, ("refund", b))) == 0.5
    assert agreement("json", say(a), say(a)) == 1
    assert (
        agreement(
            "json", say(f"[[{a[a.index(':') + 1 : -1]}]]"), say(f"[[{b[b.index(':') + 1 : -1]}]]"), ignore_order=True
        )
        == 0
    )


def test_a_document_is_found_among_prose_with_braces():
    for content in (
        '{"a": 1}\nNote: {b} was absent.',
        'With the {template} filled in: {"a": 1}',
        'See [1]: {"a": 1} and {}',
        '{"a": 1} {x} {',
    ):
        assert read("json", content) == {"$.a": 1}
    assert read("json", 'The tags are: ["a", "b"]') == {"$[0]": "a", "$[1]": "b"}


def test_unicode_forms_of_names_and_values_are_the_same():
    composed, decomposed = (unicodedata.normalize(form, "Zürich café") for form in ("NFC", "NFD"))
    assert agreement("json", say(f'{{"{composed}": "{decomposed}"}}'), say(f'{{"{decomposed}": "{composed}"}}')) == 1
    assert (
        agreement(
            "tool_calls", say(None, ("f", f'{{"a": "{composed}"}}')), say(None, ("f", f'{{"a": "{decomposed}"}}'))
        )
        == 1
    )
    assert agreement("text", say(composed), say(decomposed)) == 1


def test_fields_can_be_chosen_ignored_and_compared_without_order():
    a, b = (
        say('{"a": 1, "list": [{"x": 1, "id": 7}, {"x": 2, "id": 8}]}'),
        say('{"a": 2, "list": [{"x": 2}, {"x": 1}]}'),
    )
    assert agreement("json", a, b, fields=["$.a"]) == 0
    assert agreement("json", a, b, fields=["$.list"], ignore=["$.list[*].id"]) == 0
    assert agreement("json", say("[1, 2, 2]"), say("[2, 1, 2]"), ignore_order=True) == 1
    assert agreement("json", say("[1, 2, 2]"), say("[2, 1, 1]"), ignore_order=True) < 1


NAMES = st.text('ab.[]"0*', max_size=3)
DOCUMENTS = st.recursive(
    st.just(1),
    lambda parts: st.lists(parts, min_size=1, max_size=2) | st.dictionaries(NAMES, parts, min_size=1, max_size=2),
    max_leaves=4,
)


@given(DOCUMENTS, DOCUMENTS)
@example({"a.b": 1}, {"a": {"b": 1}})
@example({"a[0]": 1}, {"a": [1]})
def test_documents_that_agree_wholly_are_the_same(a: object, b: object):
    assert (agreement("json", *(say(msgspec.json.encode(d).decode()) for d in (a, b))) == 1) == (a == b)


def test_a_name_with_a_dot_or_a_bracket_is_not_a_place_in_the_document():
    assert agreement("json", say('{"a.b": 1}'), say('{"a": {"b": 1}}')) == 0
    assert agreement("json", say('{"a[0]": 1}'), say('{"a": [1]}')) == 0
    assert read("json", '{"a.b": [{"net price": 1}]}') == {'$["a.b"][0].net price': 1}
    assert read("json", '{"a.b": {"c": 1}, "d": 2}', fields=['$["a.b"]']) == {'$["a.b"].c': 1}


def test_what_agrees_within_the_tolerance_is_not_listed_as_different():
    scorer = SCORERS["json"]
    a, b = ({"$.sum": 100, "$.tax": 7}, {"$.sum": 101, "$.tax": 8})
    assert scorer.agree(a, b, {"relative": 0.05}) == 0.5
    assert scorer.differences(a, b, {"relative": 0.05}) == {"fields": {"$.tax": {"frontier": "7", "candidate": "8"}}}


def test_long_names_stay_distinct_though_their_paths_are_shortened():
    long = "n" * 2_000
    a, b, c = (say(f'{{"{long}{end}": {{"x": 1}}}}') for end in "aab")
    assert agreement("json", a, b) == 1
    assert agreement("json", a, c) == 0
    assert agreement("json", say(f'[["{long}", 1]]'), say(f'[[1, "{long}"]]'), ignore_order=True) == 1
    assert agreement("json", say(f'[["{long}", 1]]'), say(f'[[1, "{long}!"]]'), ignore_order=True) == 0


def test_deep_documents_are_refused_and_not_a_crash():
    assert unreadable("json", "[" * 900 + "1" + "]" * 900)
    assert unreadable("json", '{"a":' * 100_000)


# --- tool_calls

WEATHER = ("weather", '{"city": "Paris", "unit": "C"}')


def test_calls_agree_by_name_and_arguments_in_any_order():
    time_call = ("time", '{"zone": "CET"}')
    assert agreement("tool_calls", say(None, WEATHER, time_call), say(None, time_call, WEATHER)) == 1
    assert agreement(
        "tool_calls", say(None, WEATHER), say(None, ("weather", '{"unit":"C","city":"Rome"}'))
    ) == pytest.approx(2 / 3)
    assert agreement("tool_calls", say(None, WEATHER), say(None, time_call)) == 0
    assert agreement("tool_calls", say(None, WEATHER), say(None, WEATHER, time_call)) == 0.5
    assert agreement("tool_calls", say(None, WEATHER), say("It is sunny.")) == 0


def test_arguments_that_are_not_an_object_are_malformed():
    with pytest.raises(Unreadable, match="arguments of 'weather'"):
        SCORERS["tool_calls"].read(say(None, ("weather", '{"city": ')), {}, {})
    assert agreement("tool_calls", say(None, ("now", "")), say(None, ("now", "{}"))) == 1


@pytest.mark.parametrize(
    "tool",
    [{"type": "custom", "custom": {"name": "run_sql"}},
     {"type": "custom", "name": "run_sql"}],
)  # fmt: skip
def test_a_custom_tool_takes_any_text(tool: dict[str, object]):
    scorer, request = SCORERS["tool_calls"], {"tools": [{"type": "function", "name": "other"}, tool]}
    first, same, other = (
        scorer.read(say(None, ("run_sql", query)), request, {})
        for query in ("SELECT name FROM users", "select name  from users", "SELECT 1")
    )
    assert scorer.agree(first, same, {}) == 1
    assert scorer.agree(first, other, {}) == 0.5  # the right tool, asked for something else
    right = scorer.read_reference('[{"type": "custom", "custom": {"name": "run_sql", "input": "SELECT 1"}}]', {})
    assert scorer.agree(other, right, {}) == 1
    with pytest.raises(Unreadable, match="arguments of 'other'"):
        scorer.read(say(None, ("other", "SELECT 1")), request, {})


@pytest.mark.parametrize(
    "tools", [None, "run_sql", [None, "custom", {"type": "custom"}, {"type": "custom", "custom": 1}]]
)
def test_calls_are_read_whatever_tools_the_request_declares(tools: object):
    scorer = SCORERS["tool_calls"]
    calls = scorer.read(say(None, WEATHER), {"tools": tools}, {})
    assert scorer.agree(calls, calls, {}) == 1


def test_a_reference_lists_the_right_calls():
    scorer = SCORERS["tool_calls"]
    right = scorer.read_reference('[{"name": "weather", "arguments": {"city": "paris", "unit": "C"}}]', {})
    assert scorer.agree(scorer.read(say(None, WEATHER), {}, {}), right, {}) == 1
    with pytest.raises(Unreadable):
        scorer.read_reference('["weather"]', {})


@pytest.mark.parametrize(
    "recorded",
    [{"name": "weather", "arguments": {"city": "Paris", "unit": "C"}},
     {"name": "weather", "arguments": WEATHER[1]},
     {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": WEATHER[1]}}],
)  # fmt: skip
def test_a_reference_may_be_a_call_as_the_api_writes_it(recorded: dict[str, object]):
    scorer = SCORERS["tool_calls"]
    answer = scorer.read(say(None, WEATHER), {}, {})
    for written in ([recorded], recorded):
        right = scorer.read_reference(msgspec.json.encode(written).decode(), {})
        assert scorer.agree(answer, right, {}) == 1


@pytest.mark.parametrize(
    "recorded", ['{"name": "now"}', '{"name": "now", "arguments": null}', '{"name": "now", "arguments": ""}']
)
def test_a_reference_without_arguments_is_a_call_without_arguments(recorded: str):
    scorer = SCORERS["tool_calls"]
    assert scorer.agree(scorer.read(say(None, ("now", "{}")), {}, {}), scorer.read_reference(recorded, {}), {}) == 1


# --- text and exact


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("मेरा बेटा", "मेरी बेटी"),
        ("कि", "को"),
        ("கா", "கி"),
        ("কা", "কি"),
        ("കാ", "കി"),
        ("กา", "กี"),
        ("مُ", "مِ"),
        ("שָׁ", "שִׁ"),
        ("The balance is -5", "The balance is 5"),
        ("a <= b", "a >= b"),
        ("x == y", "x != y"),
        ("$5", "€5"),
        ("C++", "C"),
        ("C#", "C"),
        ("5%", "5"),
        ("👍 noted", "👎 noted"),
        ("3.5", "35"),
        ("½ cup", "¼ cup"),
    ],
)
def test_marks_signs_and_symbols_that_change_the_meaning_are_compared(a: str, b: str):
    assert agreement("text", say(a), say(b)) < 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Hello **world**", "hello world!"),
        ("- one\n- two", "one\ntwo"),
        ("It's `code`", "It's code"),
        ("1,000 users", "1000 users"),
        ("# Title\n---\ntext", "title text"),
    ],
)
def test_layout_and_punctuation_are_not_compared(a: str, b: str):
    assert agreement("text", say(a), say(b)) == 1


def test_texts_agree_by_the_words_they_share_in_order():
    assert agreement("text", say("The cat sat."), say("the CAT sat!")) == 1
    assert agreement("text", say("the cat sat down"), say("the cat stood up")) == 0.5
    assert agreement("text", say("dog bites man"), say("man bites dog")) < 0.5
    assert agreement("text", say("one two"), say("three four")) == 0
    assert agreement("text", say("订单已发货"), say("订单未发货")) == 0.8
    assert agreement("text", say("🙂"), say("🙁")) == 0


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "订"]), min_size=1, max_size=12).map(tuple)


@given(WORDS, WORDS)
def test_agreement_of_texts_is_rouge_l_by_the_textbook_recurrence(a: tuple[str, ...], b: tuple[str, ...]):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert text.agree(a, b, {}) == 2 * table[-1][-1] / (len(a) + len(b))


def test_a_difference_far_into_a_long_text_is_seen():
    long = "word " * 6_000
    assert agreement("text", say(long + "yes"), say(long + "no")) < 1


def test_exact_means_exact():
    assert agreement("exact", say(" a\n"), say("a")) == 1
    assert agreement("exact", say("A"), say("a")) == 0
    assert agreement("exact", say("A"), say("a"), ignore_case=True) == 1


@pytest.mark.parametrize("options", [{}, {"labels": list("ABCDEFGHIJ")}])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The closest answer is $22,761. The answer is (A).", "a"),
        ("The answer is (I), as it describes it wrongly. The correct answer is (J).", "j"),
        ("The closest answer is 56 pC. The answer is (I).\n", "i"),
    ],
)
def test_the_last_naming_counts_also_behind_another_one_in_its_line(text: str, expected: str, options: dict[str, Any]):
    assert read("label", text, **options) == expected
