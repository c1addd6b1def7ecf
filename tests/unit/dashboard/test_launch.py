"""Starting the pages: on loopback, without requests to third parties, with one clear line for a used port."""

import re
import socket

import pytest
from streamlit import config, net_util
from streamlit.web.server import server_util

from dashboard import launch
from shadow.errors import UsageError


def test_every_option_is_one_that_streamlit_knows() -> None:
    known = {name.replace(".", "_") for name in config.get_config_options()}
    assert set(launch.options("127.0.0.1", 8501)) <= known


def test_nothing_is_sent_to_third_parties_and_no_error_shows_a_traceback() -> None:
    options = launch.options("127.0.0.1", 8501)
    assert options["browser_gatherUsageStats"] is False
    assert options["client_showErrorDetails"] == "none"
    assert options["server_enableAgentApi"] is False
    assert options["browser_serverAddress"] == "127.0.0.1"


def test_a_browser_with_a_foreign_origin_causes_no_request_to_a_third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(*_: object, **__: object) -> None:
        raise AssertionError("the server made a request to a third party")

    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # restored afterwards
    monkeypatch.setattr(net_util, "_make_blocking_http_get", request)
    launch.disable_address_lookup()
    assert not server_util.is_url_from_allowed_origins("http://attacker.example")


def test_a_used_port_gives_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port}.*--port") as caught:
            launch.require_free("127.0.0.1", port)
    assert "\n" not in str(caught.value)
    launch.require_free("127.0.0.1", port)


def test_an_address_of_another_machine_gives_one_clear_line() -> None:
    with pytest.raises(UsageError, match=re.escape("192.0.2.1")):
        launch.require_free("192.0.2.1", 8501)
