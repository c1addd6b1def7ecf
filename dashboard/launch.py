"""Start Streamlit with this project's options, whatever a `.streamlit` folder of the user holds.

All options are passed as flags, because flags override files: an operator with a Streamlit
configuration in the home directory gets the same pages as every other operator.
"""

import socket
from pathlib import Path
from typing import Any, Final

from streamlit import net_util
from streamlit.web import bootstrap

from shadow.errors import UsageError
from shadow.garbage_collection import collect_less_often

APP: Final = Path(__file__).with_name("app.py")

#: Neither the server nor the browser may send anything to a third party.
_PRIVATE: Final = {
    "browser_gatherUsageStats": False,
    "client_showErrorDetails": "none",  # a traceback may hold payloads, paths and addresses
    "client_showErrorLinks": False,  # links to search engines and chat bots, with the message in them
    "client_toolbarMode": "minimal",  # without a deploy button
    "global_developmentMode": False,
    "global_disableWidgetStateDuplicationWarning": True,  # `ui.selection` sets widget values on purpose
    "logger_hideWelcomeMessage": True,
    "runner_magicEnabled": False,
    "server_enableAgentApi": False,
    "server_fileWatcherType": "none",
    "server_headless": True,  # no e-mail prompt, no browser opened on a server
    "server_showEmailPrompt": False,
}

_THEME: Final = {
    "theme_baseFontSize": 15,
    "theme_headingFontSizes": ["1.75rem", "1.3rem", "1.1rem", "1rem", "0.95rem", "0.9rem"],
    "theme_headingFontWeights": [650, 600, 600, 600, 600, 600],
    "theme_metricValueFontSize": "1.6rem",
    "theme_metricValueFontWeight": 600,
    "theme_paddingTop": "1rem",
    "theme_baseRadius": "0.5rem",
    "theme_light_primaryColor": "#2f6fde",
    "theme_light_backgroundColor": "#ffffff",
    "theme_light_secondaryBackgroundColor": "#f4f6f9",
    "theme_light_textColor": "#1c2430",
    "theme_light_borderColor": "#dde3ea",
    "theme_dark_primaryColor": "#6ea2ff",
    "theme_dark_backgroundColor": "#10151d",
    "theme_dark_secondaryBackgroundColor": "#18202b",
    "theme_dark_textColor": "#e4e9f0",
    "theme_dark_borderColor": "#2b3644",
}


def serve(host: str, port: int) -> None:
    """Serve the pages on `host:port` until SIGINT or SIGTERM.

    The pages read their settings from the file that SHADOW_CONFIG names. Call `require_free`
    first: Streamlit's own error for a used port does not help the operator.
    """
    disable_address_lookup()
    collect_less_often()
    flags = options(host, port)
    bootstrap.load_config_options(flags)
    bootstrap.run(str(APP), False, [], flags)


def disable_address_lookup() -> None:
    """Keep Streamlit from asking a public service for this machine's external address.

    Streamlit asks in order to print that address, and when a browser connects with an unknown Origin.
    No option turns the latter off. Without an external address it still refuses such an Origin.
    """
    net_util.get_external_ip = lambda: None


def options(host: str, port: int) -> dict[str, Any]:
    """Streamlit's options as flags, for pages on `host:port`."""
    return {
        **_PRIVATE,
        **_THEME,
        "server_address": host,
        "server_port": port,
        "browser_serverAddress": host,
    }


def require_free(host: str, port: int) -> None:
    """Raise UsageError, with one line that says what to do, where `host:port` cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"the dashboard cannot listen on {host}:{port} ({reason}); choose another address with --port or --host"
            ) from None
