"""`shadow judge calibrate` and `shadow replay --judge` as their users run them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.scorers import SCORERS
from scoring.scorers.meaning import word_vectors
from shadow.cli.replay import judge as replay_judge
from shadow.devstack.model_servers.judge import FAULTLESS, judge_app
from shadow.settings import POSTGRES_VARIABLE
from tests.acceptance.commands import Result, tasks_of, write
from tests.support.injections import NOW, WORLD, asks, known_pairs

PRICED = "input_usd_per_million = 1.0\noutput_usd_per_million = 4.0\n"


def lines_of(n: int) -> list[dict[str, Any]]:
    """Drafts of which by turns the frontier's is better, neither, the candidate's."""
    found = []
    for number, body in enumerate(asks("reply-draft", n)):
        truth, (frontier, candidate) = list(known_pairs(body).items())[number % 3]
        found.append(
            {
                "id": str(number),
                "task": "reply-draft",
                "at": NOW.isoformat(),
                "request": body,
                "frontier": {"model": "big", "content": frontier},
                "candidate": {"model": "small", "content": candidate},
                "truth": truth,
            }
        )
    return found


@pytest.fixture
def settings(tmp_path: Path, serve: Callable[[Any], str]) -> Callable[..., Any]:
    """`settings(**model)` writes a shadow.toml with a faultless judge, and gives its server."""

    def written(price: str = PRICED) -> Any:
        server = judge_app(WORLD, traits=FAULTLESS)
        (tmp_path / "shadow.toml").write_text(f'[models.judge]\nbase_url = "{serve(server)}/v1"\n{price}')
        return server

    return written


def test_a_replay_asks_for_the_votes_that_are_missing_and_only_those(
    shadow: Callable[..., Result], tmp_path: Path, settings: Callable[..., Any]
):
    server = settings()
    lines = lines_of(30)
    for line in lines[:6]:
        line["judge"] = "tie"
    del lines[6]["candidate"]
    file = write(tmp_path / "pairs.jsonl", lines)
    done = shadow("replay", file, "--judge", "judge", "--dry-run", "--json", "-")
    assert done.code == 0, done.err
    assert server.requests == 2 * 23
    assert "23 pairs judged by judge for $0.0" in done.err
    [task] = [task for task in tasks_of(done.out) if task["candidate"] == "small"]
    assert (task["regret"]["source"], task["regret"]["n"]) == ("judge", 29)
    # From the seventh line on every third is worse, of which the first has no reply; six were recorded as ties.
    assert task["regret"]["estimate"] == pytest.approx(7 / 29, abs=1e-6)
    assert task["net_regret"]["estimate"] == pytest.approx(-1 / 29, abs=1e-6)


@pytest.mark.parametrize("batch", [5, 500])
def test_votes_are_stored_and_never_paid_for_twice(
    shadow: Callable[..., Result],
    tmp_path: Path,
    settings: Callable[..., Any],
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
):
    monkeypatch.setattr(replay_judge, "_BATCH", batch)
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    server = settings()
    file = write(tmp_path / "pairs.jsonl", lines_of(12))
    assert "12 pairs newly stored" in shadow("replay", file).err  # at first without a judge
    first = shadow("replay", file, "--judge", "judge", "--json", "-")
    second = shadow("replay", file, "--judge", "judge", "--json", "-")
    assert server.requests == 24
    assert "12 pairs judged by judge for $0.0000" in second.err
    stored = shadow("report", "--json", "-")
    for printed in (first, second, stored):
        (task,) = tasks_of(printed.out)
        assert (task["regret"]["source"], task["regret"]["estimate"]) == ("judge", pytest.approx(1 / 3))


def test_a_replay_stops_asking_when_its_money_is_spent(
    shadow: Callable[..., Result], tmp_path: Path, settings: Callable[..., Any]
):
    server = settings()
    file = write(tmp_path / "pairs.jsonl", lines_of(30))
    done = shadow("replay", file, "--judge", "judge", "--judge-usd", "0.03", "--dry-run", "--json", "-")
    assert done.code == 3
    assert "not judged: more would cost over --judge-usd" in done.err
    assert 0 < server.requests < 60


def test_a_judge_that_cannot_be_used_is_refused_in_one_line(
    shadow: Callable[..., Result], tmp_path: Path, settings: Callable[..., Any]
):
    settings(price="")
    file = write(tmp_path / "pairs.jsonl", lines_of(3))
    unpriced = shadow("replay", file, "--judge", "judge", "--dry-run")
    assert (unpriced.code, len(unpriced.err.splitlines())) == (1, 1)
    assert "models.judge.input_usd_per_million: no price is known" in unpriced.err
    unknown = shadow("replay", file, "--judge", "nobody", "--dry-run")
    assert "--judge nobody: no such model in [models]" in unknown.err
    none = shadow("judge", "run")
    assert (none.code, none.err.splitlines()[0]) == (
        1,
        "shadow: no task names a judge; set `judge` under a [tasks.NAME] to the name of a model",
    )


def test_a_judge_is_held_against_people(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    lines = lines_of(300)
    for number, line in enumerate(lines):
        line["judge"] = line["truth"] if number % 10 else "tie"
        if number < 200:
            line["label"] = line["truth"]
    shadow("replay", write(tmp_path / "pairs.jsonl", lines))
    done = shadow("judge", "calibrate", "--task", "reply-draft", "--json", "--half-width", "0.01")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    # Of 200 labelled pairs, every tenth is called a tie; of those a third is one.
    assert (found["n"], found["verdicts"]) == (200, 300)
    assert found["table"]["tie"]["frontier"] == 7
    assert found["table"]["frontier"]["frontier"] == 60
    assert found["sensitivity"]["estimate"] == pytest.approx(60 / 67)
    assert found["sensitivity"]["low"] < 60 / 67 < found["sensitivity"]["high"]
    assert found["specificity"]["estimate"] == 1
    assert found["agreement"]["observed"] == pytest.approx(1 - 14 / 200, abs=0.01)
    assert 0.85 < found["agreement"]["kappa"] < found["agreement"]["ac1"] < 1
    # 90 of 300 are called worse, and of the other 210 as many are as of those labelled: 7 of 140.
    assert found["regret_one_look"]["estimate"] == pytest.approx(0.3 + 0.7 * 7 / 140, abs=0.01)
    assert found["labels_needed"]["reason"] in ("more_labels", "more_verdicts")
    table = shadow("judge", "calibrate", "--task", "reply-draft")
    assert table.code == 0
    assert "200 of 300 judged pairs are labelled" in table.out
    assert "Cohen's kappa" in table.out
    assert "A judge alone never raises traffic" in table.out


def test_every_scorer_is_held_against_people_before_it_is_used(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    texts = [  # the candidate's reply, people's label, and how many such pairs
        ("We bought a car.", "tie", 30),
        ("We purchased a car.", "tie", 20),
        ("We never bought a car.", "frontier", 40),
        ("Anna owes Ben money.", "frontier", 10),
    ]
    request = {"messages": [{"role": "user", "content": "?"}]}
    common = {"task": "reply-draft", "at": "2026-09-01T00:00:00Z", "request": request}
    lines = [
        {**common, "id": f"{kind}-{n}", "label": label, "frontier": {"model": "big", "content": "We bought a car."},
         "candidate": {"model": "small", "content": content}}
        for kind, (content, label, number) in enumerate(texts)
        for n in range(number)
    ]  # fmt: skip
    shadow("replay", write(tmp_path / "pairs.jsonl", lines))
    done = shadow("judge", "calibrate", "--task", "reply-draft", "--json")
    assert done.code == 1  # there is no judge, but the scorers are measured all the same
    found = {scorer["scorer"]: scorer for scorer in json.loads(done.out)["scorers"]}
    assert found.keys() == set(SCORERS)
    exact, numeric = found["exact"], found["numeric"]
    assert (exact["n"], exact["false_agreement"]["estimate"], exact["false_disagreement"]["estimate"]) == (100, 0, 0.4)
    assert (exact["false_disagreement"]["n"], exact["agreement"]["observed"]) == (50, 0.8)
    assert exact["agreement"]["kappa"] == pytest.approx(0.6)
    assert (numeric["n"], numeric["reason"]) == (0, "none_scored")
    assert sum(numeric["unscored"].values()) == 100
    if word_vectors.problem() is None:
        meaning = found["meaning"]
        assert (meaning["false_agreement"]["estimate"], meaning["false_disagreement"]["estimate"]) == (0, 0)
        assert meaning["n"] + sum(meaning["unscored"].values()) == 100
    table = shadow("judge", "calibrate", "--task", "reply-draft").out
    assert "text (the task's)" in table
    assert "Scorers against people" in table


def test_without_labels_the_output_gives_the_next_step(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    nothing = shadow("judge", "calibrate", "--task", "reply-draft")
    assert (nothing.code, nothing.err) == (1, "shadow: no pair of task 'reply-draft' is stored\n")
    lines = lines_of(6)
    shadow("replay", write(tmp_path / "pairs.jsonl", lines))
    unjudged = shadow("judge", "calibrate", "--task", "reply-draft")
    assert unjudged.code == 1
    assert "it has given no verdicts; set `judge` under [tasks.reply-draft]" in unjudged.out
    for line in lines:
        line |= {"judge": "tie", "id": f"judged-{line['id']}"}
    shadow("replay", write(tmp_path / "pairs.jsonl", lines))
    unlabelled = shadow("judge", "calibrate", "--task", "reply-draft")
    assert unlabelled.code == 1
    assert "none of its 6 judged pairs is labelled; label some on the Review page" in unlabelled.out
    written = json.loads(shadow("judge", "calibrate", "--task", "reply-draft", "--json").out)
    assert (written["reason"], written["sensitivity"]["estimate"]) == ("no_labels", None)
