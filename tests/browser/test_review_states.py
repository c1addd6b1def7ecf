"""What the Review page shows when there is nothing to label, or no label can be stored."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
import pytest
import streamlit as st
from sqlalchemy import make_url
from streamlit.testing.v1 import AppTest

from dashboard.data.windows import Window
from dashboard.views.review.page import REVIEWER
from dashboard.views.segments import reads
from shadow.records import Preference, Reply
from shadow.settings import CONFIG_VARIABLE
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback.labels import Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.schema import engine
from shadow.store.write import ingest
from tests.browser import review_world, world
from tests.browser.pages import open_page, page_text

pytestmark = pytest.mark.usefixtures("empty_page_caches")

TASK = "reply-draft"


@pytest.fixture
def review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> Callable[..., AppTest]:
    """`review(...)` opens the page over the test's database, with `changes` to the settings of its task."""

    def open_review(changes: str = "", reviewer: str = "Ada", url: str = postgres_url, **selections: str) -> AppTest:
        file = tmp_path / "shadow.toml"
        text = world.toml(url)
        file.write_text(text.replace(f"[tasks.{TASK}]\n", f"[tasks.{TASK}]\n{changes}\n"), encoding="utf-8")
        monkeypatch.setenv(CONFIG_VARIABLE, str(file))
        app = AppTest.from_string("from dashboard.views.review import page\npage.show()", default_timeout=60)
        for key, value in {"task": TASK, **selections}.items():
            app.query_params[key] = value
        app.session_state[REVIEWER] = reviewer
        app.run()
        assert not app.exception
        return app

    return open_review


def press(app: AppTest, name: str) -> AppTest:
    (button,) = (button for button in app.button if re.fullmatch(rf"review-{name}-\d+", button.key or ""))
    button.click().run()
    assert not app.exception
    return app


def can_label(app: AppTest) -> bool:
    return any((button.key or "").startswith("review-left-") for button in app.button)


def labels(url: str) -> list[Label]:
    database = engine.connect(url)
    with engine.browsing(database) as connection:
        found = list(stored_labels.iterate_labels(connection))
    database.dispose()
    return found


def label_all(url: str, reviewer: str, preference: Preference) -> None:
    """`reviewer` labels every pair."""
    database = engine.connect(url)
    with engine.transaction(database) as connection:
        keys = [pair.key for pair in stored_pairs.find(connection, task=TASK)]
    with engine.transaction(database) as connection:
        stored_labels.record_labels(
            connection,
            [
                Label(**key._asdict(), reviewer=reviewer, preference=preference, labelled_at=datetime.now(UTC))
                for key in keys
            ],
        )
    database.dispose()


def test_a_name_is_asked_for_before_anything_is_shown(review: Callable[..., AppTest], postgres_url: str) -> None:
    review_world.fill(postgres_url, task=TASK, count=2)
    app = review(reviewer="")
    assert "It is not verified: this page has no sign-on." in page_text(app)
    assert not can_label(app)
    app.text_input(key="typed name").input("  Ada  Lovelace ")
    app.button[0].click().run()
    assert "labelling as **Ada Lovelace**" in page_text(app)
    assert can_label(app)


def test_a_link_to_the_page_does_not_contain_the_reviewers_name(
    review: Callable[..., AppTest], postgres_url: str
) -> None:
    review_world.fill(postgres_url, task=TASK, count=2)
    assert "Ada" not in str(review(reviewer="Ada").query_params)
    followed = review(reviewer="")
    assert not can_label(followed)
    old_link = open_page("review", task=TASK, reviewer="Ada")
    assert not can_label(old_link)


def test_a_label_counts_at_once_in_what_every_page_has_cached(
    review: Callable[..., AppTest], postgres_url: str
) -> None:
    review_world.fill(postgres_url, task=TASK, count=3)
    app = review()
    everything = Window(label="all", since=None, until=None)

    def searched() -> int:
        found = reads.worst_crossings(TASK, world.CANDIDATE, everything, "regret")
        return found.result.n if found else 0

    assert searched() == 0
    press(app, "left")
    assert searched() == 1
    press(app, "undo")
    assert searched() == 0


def test_when_all_is_labelled_the_page_says_so_and_the_last_label_can_be_undone(
    review: Callable[..., AppTest], postgres_url: str
) -> None:
    review_world.fill(postgres_url, task=TASK, count=2)
    app = review()
    press(app, "left")
    press(app, "tie")
    assert "All chosen pairs are labelled." in page_text(app)
    assert len(labels(postgres_url)) == 2
    # After a reload too: the last label is read from the database, not from the page.
    again = press(review(), "undo")
    assert len(labels(postgres_url)) == 1
    assert can_label(again)


