"""`shadow replay`, `shadow report` and `shadow export` as a team without Kafka uses them."""

import io
import json
import os
import pty
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shadow.settings import POSTGRES_VARIABLE
from shadow.store.read import ledger
from shadow.store.schema import engine
from tests.acceptance.commands import Result, tasks_of, write
from tests.support import services
from tests.support.scripted import ScriptedEndpoint, chat

LINES = 240


def recorded(lines: int = LINES, seed: int = 1) -> list[dict[str, Any]]:
    """Sums asked in two languages; the candidate is often wrong in German, and late in it."""
    dice = random.Random(seed)
    found = []
    for i in range(lines):
        locale = ("en", "de")[i % 2]
        right, wrong = str(i), str(i + 1)
        slips = dice.random() < (0.5 if locale == "de" else 0.02)
        found.append(
            {
                "id": str(i),
                "task": "sums",
                "at": (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=20 * i)).isoformat(),
                "segment": {"locale": locale},
                "request": {"messages": [{"role": "user", "content": f"What is {i} + 0?"}]},
                "frontier": {"model": "big", "content": f"It is {right}.", "latency_ms": 800.0 + i},
                "candidate": {"model": "small", "content": f"#### {wrong if slips else right}", "latency_ms": 90.0},
                "reference": right,
            }
        )
    return found


def without_excess(task: dict[str, Any]) -> dict[str, Any]:
    paired = ("excess_disagreement", "agreement_vs_ceiling")
    return {name: printed for name, printed in task.items() if not name.startswith(paired)}


def test_a_file_is_judged_and_the_worst_segment_comes_first(shadow: Callable[..., Result], tmp_path: Path):
    file = write(tmp_path / "pairs.jsonl", recorded())
    done = shadow("replay", file, "--scorer", "numeric", "--dry-run", "--json", "evidence.json", "--segment", "locale")
    assert done.code == 0
    assert "sums: small is WORSE than the frontier" in done.out
    assert done.out.index("locale=de") < done.out.index("locale=en")
    assert "240 lines read, 0 broken, nothing stored" in done.err
    (task,) = tasks_of(tmp_path / "evidence.json")
    assert (task["n"], task["agreement"]["n"], task["regret"]["source"]) == (LINES, LINES, "reference")
    assert task["verdict"]["status"] == "worse"
    assert task["segments"][0]["value"] == "de"
    assert not (tmp_path / ".shadow").exists()


def test_a_segment_flagged_on_few_pairs_does_not_show_not_enough_data(shadow: Callable[..., Result], tmp_path: Path):
    lines = recorded()
    for number, line in enumerate(lines):
        tried = number % 20 == 0
        line["segment"] = {"plan": "trial" if tried else "paid"}
        line["candidate"]["content"] = "#### 0" if number in (40, 80, 120, 160) else f"#### {line['reference']}"
    done = shadow(
        "replay", write(tmp_path / "pairs.jsonl", lines), "--scorer", "numeric", "--dry-run", "--segment", "plan"
    )
    [trial] = [line for line in done.out.splitlines() if "plan=trial" in line]
    assert trial.rstrip().endswith("flagged · few pairs")
    assert "not enough data" not in trial


@pytest.mark.parametrize("form", ["gzip", "standard input", "two files"])
def test_the_form_of_a_file_changes_nothing(
    shadow: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
):
    lines = recorded()
    options = ("--scorer", "numeric", "--dry-run", "--json", "-")
    expected = tasks_of(shadow("replay", write(tmp_path / "pairs.jsonl", lines), *options).out)
    match form:
        case "gzip":
            files: list[object] = [write(tmp_path / "pairs.jsonl.gz", lines)]
        case "two files":
            files = [write(tmp_path / "a.jsonl", lines[:100]), write(tmp_path / "b.jsonl.gz", lines[100:])]
        case _:
            content = "".join(json.dumps(line) + "\n" for line in lines).encode()
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
            files = ["-"]
    assert tasks_of(shadow("replay", *files, *options).out) == expected


