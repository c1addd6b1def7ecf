"""What shadow.toml says about the tasks and models that the pages show."""

import streamlit as st

from scoring.evidence.verdict import DEFAULT_REGRET_LIMIT
from shadow.settings import Settings, TaskSettings, load


@st.cache_resource(ttl=30, show_spinner=False)
def settings() -> Settings:
    """The settings that every command reads; a changed file takes effect within 30 seconds."""
    return load()


def frontier_of(task: str) -> str | None:
    """The name of the task's frontier model; None where the settings do not name the task."""
    spec = settings().tasks.get(task)
    return spec.frontier if spec else None


def is_simulated(model: str) -> bool:
    spec = settings().models.get(model)
    return spec is not None and spec.simulated


def agreement_threshold(task: str) -> float:
    """The agreement below which a pair counts as a disagreement."""
    spec = settings().tasks.get(task)
    return spec.agreement_threshold if spec else 0.9


def regret_limit(task: str) -> float:
    """The mean regret that the task's owner accepts."""
    spec = settings().tasks.get(task)
    return spec.regret_limit if spec else DEFAULT_REGRET_LIMIT


def false_flag_rate(task: str) -> float:
    """The accepted share of wrong flags among the flagged segments."""
    spec = settings().tasks.get(task)
    return spec.false_flag_rate if spec else TaskSettings.model_fields["false_flag_rate"].default
