"""Pages without a browser: open them by their address, rerun them, read their text."""

from datetime import datetime
from functools import partial
from typing import Any
from unittest import mock

from streamlit.runtime.scriptrunner import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner

from dashboard import launch
from shadow.records import Comparison, Exchange, Reply, Trial
from shadow.store.schema import engine
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival


def open_app(**selections: str) -> AppTest:
    """The app on its first page, run to the end without an exception."""
    return _run(AppTest.from_file(str(launch.APP), default_timeout=60), selections)


def open_page(page: str, **selections: str) -> AppTest:
    """A page with these selections in its address, run to the end without an exception."""
    script = f"from dashboard.views.{page} import page\npage.show()"
    return _run(AppTest.from_string(script, default_timeout=60), selections)


def rerun_fragments(app: AppTest) -> AppTest:
    """The page after its fragments ran once more, as they do by themselves; nothing else of it runs again."""
    fragments = list(app._fragment_storage._fragments)  # a browser receives these names, a test does not
    assert fragments
    rerun_data = partial(RerunData, fragment_id_queue=fragments, is_auto_rerun=True)
    with mock.patch.object(local_script_runner, "RerunData", rerun_data):
        app.run()
    assert not app.exception
    return app


def page_text(app: AppTest) -> str:
    """All text on the page, which must have run without an exception."""
    assert not app.exception
    messages = (app.info, app.success, app.warning, app.error)
    parts = (app.subheader, app.markdown, app.text, app.code, app.caption, app.metric, *messages)
    return "\n".join(f"{getattr(each, 'label', '')} {each.value}" for part in parts for each in part)


def store(url: str, *, task: str, at: datetime, id_: str = "one", reply: Reply | None = None, **scored: Any) -> None:
    """Store one pair with twice the same `reply`; it agrees unless `scored` overrides that."""
    reply = reply or Reply(model="m", content="yes")
    exchange = Exchange(id=id_, task=task, at=at, request={"messages": []}, reply=reply)
    trial = Trial(exchange=exchange, kind="shadow", candidate="small", reply=reply, at=at)
    comparison = Comparison(scorer="exact", **({"agreement": 1.0} | scored))
    database = engine.connect(url)
    with engine.transaction(database) as connection:
        ingest.record_arrivals(connection, [Arrival(id=id_, task=task, at=at)])
    with engine.transaction(database) as connection:
        ingest.record_trials(connection, [(trial, comparison)])
    database.dispose()


def _run(app: AppTest, selections: dict[str, str]) -> AppTest:
    for key, value in selections.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app
