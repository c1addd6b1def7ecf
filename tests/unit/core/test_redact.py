"""Nothing private passes, and nothing else changes."""

import base64
import json
import re
import threading
from datetime import UTC, datetime
from time import monotonic, sleep, thread_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shadow import wire
from shadow.errors import RedactionError
from shadow.records import CaptureCounts, Exchange, Reply, ToolCall
from shadow.redact import Redactor, placeholders
from shadow.redact import custom_patterns as patterns
from shadow.redact.clean_texts import CleanTexts, digest_of
from shadow.redact.pseudonyms import KEY_VARIABLE
from shadow.redact.rules import numbers
from shadow.redact.spans import character_classes, unescape_separators
from shadow.settings import ModelSettings, RedactionSettings, Settings, TaskSettings

redact = Redactor()


PRIVATE = [
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
    ("card=4111111111111111", "card=[card]"),
    ("Bob,4111111111111111,12/27", "Bob,[card],12/27"),
    ("3,4111111111111111,12/27", "3,[card],12/27"),
    ("CC#4111111111111111 CC4111111111111111 card4111111111111111", "CC#[card] CC[card] card[card]"),
    ("id/4111111111111111_x -4111111111111111", "id/[card]_x -[card]"),
    ("4111.1111.1111.1111", "[card]"),
    ("4111 - 1111 - 1111 - 1111", "[card]"),
    ("4111\u00a01111\u00a01111\u00a01111 5555\u20095555\u20095555\u20094444", "[card] [card]"),
    ("the\u00a0card\u00a04111\u00a01111\u00a01111\u00a01111\u00a0is", "the\u00a0card\u00a0[card]\u00a0is"),
    ("5555\u20115555\u20115555\u20114444", "[card]"),
    (r"in quotes \"a\n4111111111111111\n0171 1234567\"", r"in quotes \"a\n[card]\n[phone]\""),
    ("phone=+491701234567", "phone=[phone]"),
    ("?phone=4155552671&x=1", "?phone=[phone]&x=1"),
    ("?phone=%2B491701234567&x=1", "?phone=[phone]&x=1"),
    ("phone_number=4155552671", "phone_number=[phone]"),
    ('"phoneNumber": "4155552671"', '"phoneNumber": "[phone]"'),
    ("Bob,+491701234567,Berlin", "Bob,[phone],Berlin"),
    ("06\u00a012\u00a034\u00a056\u00a078", "[phone]"),
    ("Tel.0301234567", "Tel.[phone]"),
    ("de89 3704 0044 0532 0130 00 and gb82west12345698765432", "[iban] and [iban]"),
    ("DE89-3704-0044-0532-0130-00", "[iban]"),
    ("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "[iban]"),
    ("?mail=bob%40example.com&x", "?mail=[email]&x"),
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
    ("prod-ghp_16C7e42F292c6912E7710c838347Ae178B4a", "prod-[secret]"),
    (r"x\nghp_16C7e42F292c6912E7710c838347Ae178B4a", r"x\n[secret]"),
    ("curl -H 'Authorization: Basic dXNlcjpwYXNz'", "curl -H 'Authorization: Basic [secret]'"),
    ("send Basic dXNlcjpwYXNz", "send Basic [secret]"),
    ("redis://:hunter2@db", "redis://:[secret]@db"),
    ("postgresql://bob:hun@ter2@db/x", "postgresql://bob:[secret]@db/x"),
    ('password: "ab&cd,ef1"', 'password: "[secret]"'),
    ("'password' => 'ab c'", "'password' => '[secret]'"),
    ("AccountName=a;AccountKey=Zm9vYmFyYmF6==;x", "AccountName=a;AccountKey=[secret];x"),
    ("https://a.blob.core/x?sv=1&sig=abcD%2Fe12&se=1", "https://a.blob.core/x?sv=1&sig=[secret]&se=1"),
    (
        "https://hooks.slack.com/services/T01234567/B01234567/abcdEFGH1234",
        "https://hooks.slack.com/services/[secret]",
    ),
    ("a -----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK----- b", "a [secret] b"),
    ("DB_PASSWORD=hunter22 make", "DB_PASSWORD=[secret] make"),
    ("clientSecret: 'aB3dE5fG7'", "clientSecret: '[secret]'"),
    ("api_key = abcdef012345", "api_key = [secret]"),
    ("postgresql://bob:hunter2@db/x", "postgresql://bob:[secret]@db/x"),
    ("a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b", "a [secret] b"),
    ("a -----BEGIN PRIVATE KEY-----\nMIIE cut off", "a [secret]"),
]


@pytest.mark.parametrize(("text", "clean"), PRIVATE)
def test_what_is_private_is_replaced(text, clean):
    assert redact.text(text) == clean


def test_patterns_of_the_settings_search_no_placeholder():
    """A rule with a placeholder of its own has a text here, and so its placeholder in the list."""
    assert {found for _, clean in PRIVATE for found in re.findall(r"\[[a-z]+\]", clean)} == {*placeholders.BUILT_IN}


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
        "sha 9f86d081884c7d659a2feaa0c55ad0154111111111111111ab9f1b2b0b822cd1",
        "hotel 1234567, recall 1234567, call_id call_1234567890",
        "a Basic principle and basic training1",
        "hf_transfer_is_enabled_by_default, npm_config_user_agent_string, sk-learn-pipeline-for-everybody",
        "key-value-store-number-12345678 and re_compile_all_patterns_2024",
        "the password == expected, def login(password: str)",
        "ab12 3456 7890 and de12 is no account",
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


def test_a_json_schema_with_a_password_property_is_unchanged():
    schema = {"type": "object", "properties": {"password": {"type": "string"}}, "required": ["password"]}
    assert redact.value(schema) == schema


def test_private_keys_of_a_dict_are_replaced_without_losing_an_entry():
    assert redact.value({"a@example.com": 1, "b@example.com": 2}) == {"[email]": 1, "[email] 2": 2}


def test_escapes_in_json_text_hide_nothing():
    note = r"pay\n4111\u00a01111\u00a01111\u00a01111\tthen\nghp_16C7e42F292c6912E7710c8383"
    text = rf'{{"to": "bob\u0040example.com", "note": "{note}"}}'
    assert json.loads(redact.text(text)) == {"to": "[email]", "note": "pay\n[card]\tthen\n[secret]"}


def test_what_the_name_beside_a_value_gives_away_goes_from_json_too():
    private = {"token": "abcdefgh12345678", "phone": "4155552671", "DB_PASSWORD": "x,y", "fax_no": 4155552671}
    clean = {"token": "[secret]", "phone": "[phone]", "DB_PASSWORD": "[secret]", "fax_no": "[phone]"}
    assert redact.value(private) == clean
    assert json.loads(redact.text(json.dumps(private))) == clean


def test_a_private_key_does_not_get_into_its_value():
    assert redact.value({"token of a@b.de": "a word"}) == {"token of [email]": "a word"}


def test_a_class_name_with_the_word_password_keeps_its_score():
    assert redact.value({"forgot_password": 0.93, "tokens": 12}) == {"forgot_password": 0.93, "tokens": 12}


def test_own_patterns_are_replaced_by_their_name():
    own = Redactor(RedactionSettings(patterns={"case": r"CASE-\d+"}))
    assert own.text("see CASE-1234") == "see [case]"


def test_own_patterns_leave_placeholders_alone():
    own = Redactor(RedactionSettings(patterns={"acme": "(?i)acme|mail", "any": "Z.*"}))
    once = own.text("ACME and bob@acme.com and Zoe@b.de, Zoe")
    assert once == "[acme] and [email] and [email], [any]"
    assert own.text(once) == once


def test_own_patterns_that_match_nothing_put_nothing_in():
    own = Redactor(RedactionSettings(patterns={"edge": r"\b", "n": r"\bx*"}))
    assert own.text("some words and xx") == "some words and [n]"


def test_the_name_of_an_own_pattern_is_taken_as_it_is():
    own = Redactor(RedactionSettings(patterns={r"a\1": r"CASE-(\d+)"}))
    assert own.text("see CASE-1234") == r"see [a\1]"


def test_an_own_pattern_that_would_take_for_ever_is_given_up_and_lets_others_run_meanwhile(monkeypatch):
    monkeypatch.setattr(patterns, "_TIMEOUT_S", 0.3)
    own = Redactor(RedactionSettings(patterns={"slow": r"(a|a)+$"}))
    ticks: list[float] = []
    over = threading.Event()

    def live() -> None:
        while not over.is_set():
            sleep(0.001)
            ticks.append(monotonic())

    beside = threading.Thread(target=live)
    beside.start()
    with pytest.raises(RedactionError, match=r"redaction\.patterns\.slow took more than 0\.3 s over 61 characters"):
        own.text("a" * 60 + "b")
    over.set()
    beside.join()
    assert len(ticks) > 20, "another thread went on"
    assert own.text("b" * 60) == "b" * 60


def test_own_patterns_apply_to_the_shortest_texts_and_to_names():
    own = Redactor(RedactionSettings(patterns={"pin": r"\b\d{4}\b", "customer": r"CUST\d+"}))
    assert own.value({"CUST12": "1234"}) == {"[customer]": "[pin]"}


def test_an_own_pattern_does_not_take_the_names_of_the_settings_away():
    configured = Settings(
        models={"acme-7b": ModelSettings(base_url="https://example.com/v1", model="acme/7b")},
        tasks={"acme-mail": TaskSettings(frontier="acme-7b")},
        redaction=RedactionSettings(patterns={"acme": "acme"}),
    )
    clean = Redactor.of(configured).exchange(exchange_with(task="acme-mail", model="acme/7b", content="acme"))
    assert (clean.task, clean.reply.model, clean.reply.content) == ("acme-mail", "acme/7b", "[acme]")


def test_redaction_can_be_switched_off():
    off = Redactor(RedactionSettings(enabled=False))
    assert off.value({"password": "a@example.com"}) == {"password": "a@example.com"}


def exchange_with(private="", *, task="t", model="m", content=None, unit=None, trace=None):
    """An exchange that holds `private` in every field that may contain a user's text."""
    call = ToolCall(name=f"f{private}", arguments=json.dumps({"to": private, "in": [f"x\n{private}"]}))
    return Exchange(
        id="1",
        task=f"{task}{private}",
        at=datetime(2026, 9, 1, tzinfo=UTC),
        request={
            "messages": [{"role": "user", "content": [{"type": "text", "text": f"see\n{private}."}]}],
            "metadata": {private: f"({private})"},
            "user": private,
            "tools": [{"function": {"name": f"f{private}"}}],
        },
        reply=Reply(
            model=f"{model}{private}",
            content=content or private,
            reasoning=f"They are {private}.",
            refusal=private,
            finish_reason=private,
            failure_detail=f'{{"error": {{"message": "no such thing: {private}"',
            tool_calls=(call,),
        ),
        segment={f"who {private}": private},
        unit=unit or private,
        reference=private,
        traceparent=trace or f"00-{private}",
    )


def test_an_exchange_is_redacted_in_every_part():
    clean = redact.exchange(exchange_with(" a@example.com"))
    assert "example" not in str(clean)
    assert clean.task == "t [email]"
    assert clean.segment == {"who  [email]": " [email]"}
    assert (clean.reply.model, clean.reply.tool_calls[0].name) == ("m [email]", "f [email]")


def test_counts_bear_the_names_that_their_exchanges_bear():
    counted = {"t a@b.de": {"accepted": 1}, "t c@d.de": {"accepted": 2, "mirrored": 1}, "t": {"accepted": 4}}
    clean = redact.counts(CaptureCounts(source="s", at=datetime.now(UTC), counts=counted))
    assert clean.counts == {"t [email]": {"accepted": 3, "mirrored": 1}, "t": {"accepted": 4}}


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (TRACE, TRACE),
        (f"{TRACE}-bob", None),
        (f"{TRACE}\n", None),
        ("00-1-2-01", None),
        (f"ff{TRACE[2:]}", None),
        (f"00-{'0' * 32}{TRACE[35:]}", None),
        ("00-bob@example.com", None),
    ],
)
def test_a_traceparent_is_one_or_is_left_out(sent, kept):
    assert redact.exchange(exchange_with("x", trace=sent)).traceparent == kept