def test_broken_lines_are_named_and_the_rest_is_judged(shadow: Callable[..., Result], tmp_path: Path):
    file = tmp_path / "pairs.jsonl"
    good = [json.dumps(line) for line in recorded(40)]
    file.write_text("\n".join([*good[:20], "{", '{"id": "x"}', *good[20:], *["nonsense"] * 50]))
    done = shadow("replay", file, "--scorer", "numeric", "--dry-run")
    assert done.code == 3
    assert f"{file}:21: " in done.err
    assert f"{file}:22: Object missing required field `task`" in done.err
    assert "… and 32 more" in done.err
    assert "40 lines read, 52 broken" in done.err


def test_other_tasks_can_be_left_out(shadow: Callable[..., Result], tmp_path: Path):
    file = write(tmp_path / "pairs.jsonl", recorded(40) + [{**line, "task": "other"} for line in recorded(10)])
    done = shadow("replay", file, "--scorer", "numeric", "--dry-run", "--task", "other", "--json", "-")
    assert [task["task"] for task in tasks_of(done.out)] == ["other"]
    nothing = shadow("replay", file, "--dry-run", "--task", "third")
    assert (nothing.code, nothing.err.splitlines()[-1]) == (1, "shadow: there is no line to score of task 'third'")


def test_what_is_stored_is_redacted_on_request_and_scored_as_recorded(
    shadow: Callable[..., Result], tmp_path: Path
) -> None:
    private = "write to anna@example.com about 4711"
    lines = [
        {
            **line,
            "unit": "anna@example.com",
            "request": {"messages": [{"role": "user", "content": private}]},
            "frontier": {"model": "big", "content": private},
            "candidate": {"model": "small", "content": private.replace("anna", "bert")},
        }
        for line in recorded()[:5]
    ]
    file = write(tmp_path / "pairs.jsonl", lines)
    done = shadow("replay", file, "--scorer", "exact", "--redact", "--json", "found.json")
    assert (done.code, "5 pairs newly stored, redacted" in done.err) == (0, True)
    [task] = tasks_of(tmp_path / "found.json")
    assert task["agreement"]["estimate"] == 0.0, "compared before it was redacted"
    assert shadow("export", "--out", "out.jsonl").code == 0
    exported = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert "example.com" not in exported
    assert exported.count("write to [email] about 4711") == 15
    assert "not redacted" in shadow("replay", write(tmp_path / "more.jsonl", recorded()[5:9])).err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("pairs.jsonl", "--segment", "local"),
            "--segment local: no such dimension; there are: has_tools, hour, input_length, locale, weekday",
        ),
        (("no-such-file",), "no-such-file: cannot be read (No such file or directory)"),
        (("pairs.jsonl", "--scorer", "vibes"), "--scorer vibes: no such scorer"),
        (("pairs.jsonl", "--candidate", "tiny"), "--candidate tiny: no such model in [models]"),
        (("pairs.jsonl", "--json", "no/such/folder.json"), "no/such/folder.json: cannot be written"),
    ],
)
def test_a_users_mistake_is_one_clear_line(
    shadow: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], complaint: str
):
    write(tmp_path / "pairs.jsonl", recorded(4))
    done = shadow("replay", *arguments, "--dry-run")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"shadow: {complaint}")
    assert "Traceback" not in done.err


