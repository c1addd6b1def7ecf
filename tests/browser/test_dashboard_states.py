"""What the pages say when something is missing, without a browser: fast, and one by one."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import launch
from shadow.devstack.postgres import EmbeddedPostgres
from shadow.records import Comparison, Exchange, Reply, Trial
from shadow.settings import CONFIG_VARIABLE, POSTGRES_VARIABLE
from shadow.store import engine, ingest
from shadow.store.ingest import Arrival
from tests import services
from tests.browser import world

pytestmark = pytest.mark.usefixtures("nothing_remembered")


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Let the pages find a shadow.toml with this database."""

    def configure(url: str | None) -> None:
        file = tmp_path / "shadow.toml"
        file.write_text(world.toml(url), encoding="utf-8")
        monkeypatch.setenv(CONFIG_VARIABLE, str(file))

    return configure


def opened() -> AppTest:
    """The app on its first page, run to the end without an exception."""
    app = AppTest.from_file(str(launch.APP), default_timeout=60).run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    """Every word on the page."""
    parts = (app.subheader, app.markdown, app.text, app.code, app.caption, app.info, app.metric, app.warning)
    return "\n".join(f"{getattr(each, 'label', '')} {each.value}" for part in parts for each in part)


def test_without_a_database_the_page_says_which_key_to_set(configured: Callable[[str | None], None]) -> None:
    configured(None)
    words = said(opened())
    assert "[postgres]" in words
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
    app = AppTest.from_file(str(launch.APP), default_timeout=60)
    app.query_params["until"] = "newest data"
    app.run()
    assert not app.exception
    assert "n 1 " in said(app)


def visited(page: str, **selections: str) -> AppTest:
    """A page with these selections in its address, run to the end without an exception."""
    app = AppTest.from_string(f"from dashboard.views import {page}\n{page}.show()", default_timeout=60)
    for key, value in selections.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


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


def store(url: str, *, task: str, at: datetime) -> None:
    """One pair that agrees."""
    reply = Reply(model="m", content="yes")
    exchange = Exchange(id="one", task=task, at=at, request={"messages": []}, reply=reply)
    trial = Trial(exchange=exchange, kind="shadow", candidate="small", reply=reply, at=at)
    database = engine.connect(url)
    with engine.transaction(database) as connection:
        ingest.record_arrivals(connection, [Arrival(id="one", task=task, at=at)])
    with engine.transaction(database) as connection:
        ingest.record_trials(connection, [(trial, Comparison(scorer="exact", agreement=1.0))])
    database.dispose()