def units(*sent):
    redactor = Redactor()
    return [redactor.exchange(exchange_with(unit=unit)).unit for unit in sent]


def test_private_units_stay_apart_and_others_stay_as_they_are():
    one, two, customer, known = units("a@b.de", "c@d.de", "customer 7", "unit-0123456789abcdef")
    assert one != two
    assert (one[:5], two[:5]) == ("unit-", "unit-")
    assert (customer, known) == ("customer 7", "unit-0123456789abcdef")


def test_with_a_key_a_unit_cannot_be_found_by_trying_all(monkeypatch):
    sent = ("+49 170 1234567", "4155552671", "customer 7")
    without = units(*sent)
    monkeypatch.setenv(KEY_VARIABLE, "a secret")
    keyed = units(*sent)
    assert keyed == units(*sent), "or one user would be many"
    assert units(*keyed) == keyed
    monkeypatch.setenv(KEY_VARIABLE, "another secret")
    every = {*without, *keyed, *units(*sent)}
    assert len(every) == 9


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


@pytest.mark.parametrize("number", ["+49 170 1234567", "(415) 555-2671"])
@pytest.mark.parametrize("repeats", [1, 2, 9, 1_000])
def test_numbers_written_without_a_gap_are_all_replaced(number, repeats):
    assert not re.search(r"\d", redact.text(number * repeats))


