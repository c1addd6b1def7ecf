"""A path that any server might resolve to one above /v1 never gets the gateway's key."""

import pytest

from shadow.gateway.http import paths


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../admin",
        b"/v1/..",
        b"/v1/..\\admin",
        b"/v1\\..\\admin",
        b"/v1/..;/admin",
        b"/v1/..;x=y/admin",
        b"/v1/%2e%2e/admin",
        b"/v1/%2E./admin",
        b"/v1/%2e%2e%3b/admin",
        b"/v1/..%5cadmin",
        b"/v1/%252e%252e/admin",
        b"/v1/%25252e%25252e/admin",
        b"/v1/%2525252525252e./admin",
        b"/v1/x%2f..%2f..%2fadmin",
        b"/v1/.. /admin",
        b"/v1/..%20/admin",
        b"/v1/..%09/admin",
        b"/v1/models%00.json",
        b"/v1/models%0d%0aevil:1",
        b"/v1/x\\y",
    ],
)
def test_what_may_leave_is_found(path: bytes):
    assert paths.may_leave(path)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/models",
        b"/v1/models/meta-llama%2FLlama-3.1-8B",
        b"/v1/models/a..b",
        b"/v1/files/...",
        b"/v1//chat/./completions/",
        b"/v1/models/ft:gpt-4o:org::id",
        b"/v1/models/%C3%BC;x=1",
        b"/v1/models/100%25",
    ],
)
def test_ordinary_paths_stay(path: bytes):
    assert not paths.may_leave(path)
