"""Promises of the reference pages: they list every setting and every metric, as the code has them."""

import re

import pytest

from shadow import settings as module
from shadow.settings import load
from tests import reference

OUTDATED = "run `make reference`, and review what it changed"


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_the_page_is_up_to_date(page):
    assert page.exists(), OUTDATED
    assert page.read_text(encoding="utf-8") == reference.pages()[page], OUTDATED


def test_every_table_and_every_key_of_the_file_is_on_the_page():
    found = {(setting.table, setting.name) for setting in reference.settings()}
    assert {("publisher", "queue_bytes"), ("kafka.topics", "trials"), ("tasks.NAME", "scorer_options")} <= found
    sections = [s for s in vars(module).values() if isinstance(s, type) and issubclass(s, module.Section)]
    assert {section for _, section in reference.tables()} == set(sections) - {module.Section, module.Settings}


def test_every_variable_on_the_page_overrides_the_setting_it_is_listed_with(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    values = {"SHADOW_KAFKA": "elsewhere:1", "SHADOW_POSTGRES": "postgresql://elsewhere/x", "SHADOW_HEALTH_HOST": "::"}
    overridden = [(setting, setting.variable) for setting in reference.settings() if setting.variable]
    assert {variable for _, variable in overridden} == set(values)
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    loaded = load()
    for setting, variable in overridden:
        assert getattr(getattr(loaded, setting.table), setting.name) == values[variable]


def test_every_metric_in_the_pages_exists_with_its_labels():
    """Everything on a page that looks like a metric, `shadow_…{…}`, exists."""
    names = {shown.name: shown for found in reference.metrics().values() for shown in found}
    assert {"shadow_ledger_exchanges", "shadow_worker_lag", "shadow_gateway_upstream_seconds"} <= set(names)
    for page in sorted(reference.DOCS.glob("*.md")):
        for name, labels in re.findall(r"\b(shadow_[a-z]+_\w+)(?:\{([^}]*)\})?", page.read_text()):
            assert name in names, f"{page.name}: {name}"
            given = {part.strip().partition("=")[0].rstrip("~!") for part in labels.split(",") if part}
            assert given <= set(names[name].labels), f"{page.name}: {name}"
