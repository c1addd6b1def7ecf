"""The fake upstream of benchmarks: `uvicorn tests.benchmarks._echo:app`. Answers 1 KB at once."""

from shadow.devstack.model_servers.models import echo_app

app = echo_app(content="Your refund is on its way and will arrive within five days. " * 17)
