import pytest

from shadow.upstream.environment_proxy import proxy_for

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "proxied"),
    [
        ({}, "http://models.example/v1", False),
        ({"HTTP_PROXY": PROXY}, "http://models.example/v1", True),
        ({"http_proxy": PROXY}, "http://models.example/v1", True),
        ({"HTTP_PROXY": PROXY}, "https://models.example/v1", False),
        ({"HTTPS_PROXY": PROXY}, "https://models.example/v1", True),
        ({"ALL_PROXY": PROXY}, "https://models.example/v1", True),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://models.example/v1", True),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "models.example"}, "http://models.example/v1", False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "other,.example"}, "http://models.example:8000/v1", False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "*"}, "http://models.example/v1", False),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "other"}, "http://models.example/v1", True),
        ({"ALL_PROXY": "socks5://proxy.example:1080"}, "http://models.example/v1", False),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:8000/v1", False),
        ({"HTTP_PROXY": PROXY}, "http://localhost:8000/v1", False),
        ({"HTTP_PROXY": PROXY}, "http://[::1]:8000/v1", False),
    ],
)
def test_the_environment_says_which_addresses_are_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxied: bool
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == (PROXY if proxied else None)
