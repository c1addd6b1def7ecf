"""Which models a demo asks: distinguished by their names, and checked before anything starts."""

from typing import Any

import pytest

from shadow.cli.demo.settings import Models
from shadow.errors import UsageError

NOBODY: dict[str, Any] = {
    f"{role}_{what}": None for role in ("frontier", "candidate") for what in ("url", "name", "key_env")
}
URL = "http://127.0.0.1:9/v1"


def models(**given: str) -> Models:
    return Models(**{**NOBODY, **given})


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="frontier and candidate have the same name 'gpt'"):
        models(frontier_url=URL, frontier_name="gpt", candidate_url=URL, candidate_name="gpt")


def test_a_real_model_with_the_name_of_a_simulated_one_is_refused() -> None:
    with pytest.raises(UsageError, match="frontier and candidate have the same name 'simulated-7b'"):
        models(frontier_url=URL, frontier_name="simulated-7b")
    with pytest.raises(UsageError, match="frontier and candidate have the same name 'simulated-frontier'"):
        models(candidate_url=URL, candidate_name="simulated-frontier")


def test_a_real_model_under_the_name_of_one_that_does_not_take_part_is_fine() -> None:
    found = models(frontier_url=URL, frontier_name="simulated-judge")
    assert list(found.real()) == ["simulated-judge"]


def test_a_model_is_named_only_together_with_its_address() -> None:
    with pytest.raises(UsageError, match="--candidate-url and --candidate-model belong together"):
        models(candidate_name="my-7b")
    with pytest.raises(UsageError, match="--frontier-key-env needs --frontier-url"):
        models(frontier_key_env="SOME_KEY")


def test_an_invalid_url_is_reported_with_its_option() -> None:
    with pytest.raises(UsageError, match="--frontier-url localhost: must be an http:// or https:// address"):
        models(frontier_url="localhost", frontier_name="gpt")


def test_a_key_in_the_place_of_its_variable_is_reported_with_its_option_and_not_repeated() -> None:
    with pytest.raises(
        UsageError, match=r"^--candidate-key-env: is not the name of an environment variable; "
    ) as caught:
        models(candidate_url=URL, candidate_name="my-7b", candidate_key_env="sk-hunter2").real()
    assert "hunter2" not in str(caught.value)


def test_only_real_models_are_checked_before_the_start() -> None:
    assert models().real() == {}
    found = models(candidate_url=f"{URL}/", candidate_name="my-7b", candidate_key_env="MY_KEY").real()
    assert (found["my-7b"].base_url, found["my-7b"].api_key_env) == (URL, "MY_KEY")