@settings(max_examples=300, deadline=None)
@given(texts)
@example("4111 1111 1111 1111a@b.de")
@example("+49 170 1234567" * 9)
def test_redacting_twice_changes_nothing_more(text):
    once = redact.text(text)
    assert redact.text(once) == once


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123456789 ()./+-x,\u00a0", max_size=60))
@example("tel 5 5 5-1 2 3 4")
@example("4 111 1 1111-111.1 1111")
def test_what_is_asked_before_numbers_are_looked_for_hides_none(text):
    normalized = unescape_separators(text)
    assert numbers.number_spans(text, b"") == numbers.card_and_phone_spans(normalized, character_classes(normalized))


@given(texts, st.sampled_from(["(?i)a", r"\w+@", r"\d{2,}", r"\b[a-c]*", r"\[\w+", "card|own", ".{3}"]))
def test_redacting_twice_with_an_own_pattern_changes_nothing_more(text, pattern):
    own = Redactor(RedactionSettings(patterns={"own": pattern}))
    once = own.text(text)
    assert own.text(once) == once


@settings(max_examples=60, deadline=None)
@given(values)
def test_redacting_a_value_twice_changes_nothing_more(value):
    once = redact.value(value)
    assert redact.value(once) == once


def luhn(digits):
    """`digits` with their check digit."""
    doubled = [int(c) * 2 - 9 * (c > "4") for c in digits[::-2]]
    return digits + str(-(sum(doubled) + sum(int(c) for c in digits[-2::-2])) % 10)


