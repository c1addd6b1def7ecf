"""Whether two models are the same, or on the same server."""

from shadow.policy.relation import relation
from shadow.settings import Settings


def test_models_are_on_the_same_server_if_their_addresses_are_the_same():
    one, two = {"base_url": "https://one/v1"}, {"base_url": "https://two/v1"}
    settings = Settings.model_validate(
        {"models": {"big": one, "mini": one, "alias": {**one, "model": "big"}, "far": two}}
    )
    found = {asked: relation(settings, origin="big", asked=asked) for asked in settings.models}
    assert found == {"big": "same_model", "alias": "same_model", "mini": "same_server", "far": "other_server"}
    assert relation(settings, origin=None, asked="far") == "other_server"
    assert relation(settings, origin="gone", asked="far") == "other_server"
