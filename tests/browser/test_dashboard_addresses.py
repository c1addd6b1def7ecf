"""A page's address contains its selections: a link sets them, and choosing changes the address."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from streamlit.testing.v1 import AppTest

from shadow.settings import CONFIG_VARIABLE
from tests.browser import seed, world
from tests.browser.pages import open_page

pytestmark = pytest.mark.usefixtures("empty_page_caches")

#: Page, further parameters of its address, the parameter, its value in the address, another value to choose.
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


@pytest.mark.parametrize(("page", "further", "key", "linked", "other"), CHOICES)
def test_an_address_and_its_page_have_the_same_selections(
    configure: Callable[[str | None], None],
    seeded_url: str,
    page: str,
    further: dict[str, str],
    key: str,
    linked: str,
    other: str,
) -> None:
    configure(seeded_url)
    selections = {"task": "ticket-intent", "window": "28 d", **further}
    assert str(widget(open_page(page, **selections, **{key: linked}), key).value) == linked
    app = open_page(page, **selections)
    picker = widget(app, key)
    assert str(picker.value) != other
    assert picker.proto.query_param_key == key  # the browser writes the choice into the address under this name
    picker.set_value(float(other) if key == "under" else other).run()
    assert not app.exception
    assert str(widget(app, key).value) == other


def test_a_selection_stays_when_another_choice_changes_the_order_of_its_options(
    configure: Callable[[str | None], None], seeded_url: str
) -> None:
    configure(seeded_url)
    app = open_page("segments", task="ticket-intent", window="28 d")
    assert (widget(app, "down").value, widget(app, "across").value) == ("locale", "plan")
    widget(app, "down").set_value("stage").run()
    assert not app.exception
    assert (widget(app, "down").value, widget(app, "across").value) == ("stage", "plan")


def test_a_threshold_belongs_to_the_task_it_was_chosen_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeded_url: str
) -> None:
    file = tmp_path / "shadow.toml"
    threshold = "[tasks.reply-draft]\nagreement_threshold = 0.5"
    file.write_text(world.toml(seeded_url).replace("[tasks.reply-draft]", threshold), encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    app = open_page("exchanges", task="invoice-fields")
    assert widget(app, "under").value == 0.9
    widget(app, "task").set_value("reply-draft").run()
    assert widget(app, "under").value == 0.5
    widget(app, "under").set_value(0.75).run()
    widget(app, "task").set_value("ticket-intent").run()
    assert widget(app, "under").value == 0.9
    assert widget(open_page("exchanges", task="reply-draft", under="0.75"), "under").value == 0.75


def widget(app: AppTest, key: str) -> Any:
    """The widget that is bound to the query parameter `key`."""
    kinds = (app.selectbox, app.button_group, app.slider, app.text_input)
    (found,) = (each for kind in kinds for each in kind if each.key == key)
    return found
