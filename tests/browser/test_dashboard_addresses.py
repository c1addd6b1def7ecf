"""A page's address holds what was chosen on it: what came with a link is shown, what is chosen is in the link."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from streamlit.testing.v1 import AppTest

from shadow.settings import CONFIG_VARIABLE
from tests.browser import seed, world
from tests.browser.pages import visited

pytestmark = pytest.mark.usefixtures("nothing_remembered")

#: Page, what its address says beside the choice, the choice, and what may be chosen instead.
CHOICES: Final = [
    ("segments", {}, "dimension", "locale", "plan"),
    ("over_time", {"dimension": "locale"}, "value", "fr", "de"),
    ("segments", {}, "down", "plan", "stage"),
    ("segments", {}, "across", "stage", "input_length"),
    ("over_time", {}, "failed", "frontier", "frontier"),
    ("over_time", {}, "step", "hour", "hour"),
    ("regret", {}, "source", "judge", "human"),
    ("regret", {}, "per", "week", "hour"),
    ("exchanges", {}, "show", "failed: timeout", "all pairs"),
    ("exchanges", {"show": "unscored"}, "reason", "candidate failed", "candidate failed"),
    ("exchanges", {}, "under", "0.5", "0.25"),
    ("exchanges", {}, "text", "refund", "invoice"),
    ("exchanges", {}, "rows", "200", "1000"),
    ("exchanges", {"exchange": f"exchange-{seed.COUNT:06d}"}, "view", "as text", "as text"),
]


@pytest.mark.parametrize(("page", "beside", "key", "linked", "other"), CHOICES)
def test_an_address_and_its_page_say_the_same(
    configured: Callable[[str | None], None],
    seeded_url: str,
    page: str,
    beside: dict[str, str],
    key: str,
    linked: str,
    other: str,
) -> None:
    configured(seeded_url)
    known = {"task": "ticket-intent", "window": "28 d", **beside}
    assert str(chosen(visited(page, **known, **{key: linked}), key).value) == linked
    app = visited(page, **known)
    picker = chosen(app, key)
    assert str(picker.value) != other
    assert picker.proto.query_param_key == key  # by this name the browser writes what is chosen into the address
    picker.set_value(float(other) if key == "under" else other).run()
    assert not app.exception
    assert str(chosen(app, key).value) == other


def test_what_is_shown_stays_when_another_choice_makes_it_no_longer_the_first(
    configured: Callable[[str | None], None], seeded_url: str
) -> None:
    configured(seeded_url)
    app = visited("segments", task="ticket-intent", window="28 d")
    assert (chosen(app, "down").value, chosen(app, "across").value) == ("locale", "plan")
    chosen(app, "down").set_value("stage").run()
    assert not app.exception
    assert (chosen(app, "down").value, chosen(app, "across").value) == ("stage", "plan")


def test_a_threshold_belongs_to_the_task_it_was_chosen_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeded_url: str
) -> None:
    file = tmp_path / "shadow.toml"
    threshold = "[tasks.reply-draft]\nagreement_threshold = 0.5"
    file.write_text(world.toml(seeded_url).replace("[tasks.reply-draft]", threshold), encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    app = visited("exchanges", task="invoice-fields")
    assert chosen(app, "under").value == 0.9
    chosen(app, "task").set_value("reply-draft").run()
    assert chosen(app, "under").value == 0.5
    chosen(app, "under").set_value(0.75).run()
    chosen(app, "task").set_value("ticket-intent").run()
    assert chosen(app, "under").value == 0.9
    assert chosen(visited("exchanges", task="reply-draft", under="0.75"), "under").value == 0.75


def chosen(app: AppTest, key: str) -> Any:
    """The widget that is bound to the query parameter `key`."""
    kinds = (app.selectbox, app.button_group, app.slider, app.text_input)
    (found,) = (each for kind in kinds for each in kind if each.key == key)
    return found
