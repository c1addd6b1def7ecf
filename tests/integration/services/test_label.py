"""`shadow label`: a round trip changes nothing, and unusable lines are reported one by one."""

import gzip
import io
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from shadow import pairs_file
from shadow.cli import application
from shadow.cli import export as export_command
from shadow.cli import label as label_command
from shadow.records import Comparison
from shadow.settings import POSTGRES_VARIABLE
from shadow.store.feedback import labels as stored_labels
from shadow.store.read import pairs as stored_pairs
from shadow.store.read import rollup_reads
from shadow.store.rows.names import PairKey
from shadow.store.schema import engine
from tests.support.label_samples import judge as decide
from tests.support.label_samples import label, record, verdict
from tests.support.services import fresh_database
from tests.support.store_samples import ROLLUPS, START, dump, exchange, scored, store

TABLES = (*ROLLUPS, "labels", "comparisons")
COMMANDS: dict[str, Any] = {"label": label_command.command, "export": export_command.command}


@pytest.fixture
def database(postgres_url, monkeypatch, tmp_path):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    monkeypatch.chdir(tmp_path)
    opened = engine.connect(postgres_url)
    yield opened
    opened.dispose()


def shadow(*words, code=0, given=None):
    arguments = [str(word) for word in words]
    result = CliRunner().invoke(application.build(arguments[0], COMMANDS[arguments[0]]), arguments, input=given)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def lines(*given):
    return "".join(json.dumps(line) + "\n" for line in given)


def brought_in(*given, code=0):
    return shadow("label", "import", "-", given=lines(*given), code=code).stderr


def labels(database):
    with engine.browsing(database) as connection:
        return list(stored_labels.iterate_labels(connection))


def test_an_export_read_again_changes_nothing(database, tmp_path):
    some = [*(scored(n) for n in range(5)), scored(5, exchange=exchange(5, task="invoice-fields", label="tie"))]
    store(database, some)
    record(database, *(label(pair, "candidate", stratum="disagreement", note="ü", probability=0.1) for pair in some))
    before = dump(database, TABLES)
    for name in ("labels.jsonl", "labels.jsonl.gz"):
        assert "7 labels written" in shadow("label", "export", tmp_path / name).stderr
        assert "0 labels newly recorded, 7 already recorded" in shadow("label", "import", tmp_path / name).stderr
        assert dump(database, TABLES) == before
    assert gzip.decompress((tmp_path / "labels.jsonl.gz").read_bytes()) == (tmp_path / "labels.jsonl").read_bytes()


def test_an_export_brings_the_same_regret_to_another_database(
    database, postgres_server, migrated_template, monkeypatch
):
    some = [scored(n, agreement=0.5) for n in range(4)]
    store(database, some)
    record(database, *(label(pair, reviewer=name) for pair in some for name in ("ana", "ben")))
    written = shadow("label", "export").stdout
    with fresh_database(postgres_server, template=migrated_template) as url:
        monkeypatch.setenv(POSTGRES_VARIABLE, url)
        other = engine.connect(url)
        store(other, some)
        shadow("label", "import", "-", given=written)
        assert dump(other, TABLES) == dump(database, TABLES)
        other.dispose()


