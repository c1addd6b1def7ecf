"""What `docs/redaction.md` claims is found in a corpus of texts, and nothing else is replaced in it."""

import json

import pytest

from shadow.redact import Redactor
from tests.audit.redaction import BAR, MARK, PAGE, Case, is_right, read, table

PRIVATE, HARMLESS = read("private.txt"), read("harmless.txt")
redact = Redactor()


def test_recall_and_precision_of_every_kind_meet_the_bar_and_stand_in_the_documentation():
    written, _, lowest = table()
    assert lowest >= BAR
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2].strip() == written, "run `make audit-redaction`"


def test_the_corpus_is_large_and_of_many_places():
    assert len(PRIVATE) >= 200
    assert len(HARMLESS) >= 200
    assert len({case.where for case in (*PRIVATE, *HARMLESS)}) >= 20
    assert all(("⟦" in case.marked) for case in PRIVATE)
    assert not any("⟦" in case.marked for case in HARMLESS)


@pytest.mark.parametrize("case", [*PRIVATE, *HARMLESS], ids=lambda case: f"{case.kind}: {case.marked}"[:60])
def test_redacting_twice_changes_nothing_more(case):
    once = redact.text(case.text)
    assert redact.text(once) == once
    if case.is_json:
        value = redact.value(json.loads(case.text))
        assert redact.value(value) == value


def test_a_case_is_right_only_if_exactly_what_is_private_is_replaced():
    def right(marked, *, is_json=False):
        return is_right(Case(kind="email", where="any", is_json=is_json, marked=marked), redact)

    assert right("to ⟦bob@example.com⟧ or bob")
    assert not right("⟦to bob@example.com⟧ or bob"), "the first word stays"
    assert not right("to bob@example.com or bob"), "the address goes"
    assert not right("to ⟦bob@example.com⟧ or ⟦bob⟧"), "the name stays"
    assert right('{"card": ⟦#4111111111111111⟧, "n": 7, "to": ["⟦bob@example.com⟧"]}', is_json=True)
    assert not right('{"card": 4111111111111111, "n": 7}', is_json=True)
    assert not right('{"to": "⟦bob⟧"}', is_json=True)