def test_skipped_pairs_come_back_when_asked_for(review: Callable[..., AppTest], postgres_url: str) -> None:
    review_world.fill(postgres_url, task=TASK, count=1)
    app = press(review(), "skip")
    assert "Only pairs that you skipped are left: 1." in page_text(app)
    assert labels(postgres_url) == []
    next(button for button in app.button if button.label == "Show skipped pairs").click().run()
    assert can_label(app)


def test_the_rubric_of_the_task_is_shown_as_text(review: Callable[..., AppTest], postgres_url: str) -> None:
    review_world.fill(postgres_url, task=TASK, count=1)
    assert "the shorter one ![x]" not in (
        words := page_text(review('rubric = "the shorter one ![x](http://attacker.example/i.png)"'))
    )
    assert "the shorter one" in words


def test_a_task_without_a_plan_offers_nothing(review: Callable[..., AppTest], postgres_url: str) -> None:
    review_world.fill(postgres_url, task=TASK, count=1)
    app = review("reviews_per_day = 0")
    assert "Set its `reviews_per_day`" in page_text(app)
    assert not can_label(app)


def test_replies_that_failed_are_not_offered(review: Callable[..., AppTest], postgres_url: str) -> None:
    database = engine.connect(postgres_url)
    with engine.transaction(database) as connection:
        pairs = list(review_world.pairs(TASK, 2, world.last_hour()))
        failed = Reply(model=world.CANDIDATE, failure="timeout")
        ingest.record_trials(
            connection, [(review_world.with_reply(trial, failed), comparison) for trial, comparison in pairs]
        )
    database.dispose()
    app = review()
    assert "There is no pair of replies to label yet." in page_text(app)
    assert not can_label(app)


def test_without_the_right_to_write_one_message_says_so_and_the_pair_stays(
    review: Callable[..., AppTest], postgres_url: str
) -> None:
    review_world.fill(postgres_url, task=TASK, count=3)
    reader = f"reader_{make_url(postgres_url).database}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {reader} LOGIN".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}".encode())
    app = review(url=postgres_url.replace("postgres@", f"{reader}@"))
    request = app.get("html")[1].proto.body
    press(app, "left")
    words = page_text(app)
    assert "This dashboard may only read: grant its database role the right to write labels." in words
    assert words.count("Nothing was stored") == 1
    assert app.get("html")[1].proto.body == request
    assert can_label(app)
    assert labels(postgres_url) == []


def test_a_second_person_is_offered_some_pairs_and_their_agreement_is_shown(
    review: Callable[..., AppTest], postgres_url: str
) -> None:
    review_world.fill(postgres_url, task=TASK, count=60)
    label_all(postgres_url, "Ada", "tie")
    app = review(reviewer="Ben")
    assert can_label(app)
    press(app, "tie")
    st.cache_data.clear()
    words = page_text(review(reviewer="Cleo"))
    assert "**Ada** and **Ben**: same answer 100%" in words
    assert "n 1" in words


def test_none_of_several_candidates_is_named(review: Callable[..., AppTest], postgres_url: str) -> None:
    for candidate in ("a-small", "b-smaller"):
        review_world.fill(postgres_url, task=TASK, count=2, candidate=candidate)
    app = review(candidate="b-smaller")
    assert "candidate" not in app.query_params
    (picker,) = (box for box in app.selectbox if box.label == "Pairs")
    assert (picker.value, picker.options) == ("2 of 2", ["1 of 2", "2 of 2"])
    press(app, "tie")
    assert [label.candidate for label in labels(postgres_url)] == ["b-smaller"]
    assert "small" not in page_text(app)


def test_a_reviewer_sees_no_reasoning_because_it_would_name_the_model(
    review: Callable[..., AppTest], postgres_url: str
) -> None:
    [(trial, comparison)] = review_world.pairs(TASK, 1, world.last_hour())
    thoughtful = msgspec.structs.replace(trial.reply, reasoning="THOUGHT", content="<think>THOUGHT</think>answer")
    database = engine.connect(postgres_url)
    with engine.transaction(database) as connection:
        ingest.record_trials(connection, [(review_world.with_reply(trial, thoughtful), comparison)])
    database.dispose()
    app = review()
    assert can_label(app)
    shown = "".join(each.proto.body for each in app.get("html"))
    assert "answer" in shown
    assert "THOUGHT" not in shown + page_text(app)
