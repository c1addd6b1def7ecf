"""What the pages say when something is missing, without a browser: fast, and one by one."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from dashboard.ui.text import plain
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.settings import CONFIG_VARIABLE, POSTGRES_VARIABLE
from tests.browser import world
from tests.browser.pages import opened, said, store, visited
from tests.support import services

pytestmark = pytest.mark.usefixtures("nothing_remembered")


def test_without_a_database_the_page_says_which_key_to_set(configured: Callable[[str | None], None]) -> None:
    configured(None)
    words = said(opened())
    assert "postgres.url" in words
    assert POSTGRES_VARIABLE in words


def test_a_broken_file_is_named_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shadow.toml"
    file.write_text("[dashboard]\nprot = 1\n", encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    assert "dashboard.prot" in said(opened())


def test_a_database_that_is_away_is_named_without_its_password(
    configured: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(None)
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://reader:secret-word@127.0.0.1:9/nowhere")
    words = said(opened())
    assert "cannot be reached" in words
    assert "127.0.0.1:9" in words
    assert "secret-word" not in words


def test_a_database_without_tables_asks_for_migrate(
    configured: Callable[[str | None], None], postgres_server: EmbeddedPostgres
) -> None:
    with ExitStack() as stack:
        configured(stack.enter_context(services.fresh_database(postgres_server)))
        assert "shadow migrate" in said(opened())


def test_an_empty_database_says_how_to_send_an_exchange(
    configured: Callable[[str | None], None], postgres_url: str
) -> None:
    configured(postgres_url)
    words = said(opened())
    assert "No exchanges yet" in words
    assert "shadow replay" in words


def test_the_overview_shows_every_task_and_a_ledger_that_adds_up(
    configured: Callable[[str | None], None], seeded_url: str
) -> None:
    configured(seeded_url)
    words = said(opened())
    for task in ("ticket\\-intent", "invoice\\-fields", "reply\\-draft"):
        assert task in words
    assert words.count("adds up") == 2
    assert "does not add up" not in words
    assert "Excess disagreement" in words
    assert "Disagreement" in words  # where nobody knows who is right, it is not called regret
    assert "by reference" in words
    assert "simulated" in words


def test_a_window_without_data_says_so(configured: Callable[[str | None], None], postgres_url: str) -> None:
    store(postgres_url, task="old", at=datetime(2020, 1, 1, tzinfo=UTC))
    configured(postgres_url)
    assert "No pairs in this window." in said(opened())


def test_data_of_long_ago_shows_when_the_window_ends_with_it(
    configured: Callable[[str | None], None], postgres_url: str
) -> None:
    store(postgres_url, task="old", at=datetime(2020, 1, 1, tzinfo=UTC))
    configured(postgres_url)
    assert "n 1 " in said(opened(until="newest data"))


def test_where_nobody_knows_who_is_right_the_regret_page_says_what_to_do(
    configured: Callable[[str | None], None], seeded_url: str
) -> None:
    configured(seeded_url)
    words = said(visited("regret", task="reply-draft"))
    assert "Disagreement is not regret." in words
    assert "shadow label import" in words
    assert "shadow judge run" in words


def test_regret_stands_by_source_with_the_judge_held_against_people(
    configured: Callable[[str | None], None], seeded_url: str
) -> None:
    configured(seeded_url)
    words = said(visited("regret", task="ticket-intent", window="28 d"))
    for part in ("According to people", "Right answer", "Against people: κ", "By stage of the rollout"):
        assert part in words
    assert "After rollout (reverse)" in words


def test_a_source_that_said_nothing_is_not_replaced_by_another(
    configured: Callable[[str | None], None], seeded_url: str
) -> None:
    configured(seeded_url)
    words = said(visited("regret", task="invoice-fields", source="human"))
    assert "People: nothing said in this window." in words
    assert "According to" not in words


def test_two_windows_that_overlap_are_called_out(configured: Callable[[str | None], None], seeded_url: str) -> None:
    configured(seeded_url)
    today = world.last_hour().date().isoformat()
    words = said(visited("shift", task="ticket-intent", against="dates", ref_from=today, ref_to=today))
    assert "overlap" in words
    assert "What moved most" in words


def test_too_few_pairs_for_a_search_are_said_to_be_too_few(
    configured: Callable[[str | None], None], postgres_url: str
) -> None:
    store(postgres_url, task="small", at=datetime.now(UTC))
    configured(postgres_url)
    words = said(visited("segments", crossings="true"))
    assert "too few pairs to search" in words
    assert "every segment holds all of the pairs" in words


def test_without_a_monitor_the_overview_says_how_to_start_one(
    configured: Callable[[str | None], None], postgres_url: str
) -> None:
    store(postgres_url, task="small", at=datetime.now(UTC))
    configured(postgres_url)
    assert "no monitor is running: start `shadow monitor`" in said(opened())


@pytest.mark.parametrize(
    "name", ["![x](http://attacker.example/i.png)", "a|b_c*d", "ünï <b>c0dé</b>", "all", "x" * 300]
)
def test_a_task_may_have_any_name(configured: Callable[[str | None], None], postgres_url: str, name: str) -> None:
    store(postgres_url, task=name, at=datetime.now(UTC))
    configured(postgres_url)
    assert "n 1 " in said(opened())


def test_a_database_named_by_the_environment_alone_is_shown(
    configured: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    store(postgres_url, task="replayed", at=datetime.now(UTC))
    configured(None)
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    assert "n 1 " in said(opened())


def test_the_overview_says_how_far_it_lags_behind(
    configured: Callable[[str | None], None], seeded_url: str, postgres_url: str
) -> None:
    configured(seeded_url)
    words = said(opened())
    assert "**Newest pair:** " in words
    assert "(6 in flight)" in words


def test_unscored_pairs_are_counted_by_reason_and_one_step_away(
    configured: Callable[[str | None], None], postgres_url: str
) -> None:
    now = datetime.now(UTC)
    for number, reason in enumerate(["no_reference", "no_reference", "candidate_malformed", "not_sampled"]):
        store(postgres_url, task="t", at=now, id_=f"lost-{number}", agreement=None, unscored=reason)
    store(postgres_url, task="t", at=now)
    configured(postgres_url)
    app = opened()
    assert plain("no reference 2, candidate malformed 1") in said(app)
    (link,) = (link for link in app.get("page_link") if link.proto.label == "Read them")
    asked = dict(parse_qsl(link.proto.query_string))
    assert asked["show_show"] == "unscored"
    listed = visited("exchanges", **{name.removeprefix("show_"): value for name, value in asked.items()})
    assert sorted(listed.dataframe[0].value["id"]) == ["lost-0", "lost-1", "lost-2"]
    (because,) = (box for box in listed.selectbox if box.key == "reason")
    assert because.options == ["all", "no reference", "candidate malformed"]
    only = visited("exchanges", task="t", show="unscored", reason="no reference")
    assert sorted(only.dataframe[0].value["id"]) == ["lost-0", "lost-1"]
    assert set(only.dataframe[0].value["unscored"]) == {"no reference"}


@pytest.mark.parametrize(
    ("page", "selections", "words"),
    [
        ("exchanges", {}, "No pair matches. Widen the filters or choose a longer window."),
        ("exchanges", {"exchange": "nobody's"}, "is not one of this task and candidate."),
        ("over_time", {}, "No scored pairs in this window."),
        ("shift", {"until": "newest data", "window": "all"}, "There is nothing before this window to compare with."),
        ("shift", {"until": "newest data"}, "There is nothing before this window to compare with."),
        ("shift", {"against": "everything before"}, "One of the two windows has no pairs."),
    ],
)
def test_a_page_without_data_says_what_is_missing_and_what_to_choose(
    configured: Callable[[str | None], None], postgres_url: str, page: str, selections: dict[str, str], words: str
) -> None:
    store(postgres_url, task="old", at=datetime(2020, 1, 1, tzinfo=UTC))
    configured(postgres_url)
    assert words in said(visited(page, **selections))