def iban(account):
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def grouped(number, by):
    return by.join(number[i : i + 4] for i in range(0, len(number), 4))


def of(pattern):
    return st.from_regex(pattern, fullmatch=True)


NUMBERS_APART = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2009", "\u202f", " - "])
#: Secrets of every kind, and the part of each that must not be found anywhere.
secrets_of_every_kind = {
    "card": st.builds(grouped, of("(4[0-9]{3}|5[1-5][0-9]{2})[0-9]{11}").map(luhn), NUMBERS_APART),
    "iban": st.builds(
        lambda number, by, lower: grouped(number.lower() if lower else number, by),
        of("[0-9]{18}").map(iban),
        st.sampled_from(["", " ", "-", "\u00a0"]),
        st.booleans(),
    ),
    "phone": st.one_of(
        of(r"\+49[ -]1[567][0-9][ -][0-9]{7}"),
        of(r"\([2-9][0-9]{2}\) [2-9][0-9]{2}-[0-9]{4}"),
        of("0[1-9](\u00a0[0-9]{2}){4}"),
    ),
    "email": of(r"[a-z]{3,9}(\.[a-z]{2,9})?@[a-z]{3,9}\.(com|de|co\.uk)"),
    **{
        f"{start}…": of(f"{start}{rest}")
        for start, rest in {
            "sk-proj-": "[A-Za-z0-9_-]{40}7",
            "sk-ant-api03-": "[A-Za-z0-9_-]{80}7AA",
            "gsk_": "[A-Za-z0-9]{52}",
            "xai-": "[A-Za-z0-9]{80}",
            r"SG\.": r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{42}7",
            "whsec_": "[A-Za-z0-9+/]{31}7",
            "AKIA": "[A-Z2-7]{15}7",
            "ghp_": "[A-Za-z0-9]{36}",
            "github_pat_": "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
            "glpat-": "[A-Za-z0-9_-]{19}7",
            "xoxb-": "[0-9]{12}-[0-9]{12}-[A-Za-z0-9]{24}",
            "xapp-": "1-A[0-9A-Z]{9}-[0-9]{13}-[a-f0-9]{60}",
            "sk_live_": "[A-Za-z0-9]{24}",
            "rk_test_": "[A-Za-z0-9]{24}",
            "AIza": "[A-Za-z0-9_-]{34}7",
            "GOCSPX-": "[A-Za-z0-9_-]{27}7",
            r"ya29\.": "[A-Za-z0-9_-]{60}7",
            "npm_": "[A-Za-z0-9]{36}",
            "pypi-AgEIcHlwaS5vcmc": "[A-Za-z0-9_-]{70}7",
            "hf_": "[A-Za-z]{34}",
            "r8_": "[A-Za-z0-9]{36}7",
            "dop_v1_": "[a-f0-9]{64}",
            r"hvs\.": "[A-Za-z0-9_-]{90}7",
            "shpat_": "[a-fA-F0-9]{32}",
            "nvapi-": "[A-Za-z0-9_-]{63}7",
            "pplx-": "[A-Za-z0-9]{48}",
            "ATATT3": "[A-Za-z0-9_-]{180}7",
            "glsa_": "[A-Za-z0-9]{32}_[a-f0-9]{8}",
            "dapi": "[a-f0-9]{32}",
            "SK": "[a-f0-9]{32}",
            r"[A-Za-z0-9]{3}8Q~": "[A-Za-z0-9_~.]{33}x",
            "eyJhbGciOiJIUzI1NiJ9": r"\.eyJ[A-Za-z0-9_-]{20,40}\.[A-Za-z0-9_-]{43}",
        }.items()
    },
    "private key": of("[A-Za-z0-9+/]{64}").map(
        lambda body: f"-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----"
    ),
}


