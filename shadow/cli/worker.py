"""`shadow worker`"""

from shadow.cli.runtime.options import Config, HealthPort
from shadow.errors import ConfigError


def command(config: Config = None, health_port: HealthPort = None) -> None:
    """Send mirrored requests to the other model, and write its replies to the trials topic.

    No reply is served to a user, and no tool call is executed. Runs until Ctrl-C or SIGTERM.
    Start several to share the partitions.

    Example: shadow worker --config shadow.toml

    Example: shadow worker --health-port 18081
    """
    from consumers import worker
    from shadow.cli.runtime import logs
    from shadow.settings import load

    settings = load(config)
    if health_port is not None:
        own = settings.worker.model_copy(update={"health_port": health_port})
        settings = settings.model_copy(update={"worker": own})
    if not settings.tasks:
        raise ConfigError("tasks: none is configured, so the worker has no model to ask; add a [tasks.NAME] table")
    logs.configure()
    worker.run(settings)