def test_an_export_is_of_a_task_and_a_time(database):
    some = [scored(1), scored(3 * 24 * 60), scored(3, exchange=exchange(3, task="invoice-fields"))]
    store(database, some)
    record(database, *map(label, some))
    day = (some[1][0].exchange.at).date().isoformat()
    written = shadow("label", "export", "--task", "ticket-intent", "--since", day).stdout
    (line,) = map(json.loads, written.splitlines())
    assert line == {
        "task": "ticket-intent", "id": "x004320", "at": some[1][0].exchange.at.isoformat().replace("+00:00", "Z"),
        "kind": "shadow", "candidate": "small-7b", "reviewer": "ana", "label": "frontier", "probability": 1.0,
        "stratum": "", "note": "", "labelled_at": START.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip


def test_three_words_are_enough_where_they_can_mean_one_pair_only(database):
    own = scored(exchange=exchange(id="invoice-fields/7", task="invoice-fields"))
    store(database, [scored(1), own])
    summary = brought_in(
        {"id": "x000001", "label": "frontier", "reviewer": "ana"},
        {"id": 7, "task": "invoice-fields", "label": "tie", "reviewer": "ana", "probability": 0.25},
    )
    assert "2 lines read, 0 unusable, 2 labels newly recorded" in summary
    assert [(kept.exchange_id, kept.preference, kept.probability) for kept in labels(database)] == [
        ("invoice-fields/7", "tie", 0.25),
        ("x000001", "frontier", 1.0),
    ]


def test_every_unusable_line_is_named_and_the_others_count(database):
    ceiling = scored(2, kind="ceiling")
    store(database, [scored(1), scored(1, candidate="other"), ceiling, scored(3)])
    good = {"id": "x000001", "label": "frontier", "reviewer": "ana"}
    given = [
        good,
        good | {"candidate": "other"},
        good | {"label": "me"},
        good | {"id": "x9"},
        {"id": "x000003", "label": "tie"},
        good | {"id": "x000002"},
        {"id": "x000002", "kind": "ceiling", "label": "tie", "reviewer": "ana"},
        good | {"id": "x000003", "probability": 0},
        good | {"id": "x000003", "candidate": "somebody"},
    ]
    summary = shadow("label", "import", "-", given="not json\n\n" + lines(*given), code=3).stderr.splitlines()
    assert [line.split(":", 2)[1] for line in summary[:-1]] == ["1", "3", "5", "6", "7", "8", "9", "10", "11"]
    assert "2 stored pairs match; choose one by `task`, `candidate`, `kind` or `at`" in summary[1]
    assert "frontier" not in summary[0]
    assert "`$.label`" in summary[2]
    assert "no such pair is stored" in summary[3]
    assert "reviewer" in summary[4]
    assert "probability" in summary[7]
    assert summary[-1] == "10 lines read, 9 unusable, 1 labels newly recorded"
    assert [(kept.exchange_id, kept.candidate) for kept in labels(database)] == [("x000001", "other")]


def test_many_unusable_lines_are_counted_and_not_all_shown(database):
    summary = brought_in(*({"id": n, "label": "tie", "reviewer": "ana"} for n in range(700)), code=3).splitlines()
    assert len(summary) == 22
    assert summary[-2:] == ["… and 680 more", "700 lines read, 700 unusable, 0 labels newly recorded"]


def test_what_is_private_in_a_note_is_not_kept(database):
    store(database, [scored(1)])
    brought_in({"id": "x000001", "label": "tie", "reviewer": "ana", "note": "ask bob@example.org, the amount is wrong"})
    assert [kept.note for kept in labels(database)] == ["ask [email], the amount is wrong"]


def test_a_note_that_a_pattern_is_too_slow_for_makes_its_line_unusable(database, tmp_path, monkeypatch):
    monkeypatch.setattr("shadow.redact.custom_patterns._TIMEOUT_S", 0.2)
    (tmp_path / "shadow.toml").write_text("[redaction.patterns]\nslow = '(a|a)+$'\n", encoding="utf-8")
    store(database, [scored(1), scored(2)])
    notes = ["fine", "a" * 60 + "b"]
    given = [{"id": f"x00000{n}", "label": "tie", "reviewer": "ana", "note": note} for n, note in enumerate(notes, 1)]
    summary = brought_in(*given, code=3).splitlines()
    assert summary[0].startswith("-:2: redaction.patterns.slow took more than 0.2 s")
    assert [kept.note for kept in labels(database)] == ["fine"]


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_a_mistake(database, tmp_path, content):
    (tmp_path / "labels.jsonl").write_bytes(content)
    shadow("label", "import", "labels.jsonl", code=1)


def test_a_torn_file_is_read_as_far_as_it_goes(database, tmp_path):
    store(database, [scored(1)])
    whole = gzip.compress(lines({"id": "x000001", "label": "tie", "reviewer": "ana"}).encode() * 3)
    (tmp_path / "labels.gz").write_bytes(whole[:-4])
    assert "damaged" in shadow("label", "import", "labels.gz", code=3).stderr
    assert len(labels(database)) == 1


def test_exported_pairs_have_the_current_labels_and_verdicts(database):
    some = [scored(1), scored(2, exchange=exchange(2, label="frontier")), scored(3, judge_rate=0.5)]
    store(database, some)
    record(database, label(some[0], "candidate"), label(some[1], "frontier"))
    with engine.transaction(database) as connection:
        stored_labels.remove_label(connection, PairKey(*stored_pairs.find(connection)[1].key), "ana")
        stored_labels.remove_label(connection, PairKey(*stored_pairs.find(connection)[1].key), "recorded")
    decide(database, verdict(some[2], "tie"))
    written = map(json.loads, shadow("export").stdout.splitlines())
    summary = {line["id"]: (line.get("label"), line.get("judge")) for line in written}
    assert summary == {"x000001": ("candidate", None), "x000002": (None, None), "x000003": (None, "tie")}


def test_exported_pairs_weigh_the_same_where_they_are_read(database, postgres_server, migrated_template):
    some = [scored(n, judge_rate=0.25, probability=0.5) for n in range(4)]
    store(database, some)
    decide(database, *(verdict(pair, "frontier") for pair in some[:2]))
    record(database, label(some[0], "tie", probability=0.1), label(some[2], "candidate", probability=0.2))
    written = shadow("export").stdout.encode()
    lines_read = [line for line in pairs_file.read(io.BytesIO(written)) if isinstance(line, pairs_file.RecordedPair)]
    assert len(lines_read) == 4
    read = [trial for line in lines_read for trial in pairs_file.trials(line)]
    with fresh_database(postgres_server, template=migrated_template) as url:
        other = engine.connect(url)
        store(other, [(trial, Comparison(scorer="label", agreement=1.0)) for trial in read])
        there, here = (cells_of(found, ("human", "judge")) for found in (other, database))
        other.dispose()
    assert there == here
    assert here == {
        "human": (2, -1.0, 30.0, {"labelled:frontier:tie": 1, "labelled:none:candidate": 1}),
        "judge": (2, 2.0, 16.0, {"judged:frontier": 2}),
    }


def cells_of(database, sources):
    """What each source says: number, sum and weight of its net regrets, and its counts."""
    with engine.snapshot(database) as connection:
        read = rollup_reads.read(connection, dimension="all", per="window")
    return {
        cell.source: (
            found.net_regret.n, found.net_regret.total / 1e6, found.net_regret.weight / 1e6,
            {name: n for name, n in found.counts.items() if n and name.startswith(("judged:", "labelled:"))},
        )
        for cell, found in read.items() if cell.source in sources
    }  # fmt: skip