@pytest.mark.parametrize("kind", secrets_of_every_kind)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_secret_of_any_kind_is_in_the_message_wherever_it_stood(kind, data):
    secret = data.draw(secrets_of_every_kind[kind])
    message = wire.encode(redact.exchange(exchange_with(f" {secret}")), source="s")
    sent = message.value + b"".join(value for _, value in message.headers)
    assert clues(secret)
    for clue in clues(secret):
        assert clue.encode() not in sent, f"{clue!r} of {secret!r}"
    marked = b"[secret]" if kind not in {"card", "iban", "phone", "email"} else f"[{kind}]".encode()
    assert sent.count(marked) >= 15


def clues(secret):
    """Parts of a secret that are telling, written in the same way in JSON."""
    parts = "".join(c if c.isascii() and c.isalnum() else " " for c in secret).split()
    return [part for part in parts if len(part) >= 7 and part not in {"PRIVATE", "example"}] or [
        secret if secret.isascii() else json.dumps(secret, ensure_ascii=False)[1:-1]
    ]


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


PIECES = (
    "a@",
    "@a.",
    "eyJ",
    "eyJ_",
    "eyJa.",
    "sk-",
    "ghp_",
    "SG.",
    "4",
    "4111 ",
    "4111.",
    "4111 1111 1111 1111 ",
    "+49 170 1234567 ",
    "+1",
    "(123) ",
    "password:",
    'password\\"',
    "phone=",
    "://a:",
    "://",
    "DE89",
    "de89 ",
    "bearer ",
    "basic ",
    "AAAA",
    "0 ",
    "[card]",
    ";base64,",
    "data:;",
    "-----BEGIN PRIVATE KEY",
    "%2B4",
    "Q~",
    "token: '",
    "\\n",
    "\u00a0",
    "x" * 40,
    "key=",
    "'",
    "hooks.slack.com/services/",
    "{",
    "1",
    "\u200b",
    "\uff14",
    "\uff20",
    "4 ",
    "D E 8 9 ",
    "DE89.",
    "DE 89 3704 ",
    "AA00",
    "at)",
    "b (at) ",
    "a [dot] ",
    "bob at ",
    " dot ",
    '"@',
    "@[",
    "password is ",
    "password ",
    "the password was changed to ",
    "--password ",
    "login a password ",
    "curl -u a:",
    "curl ",
    "passwort\uff1a",
    "\u5bc6\u7801\u662f",
    "%3D",
    "password%3D",
    "Ym9iQGV4YW1wbGUuY29t",
    "cGFzc3dvcmQ6",
    "tel ",
    "phone number is ",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ",
    "<password>",
    "\U0001d7d2",
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_four_times_the_text_takes_about_four_times_as_long(piece):
    text = piece * (8_000 // len(piece))
    once, four_times = seconds(text), seconds(text * 4)
    # A step that reads all of the text at each of its places makes it sixteen times.
    assert four_times < 10 * once + 0.02


def seconds(text):
    return min(_timed(text) for _ in range(3))


def _timed(text):
    redactor = Redactor()  # it remembers no text
    start = thread_time()
    redactor.text(text)
    return thread_time() - start


def test_text_around_a_data_url_is_redacted():
    image = "data:image/png;base64," + base64.b64encode(bytes(range(256))).decode()
    private = " my card is 4111 1111 1111 1111, bob@example.com, sk-proj-Ab12Cd34Ef56Gh78Ij90"
    clean = " my card is [card], [email], [secret]"
    assert redact.text(f"{image}{private}") == f"{image}{clean}"
    assert redact.text(f"{private} ![]({image}){private}") == f"{clean} ![]({image}){clean}"
    assert redact.text(f"data:image/png;base64,AAAA{private}") == f"data:image/png;base64,AAAA{clean}"


def test_a_data_url_is_passed_over():
    image = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4000).decode()
    assert redact.text(image) is image


def test_what_was_clean_is_remembered_and_what_was_not_is_redacted_again():
    redactor = Redactor()
    clean = "the instructions of a task, which are the same in all requests of it " * 2
    private = f"{clean} bob@example.com"
    assert [redactor.text(text) for text in (clean, private, clean, private)] == [
        clean,
        f"{clean} [email]",
        clean,
        f"{clean} [email]",
    ]


def test_only_so_many_clean_texts_are_remembered_and_those_that_come_again_longest():
    texts = CleanTexts()
    known = digest_of("again and again")
    texts.add(known)
    for number in range(40_000):
        texts.add(digest_of(f"text {number}"))
        if number % 1_000 == 0:
            assert texts.holds(known)
    assert not texts.holds(digest_of("text 0"))
    assert texts.holds(digest_of("text 39999"))
    assert len(texts._recent) + len(texts._older) <= 8_192
