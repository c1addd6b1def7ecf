"""Nothing private passes, and nothing else changes."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shadow.records import Exchange, Reply, ToolCall
from shadow.redact import Redactor
from shadow.settings import Redaction

redact = Redactor()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail anna.müller+x@example.co.uk, please", "mail [email], please"),
        ("<bob@mail.example.com>", "<[email]>"),
        ("call 555 1234 now", "call [phone] now"),
        ("my phone number is 5551234", "my phone number is [phone]"),
        ("Tel.: 0301234567", "Tel.: [phone]"),
        ("reach me at +49 (170) 123-4567.", "reach me at [phone]."),
        ("+14155552671", "[phone]"),
        ("0049 30 1234567", "[phone]"),
        ("(415) 555-2671", "[phone]"),
        ("415-555-2671", "[phone]"),
        ("06 12 34 56 78", "[phone]"),
        ("0171 1234567", "[phone]"),
        ("020 7946 0958", "[phone]"),
        ("pay with 4111 1111 1111 1111 until 12/27", "pay with [card] until 12/27"),
        ("1234 4111 1111 1111 1111", "1234 [card]"),
        ("5555-5555-5555-4444", "[card]"),
        ("378282246310005", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("IBAN: DE89 3704 0044 0532 0130 00, thanks", "IBAN: [iban], thanks"),
        ("GB82WEST12345698765432", "[iban]"),
        ("DE89 3704 0044 0532 0130 00 Commerzbank", "[iban] Commerzbank"),
        ("key sk-proj-Ab12Cd34Ef56Gh78Ij90", "key [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[secret]"),
        ("xoxb-123456789012-abcdefABCDEF", "[secret]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3", "[secret]"),
        ("Authorization: Bearer abcDEF123.456", "Authorization: Bearer [secret]"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic [secret]"),
        ("curl -H 'Bearer 0123456789abcdef'", "curl -H 'Bearer [secret]'"),
        ("DB_PASSWORD=hunter22 make", "DB_PASSWORD=[secret] make"),
        ("clientSecret: 'aB3dE5fG7'", "clientSecret: '[secret]'"),
        ("api_key = abcdef012345", "api_key = [secret]"),
        ("postgresql://bob:hunter2@db/x", "postgresql://bob:[secret]@db/x"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b", "a [secret] b"),
        ("a -----BEGIN PRIVATE KEY-----\nMIIE cut off", "a [secret]"),
    ],
)
def test_what_is_private_is_replaced(text, clean):
    assert redact.text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111112 of 2024-01-02 came on 03/04/2024 at 10:15:00",
        "invoice 1234567890123456, customer 48829134, ticket #100200300",
        "1,234,567.89 EUR plus 12.345.678,90 and $4,111,111.11",
        "2024-01-02T10:00:00+01:00 is 1704186000000 ms or 1704186000.123 s",
        "0.4111111111111111 and 3.14159265358979",
        "192.168.100.200 and 10.0.0.1, version 2.31.4-rc1, ISBN 978-3-16-148410-0",
        "(2023) 2024 2025 2026",
        "the years 1999 2000 2001 2002 2003",
        "call on 01/02/2024",
        "risk-adjusted-returns-2024-abcdef and task-force-sk-1",
        "the bearer instruments are here; token: Punctuation; 3 tokens: 12",
        "5@3.50 each, @mention, a@b, npm i @types/node",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "-415-555-2671-99 as a part number",
        "12 34 56 78 90 12 34 bingo",
    ],
)
def test_ordinary_numbers_and_words_stay(text):
    assert redact.text(text) == text


def test_json_text_stays_json_when_a_bare_number_is_a_card():
    clean = redact.text('{"card": 4111111111111111, "n": 12, "password": "hunter2"}')
    assert json.loads(clean) == {"card": "[card]", "n": 12, "password": "[secret]"}


def test_untouched_json_text_keeps_the_models_own_formatting():
    text = '{ "a" : 1,\n "b": [1, 2] }'
    assert redact.text(text) == text


def test_values_under_secret_names_go_whatever_they_look_like():
    value = {"Api-Key": "x", "password": 1234, "nested": [{"client_secret": "abc"}], "max_tokens": 7, "token": "Hello"}
    assert redact.value(value) == {
        "Api-Key": "[secret]",
        "password": "[secret]",
        "nested": [{"client_secret": "[secret]"}],
        "max_tokens": 7,
        "token": "Hello",
    }


def test_a_schema_that_speaks_of_passwords_stays_a_schema():
    schema = {"type": "object", "properties": {"password": {"type": "string"}}, "required": ["password"]}
    assert redact.value(schema) == schema


def test_private_keys_of_a_dict_are_replaced_without_losing_an_entry():
    assert redact.value({"a@example.com": 1, "b@example.com": 2}) == {"[email]": 1, "[email] 2": 2}


def test_own_patterns_are_replaced_by_their_name():
    own = Redactor(Redaction(patterns={"case": r"CASE-\d+"}))
    assert own.text("see CASE-1234") == "see [case]"


def test_redaction_can_be_switched_off():
    off = Redactor(Redaction(enabled=False))
    assert off.value({"password": "a@example.com"}) == {"password": "a@example.com"}


def test_an_exchange_is_redacted_in_every_part():
    private = "a@example.com"
    exchange = Exchange(
        id="1",
        task="t",
        at=datetime.now(UTC),
        request={"messages": [{"role": "user", "content": private}], "user": private},
        reply=Reply(
            model="m",
            content=private,
            refusal=private,
            failure_detail=private,
            tool_calls=(ToolCall(name="f", arguments=json.dumps({"to": private})),),
        ),
        segment={"who": private},
        unit=private,
        reference=private,
    )
    clean = redact.exchange(exchange)
    assert private not in str(clean)
    assert clean.unit is not None
    assert clean.unit.startswith("unit-"), "two people's units must stay apart"


private_bits = st.sampled_from([
    "a@b.de", "4111 1111 1111 1111", "+49 170 1234567", "sk-abcdefghijk1234567", "password: ", "DE89370400440532013000",
    "Bearer ", "://u:p@", "-----BEGIN PRIVATE KEY-----", "eyJ", "call ", "[card]", "\\", '"', "{", "0171 1234567",
])  # fmt: skip
texts = st.lists(st.one_of(st.text(max_size=12), private_bits), max_size=8).map("".join)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=120, deadline=None)
@given(texts)
@example("4111 1111 1111 1111a@b.de")
def test_redacting_twice_changes_nothing_more(text):
    once = redact.text(text)
    assert redact.text(once) == once


@settings(max_examples=60, deadline=None)
@given(values)
def test_the_structure_stays_the_same(value):
    assert _shape(redact.value(value)) == _shape(value)


def _shape(value):
    if isinstance(value, dict):
        return [_shape(item) for item in value.values()]
    return [_shape(item) for item in value] if isinstance(value, list) else "leaf"


@pytest.mark.parametrize(
    "piece",
    [
        "a@",
        "@a.",
        "eyJ",
        "sk-",
        "4",
        "4111 ",
        "+1",
        "(123) ",
        "password:",
        'password\\"',
        "://a:",
        "DE89",
        "bearer ",
        "0 ",
    ],
)
@pytest.mark.timeout(60)
def test_adversarial_text_costs_time_in_proportion_to_its_length(piece):
    """Half a megabyte takes under a second; a rule that backtracks would run into the time limit."""
    text = piece * (500_000 // len(piece))
    clean = redact.text(text)
    assert redact.text(clean[:1000]) == clean[:1000]


def test_a_data_url_is_passed_over():
    image = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4000).decode()
    assert redact.text(image) is image
