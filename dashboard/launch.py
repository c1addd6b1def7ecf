"""Start Streamlit with our settings, whatever a `.streamlit` folder of the user says.

Everything is passed as flags, because flags win over files: an operator who happens to keep
a Streamlit configuration in his home directory gets the same pages as everybody else.
"""

import gc
import socket
from pathlib import Path
from typing import Any, Final

from streamlit import net_util
from streamlit.web import bootstrap

from shadow.errors import UsageError

APP: Final = Path(__file__).with_name("app.py")

#: Nothing here may make the server or the browser talk to anybody but the operator.
_QUIET: Final = {
    "browser_gatherUsageStats": False,
    "client_showErrorDetails": "none",  # a traceback may hold payloads, paths and addresses
    "client_showErrorLinks": False,  # links to search engines and chat bots, with the message in them
    "client_toolbarMode": "minimal",  # no deploy button
    "global_developmentMode": False,
    "global_disableWidgetStateDuplicationWarning": True,  # selections are brought along on purpose
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

    Settings are read by the pages from the file that SHADOW_CONFIG names. Ask `require_free`
    first: Streamlit itself says next to nothing about a used port.
    """
    keep_to_ourselves()
    spare_the_collector()
    flags = options(host, port)
    bootstrap.load_config_options(flags)
    bootstrap.run(str(APP), False, [], flags)


def keep_to_ourselves() -> None:
    """Keep Streamlit from asking a public service for this machine's outside address.

    It does so to print that address, and when a browser connects with an unknown Origin. No option
    turns the latter off; without an outside address such an Origin is refused all the same.
    """
    net_util.get_external_ip = lambda: None


def spare_the_collector() -> None:
    """Have garbage looked for less often.

    A page makes thousands of small objects and lets go of them all together; going through them,
    and all that is imported, again and again took a sixth of its time.
    """
    gc.set_threshold(50_000, 20, 20)


def options(host: str, port: int) -> dict[str, Any]:
    """Streamlit's options as flags, for pages on `host:port`."""
    return {
        **_QUIET,
        **_THEME,
        "server_address": host,
        "server_port": port,
        "browser_serverAddress": host,
    }


def require_free(host: str, port: int) -> None:
    """UsageError, in one line that says what to do, unless `host:port` can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            reason = fault.strerror or str(fault)
            raise UsageError(
                f"the dashboard cannot listen on {host}:{port} ({reason}); choose another with --port or --host"
            ) from None