def test_replaying_twice_stores_once_and_report_and_export_agree(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    lines = recorded()
    lines[3]["candidate"] = {"model": "small", "content": "I cannot say"}
    lines[5]["candidate"] = {"model": "small", "failure": "timeout"}
    lines[7]["ceiling"] = {"model": "big", "content": "It is 7."}
    for line in lines[10:20]:
        line |= {"served_by": "candidate", "inclusion_probability": 0.05}
    file = write(tmp_path / "pairs.jsonl", lines)

    first = shadow("replay", file, "--scorer", "numeric", "--json", "replayed.json")
    assert (first.code, "241 pairs newly stored" in first.err) == (0, True)
    again = shadow("replay", file, "--scorer", "numeric", "--json", "again.json")
    assert "0 pairs newly stored, 241 were stored before and count once" in again.err
    assert shadow("report", "--json", "reported.json").code == 0
    replayed = tasks_of(tmp_path / "replayed.json")
    assert tasks_of(tmp_path / "again.json") == replayed
    assert tasks_of(tmp_path / "reported.json") == replayed

    exported = shadow("export", "--task", "sums", "--out", "out.jsonl.gz")
    assert (exported.code, exported.err) == (0, "241 pairs written\n")
    back = shadow("replay", "out.jsonl.gz", "--scorer", "numeric", "--json", "back.json")
    assert "0 pairs newly stored" in back.err
    # A file has a line for each pair, so it does not tell which ceiling belongs to which candidate's reply.
    assert [*map(without_excess, tasks_of(tmp_path / "back.json"))] == [*map(without_excess, replayed)]

    opened = engine.connect(postgres_url)
    with opened.connect() as connection:
        counted = ledger.read(connection)
    opened.dispose()
    assert (counted.mirrored, counted.compared, counted.in_flight) == (LINES, LINES - 2, 0)
    assert counted.unscored == {"candidate_malformed": 1, "candidate_timeout": 1}


def test_a_report_can_start_at_a_moment_and_says_when_there_is_nothing(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    assert shadow("report").err == "shadow: no pair is stored\n"
    shadow("replay", write(tmp_path / "pairs.jsonl", recorded()), "--scorer", "numeric")
    (task,) = tasks_of(shadow("report", "--since", "2026-09-03", "--json", "-").out)
    assert (task["n"], task["window"]["from"]) == (LINES - 2 * 72, "2026-09-03T00:00:00Z")
    assert "sums: small is WORSE" in shadow("report", "--segment", "locale").out


def test_a_pair_that_no_database_can_store_is_left_out_and_reported(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    lines = recorded(20)
    lines[4]["candidate"]["content"] = "a NUL \0 and 4"
    done = shadow("replay", write(tmp_path / "pairs.jsonl", lines), "--scorer", "numeric")
    assert done.code == 3
    assert "pairs.jsonl:5: sums/4 cannot be stored: NUL character" in done.err
    assert "19 pairs newly stored, 1 cannot be stored" in done.err


@contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def test_without_a_database_one_is_made_in_the_working_folder(shadow: Callable[..., Result], tmp_path: Path):
    assert "run: shadow replay FILE" in shadow("report").err
    file = write(tmp_path / "pairs.jsonl", recorded(20))
    # Not pytest's own folder: Postgres runs as another user when we are root.
    with services.service_folder("replay") as folder, in_folder(folder):
        assert "20 pairs newly stored" in shadow("replay", file, "--scorer", "numeric").err
        assert "--segment local: no such dimension" in shadow("report", "--segment", "local").err
        assert "agreement" in shadow("report").out
        assert (folder / ".shadow" / "postgres").is_dir()


def test_missing_replies_are_asked_for_live_and_only_those(
    shadow: Callable[..., Result], tmp_path: Path, serve: Callable[[Any], str]
):
    small = ScriptedEndpoint([chat("#### 0")])
    (tmp_path / "shadow.toml").write_text(f'[models.tiny]\nbase_url = "{serve(small)}/v1"\nconcurrency = 4\n')
    lines = recorded(30)
    for line in lines[:10]:
        del line["candidate"]
        line["label"] = "candidate"  # about a reply that is not here
    file = write(tmp_path / "pairs.jsonl", lines)
    done = shadow("replay", file, "--candidate", "tiny", "--scorer", "numeric", "--dry-run", "--json", "-")
    assert (done.code, len(small.requests)) == (0, 10)
    assert "10 replies asked for" in done.err
    by_name = {task["candidate"]: task for task in tasks_of(done.out)}
    assert (by_name["tiny"]["n"], by_name["small"]["n"]) == (10, 20)
    assert by_name["tiny"]["agreement"]["estimate"] == 0.1
    assert by_name["tiny"]["regret"]["source"] == "reference"
    not_asked = tasks_of(shadow("replay", file, "--scorer", "numeric", "--dry-run", "--json", "-").out)
    assert sum(task["unscored"].get("candidate_not_recorded", 0) for task in not_asked) == 10


def test_an_answer_that_was_asked_for_is_stored_also_where_its_lack_was_stored_before(
    shadow: Callable[..., Result],
    tmp_path: Path,
    serve: Callable[[Any], str],
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    large = ScriptedEndpoint([chat("#### 4", model="big")])
    (tmp_path / "shadow.toml").write_text(f'[models.large]\nbase_url = "{serve(large)}/v1"\n')
    lines = recorded(30)
    for line in lines[:12]:
        del line["frontier"]
    file = write(tmp_path / "pairs.jsonl", lines)
    replay = ("replay", file, "--scorer", "numeric", "--json", "-")
    first = shadow(*replay)
    assert "30 pairs newly stored" in first.err
    assert tasks_of(first.out)[0]["unscored"] == {"frontier_not_recorded": 12}

    asked = shadow(*replay, "--frontier", "large")
    assert (asked.code, len(large.requests)) == (0, 12)
    assert "12 replies asked for, 12 pairs newly stored, 18 were stored before and count once" in asked.err
    (task,) = tasks_of(asked.out)
    assert (task["n"], task["unscored"], task["agreement"]["n"], task["regret"]["n"]) == (30, {}, 30, 30)
    assert tasks_of(shadow("report", "--json", "-").out) == [task]
    opened = engine.connect(postgres_url)
    with opened.connect() as connection:
        counted = ledger.read(connection)
    opened.dispose()
    assert (counted.mirrored, counted.compared, counted.unscored) == (30, 30, {})

    assert "0 pairs newly stored" in shadow(*replay).err
    assert tasks_of(shadow("report", "--json", "-").out) == [task]


def test_an_exported_file_can_be_put_to_another_candidate(
    shadow: Callable[..., Result],
    tmp_path: Path,
    serve: Callable[[Any], str],
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    small = ScriptedEndpoint([chat("#### 0")])
    (tmp_path / "shadow.toml").write_text(f'[models.tiny]\nbase_url = "{serve(small)}/v1"\n')
    lines = recorded(30)
    for line in lines[:10]:
        del line["candidate"]
    for line in lines[20:]:
        line["ceiling"] = line["frontier"]
    shadow("replay", write(tmp_path / "pairs.jsonl", lines), "--scorer", "numeric")
    shadow("export", "--out", "out.jsonl")
    ceiling = tasks_of(shadow("report", "--json", "-").out)[0]["ceiling"]

    done = shadow("replay", "out.jsonl", "--candidate", "tiny", "--scorer", "numeric", "--json", "-")
    assert (done.code, len(small.requests)) == (0, 10)
    assert "10 replies asked for, 10 pairs newly stored, 30 were stored before and count once" in done.err
    for printed in (done, shadow("report", "--json", "-")):
        by_name = {task["candidate"]: task for task in tasks_of(printed.out)}
        assert (by_name["tiny"]["n"], by_name["tiny"]["agreement"]["n"]) == (10, 10)
        assert by_name["small"]["n"] == 20
        assert by_name["tiny"]["ceiling"] == by_name["small"]["ceiling"] == ceiling
        assert "big" not in by_name


def test_a_line_that_occurs_several_times_counts_once_and_is_reported(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    file = write(tmp_path / "pairs.jsonl", recorded(20))
    done = shadow("replay", file, file, file, "--scorer", "numeric")
    assert "60 lines read, 0 broken, 20 pairs newly stored, 40 were stored before and count once" in done.err
    assert tasks_of(shadow("report", "--json", "-").out)[0]["n"] == 20


def test_a_mistake_in_what_to_show_does_not_hide_what_was_done(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    done = shadow("replay", write(tmp_path / "pairs.jsonl", recorded(20)), "--segment", "local")
    assert (done.code, done.out) == (1, "")
    assert "20 pairs newly stored" in done.err.splitlines()[0]


def replayed(file: Path, stderr: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "shadow", "replay", str(file), "--dry-run"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    return subprocess.Popen(argv, cwd=file.parent, env=env, stdout=subprocess.DEVNULL, stderr=stderr)


def test_a_terminal_shows_how_far_it_is(tmp_path: Path):
    file = write(tmp_path / "pairs.jsonl", recorded(1_000))
    ours, theirs = pty.openpty()
    running = replayed(file, theirs)
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(4_096):
                shown += part
        except OSError:  # on Linux: the other end has been closed
            pass
    assert running.wait(30) == 0
    bar, done, _ = shown.decode().partition("1,000 lines read, 0 broken, nothing stored")
    assert done
    assert "pairs.jsonl" in bar
    assert "1,000 lines" in bar


def test_a_pipe_gets_what_was_done_and_no_bar(tmp_path: Path):
    running = replayed(write(tmp_path / "pairs.jsonl", recorded(1_000)), subprocess.PIPE)
    assert running.communicate()[1] == b"1,000 lines read, 0 broken, nothing stored\n"
