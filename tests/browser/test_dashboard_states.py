"""What the pages show when something is missing, without a browser."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from dashboard.ui.text import escape_markdown
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.records import Reply, Usage
from shadow.settings import CONFIG_VARIABLE, POSTGRES_VARIABLE
from tests.browser import world
from tests.browser.pages import open_app, open_page, page_text, store
from tests.support import services

pytestmark = pytest.mark.usefixtures("empty_page_caches")


def test_without_a_database_the_page_names_the_key_to_set(configure: Callable[[str | None], None]) -> None:
    configure(None)
    words = page_text(open_app())
    assert "postgres.url" in words
    assert POSTGRES_VARIABLE in words


def test_a_broken_file_is_named_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shadow.toml"
    file.write_text("[dashboard]\nprot = 1\n", encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    assert "dashboard.prot" in page_text(open_app())


def test_an_unreachable_database_is_named_without_its_password(
    configure: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(None)
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://reader:secret-word@127.0.0.1:9/nowhere")
    words = page_text(open_app())
    assert "cannot be reached" in words
    assert "127.0.0.1:9" in words
    assert "secret-word" not in words


def test_a_database_without_tables_shows_shadow_migrate(
    configure: Callable[[str | None], None], postgres_server: EmbeddedPostgres
) -> None:
    with ExitStack() as stack:
        configure(stack.enter_context(services.fresh_database(postgres_server)))
        assert "shadow migrate" in page_text(open_app())


def test_an_empty_database_shows_how_to_send_an_exchange(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    configure(postgres_url)
    words = page_text(open_app())
    assert "No exchanges yet" in words
    assert "shadow replay" in words


def test_the_overview_shows_every_task_and_a_ledger_that_adds_up(
    configure: Callable[[str | None], None], seeded_url: str
) -> None:
    configure(seeded_url)
    words = page_text(open_app())
    for task in ("ticket\\-intent", "invoice\\-fields", "reply\\-draft"):
        assert task in words
    assert words.count("adds up") == 2
    assert "does not add up" not in words
    assert "Excess disagreement" in words
    assert "Disagreement" in words  # without a source of regret, it is not called regret
    assert "by reference" in words
    assert "simulated" in words


def test_a_window_without_data_says_so(configure: Callable[[str | None], None], postgres_url: str) -> None:
    store(postgres_url, task="old", at=datetime(2020, 1, 1, tzinfo=UTC))
    configure(postgres_url)
    assert "No pairs in this window." in page_text(open_app())


def test_old_data_shows_when_the_window_ends_with_the_newest_data(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    store(postgres_url, task="old", at=datetime(2020, 1, 1, tzinfo=UTC))
    configure(postgres_url)
    assert "n 1 " in page_text(open_app(until="newest data"))


def test_without_a_source_of_regret_the_page_says_what_to_do(
    configure: Callable[[str | None], None], seeded_url: str
) -> None:
    configure(seeded_url)
    words = page_text(open_page("regret", task="reply-draft"))
    assert "Disagreement is not regret." in words
    assert "shadow label import" in words
    assert "shadow judge run" in words


def test_regret_is_shown_by_source_with_the_judge_compared_with_people(
    configure: Callable[[str | None], None], seeded_url: str
) -> None:
    configure(seeded_url)
    words = page_text(open_page("regret", task="ticket-intent", window="28 d"))
    for part in ("According to people", "Right answer", "Against people: κ", "By stage of the rollout"):
        assert part in words
    assert "After rollout (reverse)" in words


def test_a_source_without_data_is_not_replaced_by_another(
    configure: Callable[[str | None], None], seeded_url: str
) -> None:
    configure(seeded_url)
    words = page_text(open_page("regret", task="invoice-fields", source="human"))
    assert "People: no regret from this source in this window." in words
    assert "According to" not in words


def test_two_windows_that_overlap_are_reported(configure: Callable[[str | None], None], seeded_url: str) -> None:
    configure(seeded_url)
    today = world.last_hour().date().isoformat()
    words = page_text(open_page("shift", task="ticket-intent", against="dates", ref_from=today, ref_to=today))
    assert "overlap" in words
    assert "Largest shifts" in words


def test_a_search_among_too_few_pairs_says_so(configure: Callable[[str | None], None], postgres_url: str) -> None:
    store(postgres_url, task="small", at=datetime.now(UTC))
    configure(postgres_url)
    words = page_text(open_page("segments", crossings="true"))
    assert "too few pairs to search" in words
    assert "every segment contains all of the pairs" in words


def test_without_a_monitor_the_overview_says_how_to_start_one(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    store(postgres_url, task="small", at=datetime.now(UTC))
    configure(postgres_url)
    assert "no monitor is running: start `shadow monitor`" in page_text(open_app())


@pytest.mark.parametrize(
    "name", ["![x](http://attacker.example/i.png)", "a|b_c*d", "ünï <b>c0dé</b>", "all", "x" * 300]
)
def test_a_task_may_have_any_name(configure: Callable[[str | None], None], postgres_url: str, name: str) -> None:
    store(postgres_url, task=name, at=datetime.now(UTC))
    configure(postgres_url)
    assert "n 1 " in page_text(open_app())


def test_a_database_named_by_the_environment_alone_is_shown(
    configure: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    store(postgres_url, task="replayed", at=datetime.now(UTC))
    configure(None)
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    assert "n 1 " in page_text(open_app())


def test_the_overview_shows_how_far_it_lags_behind(
    configure: Callable[[str | None], None], seeded_url: str, postgres_url: str
) -> None:
    configure(seeded_url)
    words = page_text(open_app())
    assert "**Newest pair:** " in words
    assert "(6 in flight)" in words


def test_unscored_pairs_are_counted_by_reason_and_linked(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    now = datetime.now(UTC)
    for number, reason in enumerate(["no_reference", "no_reference", "candidate_malformed", "not_sampled"]):
        store(postgres_url, task="t", at=now, id_=f"lost-{number}", agreement=None, unscored=reason)
    store(postgres_url, task="t", at=now)
    configure(postgres_url)
    app = open_app()
    assert escape_markdown("no reference 2, candidate malformed 1") in page_text(app)
    (link,) = (link for link in app.get("page_link") if link.proto.label == "View them")
    linked = dict(parse_qsl(link.proto.query_string))
    assert linked["show_show"] == "unscored"
    listed = open_page("exchanges", **{name.removeprefix("show_"): value for name, value in linked.items()})
    assert sorted(listed.dataframe[0].value["id"]) == ["lost-0", "lost-1", "lost-2"]
    (picker,) = (box for box in listed.selectbox if box.key == "reason")
    assert picker.options == ["all", "no reference", "candidate malformed"]
    only = open_page("exchanges", task="t", show="unscored", reason="no reference")
    assert sorted(only.dataframe[0].value["id"]) == ["lost-0", "lost-1"]
    assert set(only.dataframe[0].value["unscored"]) == {"no reference"}


@pytest.mark.parametrize(
    ("page", "selections", "words"),
    [
        ("exchanges", {}, "No pair matches. Widen the filters or choose a longer window."),
        ("exchanges", {"exchange": "unknown"}, "This task and candidate have no exchange"),
        ("over_time", {}, "No scored pairs in this window."),
        ("shift", {"until": "newest data", "window": "all"}, "There is no data before this window to compare with."),
        ("shift", {"until": "newest data"}, "There is no data before this window to compare with."),
        ("shift", {"against": "everything before"}, "One of the two windows has no pairs."),
    ],
)
def test_a_page_without_data_says_what_is_missing_and_what_to_choose(
    configure: Callable[[str | None], None], postgres_url: str, page: str, selections: dict[str, str], words: str
) -> None:
    store(postgres_url, task="old", at=datetime(2020, 1, 1, tzinfo=UTC))
    configure(postgres_url)
    assert words in page_text(open_page(page, **selections))


def test_reasoning_is_folded_away_beside_the_reply_with_its_tokens(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    usage = Usage(prompt_tokens=5, completion_tokens=1_267, reasoning_tokens=1_260)
    store(postgres_url, task="t", at=at, reply=Reply(model="m", content="yes", reasoning="THOUGHT\u202e", usage=usage))
    store(postgres_url, task="t", at=at, id_="hidden", reply=Reply(model="m", content="yes", usage=usage))
    configure(postgres_url)
    app = open_page("exchanges", task="t", show="all pairs", exchange="one")
    folded = [each for each in app.expander if each.label.startswith("Reasoning")]
    assert [each.label for each in folded] == ["Reasoning: 1,260 tokens"] * 2
    assert not any(each.proto.expanded for each in folded)
    assert all("THOUGHT⟨U+202E⟩" in each.code[0].value for each in folded)
    replies = "".join(each.proto.body for each in app.get("html"))
    assert "THOUGHT" not in replies
    hidden = open_page("exchanges", task="t", show="all pairs", exchange="hidden")
    assert "counts these tokens and does not show the text" in page_text(hidden)
